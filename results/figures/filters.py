"""Filters of candidates, stored in the address of the page."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...search_space.errors import InputError
from ..analysis.columns import Columns, Numbers
from ..analysis.front import Mask
from ..numbers import format_value


class Filter(ABC):
    """A condition on the candidates."""

    @property
    @abstractmethod
    def columns(self) -> tuple[str, ...]:
        """Names of the filtered columns; a view has at most one filter for them."""

    @abstractmethod
    def mask(self, columns: Columns) -> Mask:
        """Return a mask of the kept candidates; all if the study lacks the column."""

    @abstractmethod
    def to_text(self) -> str:
        """Return the text that ``read_filter`` reads back."""

    @abstractmethod
    def label(self, columns: Columns) -> str:
        """Return the filter as text for people."""


@dataclass(frozen=True, kw_only=True)
class Between(Filter):
    """Keeps the candidates whose value in a column of numbers lies within two inclusive bounds."""

    column: str
    """Name of a column of numbers."""
    low: float
    """Smallest value kept; may be minus infinity."""
    high: float
    """Greatest value kept; may be infinity."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The filtered column."""
        return (self.column,)

    def mask(self, columns: Columns) -> Mask:
        """Return a mask of the numbers within the bounds; missing numbers are not kept."""
        numbers = columns.numbers(self.column)
        if numbers is None:
            return np.ones(len(columns), np.bool_)
        return (numbers >= self.low) & (numbers <= self.high)

    def to_text(self) -> str:
        """``macs:1000..2500000``."""
        low, high = (exact(end) if math.isfinite(end) else "" for end in (self.low, self.high))
        return f"{self.column}:{low}..{high}"

    def label(self, columns: Columns) -> str:
        """``macs 1.00 k to 2.00 M``."""
        low, high = (shown_number(self.column, end, columns) for end in (self.low, self.high))
        if math.isinf(self.low) and math.isinf(self.high):
            return f"{self.column} known"
        if math.isinf(self.low):
            return f"{self.column} at most {high}"
        if math.isinf(self.high):
            return f"{self.column} at least {low}"
        return f"{self.column} {low} to {high}"


@dataclass(frozen=True, kw_only=True)
class Among(Filter):
    """Keeps the candidates with one of several values of a decision."""

    column: str
    """Name of a decision, or ``status``."""
    levels: tuple[str, ...]
    """The values kept, as text."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The filtered column."""
        return (self.column,)

    def mask(self, columns: Columns) -> Mask:
        """Return a mask of the candidates with one of the values."""
        answers = columns.values_of(self.column)
        if answers is None:
            return np.ones(len(columns), np.bool_)
        kept = np.array([*(label in self.levels for label in answers.labels), False])
        return kept[answers.codes_N]

    def to_text(self) -> str:
        """``stem=conv|patch``."""
        return f"{self.column}={'|'.join(self.levels)}"

    def label(self, columns: Columns) -> str:
        """``stem conv or patch``."""
        return f"{self.column} {' or '.join(self.levels)}"


@dataclass(frozen=True, kw_only=True)
class Inside(Filter):
    """Keeps the candidates inside a line drawn by hand around points of two columns."""

    x: str
    """Column on the horizontal axis."""
    y: str
    """Column on the vertical axis."""
    logarithmic: tuple[bool, bool]
    """Whether the line was drawn on logarithmic axes."""
    points: tuple[tuple[float, float], ...]
    """Corners of the line, in the columns' units."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Both columns."""
        return (self.x, self.y)

    def mask(self, columns: Columns) -> Mask:
        """Return a mask of the points inside the line, by the ray casting rule."""
        right, up = columns.numbers(self.x), columns.numbers(self.y)
        if right is None or up is None:
            return np.ones(len(columns), np.bool_)
        corners = np.array(self.points, np.float64)
        x, y = (_scaled(*each) for each in zip((right, up), self.logarithmic, strict=True))
        cx, cy = (_scaled(corners[:, i], log) for i, log in enumerate(self.logarithmic))
        inside = np.zeros(len(columns), np.bool_)
        with np.errstate(invalid="ignore", divide="ignore"):
            for x1, y1, x2, y2 in zip(cx, cy, np.roll(cx, 1), np.roll(cy, 1), strict=True):
                inside ^= ((y1 > y) != (y2 > y)) & (x < (x2 - x1) * (y - y1) / (y2 - y1) + x1)
        return inside & np.isfinite(x) & np.isfinite(y)

    def to_text(self) -> str:
        """``log macs,accuracy@1000 0.5;2000 0.5;2000 0.7``."""
        x, y = (
            f"{'log ' * log}{name}"
            for log, name in zip(self.logarithmic, self.columns, strict=True)
        )
        return f"{x},{y}@{';'.join(' '.join(map(exact, each)) for each in self.points)}"

    def label(self, columns: Columns) -> str:
        """``macs and accuracy inside a line``."""
        return f"{self.x} and {self.y} inside a line"


def _scaled(values: Numbers, logarithmic: bool) -> Numbers:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.log(values) if logarithmic else values


def shown_number(column: str, value: float, columns: Columns) -> str:
    """Return a number of a column as text for people."""
    return format_value(column, value) if column in columns.metrics else f"{value:g}"


def exact(number: float) -> str:
    """Return the shortest text that reads back to the same number."""
    return repr(float(number)).removesuffix(".0")


def read_filter(text: str) -> Filter:
    """Read what ``to_text`` wrote.

    Raises:
        InputError: If the text is not a filter.
    """
    try:
        if "@" in text:
            names, _, drawn = text.partition("@")
            x, y = names.split(",")
            points = [tuple(map(_finite, each.split())) for each in drawn.split(";")]
            return Inside(
                x=x.removeprefix("log "),
                y=y.removeprefix("log "),
                logarithmic=(x.startswith("log "), y.startswith("log ")),
                points=tuple((a, b) for a, b in points),
            )
        if "=" in text:
            column, _, levels = text.partition("=")
            return Among(column=column, levels=tuple(levels.split("|")))
        column, _, ends = text.rpartition(":")
        low, high = (_finite(end) if end else None for end in ends.split(".."))
        return Between(
            column=column,
            low=-math.inf if low is None else low,
            high=math.inf if high is None else high,
        )
    except ValueError:
        raise InputError(
            f"a filter must read like macs:1e3..2e6 or stem=conv|patch, but got {text!r}"
        ) from None


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def kept(filters: Sequence[Filter], columns: Columns) -> Mask:
    """Return a mask of the candidates that all filters keep."""
    mask = np.ones(len(columns), np.bool_)
    for each in filters:
        mask &= each.mask(columns)
    return mask


def with_filter(filters: Sequence[Filter], new: Filter) -> tuple[Filter, ...]:
    """Return the filters with ``new`` in place of one for the same columns."""
    return (*(each for each in filters if each.columns != new.columns), new)
