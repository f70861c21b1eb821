"""Pareto-optimal reachable sums, for bounds on at most two metrics, each from one side.

The non-dominated reachable sums then decide what is feasible: a Pareto front, short however many
paths there are. Signs are chosen so that less is better.

Shape suffixes: P the two signed sums (a missing one is 0), N points, G merged choices, K sums.
"""

import numpy as np
from numpy.typing import NDArray

from .bounded_steps import BoundedSteps
from .cost_table import Floats, Integers

Asked = tuple[NDArray[np.complex128], Floats, Floats]
"""The fronts of all next nodes of one node, concatenated. The first array has the number of the
front (real part) with the first sum (imaginary part), the second one the second sums, the third one
the number of each merged choice's front."""


def signs_of(steps: BoundedSteps, *, aim: int | None = None, up: bool = False) -> Floats | None:
    """Return the signs of the sums, (P, K), or None if Pareto sums do not apply to the bounds.

    Args:
        steps: The decision nodes and the bounds.
        aim: Index of a sum whose least value is looked for.
        up: Whether the greatest value of the sum ``aim`` is looked for instead.
    """
    low_K, high_K = np.isfinite(steps.bounds.low_K), np.isfinite(steps.bounds.high_K)
    if aim is not None:
        (low_K if up else high_K)[aim] = True
    columns = np.flatnonzero((low_K | high_K) & ~steps.never_K)
    if len(columns) > 2 or (low_K & high_K).any():
        return None
    signs_PK = np.zeros((2, len(low_K)))
    signs_PK[np.arange(len(columns)), columns] = np.where(high_K[columns], 1, -1)
    return signs_PK


class ParetoSums:
    """The Pareto-optimal sums reachable from each decision node."""

    def __init__(self, steps: BoundedSteps, signs_PK: Floats, *, cap: int) -> None:
        """Compute the sums by dynamic programming from the end.

        Args:
            steps: The decision nodes and the bounds.
            signs_PK: The signs of the sums; see ``signs_of``.
            cap: Number of sums kept at a node.
        """
        self._steps, self._signs_PK = steps, signs_PK
        self.whole = True
        """Whether no sum was trimmed, so that every feasible walk is known."""
        ends_PK = np.where(signs_PK > 0, steps.bounds.high_K, -steps.bounds.low_K)
        self._high_P = np.where(signs_PK != 0, ends_PK, 0).sum(axis=1)
        self._costs: list[Floats] = []
        for groups in steps.groups:
            never_G = (groups.costs_GK[:, steps.never_K] > 0).any(axis=1)
            self._costs.append(np.where(never_G, np.inf, signs_PK @ groups.costs_GK.T))
        self._asked: dict[int, Asked] = {}
        self._fronts = [np.zeros((2, 1))] * (steps.table.end + 1)
        for number in range(steps.table.end - 1, -1, -1):
            afters = steps.groups[number].afters
            points_PN = np.concatenate([self._onward(number, *each) for each in afters], axis=1)
            kept = front(points_PN)
            if len(kept) > cap:
                kept = kept[np.linspace(0, len(kept) - 1, cap).astype(np.int64)]
                self.whole = False
            self._fronts[number] = points_PN[:, kept]

    @property
    def size(self) -> int:
        """Number of sums found for feasible walks; 0 if none was found."""
        return self._fronts[0].shape[1]

    def sums(self, column: int) -> Floats:
        """Return sums of feasible walks, (N,), of one of the metrics."""
        return self._signs_PK[:, column] @ self._fronts[0]

    def possible(self, number: int, spent_K: Floats) -> NDArray[np.bool_]:
        """Return whether each merged choice of a node leads to a feasible walk, (G,)."""
        if number not in self._asked:
            self._asked[number] = self._onward_fronts(number)
        keys_N, second_N, place_G = self._asked[number]
        first, second = (self._high_P - self._signs_PK @ spent_K).tolist()
        cost_PG = self._costs[number]
        sought_G = np.empty(len(place_G), dtype=np.complex128)
        sought_G.real, sought_G.imag = place_G, first - cost_PG[0]
        # of a front, the last point whose first sum is small enough has the least second sum
        return second_N[keys_N.searchsorted(sought_G, "right") - 1] <= second - cost_PG[1]

    def _onward_fronts(self, number: int) -> Asked:
        """Return the fronts of the nodes after a node, with a point that satisfies no bound."""
        groups = self._steps.groups[number]
        place_G = np.zeros(len(groups.sizes_G))
        keys: list[NDArray[np.complex128]] = []
        seconds: list[Floats] = []
        for place, (after, mine_G) in enumerate(groups.afters):
            first_N, second_N = self._fronts[after]
            keys.append(np.full(len(first_N) + 1, place, dtype=np.complex128))
            keys[-1].imag = np.append(-np.inf, first_N)
            seconds.append(np.append(np.inf, second_N))
            place_G[mine_G] = place
        return np.concatenate(keys), np.concatenate(seconds), place_G

    def _onward(self, number: int, after: int, mine_G: Integers) -> Floats:
        """Return the reachable sums of merged choices leading to one node, (P, N)."""
        costs_PG = self._costs[number][:, mine_G]
        costs_PG = costs_PG[:, front(costs_PG)]
        points_PN = (costs_PG[..., None] + self._fronts[after][:, None]).reshape(2, -1)
        least_P = np.minimum(*(self._signs_PK @ each for each in self._steps.before[number]))
        first, second = self._high_P - least_P
        return points_PN[:, (points_PN[0] <= first) & (points_PN[1] <= second)]


def front(sums_PN: Floats) -> Integers:
    """Return the indices of the non-dominated sums, in ascending order of the first.

    Of equal first sums, more than the best may be kept, in descending order of the second.
    """
    order = np.argsort(sums_PN[0], kind="stable")
    second_N = sums_PN[1, order]
    best_N = np.minimum.accumulate(np.concatenate(([np.inf], second_N)))
    return order[second_N < best_N[:-1]]
