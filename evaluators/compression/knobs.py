"""The sizes of an architecture that pruning reduces: widths, and hidden channels of perceptrons."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ...search_space.architecture.architecture import Architecture
from ...search_space.components.base import Component
from ...search_space.components.wired import Block
from ...search_space.errors import InputError
from ...search_space.shapes import Shape

_MULTIPLES = (8, 4, 2, 1)
"""Sizes are multiples of the first of these that divides the network's own size, and goes into it
at least four times."""
_STEPS = 8
"""A size is reduced in steps of about this share of it."""


@dataclass(frozen=True, kw_only=True)
class Knob:
    """One size that can be reduced."""

    size: int
    """Channels in the network."""
    stages: tuple[int, ...]
    """The stage; for a width, all stages that have it in common."""
    block: int | None = None
    """The block whose component has these hidden channels; None: the size is a width."""
    field: str = ""
    """The field of the block that holds the component."""

    @property
    def is_width(self) -> bool:
        """Whether the size is the width of a stage."""
        return self.block is None

    @property
    def name(self) -> str:
        """The name for the user."""
        stage = f"stages.{self.stages[0]}"
        return f"{stage} width" if self.is_width else f"{stage}.blocks.{self.block}.{self.field}"

    def smaller(self) -> list[int]:
        """Return the smaller sizes to try, in descending order."""
        fits = (e for e in _MULTIPLES if self.size % e == 0 and self.size >= 4 * e)
        multiple = next(fits, 1)
        step = max(1, round(self.size / _STEPS / multiple)) * multiple
        return list(range(self.size - step, 0, -step))


def knobs_of(network: Architecture) -> list[Knob]:
    """Return the sizes of a canonical architecture that pruning can reduce."""
    shapes = zip(network.stages, network.stage_shapes, strict=True)
    hidden = [
        Knob(size=_hidden(component, shape), stages=(index,), block=block, field=field)
        for index, (stage, shape) in enumerate(shapes)
        if not stage.tied
        for block in range(stage.depth)
        for field, component in stage.block(block).components().items()
        if _is_adjustable(component, shape)
    ]
    return [*hidden, *_widths(network)]


def _widths(network: Architecture) -> Iterator[Knob]:
    """Yield the widths; stages without a downsampling between them have one."""
    if network.overview is not None or any(stage.tied for stage in network.stages):
        return
    together: list[list[int]] = []
    for index, stage in enumerate(network.stages):
        if index and stage.downsampling is not None and stage.downsampling.is_identity:
            together[-1].append(index)
        else:
            together.append([index])
    for each in together:
        yield Knob(size=network.stages[each[0]].width, stages=tuple(each))


def resized(network: Architecture, knob: Knob, size: int) -> Architecture:
    """Return an architecture with another size; hidden channels stay as they are.

    Raises:
        InputError: If no network can have this size.
    """
    stages = list(network.stages)
    for index in knob.stages:
        stage, shape = stages[index], network.stage_shapes[index]
        blocks = [stage.block(place) for place in range(stage.depth)]
        width = stage.width
        if knob.block is None:
            width = size
            blocks = [_kept_hidden(each, shape, shape._replace(channels=size)) for each in blocks]
        else:
            changed = _with_hidden(blocks[knob.block].components()[knob.field], shape, size)
            if changed is None:
                raise InputError(f"{knob.name} must be another size, but got {size}")
            new: dict[str, Any] = {knob.field: changed}
            blocks[knob.block] = replace(blocks[knob.block], **new)
        stages[index] = replace(stage, width=width, blocks=tuple(blocks))
    return replace(network, stages=tuple(stages)).canonical


def reduced(network: Architecture, sizes: Sequence[tuple[Knob, int]]) -> Architecture:
    """Return an architecture with several other sizes, set one after the other."""
    for knob, size in sizes:
        network = resized(network, knob, size)
    return network


def _kept_hidden(block: Block, shape: Shape, other: Shape) -> Block:
    """Return a block for a map of another width, with the same hidden channels where possible."""
    new: dict[str, Any] = {}
    for field, component in block.components().items():
        if _is_adjustable(component, shape):
            new[field] = _with_hidden(component, other, _hidden(component, shape)) or component
    return replace(block, **new)


def _hidden(component: Any, shape: Shape) -> int:
    return component.hidden(shape)


def _is_adjustable(component: Component, shape: Shape) -> bool:
    """Whether a component has hidden channels that a ratio sets."""
    if not hasattr(component, "hidden") or "ratio" not in component.knobs():
        return False
    return _with_hidden(component, shape, _hidden(component, shape)) is not None


def _with_hidden(component: Component, shape: Shape, hidden: int) -> Component | None:
    """Return a component with as many hidden channels; None if no ratio gives them.

    A gated perceptron has two thirds of its ratio.
    """
    for factor in (1.0, 1.5):
        changes: dict[str, Any] = {"ratio": factor * hidden / shape.channels}
        changed = replace(component, **changes)
        if _hidden(changed, shape) == hidden and changed.why_invalid(shape) is None:
            return changed
    return None
