"""The architecture that the choices of a walk describe."""

from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass

from ..architecture.architecture import Architecture
from ..architecture.stages import Stage
from ..components.base import Component, Downsampling, Head, Stem
from ..components.wired import Block
from ..domains import Value
from .decision_graph import DecisionGraph
from .nodes import EndNode, HeadNode, Node
from .slots import SlotChoice
from .stage_space import VARIED, second_mixer_at

Step = tuple[Node, SlotChoice]
"""A step of a walk: a decision node and the choice made there."""


@dataclass(frozen=True, kw_only=True)
class Walk:
    """A walk through a search space: its decisions, and the architecture they lead to."""

    architecture: Architecture
    """The architecture."""
    decisions: Mapping[str, Value]
    """The decisions: from path to value, including decisions with one legal value."""


def assembled(graph: DecisionGraph, steps: Sequence[Step]) -> Architecture:
    """Return the architecture of one walk through the graph."""
    stages: list[Stage] = []
    stem: Stem | None = None
    for picks in by_stage(steps):
        depth = picks["depth"].value
        if depth == 0:
            continue
        width, before = picks["width"].value, picks["before"].component
        if isinstance(before, Stem):
            stem = before
        assert isinstance(depth, int) and isinstance(width, int)
        stages.append(
            Stage(
                width=width,
                depth=depth,
                blocks=stage_blocks(picks, depth),
                downsampling=before if isinstance(before, Downsampling) else None,
            )
        )
    assert stem is not None
    return Architecture(
        input=graph.image,
        classes=graph.classes,
        stem=stem,
        stages=tuple(stages),
        head=steps[-1][1].made(Head),
    )


def by_stage(steps: Iterable[Step]) -> list[dict[str, SlotChoice]]:
    """Return the choices of one walk, stage by stage, by kind of node."""
    found: dict[int, dict[str, SlotChoice]] = {}
    for node, choice in steps:
        if not isinstance(node, HeadNode | EndNode):
            found.setdefault(node.stage, {})[node.kind] = choice
    return list(found.values())


def with_mixer(block: Block, mixer: Component | None) -> Block:
    """Return the block with another mixer; the slow check is skipped, as both are valid."""
    varied = copy(block)
    object.__setattr__(varied, VARIED, mixer)
    return varied


def stage_blocks(picks: Mapping[str, SlotChoice], depth: int) -> tuple[Block, ...]:
    """Return the pattern of blocks of a stage from its choices, by kind of node."""
    block = picks["fields"].made(Block)
    if VARIED not in picks:
        return (block,)
    first = with_mixer(block, picks[VARIED].component)
    if "second" not in picks:
        return (first,)
    second = with_mixer(block, picks["second"].component)
    places = second_mixer_at(str(picks["pattern"].value), depth)
    return tuple(second if index in places else first for index in range(depth))
