"""Whether a search space holds an architecture: the walk that gives it."""

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from .architecture import Architecture, Stage
from .base import Component
from .slots import Row
from .steps import END, VARIED, Node, StepGraph, second_mixer_at

Way = tuple[tuple[Node, Row], ...]
"""The choices of one walk, in order."""


def ways_to(graph: StepGraph, wanted: Architecture) -> Iterator[Way]:
    """Yield the ways through ``graph`` whose choices agree with a canonical architecture.

    There is more than one only where stages can be left out. A stage that the space builds in two
    is not found.
    """
    return _ways(graph, graph.start, wanted, 0)


def _ways(graph: StepGraph, node: Node, wanted: Architecture, done: int) -> Iterator[Way]:
    """Yield the ways on from ``node`` that build the stages of ``wanted`` from number ``done``."""
    if node == END:
        yield ()
        return
    step = graph.step(node)
    for row, after in zip(step.rows, step.nexts, strict=True):
        if _agrees(node, row, wanted, done):
            ends_stage = _ends_stage(node, row, after)
            for rest in _ways(graph, after, wanted, done + ends_stage):
                yield ((node, row), *rest)


def _ends_stage(node: Node, row: Row, after: Node) -> bool:
    """Whether a choice is the last of a stage with blocks."""
    if node[0] == "head" or (node[0] == "depth" and row.value == 0):
        return False
    return after[0] == "head" or after[1] != node[1]


def _agrees(node: Node, row: Row, wanted: Architecture, done: int) -> bool:
    """Whether a choice agrees with what comes next in ``wanted``."""
    kind = node[0]
    if kind == "head":
        return done == len(wanted.stages) and row.component == wanted.head
    if kind == "depth" and row.value == 0:
        return True
    return done < len(wanted.stages) and _agrees_with(node, row, wanted, wanted.stages[done], done)


def _agrees_with(node: Node, row: Row, wanted: Architecture, stage: Stage, done: int) -> bool:
    first = stage.block(0)
    match node[0]:
        case "depth" | "width":
            return row.value == getattr(stage, node[0])
        case "before":
            return row.component == (stage.downsampling if done else wanted.stem)
        case "block":
            return row.value == first.name
        case "fields":
            return all(_fixed(stage.block(i)) == _fixed(row.component) for i in range(stage.depth))
        case "mixer":
            return row.component == getattr(first, VARIED)
        case "second":
            at = second_mixer_at(node[5], stage.depth)[0]
            return row.component == getattr(stage.block(at), VARIED)
        case _:
            seconds = second_mixer_at(str(row.value), stage.depth)
            others = [i for i in range(stage.depth) if stage.block(i) != first]
            return others == seconds


def _fixed(block: Component | None) -> tuple[Any, ...]:
    """Return what kind of block it is and all its fields but the varied mixer."""
    assert block is not None
    kept = [getattr(block, each.name) for each in fields(block) if each.name != VARIED]
    return block.name, *kept
