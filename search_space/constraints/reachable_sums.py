"""Which sums of costs can be reached: the arithmetic behind hard constraints.

Shape suffixes: N points, K metrics, G groups of alike choices.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .bounded_steps import Window
from .cost_table import Floats, Integers

TINY = np.finfo(np.float64).tiny
"""What can be reached has at least this share, however large the space."""

_FEW = 8
"""So many times the points to be kept are looked through for equal ones; of more, most must go."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Reach:
    """Sums that ways to the end can really have, and the share of all ways that each stands for."""

    points_KN: Floats
    """Sums, each that of at least one way."""
    shares_N: Floats
    """Shares of the ways from here on; those of points that were left out are a neighbour's."""
    groups_N: Integers
    """The group of the first choice of the ways that each point stands for, where it matters; else
    zeros."""

    @classmethod
    def end(cls, metrics: int) -> "Reach":
        """Return the one way of nothing more."""
        return cls(
            points_KN=np.zeros((metrics, 1)),
            shares_N=np.ones(1),
            groups_N=np.zeros(1, np.int64),
        )

    @property
    def size(self) -> int:
        """Number of points."""
        return len(self.shares_N)

    def take(self, indices: Integers | NDArray[np.bool_]) -> "Reach":
        """Return some of the points."""
        return Reach(
            points_KN=self.points_KN[:, indices],
            shares_N=self.shares_N[indices],
            groups_N=self.groups_N[indices],
        )

    def more(self, points_KN: Floats, groups_N: Integers) -> "Reach":
        """Return the same with other points, of which each stands for next to no share."""
        return Reach(
            points_KN=np.concatenate((self.points_KN, points_KN), axis=1),
            shares_N=np.concatenate((self.shares_N, np.full(len(groups_N), TINY))),
            groups_N=np.concatenate((self.groups_N, groups_N)),
        )


def merged(reach: Reach, cap: int, useful: Window) -> Reach:
    """Join equal points, leave out the useless, and thin what is left to about ``cap`` points.

    Of each cell of a grid over the useful range two points stay: those that keep the bounds best
    and worst, by the sum of the scaled metrics (the negative of those that are only bounded from
    below). They take the shares of the others in their cell.

    Args:
        reach: Sums, in any order.
        cap: Points to keep, roughly.
        useful: Sums outside it cannot belong to a way that keeps the bounds.
    """
    reach = reach.take(useful.holds(reach.points_KN))
    if reach.size < 2:
        return reach
    low_K, high_K = reach.points_KN.min(axis=1), reach.points_KN.max(axis=1)
    varies_K = high_K > low_K
    if reach.size <= _FEW * cap:
        reach = _joined(reach, varies_K)
        if reach.size <= cap:
            return reach
    scaled_KN = reach.points_KN[varies_K] - low_K[varies_K, None]
    scaled_KN /= (high_K - low_K)[varies_K, None]
    upwards_K = np.isinf(useful.high_K) & np.isfinite(useful.low_K)
    return _thinned(reach, np.where(upwards_K[varies_K, None], 1 - scaled_KN, scaled_KN), cap)


def _joined(reach: Reach, varies_K: NDArray[np.bool_]) -> Reach:
    """Join equal points."""
    order = np.lexsort((reach.groups_N, *reach.points_KN[varies_K]))
    ordered = reach.take(order)
    changed = ordered.groups_N[1:] != ordered.groups_N[:-1]
    changed |= (ordered.points_KN[:, 1:] != ordered.points_KN[:, :-1]).any(axis=0)
    starts = np.flatnonzero(np.concatenate(([True], changed)))
    return Reach(
        points_KN=ordered.points_KN[:, starts],
        shares_N=np.add.reduceat(ordered.shares_N, starts),
        groups_N=ordered.groups_N[starts],
    )


def _thinned(reach: Reach, scaled_KN: Floats, cap: int) -> Reach:
    """Keep two points of each cell of a grid of about ``cap / 2`` cells."""
    metrics = max(1, len(scaled_KN))
    side = max(2, int((cap / 2) ** (1 / metrics)))
    keys_N = np.zeros(reach.size)
    for scaled_N in scaled_KN:
        keys_N = keys_N * side + np.minimum(np.floor(scaled_N * side), side - 1)
    sums_N = scaled_KN.sum(axis=0)
    order = np.argsort(keys_N + sums_N / (metrics + 1))  # by the cell, in it by the sum
    starts = np.flatnonzero(np.diff(keys_N[order], prepend=-1))
    ends = np.append(starts[1:], len(order)) - 1
    shares_N, two = reach.shares_N[order], ends > starts
    totals = np.add.reduceat(shares_N, starts)
    means = np.add.reduceat(shares_N * sums_N[order], starts) / totals
    low, high = sums_N[order[starts]], sums_N[order[ends]]
    upper = totals * np.clip((means - low) / np.where(high > low, high - low, 1), 0, 1)
    kept = np.concatenate((order[starts], order[ends[two]]))
    shares = np.concatenate((totals - np.where(two, upper, 0), upper[two]))
    for extra in _runners_up(sums_N, reach.groups_N):
        if extra not in kept:
            kept, shares = np.append(kept, extra), np.append(shares, 0.0)
    return Reach(
        points_KN=reach.points_KN[:, kept],
        shares_N=np.maximum(shares, TINY),
        groups_N=reach.groups_N[kept],
    )


def _runners_up(sums_N: Floats, groups_N: Integers) -> list[np.intp]:
    """Return the least and the greatest point outside the group of the least and the greatest.

    They are the extremes for those who may not choose from that group.
    """
    found: list[np.intp] = []
    for signed_N in (sums_N, -sums_N):
        others = groups_N != groups_N[signed_N.argmin()]
        if others.any():
            found.append(np.where(others, signed_N, np.inf).argmin())
    return found
