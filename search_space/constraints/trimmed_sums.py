"""The reachable sums from each decision node under any number of bounds, trimmed on a grid.

This is the trimmed dynamic programming of the knapsack approximation scheme (Ibarra and Kim, 1975).
Every sum that is kept is the sum of a real path; trimming only leaves sums out.

Shape suffixes: G merged choices, K sums, N points, W walks, S decision nodes.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .bounded_steps import BoundedSteps, Bounds
from .cost_table import Floats, Integers, Numbers

TINY = np.finfo(np.float64).tiny
"""The smallest share of a reachable sum, however large the space."""

_FEW = 8
"""Equal points are merged first if there are up to this many times the points to keep: sorting more
takes long, and most of them are trimmed anyway."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Reachable:
    """Reachable sums of the paths to the end, and the share of all paths that each represents."""

    points_KN: Floats
    """Sums, each of at least one path."""
    shares_N: Floats
    """Shares of the paths from this node; a trimmed point's share goes to a neighbour."""

    @property
    def size(self) -> int:
        """Number of points."""
        return len(self.shares_N)

    def take(self, indices: Integers | NDArray[np.bool_]) -> "Reachable":
        """Return the points at ``indices``."""
        return Reachable(points_KN=self.points_KN[:, indices], shares_N=self.shares_N[indices])


@dataclass(frozen=True, eq=False, kw_only=True)
class _Stack:
    """The reachable sums of each merged choice of a node."""

    points_KNG: Floats
    """NaN after the last point of a merged choice, since their numbers of points differ."""
    shares_NG: Floats
    """Shares of all paths from the node; 0 after the last point."""


class TrimmedSums:
    """The reachable sums from each decision node, and their shares of all paths."""

    def __init__(self, steps: BoundedSteps, *, cap: int) -> None:
        """Compute the sums by dynamic programming from the end.

        Args:
            steps: The decision nodes and the bounds.
            cap: Number of sums kept at a node.
        """
        self._steps = steps
        self._stacks: dict[int, _Stack] = {}
        end, sums = steps.table.end, len(steps.sums)
        nothing = Reachable(points_KN=np.zeros((sums, 1)), shares_N=np.ones(1))
        self._reachable = [nothing] * (end + 1)
        for number in range(end - 1, -1, -1):
            least, most = steps.before[number]
            useful = Bounds(low_K=steps.bounds.low_K - most, high_K=steps.bounds.high_K - least)
            parts = [self._onward(number, *each) for each in steps.groups[number].afters]
            every = Reachable(
                points_KN=np.concatenate([each.reshape(sums, -1) for each, _ in parts], axis=1),
                shares_N=np.concatenate([each.ravel() for _, each in parts]),
            )
            self._reachable[number] = trimmed(every, cap, useful)

    @property
    def size(self) -> int:
        """Number of sums found for feasible walks; 0 if none was found."""
        return self._reachable[0].size

    @property
    def share(self) -> float:
        """Feasible share of the walks; an estimate if sums were trimmed."""
        return float(self._reachable[0].shares_N.sum())

    def sums(self, column: int) -> Floats:
        """Return sums of feasible walks, (N,)."""
        return self._reachable[0].points_KN[column]

    def shares(self, number: int, spent_K: Floats) -> Floats:
        """Return the share of feasible paths through each merged choice of a node, (G,)."""
        stack = self._stack(number)
        return np.where(self._inside(stack, spent_K), stack.shares_NG, 0.0).sum(axis=0)

    def possible(self, number: int, spent_K: Floats) -> NDArray[np.bool_]:
        """Return whether each merged choice of a node leads to a feasible walk, (G,)."""
        return np.logical_or.reduce(self._inside(self._stack(number), spent_K), axis=0)

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
            sums_WK[here] += steps.groups[number].costs_GK[groups_WS[here, number]]
            before = self._reachable[number]
            self._reachable[number] = Reachable(
                points_KN=np.concatenate((before.points_KN, sums_WK[here].T), axis=1),
                shares_N=np.concatenate((before.shares_N, np.full(len(here), TINY))),
            )
        self._stacks.clear()

    def _inside(self, stack: _Stack, spent_K: Floats) -> NDArray[np.bool_]:
        """Return which sums of a node satisfy the bounds, (N, G)."""
        inside = stack.shares_NG > 0
        spent = spent_K.tolist()
        for k, limit, upper in self._steps.limits:
            points_NG, left = stack.points_KNG[k], limit - spent[k]
            inside &= points_NG <= left if upper else points_NG >= left
        return inside

    def _onward(self, number: int, after: int, mine_G: Integers) -> tuple[Floats, Floats]:
        """Return reachable sums, (K, G, N), and shares of merged choices leading to one node."""
        groups, reachable = self._steps.groups[number], self._reachable[after]
        points = groups.costs_GK[mine_G].T[..., None] + reachable.points_KN[:, None]
        weight = self._steps.table.ways[after] / self._steps.table.ways[number]
        shares = (groups.sizes_G[mine_G, None] * weight) * reachable.shares_N
        return points, np.maximum(shares, TINY)

    def _stack(self, number: int) -> _Stack:
        """Return the reachable sums of all merged choices of a node as one array."""
        if number not in self._stacks:
            groups = self._steps.groups[number]
            parts = [self._onward(number, *each) for each in groups.afters]
            size = max(shares.shape[1] for _, shares in parts), len(groups.sizes_G)
            points_KNG = np.full((len(self._steps.sums), *size), np.nan)
            shares_NG = np.zeros(size)
            for (_, mine_G), (points, shares) in zip(groups.afters, parts, strict=True):
                points_KNG[:, : points.shape[2], mine_G] = points.transpose(0, 2, 1)
                shares_NG[: points.shape[2], mine_G] = shares.T
            self._stacks[number] = _Stack(points_KNG=points_KNG, shares_NG=shares_NG)
        return self._stacks[number]


def trimmed(reachable: Reachable, cap: int, useful: Bounds) -> Reachable:
    """Merge equal points, drop those outside ``useful``, and trim to about ``cap`` points.

    Each cell of a grid keeps two points: those with the least and the greatest sum of the scaled
    metrics (of metrics with only a lower bound, the negative). They take over the shares of the
    other points in their cell.

    Args:
        reachable: Sums, in any order.
        cap: Approximate number of points to keep.
        useful: Bounds outside which no sum can belong to a feasible walk.
    """
    reachable = reachable.take(useful.holds(reachable.points_KN))
    if reachable.size < 2:
        return reachable
    low_K, high_K = reachable.points_KN.min(axis=1), reachable.points_KN.max(axis=1)
    varies_K = high_K > low_K
    if reachable.size <= _FEW * cap:
        reachable = _joined(reachable, varies_K)
        if reachable.size <= cap:
            return reachable
    scaled_KN = reachable.points_KN[varies_K] - low_K[varies_K, None]
    scaled_KN /= (high_K - low_K)[varies_K, None]
    upwards_K = np.isinf(useful.high_K) & np.isfinite(useful.low_K)
    return _on_grid(reachable, np.where(upwards_K[varies_K, None], 1 - scaled_KN, scaled_KN), cap)


def _joined(reachable: Reachable, varies_K: NDArray[np.bool_]) -> Reachable:
    """Merge equal points."""
    if not varies_K.any():
        return Reachable(
            points_KN=reachable.points_KN[:, :1], shares_N=reachable.shares_N.sum(keepdims=True)
        )
    ordered = reachable.take(np.lexsort(reachable.points_KN[varies_K]))
    changed = (ordered.points_KN[:, 1:] != ordered.points_KN[:, :-1]).any(axis=0)
    starts = np.flatnonzero(np.concatenate(([True], changed)))
    return Reachable(
        points_KN=ordered.points_KN[:, starts],
        shares_N=np.add.reduceat(ordered.shares_N, starts),
    )


def _on_grid(reachable: Reachable, scaled_KN: Floats, cap: int) -> Reachable:
    """Keep two points of each cell of a grid of about ``cap / 2`` cells."""
    metrics = max(1, len(scaled_KN))
    side = max(2, int((cap / 2) ** (1 / metrics)))
    keys_N = np.zeros(reachable.size)
    for scaled_N in scaled_KN:
        keys_N = keys_N * side + np.minimum(np.floor(scaled_N * side), side - 1)
    sums_N = scaled_KN.sum(axis=0)
    order = np.argsort(keys_N + sums_N / (metrics + 1))  # by cell, then by sum
    starts = np.flatnonzero(np.diff(keys_N[order], prepend=-1))
    ends = np.append(starts[1:], len(order)) - 1
    shares_N, two = reachable.shares_N[order], ends > starts
    totals = np.add.reduceat(shares_N, starts)
    means = np.add.reduceat(shares_N * sums_N[order], starts) / totals
    low, high = sums_N[order[starts]], sums_N[order[ends]]
    upper = totals * np.clip((means - low) / np.where(high > low, high - low, 1), 0, 1)
    kept = np.concatenate((order[starts], order[ends[two]]))
    shares = np.concatenate((totals - np.where(two, upper, 0), upper[two]))
    return Reachable(points_KN=reachable.points_KN[:, kept], shares_N=np.maximum(shares, TINY))
