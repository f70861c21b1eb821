"""Targets as texts: numbers, labels as 0 and 1, names of labels."""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ....search_space.errors import InputError
from .scan import few

_BINARY = {"0": 0.0, "1": 1.0, "0.0": 0.0, "1.0": 1.0, "false": 0.0, "true": 1.0}
_BETWEEN = re.compile("[|;,]")
"""What divides the names of labels in one cell."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A text with its place, for errors."""

    text: str
    """The text."""
    column: str
    """Name of its column."""
    where: str
    """Name of its line."""

    @property
    def place(self) -> str:
        """Name of its place."""
        return f"{self.where} has {self.text!r} in column {self.column!r}"


def number(cell: Cell) -> float:
    """Return a finite number.

    Raises:
        InputError: If the text is none.
    """
    try:
        found = float(cell.text)
    except ValueError:
        raise InputError(
            f"a target of regression must be a number, but {cell.place}; "
            "--target regression:COLUMN chooses columns"
        ) from None
    if not math.isfinite(found):
        raise InputError(f"a target of regression must be finite, but {cell.place}")
    return found


def binary(cell: Cell) -> float:
    """Return 0 or 1.

    Raises:
        InputError: If the text is neither.
    """
    found = _BINARY.get(cell.text.lower())
    if found is None:
        raise InputError(
            f"a column of a label must hold 0 or 1, but {cell.place}; --target labels:COLUMN "
            "chooses columns"
        )
    return found


def label_names(cells: Iterable[Cell]) -> tuple[str, ...]:
    """Return the sorted names of all labels."""
    return tuple(sorted({name for each in cells for name in _names(each)}))


def labels_in(cell: Cell, known: Sequence[str]) -> tuple[float, ...]:
    """Return 1 for the labels of a cell, and 0 for the others.

    Raises:
        InputError: If the cell has a label that is not known.
    """
    names = _names(cell)
    if unknown := sorted({*names} - {*known}):
        raise InputError(
            f"the labels of every split must be among those of training, but {cell.where} has "
            f"{few(unknown)}"
        )
    return tuple(float(each in names) for each in known)


def _names(cell: Cell) -> list[str]:
    return [name.strip() for name in _BETWEEN.split(cell.text) if name.strip()]
