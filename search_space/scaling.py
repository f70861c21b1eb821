"""Networks with other depths, widths and image sizes, which their components accept."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from .architecture.architecture import Architecture
from .architecture.stages import DEPTH, Stage
from .components.base import Component, field_domains
from .components.wired import Block
from .domains import LARGEST, Positive
from .errors import InputError
from .scaling_rules import Factors, ScalingRule
from .shapes import Shape

_MULTIPLES = (8, 4, 2, 1)
"""Widths and sides are multiples of the first of these that divides the network's own number, and
goes into it at least ``_TIMES`` times; finer ones are taken where the target is not met."""
_TIMES = 4
_SIDES = (32, 16, *_MULTIPLES)
_SIDE_TIMES = 14
"""Side of an image by its first multiple: 224 pixels grow in steps of 16."""
_WIDTHS = 160
"""Widths near the rule's that are offered to the components."""
_OPTIONS = 6
"""Widths that are tried of those that they accept."""
_FAR = 1.2
"""Factor from the rule's width beyond which a finer multiple is tried first."""
_LARGEST_SIDE = 4.0
"""Largest factor on the side, since some components hold a number for every pair of positions."""


@dataclass(frozen=True)
class Sizes:
    """The numbers of a network that rules change."""

    widths: tuple[int, ...]
    """Channels of each stage."""
    depths: tuple[int, ...]
    """Blocks of each stage."""
    side: int
    """Height of the images; the width keeps its ratio."""


@dataclass(frozen=True)
class Axis:
    """One of these numbers, with the values that are near what a rule asks for."""

    field: str
    """``widths``, ``depths`` or ``side``."""
    stages: tuple[int, ...]
    """The stages that have the number in common; none for the side."""
    ideal: float
    """What the rule asks for."""
    options: tuple[int, ...]
    """The values, the nearest first."""

    def away(self, option: int) -> float:
        """Return the squared logarithm of an option by the ideal."""
        return math.log(option / self.ideal) ** 2


class Scalable:
    """A network whose numbers can be changed."""

    def __init__(self, architecture: Architecture) -> None:
        """Check that the network is one of stages.

        Raises:
            InputError: If it has an overview.
        """
        if architecture.overview is not None:
            raise InputError("a network to scale must have no overview, but this one has")
        self._network = architecture.canonical
        self._growing = tuple(
            index
            for index, stage in enumerate(self._network.stages)
            if any(_has_layers(block) for block in stage.blocks)
        )

    @property
    def sizes(self) -> Sizes:
        """The numbers of the network itself."""
        stages = self._network.stages
        return Sizes(
            widths=tuple(each.width for each in stages),
            depths=tuple(each.depth for each in stages),
            side=self._network.input.height,
        )

    def with_sizes(self, sizes: Sizes) -> Architecture:
        """Return the network with other numbers; channels inside stem and head grow with the
        width beside them.

        Raises:
            InputError: If a component refuses them.
        """
        had = self._network
        stages = tuple(
            replace(stage, width=width, depth=depth, blocks=_stretched(stage, depth))
            for stage, width, depth in zip(had.stages, sizes.widths, sizes.depths, strict=True)
        )
        first, last = (stages[at].width / had.stages[at].width for at in (0, -1))
        return replace(
            had,
            input=self._input(sizes.side),
            stem=_with_hidden(had.stem, first),
            stages=stages,
            head=_with_hidden(had.head, last),
        )

    def axes(self, rule: ScalingRule, factors: Factors, fineness: int = 0) -> list[Axis]:
        """Return the numbers that a rule changes, each with the options that components accept.

        Args:
            rule: The rule.
            factors: The factors.
            fineness: How many of the coarsest multiples are left out.

        Raises:
            InputError: If no option is accepted; the message has the reason.
        """
        found: list[Axis] = []
        side = self._network.input.height
        if rule.resolution:
            ideal = side * min(factors.resolution, _LARGEST_SIDE)
            step = _multiples(side, _SIDES, _SIDE_TIMES, fineness)
            options = _near(ideal, step, 2 if rule.width else 12)
            found.append(Axis("side", (), ideal, options))
            side = options[0]
        if rule.depth or factors.depth != 1:
            for index in self._growing:
                stage = self._network.stages[index]
                least = _least_depth(stage)
                ideal = min(max(stage.depth * factors.depth, least), DEPTH.high)
                options = tuple(e for e in _near(ideal, 1, 4) if least <= e <= DEPTH.high)
                found.append(Axis("depths", (index,), ideal, options))
        if rule.width or factors.width != 1:
            shapes = replace(self._network, input=self._input(side)).stage_shapes
            found += [
                self._width_axis(each, factors.width, fineness, shapes)
                for each in _groups(self._network.stages)
            ]
        return found

    def _input(self, side: int) -> Shape:
        had = self._network.input
        return Shape(had.channels, side, max(1, round(had.width * side / had.height)))

    def _width_axis(
        self, stages: tuple[int, ...], factor: float, fineness: int, shapes: Sequence[Shape]
    ) -> Axis:
        width = self._network.stages[stages[0]].width
        ideal = min(width * factor, LARGEST)
        reason = None
        options: list[int] = []
        step = _multiples(width, _MULTIPLES, _TIMES, fineness)
        for each in _near(ideal, step, _WIDTHS):
            if options and step > 1 and not 1 / _FAR < each / ideal < _FAR:
                break
            refused = next(self._refusals(stages, each, shapes), None)
            reason = reason or refused
            if refused is None:
                options.append(each)
            if len(options) == _OPTIONS:
                break
        if not options:
            raise InputError(f"stages.{stages[0]} must have a width near {ideal:.0f}: {reason}")
        return Axis("widths", stages, ideal, tuple(options))

    def _refusals(
        self, stages: Sequence[int], width: int, shapes: Sequence[Shape]
    ) -> Iterator[str]:
        """Yield why components refuse a width: blocks, what comes before, what comes after."""
        had = self._network.stages
        for index in stages:
            shape = shapes[index]._replace(channels=width)
            before = had[index].downsampling
            if before is not None and index not in stages[1:]:
                yield from _reasons(before, shapes[index - 1], width)
            for block in set(had[index].blocks):
                yield from _reasons(block, shape)
            if index + 1 < len(had) and index + 1 not in stages:
                after = had[index + 1].downsampling
                if after is not None:
                    yield from _reasons(after, shape, had[index + 1].width)


def chosen(sizes: Sizes, axes: Sequence[Axis], places: Sequence[int]) -> Sizes:
    """Return the numbers with one option of each axis."""
    widths, depths, side = list(sizes.widths), list(sizes.depths), sizes.side
    for axis, place in zip(axes, places, strict=True):
        option = axis.options[place]
        if axis.field == "side":
            side = option
        for index in axis.stages:
            (widths if axis.field == "widths" else depths)[index] = option
    return Sizes(widths=tuple(widths), depths=tuple(depths), side=side)


def _groups(stages: Sequence[Stage]) -> list[tuple[int, ...]]:
    """Return the stages that have one width: those without a downsampling between them."""
    found: list[tuple[int, ...]] = []
    for index, stage in enumerate(stages):
        if index and stage.downsampling is not None and stage.downsampling.is_identity:
            found[-1] = (*found[-1], index)
        else:
            found.append((index,))
    return found


def _reasons(component: Component, shape: Shape, width: int | None = None) -> Iterator[str]:
    if reason := component.why_invalid(shape, width):
        yield f"{component.name}: {reason}"


def _has_layers(block: Component) -> bool:
    """Whether a block is more than a shortcut."""
    return not block.is_identity and any(not e.is_identity for e in block.components().values())


def _runs(stage: Stage) -> list[tuple[Block, int]] | None:
    """Return the runs of equal blocks of a pattern that does not repeat; None for one that does."""
    if len(stage.blocks) < stage.depth or len(stage.blocks) == 1:
        return None
    return [(block, len(list(run))) for block, run in groupby(stage.blocks)]


def _least_depth(stage: Stage) -> int:
    """Return the least depth that has the whole pattern, so that no component is lost."""
    return len(_runs(stage) or stage.blocks)


def _stretched(stage: Stage, depth: int) -> tuple[Block, ...]:
    """Return the blocks for another depth: a pattern that repeats goes on; the runs of another one
    are stretched, each to at least one block."""
    runs = _runs(stage)
    if runs is None or depth == stage.depth:
        return stage.blocks
    found: list[Block] = []
    total = 0
    for place, (block, length) in enumerate(runs, 1):
        total += length
        end = min(round(total * depth / stage.depth), depth - (len(runs) - place))
        found += [block] * max(1, end - len(found))
    return tuple(found)


def _with_hidden(component: Any, factor: float) -> Any:
    """Return a stem or head whose hidden channels have the factor, in their multiples."""
    domain = field_domains(type(component)).get("hidden")
    if factor == 1 or not isinstance(domain, Positive) or not domain.whole:
        return component
    had = component.hidden
    (hidden,) = _near(had * factor, _multiples(had, _MULTIPLES, _TIMES, 0), 1)
    return replace(component, hidden=hidden)


def _multiples(number: int, steps: Sequence[int], times: int, fineness: int) -> int:
    """Return the multiple in which a number changes."""
    fit = [each for each in steps if number % each == 0 and number >= times * each] or [1]
    return fit[min(fineness, len(fit) - 1)]


def _near(ideal: float, step: int, count: int) -> tuple[int, ...]:
    """Return the positive multiples of a step nearest to a number, the nearest first."""
    middle = round(ideal / step)
    found = [step * each for each in range(max(1, middle - count), middle + count + 1)] or [step]
    return tuple(sorted(found, key=lambda each: abs(math.log(each / ideal)))[:count])
