"""Hard constraints steer the walk: only what can still keep them is offered.

The costs of an architecture are sums over its parts, so those of a walk are sums over its choices,
and the sums that can still be reached from a node of the step graph follow from those of the nodes
after it (dynamic programming, from the end). Each node keeps a set of sums that are really reached
by some way on. A choice is offered if, with what is spent and what it costs, one of the sums of the
node it leads to keeps the bounds.

What this guarantees:

- Everything drawn keeps the constraints, and a walk never comes to a dead end: the sums kept at a
  node are among those of its choices, so what was within bounds before a choice still is after it.
- Where no node has more than ``cap`` different sums, all feasible architectures can be drawn, the
  counts are exact, and the ``uniform`` draw is uniform. Otherwise the sums are thinned on a grid;
  then a choice whose only feasible ways were thinned out is not offered, counts are estimates, and
  the uniform draw is nearly so. The least sum of a single metric is always kept: one upper bound
  is exact at any size.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .feasibility import Constraint
from .reach import Floats, Reach, Window, merged
from .step_costs import PartCosts, StepCosts
from .steps import END, Node, StepGraph

_EXACT_UP_TO = 200_000


class Guide:
    """The constraints of a space, as bounds on what each choice may lead to."""

    def __init__(
        self,
        *,
        graph: StepGraph,
        constraints: Sequence[Constraint],
        costs: PartCosts,
        cap: int | None = None,
    ) -> None:
        """Prepare the bounds.

        Args:
            graph: The steps of the space.
            constraints: On additive metrics that ``costs`` gives.
            costs: The additive costs of a part.
            cap: Sums kept at a node; none: all in spaces that can be enumerated, else few.
        """
        self.graph = graph
        self.metrics = tuple(dict.fromkeys(each.metric for each in constraints))
        self.window = _window(self.metrics, constraints)
        small = graph.count(graph.start) <= _EXACT_UP_TO
        self._cap = cap or (_EXACT_UP_TO if small else 64)
        self._table = StepCosts(
            graph=graph, metrics=self.metrics, costs=costs, merged_seconds=not small
        )
        self.costs = self._table.costs
        self._reaches: dict[Node, Reach] = {END: Reach.end(len(self.metrics))}
        self._before: dict[Node, tuple[Floats, Floats]] = {}
        order = self._table.order()
        self._note_spent(order)
        for node in reversed(order):
            self._reaches[node] = self._reach(node)
        self._stacks: dict[Node, tuple[Floats, Floats]] = {}

    def values(self, metric: str) -> Floats:
        """Return values of one metric, rising, that feasible walks have; not all of them."""
        start = self.graph.start
        inside = self._inside(start, self.nothing)
        points_KRN, _ = self._stacks[start]
        return np.unique(points_KRN[self.metrics.index(metric)][inside])

    @property
    def nothing(self) -> Floats:
        """What is spent at the start of a walk: zeros."""
        return np.zeros(len(self.metrics))

    @property
    def feasible(self) -> float:
        """Number of feasible walks; an estimate unless ``exact``."""
        return float(self.counts(self.graph.start, self.nothing).sum())

    @property
    def exact(self) -> bool:
        """Whether every feasible walk can be drawn and the counts are exact."""
        return all(reach.whole for reach in self._reaches.values())

    def counts(self, node: Node, spent_K: Floats) -> Floats:
        """Return how many feasible ways each choice at ``node`` leads to; 0: it must not be taken.

        Args:
            node: Where the walk stands.
            spent_K: What the choices so far have cost.
        """
        inside = self._inside(node, spent_K)
        return np.where(inside, self._stacks[node][1], 0.0).sum(axis=1)

    def possible(self, node: Node, spent_K: Floats) -> int:
        """Return the choices at ``node`` that lead to a feasible way, as a set of bits."""
        inside = self._inside(node, spent_K).any(axis=1)
        return int.from_bytes(np.packbits(inside, bitorder="little").tobytes(), "little")

    def _inside(self, node: Node, spent_K: Floats) -> NDArray[np.bool_]:
        """Return which of the sums of ``_stack`` keep the bounds, (rows, points)."""
        if node not in self._stacks:
            self._stacks[node] = self._stack(node)
        points_KRN, _ = self._stacks[node]
        low_K, high_K = self.window.low_K - spent_K, self.window.high_K - spent_K
        inside = (points_KRN[0] >= low_K[0]) & (points_KRN[0] <= high_K[0])
        for points_RN, low, high in zip(points_KRN[1:], low_K[1:], high_K[1:], strict=True):
            inside &= points_RN >= low
            inside &= points_RN <= high
        return inside

    # Preparing ------------------------------------------------------------------------------

    def _note_spent(self, order: Sequence[Node]) -> None:
        """Note the least and the most that walks have spent when they come to each node."""
        self._before[self.graph.start] = (self.nothing, self.nothing)
        for node in order:
            least, most = self._before[node]
            costs, nexts = self.costs(node), self._table.nexts(node)
            for after in set(nexts):
                mine = costs[[index for index, each in enumerate(nexts) if each == after]]
                low, high = least + mine.min(axis=0), most + mine.max(axis=0)
                if after in self._before:
                    low = np.minimum(low, self._before[after][0])
                    high = np.maximum(high, self._before[after][1])
                self._before[after] = (low, high)

    def _after_reaches(self, node: Node) -> list[Reach]:
        """Return what each choice can lead to. A first mixer rules itself out as the second."""
        reaches = [self._reaches[after] for after in self._table.nexts(node)]
        if not self._table.merged_seconds or node[0] != "mixer" or node[-1] == "uniform":
            return reaches
        return [reach.without(first) for first, reach in enumerate(reaches)]

    def _reach(self, node: Node) -> Reach:
        costs, afters = self.costs(node), self._after_reaches(node)
        sizes = [len(after.counts_N) for after in afters]
        numbers = np.arange(len(afters)) if node[0] == "second" else np.zeros(len(afters), np.int64)
        least, most = self._before[node]
        return merged(
            Reach(
                points_NK=np.concatenate(
                    [cost + after.points_NK for cost, after in zip(costs, afters, strict=True)]
                ),
                counts_N=np.concatenate([after.counts_N for after in afters]),
                rows_N=np.repeat(numbers, sizes),
                whole=all(after.whole for after in afters),
            ),
            self._cap,
            Window(low_K=self.window.low_K - most, high_K=self.window.high_K - least),
        )

    def _stack(self, node: Node) -> tuple[Floats, Floats]:
        """Return the sums that each choice can lead to, (metrics, rows, points), and their ways."""
        costs, afters = self.costs(node), self._after_reaches(node)
        most = max(len(each.points_NK) for each in afters)
        points_RNK = np.full((len(afters), most, len(self.metrics)), np.nan)
        counts_RN = np.zeros((len(afters), most))
        for row, (cost, after) in enumerate(zip(costs, afters, strict=True)):
            points_RNK[row, : len(after.points_NK)] = cost + after.points_NK
            counts_RN[row, : len(after.counts_N)] = after.counts_N
        return np.ascontiguousarray(points_RNK.transpose(2, 0, 1)), counts_RN


def _window(metrics: Sequence[str], constraints: Sequence[Constraint]) -> Window:
    """Return the bounds of all constraints together; a strict bound moves by the least step."""
    low = dict.fromkeys(metrics, -np.inf)
    high = dict.fromkeys(metrics, np.inf)
    for each in constraints:
        least = np.nextafter(each.low, np.inf) if each.strict else each.low
        most = np.nextafter(each.high, -np.inf) if each.strict else each.high
        low[each.metric] = max(low[each.metric], least)
        high[each.metric] = min(high[each.metric], most)
    return Window(low_K=np.array(list(low.values())), high_K=np.array(list(high.values())))
