"""The reachable sums from each decision node under any number of bounds, trimmed on a grid.

This is the trimmed dynamic programming of the knapsack approximation scheme (Ibarra and Kim, 1975).
Every sum that is kept is the sum of a real path; trimming only leaves sums out. At one node, a sum
that is left out differs from a kept one by at most one cell in every metric. The errors of
successive nodes add up, so narrow bounds may find nothing where something is feasible.

Shape suffixes: G merged choices, K sums, N points, W walks, S decision nodes.
"""

from dataclasses import dataclass, replace
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray

from .bounded_steps import BoundedSteps, Bounds
from .cost_table import Floats, Integers, Numbers
from .slack import Slack

TINY = np.finfo(np.float64).tiny
"""The smallest share of a reachable sum, however large the space."""

_BITS = 16
"""Each metric is divided into at most ``2 ** _BITS`` cells. The numbers of the cells of three
metrics then fit into 64 bits."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Reachable:
    """Reachable sums of the paths from a node to the end."""

    points_KN: Floats
    """Sums, each of at least one path."""
    shares_N: Floats
    """Shares of all paths from the node; a trimmed point's share goes to a neighbour."""
    groups_N: Integers
    """The first merged choice of each path."""

    @property
    def size(self) -> int:
        """Number of points."""
        return len(self.shares_N)

    def take(self, indices: Integers | NDArray[np.bool_]) -> "Reachable":
        """Return the points at ``indices``."""
        return Reachable(
            points_KN=self.points_KN[:, indices],
            shares_N=self.shares_N[indices],
            groups_N=self.groups_N[indices],
        )


class TrimmedSums:
    """The reachable sums from each decision node, and their shares of all paths."""

    def __init__(
        self, steps: BoundedSteps, *, cap: int, aim: int | None = None, up: bool = False
    ) -> None:
        """Compute the sums by dynamic programming from the end.

        Args:
            steps: The decision nodes and the bounds.
            cap: Number of sums kept at a node.
            aim: Index of a sum whose least value is looked for.
            up: Whether the greatest value of the sum ``aim`` is looked for instead.
        """
        self._steps, self._cap, self._aim, self._up = steps, cap, aim, up
        self._onwards: dict[int, Reachable] = {}
        low_K, high_K = steps.bounds.low_K, steps.bounds.high_K
        self._narrow = int(np.argmin((high_K - low_K) / steps.scale_K))
        self._range = float(low_K[self._narrow]), float(high_K[self._narrow])
        self._others = [each for each in steps.limits if each[0] != self._narrow]
        self.whole = True
        """Whether no sum was trimmed, so that every feasible walk is known."""
        nothing = Reachable(
            points_KN=np.zeros((len(steps.sums), 1)),
            shares_N=np.ones(1),
            groups_N=np.zeros(1, dtype=np.int64),
        )
        self._reachable = [nothing] * (steps.table.end + 1)
        for number in range(steps.table.end - 1, -1, -1):
            self._reachable[number] = self._trimmed(number, self._onward(number))

    @property
    def size(self) -> int:
        """Number of sums found for feasible walks; 0 if none was found."""
        return self._reachable[0].size

    @property
    def share(self) -> float:
        """Feasible share of the walks, if ``whole``."""
        return float(self._reachable[0].shares_N.sum())

    def sums(self, column: int) -> Floats:
        """Return sums of feasible walks, (N,)."""
        return self._reachable[0].points_KN[column]

    def shares(self, number: int, spent_K: Floats) -> Floats:
        """Return the share of feasible paths through each merged choice of a node, (G,)."""
        size = len(self._steps.groups[number].sizes_G)
        every, piece, inside = self._inside(number, spent_K)
        shares_N = every.shares_N[piece][inside]
        return np.bincount(every.groups_N[piece][inside], shares_N, size).astype(np.float64)

    def possible(self, number: int, spent_K: Floats) -> NDArray[np.bool_]:
        """Return whether each merged choice of a node leads to a feasible walk, (G,)."""
        every, piece, inside = self._inside(number, spent_K)
        found = np.zeros(len(self._steps.groups[number].sizes_G), dtype=np.bool_)
        found[every.groups_N[piece][inside]] = True
        return found

    def add(self, groups_WS: Numbers) -> None:
        """Keep the sums of given feasible walks too, each with the share ``TINY``.

        Args:
            groups_WS: The merged choice of each walk at each node; -1 where the walk does not visit
                it.
        """
        steps = self._steps
        sums_WK = np.zeros((len(groups_WS), len(steps.sums)))
        for number in range(steps.table.end - 1, -1, -1):
            here = np.flatnonzero(groups_WS[:, number] >= 0)
            taken_W = groups_WS[here, number].astype(np.int64)
            sums_WK[here] += steps.groups[number].costs_GK[taken_W]
            shares_N = np.full(len(here), TINY)
            more = Reachable(points_KN=sums_WK[here].T, shares_N=shares_N, groups_N=taken_W)
            self._reachable[number] = _together([self._reachable[number], more])
        self._onwards.clear()

    def _inside(
        self, number: int, spent_K: Floats
    ) -> tuple[Reachable, slice, NDArray[np.bool_] | slice]:
        """Return all sums of a node, a slice of them, and the feasible ones of the slice.

        Args:
            number: The number of the node.
            spent_K: The sums over the walk up to the node.

        Returns:
            The sums, sorted by the metric with the narrowest bounds; the slice of them that
            satisfies these bounds; and a mask of those in the slice that satisfy all other bounds.
        """
        if number not in self._onwards:
            every = self._onward(number)
            self._onwards[number] = every.take(np.argsort(every.points_KN[self._narrow]))
        every, spent, k = self._onwards[number], spent_K.tolist(), self._narrow
        # First the metric with the narrowest bounds, by a binary search in the sorted sums.
        low, high = self._range
        rising_N = every.points_KN[k]
        start = rising_N.searchsorted(low - spent[k], "left")
        piece = slice(start, rising_N.searchsorted(high - spent[k], "right"))
        inside = slice(None)
        # Then every other bound: ``left`` is what the walk so far leaves of it.
        for k, limit, upper in self._others:
            points_N, left = every.points_KN[k][piece], limit - spent[k]
            within = points_N <= left if upper else points_N >= left
            inside = within if isinstance(inside, slice) else inside & within
        return every, piece, inside

    def _onward(self, number: int) -> Reachable:
        """Return the sums of a node that follow from those kept at the next nodes.

        Sums that cannot belong to a feasible walk are left out.
        """
        table, groups = self._steps.table, self._steps.groups[number]
        least_K, most_K = self._steps.before[number]
        bounds = self._steps.bounds
        useful = Bounds(low_K=bounds.low_K - most_K, high_K=bounds.high_K - least_K)
        found: list[Reachable] = []
        for after, mine_G in groups.afters:
            reachable = self._reachable[after]
            points = groups.costs_GK[mine_G].T[..., None] + reachable.points_KN[:, None]
            share = table.path_counts[after] / table.path_counts[number]
            weights_G = groups.sizes_G[mine_G, None] * share
            found.append(
                Reachable(
                    points_KN=points.reshape(len(points), -1),
                    shares_N=np.maximum(weights_G * reachable.shares_N, TINY).ravel(),
                    groups_N=np.repeat(mine_G, reachable.size),
                )
            )
        every = _together(found)
        return every.take(useful.holds(every.points_KN))

    @cached_property
    def _slack(self) -> Slack:
        return Slack(self._steps, aim=self._aim, up=self._up)

    def _trimmed(self, number: int, every: Reachable) -> Reachable:
        """Return at most ``cap`` of the sums from a node.

        Each cell of the finest grid with at most ``cap`` occupied cells keeps the sum with the
        largest slack, which takes over the shares of the others.
        """
        if every.size <= self._cap:
            return _joined(every)
        slack_N = self._slack.of(number, every.points_KN)
        every, slack_N = every.take(slack_N > -np.inf), slack_N[slack_N > -np.inf]
        if every.size <= self._cap:
            return _joined(every)
        self.whole = False
        codes_N = _codes(np.delete(every.points_KN, [] if self._aim is None else self._aim, 0))
        order = np.argsort(codes_N, kind="stable")
        every, slack_N, codes_N = every.take(order), slack_N[order], codes_N[order]
        # two codes are in one cell of a grid if they differ only in their last bits
        differ_N = np.frexp(codes_N[1:] ^ codes_N[:-1])[1]
        splits = np.bincount(differ_N, minlength=64)[::-1].cumsum()[::-1]
        splits_N = np.concatenate(([True], differ_N > (splits >= self._cap).sum() - 1))
        starts, cells_N = np.flatnonzero(splits_N), splits_N.cumsum() - 1
        best = np.flatnonzero(slack_N == np.maximum.reduceat(slack_N, starts)[cells_N])
        kept = every.take(best[np.flatnonzero(np.diff(cells_N[best], prepend=-1))])
        return replace(kept, shares_N=np.add.reduceat(every.shares_N, starts))


def _together(parts: list[Reachable]) -> Reachable:
    return Reachable(
        points_KN=np.concatenate([each.points_KN for each in parts], axis=1),
        shares_N=np.concatenate([each.shares_N for each in parts]),
        groups_N=np.concatenate([each.groups_N for each in parts]),
    )


def _joined(reachable: Reachable) -> Reachable:
    """Merge equal points."""
    if reachable.size < 2:
        return reachable
    ordered = reachable.take(np.lexsort(reachable.points_KN))
    changed = (ordered.points_KN[:, 1:] != ordered.points_KN[:, :-1]).any(axis=0)
    starts = np.flatnonzero(np.concatenate(([True], changed)))
    shares_N = np.add.reduceat(ordered.shares_N, starts)
    return replace(ordered.take(starts), shares_N=shares_N)


def _codes(points_KN: Floats) -> Integers:
    """Return the Morton codes of points: the bits of their scaled sums, interleaved."""
    low_K, high_K = points_KN.min(axis=1), points_KN.max(axis=1)
    varies = np.flatnonzero(high_K > low_K).tolist()
    bits = min(_BITS, 62 // max(1, len(varies)))
    codes_N = np.zeros(points_KN.shape[1], dtype=np.int64)
    for place, k in enumerate(varies):
        scaled_N = (points_KN[k] - low_K[k]) * (((1 << bits) - 1) / (high_K[k] - low_K[k]))
        codes_N |= _spread(bits, len(varies))[scaled_N.astype(np.int64)] << place
    return codes_N


@cache
def _spread(bits: int, apart: int) -> Integers:
    """Return every number of ``bits`` bits with its bits ``apart`` places apart."""
    numbers = np.arange(1 << bits)
    found = np.zeros_like(numbers)
    for bit in range(bits):
        found |= (numbers >> bit & 1) << (bit * apart)
    return found
