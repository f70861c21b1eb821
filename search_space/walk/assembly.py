"""The architecture that the choices of a walk describe."""

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from itertools import groupby
from typing import cast

from ..architecture.architecture import Architecture
from ..architecture.stages import Stage
from ..components.base import Component, Downsampling, Head, Stem
from ..components.wired import Block
from ..domains import Value
from .decision_graph import Node, StepGraph
from .slots import Row
from .stage_space import VARIED, second_mixer_at


@dataclass(frozen=True, kw_only=True)
class Draw:
    """The result of a walk."""

    architecture: Architecture
    """The architecture."""
    decisions: Mapping[str, Value]
    """The decisions: from path to value, including decisions with one legal value."""


def assembled(graph: StepGraph, chosen: Sequence[tuple[Node, Row]]) -> Architecture:
    """Return the architecture of one walk through the graph."""
    *inner, (_, head) = chosen
    stages: list[Stage] = []
    stem: Stem | None = None
    for _, group in groupby(inner, key=lambda each: each[0][1]):
        picks = {node[0]: row for node, row in group}
        if picks["depth"].value == 0:
            continue
        before = picks["before"].component
        if isinstance(before, Stem):
            stem = before
        depth = cast(int, picks["depth"].value)
        stages.append(
            Stage(
                width=cast(int, picks["width"].value),
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
        head=cast(Head, head.component),
    )


def with_mixer(block: Block, mixer: Component | None) -> Block:
    """Return the block with another mixer, without a new check, which is slow: both are valid."""
    varied = copy(block)
    object.__setattr__(varied, VARIED, mixer)
    return varied


def stage_blocks(picks: Mapping[str, Row], depth: int) -> tuple[Block, ...]:
    """Return the pattern of blocks of a stage from its choices, by kind of node."""
    block = cast(Block, picks["fields"].component)
    if VARIED not in picks:
        return (block,)
    first = with_mixer(block, picks[VARIED].component)
    if "second" not in picks:
        return (first,)
    second = with_mixer(block, picks["second"].component)
    places = second_mixer_at(cast(str, picks["pattern"].value), depth)
    return tuple(second if index in places else first for index in range(depth))
