"""Which sums of costs can be reached: the arithmetic behind hard constraints.

Shape suffixes: N points, K metrics, R rows.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False, kw_only=True)
class Window:
    """Closed bounds on the sum of each metric."""

    low_K: Floats
    """Least sums."""
    high_K: Floats
    """Greatest sums."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Reach:
    """Sums that ways to the end can really have, and how many ways each stands for."""

    points_NK: Floats
    """Sums, each that of at least one way."""
    counts_N: Floats
    """Ways; those of points that were left out are given to a neighbour."""
    rows_N: NDArray[np.int64]
    """The first choice of the ways that each point stands for, where it matters; else zeros."""
    whole: bool
    """Whether no point was left out."""

    @classmethod
    def end(cls, metrics: int) -> "Reach":
        """Return the one way of nothing more."""
        return cls(
            points_NK=np.zeros((1, metrics)),
            counts_N=np.ones(1),
            rows_N=np.zeros(1, np.int64),
            whole=True,
        )

    def without(self, row: int) -> "Reach":
        """Return the points whose first choice is not ``row``."""
        return self.take(np.flatnonzero(self.rows_N != row))

    def take(self, indices: NDArray[np.intp]) -> "Reach":
        """Return some of the points."""
        return Reach(
            points_NK=self.points_NK[indices],
            counts_N=self.counts_N[indices],
            rows_N=self.rows_N[indices],
            whole=self.whole,
        )


def merged(reach: Reach, cap: int, useful: Window) -> Reach:
    """Join equal points, leave out the useless, and thin what is left to about ``cap`` points.

    Of each cell of a grid over the useful range two points stay, the one with the least and the
    one with the greatest sum of scaled metrics; so the point nearest to each corner of the range
    stays. They take the counts of the others in their cell.

    Args:
        reach: Sums, in any order.
        cap: Points to keep, roughly.
        useful: Sums outside it cannot belong to a way that keeps the bounds.
    """
    points_NK = reach.points_NK
    inside = ((points_NK >= useful.low_K) & (points_NK <= useful.high_K)).all(axis=1)
    reach = reach.take(np.flatnonzero(inside))
    if not len(reach.points_NK):
        return reach
    order = np.lexsort((reach.rows_N, *reach.points_NK.T))
    ordered_NK, rows_N = reach.points_NK[order], reach.rows_N[order]
    changed = (ordered_NK[1:] != ordered_NK[:-1]).any(axis=1) | (rows_N[1:] != rows_N[:-1])
    starts = np.flatnonzero(np.concatenate(([True], changed)))
    joined = Reach(
        points_NK=ordered_NK[starts],
        counts_N=np.add.reduceat(reach.counts_N[order], starts),
        rows_N=rows_N[starts],
        whole=reach.whole,
    )
    return joined if len(starts) <= cap else _thinned(joined, cap)


def _thinned(reach: Reach, cap: int) -> Reach:
    """Keep two points of each cell of a grid of about ``cap / 2`` cells."""
    points_NK, metrics = reach.points_NK, reach.points_NK.shape[1]
    low_K = points_NK.min(axis=0)
    scaled_NK = (points_NK - low_K) / np.maximum(points_NK.max(axis=0) - low_K, 1e-9)
    side = max(2, int((cap / 2) ** (1 / metrics)))
    cells_NK = np.minimum((scaled_NK * side).astype(np.int64), side - 1)
    keys_N = cells_NK @ (side ** np.arange(metrics, dtype=np.int64))
    order = np.lexsort((scaled_NK.sum(axis=1), keys_N))
    starts = np.flatnonzero(np.diff(keys_N[order], prepend=-1))
    ends = np.append(starts[1:], len(order)) - 1
    totals = np.add.reduceat(reach.counts_N[order], starts)
    two = ends > starts
    kept = reach.take(np.concatenate((order[starts], order[ends[two]])))
    shares = np.concatenate((np.where(two, totals / 2, totals), totals[two] / 2))
    return Reach(points_NK=kept.points_NK, counts_N=shares, rows_N=kept.rows_N, whole=False)
