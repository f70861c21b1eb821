"""The share of the reachable hypervolume that a search has found.

Shape suffixes: R rows of the table, M objectives, N evaluations in their order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ...results.analysis.front import exclusive, front_mask, hypervolume

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class HypervolumeRatio:
    """The hypervolume of evaluated rows, divided by that of the whole table."""

    losses_RM: Floats
    """Losses of all rows: values to minimise, and negative values to maximise."""
    reference_M: Floats
    """The reference point; rows that are not better in every objective do not count."""

    @cached_property
    def whole(self) -> float:
        """Hypervolume of the table, which is above 0."""
        return hypervolume(self.losses_RM, self.reference_M)

    def growth(self, rows_N: Sequence[int]) -> Floats:
        """Return the ratio after each evaluation, (N,): from 0 to 1."""
        front, volume = np.empty((0, len(self.reference_M))), 0.0
        grown = np.empty(len(rows_N))
        for place, row in enumerate(rows_N):
            losses_M = self.losses_RM[row]
            if (losses_M < self.reference_M).all() and not (front <= losses_M).all(axis=1).any():
                volume += exclusive(losses_M, front, self.reference_M)
                front = np.vstack([front, losses_M])
                front = front[front_mask(front)]
            grown[place] = volume / self.whole
        return grown


def wide_reference(losses_RM: Floats) -> Floats:
    """Return the worst value of each objective in the table, (M,)."""
    return losses_RM.max(axis=0)


def tight_reference(losses_RM: Floats, bounded: int, bound: float) -> Floats | None:
    """Return the tight reference point, (M,).

    It holds the bound of one objective, and the other values of the row that is best in that
    objective: with accuracy bounded, the costs of the most accurate network (the cheapest of equal
    ones). The result is None if no row is better than this point in every objective.

    Args:
        losses_RM: Losses of all rows.
        bounded: Index of the bounded objective.
        bound: The bound, as a loss.
    """
    reference_M = losses_RM[losses_RM[:, bounded] == losses_RM[:, bounded].min()].min(axis=0)
    reference_M[bounded] = bound
    return reference_M if (losses_RM < reference_M).all(axis=1).any() else None
