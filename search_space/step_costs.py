"""What the choices of a walk cost: additive metrics, choice by choice."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from .parts import Part
from .reach import Floats
from .steps import END, Node, StepGraph

PartCosts = Callable[[Part], Mapping[str, float]]
"""The additive costs of a part, by name of the metric."""

_COSTLY = ("before", "fields", "mixer", "second", "head")


class StepCosts:
    """The costs of every choice in a step graph. Those of a walk are their sums.

    The nodes of a second mixer, one for each first mixer, can be taken as one that offers all
    mixers: ``merged_seconds``. That keeps large graphs small.
    """

    def __init__(
        self,
        *,
        graph: StepGraph,
        metrics: Sequence[str],
        costs: PartCosts,
        merged_seconds: bool = True,
    ) -> None:
        self.graph = graph
        self.metrics = tuple(metrics)
        self.merged_seconds = merged_seconds
        self._part_costs = costs
        self._tables: dict[Node, Floats] = {}
        self._costs: dict[Node, Floats] = {}

    def costs(self, node: Node) -> Floats:
        """Return what each choice at ``node`` costs, (rows, metrics)."""
        if node not in self._costs:
            self._costs[node] = self._costs_at(node)
        return self._costs[node]

    def _costs_at(self, node: Node) -> Floats:
        if node[0] not in _COSTLY:
            return np.zeros((len(self.graph.step(node).rows), len(self.metrics)))
        # Blocks cost the same each time: what one costs does not depend on the depth.
        one, times = self.graph.once(node)
        if one not in self._tables:
            rows = self.graph.step(one).rows
            costs = [self._cost_of(self.graph.parts(one, row)) for row in rows]
            self._tables[one] = np.array(costs, dtype=np.float64).reshape(-1, len(self.metrics))
        table = self._tables[one]
        if node[0] == "second" and node[-1] >= 0:
            table = np.delete(table, node[-1], axis=0)
        return times * table

    def _cost_of(self, parts: Sequence[Part]) -> list[float]:
        found = [self._part_costs(part) for part in parts]
        return [sum(each[name] for each in found) for name in self.metrics]

    def nexts(self, node: Node) -> list[Node]:
        """Return the nodes that the choices at ``node`` lead to."""
        found = self.graph.step(node).nexts
        return [any_first(each) for each in found] if self.merged_seconds else list(found)

    def order(self) -> list[Node]:
        """Return all nodes but the end, each before those it leads to."""
        found: list[Node] = []
        seen: set[Node] = {END}
        stack: list[tuple[Node, bool]] = [(self.graph.start, False)]
        while stack:
            node, left = stack.pop()
            if left:
                found.append(node)
            elif node not in seen:
                seen.add(node)
                stack.append((node, True))
                stack.extend((after, False) for after in set(self.nexts(node)))
        found.reverse()
        return found

    def extremes(self) -> tuple[Floats, Floats]:
        """Return the least and the greatest sum of each metric over all walks, exactly."""
        zeros = np.zeros(len(self.metrics))
        found = {END: (zeros, zeros)}
        for node in reversed(self.order()):
            costs, nexts = self.costs(node), self.nexts(node)
            low = costs + np.array([found[each][0] for each in nexts])
            high = costs + np.array([found[each][1] for each in nexts])
            if nexts[0][0] == "second" and self.merged_seconds:
                low, high = self._pairs(costs, nexts[0], found)
            found[node] = (low.min(axis=0), high.max(axis=0))
        return found[self.graph.start]

    def _pairs(
        self, firsts: Floats, second: Node, found: Mapping[Node, tuple[Floats, Floats]]
    ) -> tuple[Floats, Floats]:
        """Return the extreme sums of two different mixers and what follows, (pairs, metrics)."""
        pairs = firsts[:, None] + self.costs(second)
        different = pairs[~np.eye(len(firsts), dtype=np.bool_)]
        low, high = found[self.graph.step(second).nexts[0]]
        return different + low, different + high


def any_first(node: Node) -> Node:
    """Return, for the node of a second mixer, the one that stands for any first mixer."""
    return (*node[:-1], -1) if node[0] == "second" else node
