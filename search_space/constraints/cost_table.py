"""The steps of a space by number, with what each choice costs: all that constraints need.

Nothing but numbers is in it, so that it can be kept on disk and used where torch is not loaded.

Shape suffixes: R choices of a step, M metrics.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Numbers = NDArray[np.integer[Any]]
"""Integers of any size."""

PEAK_MEMORY = "peak_memory"
"""The metric that is the largest of its parts' values; all others are sums."""


@dataclass(frozen=True, eq=False, kw_only=True)
class CostedStep:
    """One step: what its choices cost, and where they lead."""

    table: int
    """Number of the table of costs."""
    times: int
    """How often the choice is built; sums count so often."""
    nexts: Integers
    """Number of the step after each choice, (R,), or (1,) where all lead to one."""


@dataclass(frozen=True, eq=False, kw_only=True)
class StepTable:
    """Steps in an order in which each comes before those that it leads to. 0 is the start.

    The number after the last stands for the end.
    """

    metrics: tuple[str, ...]
    """What is counted."""
    tables: tuple[Floats, ...]
    """Costs of choices that are built once, (R, M)."""
    steps: tuple[CostedStep, ...]
    """The steps."""

    @property
    def end(self) -> int:
        """The number of the end."""
        return len(self.steps)

    @cached_property
    def largest(self) -> NDArray[np.bool_]:
        """Which metrics are the largest of their parts' values, (M,)."""
        return np.array([name == PEAK_MEMORY for name in self.metrics], dtype=np.bool_)

    def choices(self, number: int) -> int:
        """Return how many choices a step has."""
        return len(self.tables[self.steps[number].table])

    def costs(self, number: int) -> Floats:
        """Return what the choices of a step cost, (R, M)."""
        step = self.steps[number]
        return self.tables[step.table] * np.where(self.largest, 1, step.times)

    def add(self, spent_M: Floats, cost_M: Floats) -> Floats:
        """Return what is spent after a choice."""
        return np.where(self.largest, np.maximum(spent_M, cost_M), spent_M + cost_M)

    def groups(self, number: int) -> list[tuple[int, Integers | None]]:
        """Return the steps that a step leads to, each with the choices that do; none: all."""
        nexts = self.steps[number].nexts
        if len(nexts) == 1:
            return [(int(nexts[0]), None)]
        return [(int(each), np.flatnonzero(nexts == each)) for each in np.unique(nexts)]

    @cached_property
    def ways(self) -> tuple[int, ...]:
        """In how many ways a walk can go on from each step and from the end, exactly."""
        found = [0] * self.end + [1]
        for number in range(self.end - 1, -1, -1):
            found[number] = sum(
                found[after] * (self.choices(number) if rows is None else len(rows))
                for after, rows in self.groups(number)
            )
        return tuple(found)

    def extremes(self) -> tuple[Floats, Floats]:
        """Return the least and the greatest value of each metric over all walks, exactly, (M,)."""
        zeros = np.zeros((2, len(self.metrics)))
        found = [zeros] * (self.end + 1)
        for number in range(self.end - 1, -1, -1):
            costs_RM = self.costs(number)
            each: list[Floats] = []
            for after, rows in self.groups(number):
                own = costs_RM if rows is None else costs_RM[rows]
                low_high = np.stack([own.min(axis=0), own.max(axis=0)])
                each.append(self.add(found[after], low_high))
            lows_highs = np.stack(each)
            found[number] = np.stack([lows_highs[:, 0].min(axis=0), lows_highs[:, 1].max(axis=0)])
        low, high = found[0]
        return low, high

    def total(self, choices: Sequence[int]) -> Floats:
        """Return the costs of one walk, (M,).

        Args:
            choices: Their numbers, in order.
        """
        spent, number = np.zeros(len(self.metrics)), 0
        for choice in choices:
            nexts = self.steps[number].nexts
            spent = self.add(spent, self.costs(number)[choice])
            number = int(nexts[choice if len(nexts) > 1 else 0])
        return spent

    def sample(self, count: int, seed: int) -> Floats:
        """Return the costs of walks, each as likely as any other, (count, M)."""
        generator = np.random.default_rng(seed)
        spent = np.zeros((count, len(self.metrics)))
        at = np.zeros(count, dtype=np.int64)
        for number, step in enumerate(self.steps):
            here = np.flatnonzero(at == number)
            if not len(here):
                continue
            rows = self._drawn(number, len(here), generator)
            spent[here] = self.add(spent[here], self.costs(number)[rows])
            at[here] = step.nexts[rows if len(step.nexts) > 1 else 0]
        return spent

    def _drawn(self, number: int, count: int, generator: np.random.Generator) -> Integers:
        """Return choices of one step, each with the chance that its ways give it."""
        groups = self.groups(number)
        choices = self.choices(number)
        if len(groups) == 1:
            return generator.integers(choices, size=count)
        chances = np.zeros(choices)
        for after, rows in groups:
            chances[rows] = self.ways[after] / self.ways[number]
        return generator.choice(choices, size=count, p=chances / chances.sum())


def to_arrays(table: StepTable) -> dict[str, NDArray[Any]]:
    """Return a table as arrays by name, for ``numpy.savez``."""
    steps = table.steps
    return {
        "metrics": np.array(table.metrics),
        "costs": np.concatenate(table.tables),
        "lengths": np.array([len(each) for each in table.tables]),
        "steps": np.array([(s.table, s.times, len(s.nexts)) for s in steps]),
        "nexts": np.concatenate([each.nexts for each in steps]),
    }


def from_arrays(arrays: Any) -> StepTable:
    """Read what ``to_arrays`` gave."""
    tables = np.split(arrays["costs"], np.cumsum(arrays["lengths"])[:-1])
    numbers: Sequence[Sequence[int]] = arrays["steps"].tolist()
    nexts = np.split(arrays["nexts"], np.cumsum(arrays["steps"][:, 2])[:-1])
    return StepTable(
        metrics=tuple(arrays["metrics"].tolist()),
        tables=tuple(tables),
        steps=tuple(
            CostedStep(table=table, times=times, nexts=after)
            for (table, times, _), after in zip(numbers, nexts, strict=True)
        ),
    )
