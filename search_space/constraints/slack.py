"""Bounds on the slack with which a walk can end, given its sums from some node to the end.

Bounds on the metrics bound every weighted sum of the metrics too (Lagrangian relaxation). For one
weighted sum, dynamic programming finds the least value over the paths to each node exactly. So many
weights together tell early which sums cannot belong to a feasible walk.

Shape suffixes: D directions (weights), K sums, N points, S decision nodes.
"""

import numpy as np
from numpy.typing import NDArray

from .bounded_steps import BoundedSteps
from .cost_table import Floats

_DIRECTIONS = 48
"""Number of weighted sums, besides the metrics themselves. With 12 of them, trimmed sums found
walks within 9 of 12 bounds of 0.01 % around the params and macs of random networks of ``micro``,
with 48 and with 96 within 11."""

_ROUNDING = 1e-9
"""Bound on the rounding error of weighted sums, relative to the ranges of the metrics."""


class Slack:
    """Upper bounds on the slack of walks, by the least weighted sums of paths to each node."""

    def __init__(self, steps: BoundedSteps, *, aim: int | None = None, up: bool = False) -> None:
        """Compute the least weighted sums.

        Args:
            steps: The decision nodes and the bounds.
            aim: Index of the sum whose distance to its upper bound (or to 0) is the slack; None:
                the slack is the least distance to all bounds, relative to the ranges of the sums.
            up: Whether the distance of the sum ``aim`` is to its lower bound instead.
        """
        low_K, high_K = steps.bounds.low_K.copy(), steps.bounds.high_K.copy()
        side_K = low_K if up else high_K
        limited = aim is None or bool(np.isfinite(side_K[aim]))
        if aim is not None and not limited:
            side_K[aim] = 0.0  # only the differences matter
        weights_DK = _weights(np.isfinite(low_K), np.isfinite(high_K)) / steps.scale_K
        ends_DK = np.where(weights_DK > 0, high_K, low_K)
        ends_DK = np.where(weights_DK == 0, 0.0, ends_DK)
        room_SD = (weights_DK * ends_DK).sum(axis=1) - self._least(steps, weights_DK)
        along_D = np.zeros(len(weights_DK)) if aim is None else weights_DK[:, aim]
        aimed_D = along_D < 0 if up else along_D > 0
        kept_D = np.ones_like(aimed_D) if limited else ~aimed_D
        unit_D = np.abs(along_D[aimed_D])
        self._kept = room_SD[:, kept_D], weights_DK[kept_D]
        self._aimed = room_SD[:, aimed_D] / unit_D, weights_DK[aimed_D] / unit_D[:, None]

    def _least(self, steps: BoundedSteps, weights_DK: Floats) -> Floats:
        """Return the least weighted sums of the paths to each node, (S + 1, D)."""
        found = np.full((steps.table.end + 1, len(weights_DK)), np.inf)
        found[0] = 0
        for number, groups in enumerate(steps.groups):
            costs_GD = groups.costs_GK @ weights_DK.T
            for after, mine_G in groups.afters:
                here_D = found[number] + costs_GD[mine_G].min(axis=0)
                found[after] = np.minimum(found[after], here_D)
        return found

    def of(self, number: int, points_KN: Floats) -> Floats:
        """Return bounds on the slack of walks, (N,); -inf where a walk must violate a bound.

        Args:
            number: The number of a node.
            points_KN: Sums of paths from the node to the end.
        """
        kept_N = self._left(number, points_KN, *self._kept)
        aimed = len(self._aimed[1]) > 0
        slack_N = self._left(number, points_KN, *self._aimed) if aimed else kept_N
        return np.where(kept_N < -_ROUNDING, -np.inf, slack_N)

    def _left(self, number: int, points_KN: Floats, room_SD: Floats, weights_DK: Floats) -> Floats:
        """Return the least difference to the bounds on some weighted sums, (N,)."""
        found = np.full(points_KN.shape[1], np.inf)
        for room, weights_K in zip(room_SD[number].tolist(), weights_DK, strict=True):
            np.minimum(found, room - weights_K @ points_KN, out=found)  # one array stays in cache
        return found


def _weights(low_K: NDArray[np.bool_], high_K: NDArray[np.bool_]) -> Floats:
    """Return the weights of bounded sums, (D, K): those of single metrics, then random mixtures."""
    generator = np.random.default_rng(0)
    sums = len(low_K)
    axes = np.concatenate((np.eye(sums)[high_K], -np.eye(sums)[low_K]))
    sizes = generator.dirichlet(np.full(sums, 0.7), size=_DIRECTIONS)
    either = generator.choice((-1, 1), sizes.shape)
    signs = np.where(high_K & low_K, either, high_K.astype(int) - low_K)
    mixed = sizes * signs
    return np.concatenate((axes, mixed[np.abs(mixed).sum(axis=1) > 0.05]))
