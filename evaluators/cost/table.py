"""The table of costs of all parts analysed so far."""

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...search_space.components.base import Component
from ...search_space.shapes import Shape
from .analysis import component_row
from .cache import DiskCache, cache_folder, cache_key
from .value import COLUMNS, Row

Integers = NDArray[np.int64]


Entry = tuple[int, int, int]
"""Row number of a part, number of times it runs, most live bytes before it runs."""


class CostTable:
    """Costs by row number; the row of a part is made at first use."""

    def __init__(self) -> None:
        self._numbers: dict[Any, int] = {}
        self._count = 0
        self._rows: Integers = np.zeros((256, len(COLUMNS) + 1), dtype=np.int64)
        self._disk: DiskCache | None = None
        self._lock = threading.Lock()

    def number(self, component: Component, in_shapes: tuple[Shape, ...], width: int | None) -> int:
        """Return the number of the row of a part; see ``Part.key``.

        Raises:
            UncountableOperation: If the part cannot be analysed.
        """
        key = (component, in_shapes, width)
        number = self._numbers.get(key)
        if number is not None:
            return number
        with self._lock:
            if key not in self._numbers:
                self._numbers[key] = self._append(self._row(*key))
            return self._numbers[key]

    @property
    def rows(self) -> Integers:
        """The rows by number: values of ``COLUMNS``, then the working memory."""
        return self._rows

    def add_sum(self, entries: Sequence[Entry]) -> int:
        """Return the number of a new row, the sum of several parts.

        Its working memory is the maximum over the parts of working memory plus live bytes before.
        """
        numbers, times, alive = np.array(entries, dtype=np.int64).T
        rows = self._rows[numbers]
        with self._lock:
            return self._append([*(times @ rows[:, :-1]), (rows[:, -1] + alive).max()])

    def _append(self, row: Sequence[int]) -> int:
        if self._count == len(self._rows):
            self._rows = np.concatenate([self._rows, np.zeros_like(self._rows)])
        self._rows[self._count] = row
        self._count += 1
        return self._count - 1

    def _row(self, component: Component, in_shapes: tuple[Shape, ...], width: int | None) -> Row:
        key = cache_key(component, in_shapes, width)
        if key is None:
            return component_row(component, in_shapes, width)
        if self._disk is None:
            self._disk = DiskCache(cache_folder())
        row = self._disk.get(key)
        if row is None:
            row = component_row(component, in_shapes, width)
            self._disk.add(key, row)
        return row
