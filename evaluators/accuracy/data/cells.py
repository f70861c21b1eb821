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


def all_binary(texts: Iterable[str]) -> bool:
    """Whether all texts read like 0 or 1; an empty one may be either."""
    return all(not each or each.lower() in _BINARY for each in texts)


def label_names(cells: Iterable[Cell]) -> tuple[str, ...]:
    """Return the sorted names of all labels."""
    return tuple(sorted({name for each in cells for name in names_in(each.text)}))


def labels_in(names: Iterable[str], known: Sequence[str], where: str) -> tuple[float, ...]:
    """Return 1 for the labels that an image has, and 0 for the others.

    Args:
        names: Names of the image's labels.
        known: Names of all labels.
        where: Name of the image's place, for errors.

    Raises:
        InputError: If the image has a label that is not known.
    """
    found = {*names}
    if unknown := sorted(found - {*known}):
        raise InputError(
            f"the labels of every split must be among those of training, but {where} has "
            f"{few(unknown)}"
        )
    return tuple(float(each in found) for each in known)


def names_in(text: str) -> list[str]:
    """Return the names of labels in a text that divides them by ``|``, ``;`` or ``,``."""
    return [name.strip() for name in _BETWEEN.split(text) if name.strip()]
