"""Which sums of costs can be reached: the arithmetic behind hard constraints.

Shape suffixes: N points, K metrics, G groups of alike choices.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .step_table import Floats, Integers

_TINY = np.finfo(np.float64).tiny


@dataclass(frozen=True, eq=False, kw_only=True)
class Window:
    """Closed bounds on the sum of each metric."""

    low_K: Floats
    """Least sums."""
    high_K: Floats
    """Greatest sums."""

    def holds(self, points_NK: Floats) -> Any:
        """Return which sums are within the bounds, (N,)."""
        return np.logical_and(points_NK >= self.low_K, points_NK <= self.high_K).all(axis=-1)


@dataclass(frozen=True, eq=False, kw_only=True)
class Reach:
    """Sums that ways to the end can really have, and the share of all ways that each stands for."""

    points_NK: Floats
    """Sums, each that of at least one way."""
    shares_N: Floats
    """Shares of the ways from here on; those of points that were left out are a neighbour's."""
    groups_N: Integers
    """The group of the first choice of the ways that each point stands for, where it matters; else
    zeros."""
    whole: bool
    """Whether no point was left out."""

    @classmethod
    def end(cls, metrics: int) -> "Reach":
        """Return the one way of nothing more."""
        return cls(
            points_NK=np.zeros((1, metrics)),
            shares_N=np.ones(1),
            groups_N=np.zeros(1, np.int64),
            whole=True,
        )

    def take(self, indices: Integers | NDArray[np.bool_]) -> "Reach":
        """Return some of the points."""
        return Reach(
            points_NK=self.points_NK[indices],
            shares_N=self.shares_N[indices],
            groups_N=self.groups_N[indices],
            whole=self.whole,
        )


def merged(reach: Reach, cap: int, useful: Window) -> Reach:
    """Join equal points, leave out the useless, and thin what is left to about ``cap`` points.

    Of each cell of a grid over the useful range two points stay, the one with the least and the
    one with the greatest sum of scaled metrics; so the point nearest to each corner of the range
    stays. They take the shares of the others in their cell.

    Args:
        reach: Sums, in any order.
        cap: Points to keep, roughly.
        useful: Sums outside it cannot belong to a way that keeps the bounds.
    """
    reach = reach.take(useful.holds(reach.points_NK))
    if len(reach.points_NK) < 2:
        return reach
    low_K, high_K = reach.points_NK.min(axis=0), reach.points_NK.max(axis=0)
    varies_K = high_K > low_K
    order = np.lexsort((reach.groups_N, *reach.points_NK[:, varies_K].T))
    ordered = reach.take(order)
    changed = ordered.groups_N[1:] != ordered.groups_N[:-1]
    changed |= (ordered.points_NK[1:] != ordered.points_NK[:-1]).any(axis=1)
    starts = np.flatnonzero(np.concatenate(([True], changed)))
    joined = Reach(
        points_NK=ordered.points_NK[starts],
        shares_N=np.add.reduceat(ordered.shares_N, starts),
        groups_N=ordered.groups_N[starts],
        whole=reach.whole,
    )
    if len(starts) <= cap:
        return joined
    scaled_NK = (joined.points_NK - low_K)[:, varies_K] / (high_K - low_K)[varies_K]
    return _thinned(joined, scaled_NK, cap)


def _thinned(reach: Reach, scaled_NK: Floats, cap: int) -> Reach:
    """Keep two points of each cell of a grid of about ``cap / 2`` cells."""
    metrics = max(1, scaled_NK.shape[1])
    side = max(2, int((cap / 2) ** (1 / metrics)))
    cells_NK = np.minimum((scaled_NK * side).astype(np.int64), side - 1)
    keys_N = cells_NK @ (side ** np.arange(scaled_NK.shape[1], dtype=np.int64))
    sums_N = scaled_NK.sum(axis=1)
    order = np.lexsort((sums_N, keys_N))
    starts = np.flatnonzero(np.diff(keys_N[order], prepend=-1))
    ends = np.append(starts[1:], len(order)) - 1
    totals = np.add.reduceat(reach.shares_N[order], starts)
    two = ends > starts
    kept = np.concatenate((order[starts], order[ends[two]]))
    shares = np.concatenate((np.where(two, totals / 2, totals), totals[two] / 2))
    for extra in _runners_up(sums_N, reach.groups_N):
        if extra not in kept:
            kept, shares = np.append(kept, extra), np.append(shares, 0.0)
    return Reach(
        points_NK=reach.points_NK[kept],
        shares_N=np.maximum(shares, _TINY),
        groups_N=reach.groups_N[kept],
        whole=False,
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
