"""The decision nodes of a space by number, with the cost of each choice: all that constraints need.

The table holds only numbers, so it can be stored on disk and used without torch.

Shape suffixes: R choices of a node, M metrics.
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
"""The metric that is the maximum over the parts; all other metrics are sums."""


@dataclass(frozen=True, eq=False, kw_only=True)
class CostedNode:
    """A decision node: the costs of its choices, and the nodes they lead to."""

    table: int
    """Index of the node's costs in ``CostedGraph.tables``."""
    times: int
    """How many times the choice is built; sums are multiplied by it."""
    nexts: Integers
    """Number of the next node after each choice, (R,), or (1,) where all choices lead to one."""


@dataclass(frozen=True, eq=False, kw_only=True)
class CostedGraph:
    """The decision nodes in topological order: 0 is the start, and the number after the last node
    stands for the end.
    """

    metrics: tuple[str, ...]
    """Names of the metrics."""
    tables: tuple[Floats, ...]
    """Costs of choices built once, (R, M) each."""
    nodes: tuple[CostedNode, ...]
    """The decision nodes."""

    @property
    def end(self) -> int:
        """The number of the end."""
        return len(self.nodes)

    @cached_property
    def largest(self) -> NDArray[np.bool_]:
        """Whether each metric is a maximum over the parts, (M,)."""
        return np.array([name == PEAK_MEMORY for name in self.metrics], dtype=np.bool_)

    def choice_count(self, number: int) -> int:
        """Return the number of choices at a node."""
        return len(self.tables[self.nodes[number].table])

    def costs(self, number: int) -> Floats:
        """Return the costs of the choices at a node, (R, M)."""
        node = self.nodes[number]
        return self.tables[node.table] * np.where(self.largest, 1, node.times)

    def add(self, spent_M: Floats, cost_M: Floats) -> Floats:
        """Return the costs of a walk after one more choice."""
        return np.where(self.largest, np.maximum(spent_M, cost_M), spent_M + cost_M)

    def groups(self, number: int) -> list[tuple[int, Integers | None]]:
        """Return the next nodes, each with the choices that lead to it (None: all choices)."""
        nexts = self.nodes[number].nexts
        if len(nexts) == 1:
            return [(int(nexts[0]), None)]
        return [(int(each), np.flatnonzero(nexts == each)) for each in np.unique(nexts)]

    @cached_property
    def path_counts(self) -> tuple[int, ...]:
        """The exact number of paths from each node, and from the end, to the end."""
        found = [0] * self.end + [1]
        for number in range(self.end - 1, -1, -1):
            found[number] = sum(
                found[after] * (self.choice_count(number) if indices is None else len(indices))
                for after, indices in self.groups(number)
            )
        return tuple(found)

    def extremes(self) -> tuple[Floats, Floats]:
        """Return the exact minimum and maximum of each metric over all walks, (M,) each."""
        zeros = np.zeros((2, len(self.metrics)))
        found = [zeros] * (self.end + 1)
        for number in range(self.end - 1, -1, -1):
            costs_RM = self.costs(number)
            each: list[Floats] = []
            for after, indices in self.groups(number):
                own = costs_RM if indices is None else costs_RM[indices]
                low_high = np.stack([own.min(axis=0), own.max(axis=0)])
                each.append(self.add(found[after], low_high))
            lows_highs = np.stack(each)
            found[number] = np.stack([lows_highs[:, 0].min(axis=0), lows_highs[:, 1].max(axis=0)])
        low, high = found[0]
        return low, high

    def total(self, choices: Sequence[int]) -> Floats:
        """Return the costs of one walk, (M,).

        Args:
            choices: The numbers of the walk's choices, in order.
        """
        spent, number = np.zeros(len(self.metrics)), 0
        for choice in choices:
            nexts = self.nodes[number].nexts
            spent = self.add(spent, self.costs(number)[choice])
            number = int(nexts[choice if len(nexts) > 1 else 0])
        return spent

    def sample(self, count: int, seed: int) -> Floats:
        """Return the costs of a uniform sample of walks, (count, M)."""
        generator = np.random.default_rng(seed)
        spent = np.zeros((count, len(self.metrics)))
        at = np.zeros(count, dtype=np.int64)
        for number, node in enumerate(self.nodes):
            here = np.flatnonzero(at == number)
            if not len(here):
                continue
            chosen = self._drawn(number, len(here), generator)
            spent[here] = self.add(spent[here], self.costs(number)[chosen])
            at[here] = node.nexts[chosen if len(node.nexts) > 1 else 0]
        return spent

    def _drawn(self, number: int, count: int, generator: np.random.Generator) -> Integers:
        """Return choices of one node, sampled in proportion to the paths behind each choice."""
        groups = self.groups(number)
        choices = self.choice_count(number)
        if len(groups) == 1:
            return generator.integers(choices, size=count)
        chances = np.zeros(choices)
        for after, indices in groups:
            chances[indices] = self.path_counts[after] / self.path_counts[number]
        return generator.choice(choices, size=count, p=chances / chances.sum())


def to_arrays(table: CostedGraph) -> dict[str, NDArray[Any]]:
    """Return a table as arrays by name, for ``numpy.savez``."""
    return {
        "metrics": np.array(table.metrics),
        "costs": np.concatenate(table.tables),
        "lengths": np.array([len(each) for each in table.tables]),
        "steps": np.array([(each.table, each.times, len(each.nexts)) for each in table.nodes]),
        "nexts": np.concatenate([each.nexts for each in table.nodes]),
    }


def from_arrays(arrays: Any) -> CostedGraph:
    """Return the table that ``to_arrays`` wrote."""
    tables = np.split(arrays["costs"], np.cumsum(arrays["lengths"])[:-1])
    numbers: Sequence[Sequence[int]] = arrays["steps"].tolist()
    nexts = np.split(arrays["nexts"], np.cumsum(arrays["steps"][:, 2])[:-1])
    return CostedGraph(
        metrics=tuple(arrays["metrics"].tolist()),
        tables=tuple(tables),
        nodes=tuple(
            CostedNode(table=table, times=times, nexts=after)
            for (table, times, _), after in zip(numbers, nexts, strict=True)
        ),
    )
