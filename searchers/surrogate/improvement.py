"""Expected hypervolume improvement in closed form, for independent normal predictions.

Shape suffixes: P candidates, K points of the front, M objectives (losses).
"""

import numpy as np
from numpy.typing import NDArray

from ...results.analysis.front import front_mask, hypervolume

Floats = NDArray[np.float64]

_ROOT_TWO_PI = 2.5066282746310002


def expected_gap(bounds_L: Floats, mean_P1: Floats, sd_P1: Floats) -> Floats:
    """Return the expected amount by which a normal value falls below each bound, (P, L).

    E[max(b - Y, 0)] = s phi(z) + (b - m) Phi(z) with z = (b - m) / s.
    """
    from scipy.special import ndtr  # type: ignore[import-untyped]

    z = (bounds_L - mean_P1) / sd_P1
    return sd_P1 * np.exp(-0.5 * z * z) / _ROOT_TWO_PI + (bounds_L - mean_P1) * ndtr(z)


def expected_improvement(
    front_KM: Floats,
    reference_M: Floats,
    means_PM: Floats,
    sds_PM: Floats,
    *,
    unknown_bound: bool = False,
) -> Floats:
    """Return the expected growth of the hypervolume by each candidate, (P,).

    The region that the front leaves is cut into slabs along the last objective: between two levels
    z < z', a candidate with a value Y below gains (z' - max(Y, z)) times what it gains in the other
    objectives beside the points of the front up to z (the slicing of While et al., 2006, with
    expectations in the place of lengths). The factors are independent, so the expectation of the
    product is the product of the expectations.

    Args:
        front_KM: Losses of the front, which may be empty.
        reference_M: The reference point.
        means_PM: Predicted losses.
        sds_PM: Their standard deviations, above 0.
        unknown_bound: Whether the user will bound the last objective, at an unknown value: see
            ``bound_weights``.
    """
    front = front_KM[(front_KM < reference_M).all(axis=1)]
    front = front[front_mask(front)] if len(front) else front
    weights = bound_weights(front, reference_M) if unknown_bound else None
    return _slabs(front, reference_M, means_PM, sds_PM, weights)


def _slabs(
    front_KM: Floats,
    reference_M: Floats,
    means_PM: Floats,
    sds_PM: Floats,
    weights: Floats | None = None,
) -> Floats:
    if len(reference_M) == 1:
        bound = float(front_KM.min()) if len(front_KM) else float(reference_M[0])
        return expected_gap(np.array([bound]), means_PM[:, :1], sds_PM[:, :1])[:, 0]
    levels = _levels(front_KM, reference_M)
    gaps_PL = expected_gap(levels, means_PM[:, -1:], sds_PM[:, -1:])
    steps_PL = np.diff(gaps_PL, axis=1, prepend=0.0)
    if weights is not None:
        steps_PL = steps_PL * weights
    if len(reference_M) == 2:
        least = _least(front_KM, reference_M)
        return (steps_PL * expected_gap(least, means_PM[:, :1], sds_PM[:, :1])).sum(axis=1)
    total = np.zeros(len(means_PM))
    for place, upper in enumerate(levels):
        total += steps_PL[:, place] * _slabs(
            _below(front_KM, float(upper)), reference_M[:-1], means_PM[:, :-1], sds_PM[:, :-1]
        )
    return total


def _levels(front_KM: Floats, reference_M: Floats) -> Floats:
    """Return the values of the last objective at which slabs end, ascending."""
    return np.append(np.unique(front_KM[:, -1]), reference_M[-1])


def _least(front_K2: Floats, reference_2: Floats) -> Floats:
    """Return for each slab the least first objective of the points below it, (levels,)."""
    order = np.lexsort(front_K2.T)
    _, last = np.unique(front_K2[order, 1][::-1], return_index=True)
    running = np.minimum.accumulate(front_K2[order, 0])
    return np.append(reference_2[0], running[len(order) - 1 - last])


def _below(front_KM: Floats, upper: float) -> Floats:
    """Return the front, in the other objectives, of the points below a level."""
    found = front_KM[front_KM[:, -1] < upper][:, :-1]
    return found[front_mask(found)] if len(found) else found


def bound_weights(front_KM: Floats, reference_M: Floats) -> Floats:
    """Return a weight for each slab of the last objective, from the lowest, (levels + 1,).

    A user who picks from the front bounds the last objective (the error, say) and has no use for
    candidates beyond the bound. The bound may lie at any level of the front or at the reference
    point; levels are as probable as the square root of the step to them, between evenly over the
    points and evenly over the range. For each bound, the gain counts relative to the hypervolume
    within the bound. Since a slab counts for all bounds above it, its weight is a sum.
    """
    levels = _levels(front_KM, reference_M)
    if len(levels) < 3:
        return np.ones(len(levels))
    steps = np.diff(levels)
    if len(reference_M) == 2:
        areas = reference_M[0] - _least(front_KM, reference_M)[1:]
    else:
        within = [_below(front_KM, float(upper)) for upper in levels[1:]]
        areas = np.array([hypervolume(each, reference_M[:-1]) for each in within])
    volumes = np.cumsum(steps * areas)
    chance = np.sqrt(steps)
    relative = chance / chance.sum() / np.maximum(volumes, 1e-12 * volumes[-1])
    sums = np.cumsum(relative[::-1])[::-1]
    return np.append(sums[0], sums)
