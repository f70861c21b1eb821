"""Dominance, Pareto front and hypervolume.

Metrics are first converted to *losses*, where lower is better: the value of a minimised metric, the
negative value of a maximised one. Then a dominates b if a is nowhere worse and somewhere better.
Equal candidates do not dominate each other, so ties stay on the front.

With intervals, every loss lies between ``best`` and ``worst``, the ends of its 95 % interval (equal
for an exact value), and a *clearly* dominates b if a's worst is nowhere worse than b's best, and
somewhere better.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ...evaluators.base import metric
from ..candidate import Candidate
from .conditions import Conditions, conditions_of, varies

Losses = NDArray[np.float64]
Mask = NDArray[np.bool_]
Rows = NDArray[np.intp]


def comparable(candidates: Sequence[Candidate], metrics: Sequence[str]) -> list[Candidate]:
    """Return the complete candidates with a number for each of ``metrics``.

    Infeasible, failed and running candidates are left out.
    """
    return [
        each
        for each in candidates
        if each.status == "complete"
        and all(np.isfinite(_number(each.value(name))) for name in metrics)
    ]


def best(candidates: Sequence[Candidate], name: str) -> Candidate:
    """Return the candidate with the best value of a metric, which all candidates must have."""
    less = metric(name).direction == "minimize"
    return (min if less else max)(candidates, key=lambda each: each.measurements[name].value)


def superlative(name: str) -> str:
    """Return the word for the best value of a metric."""
    return "least" if metric(name).direction == "minimize" else "best"


def _number(value: float | None) -> float:
    return np.nan if value is None else value


def losses(candidates: Sequence[Candidate], metrics: Sequence[str]) -> Losses:
    """Return the losses, (candidates, metrics)."""
    signs = _signs(metrics)
    values = [[_number(each.value(name)) for name in metrics] for each in candidates]
    return np.array(values, dtype=np.float64).reshape(-1, len(metrics)) * signs


def _signs(metrics: Sequence[str]) -> Losses:
    return np.array([metric(name).sign for name in metrics])


def uncertain(name: str) -> bool:
    """Whether the intervals of a metric count: those of exact metrics do not."""
    return metric(name).tier != "exact"


def loss_intervals(
    candidates: Sequence[Candidate], metrics: Sequence[str]
) -> tuple[Losses, Losses]:
    """Return the best and the worst losses within the 95 % intervals, (candidates, metrics).

    Without an interval, and of an exact metric, both are the value.
    """
    signs = _signs(metrics)
    ends: list[Losses] = []
    for end in ("low", "high"):
        rows: list[list[float]] = []
        for candidate in candidates:
            found = [candidate.measurements[name] for name in metrics]
            stated = [getattr(each, end) if uncertain(each.metric) else None for each in found]
            rows.append([m.value if s is None else s for m, s in zip(found, stated, strict=True)])
        ends.append(np.array(rows, dtype=np.float64).reshape(-1, len(metrics)) * signs)
    return np.minimum(*ends), np.maximum(*ends)


def front_mask(losses_NM: Losses) -> Mask:
    """Return a mask of the rows that no other row dominates; equal rows have equal masks.

    Args:
        losses_NM: Losses, (candidates, metrics), without NaN.
    """
    if losses_NM.shape[1] == 2 and len(losses_NM):
        return _front_of_two(losses_NM)
    # The sum of dense ranks orders rows so that none is dominated by a later one, without the
    # rounding that a sum of the losses themselves would have.
    ranks = [np.unique(column, return_inverse=True)[1] for column in losses_NM.T]
    order = np.argsort(np.sum(ranks, axis=0), kind="stable")
    columns = [rank.astype(np.int32)[order] for rank in ranks]
    mask = np.zeros(len(losses_NM), dtype=np.bool_)
    left = order
    while left.size:
        first = [column[0] for column in columns]
        free = columns[0] < first[0]
        for column, value in zip(columns[1:], first[1:], strict=True):
            free |= column < value  # ten times faster than one comparison and any()
        done = ~free
        equal = np.all([c[done] == v for c, v in zip(columns, first, strict=True)], axis=0)
        mask[left[done][equal]] = True
        left, columns = left[free], [column[free] for column in columns]
    return mask


def _front_of_two(losses_N2: Losses) -> Mask:
    """Return the mask for two metrics: in order, each row must be better than all before it."""
    order = np.lexsort(losses_N2.T[::-1])
    first, second = losses_N2[order].T
    best = np.minimum.accumulate(second)
    new = np.concatenate([[True], second[1:] < best[:-1]])
    # Rows equal to one on the front follow it.
    same = np.concatenate([[False], (first[1:] == first[:-1]) & (second[1:] == second[:-1])])
    start = np.maximum.accumulate(np.where(same, 0, np.arange(len(order))))
    mask = np.empty(len(order), dtype=np.bool_)
    mask[order] = new[start]
    return mask


def clear_front_mask(best_NM: Losses, worst_NM: Losses) -> Mask:
    """Return a mask of the rows that no other row clearly dominates.

    Args:
        best_NM: Lower ends of the losses, (candidates, metrics).
        worst_NM: Upper ends of the losses.
    """
    mask = np.ones(len(best_NM), dtype=np.bool_)
    # A row with nowhere worse ``worst`` losses clearly dominates at least the same rows.
    for worst in np.unique(worst_NM[front_mask(worst_NM)], axis=0):
        mask &= ~((worst <= best_NM).all(axis=1) & (worst < best_NM).any(axis=1))
    return mask


def front_mask_with_ties(losses_NM: Losses, best_NM: Losses, worst_NM: Losses) -> Mask:
    """Return a mask of the rows that no other row dominates, where values in their intervals tie.

    One row dominates another if its losses are nowhere larger, and somewhere smaller beyond the
    intervals, which do not overlap there.

    Args:
        losses_NM: Losses, (candidates, metrics), without NaN.
        best_NM: Lower ends of the losses.
        worst_NM: Upper ends of the losses.
    """
    mask = front_mask(losses_NM)

    def dominated_by(row: int, rows: Rows) -> Mask:
        nowhere_worse = (losses_NM[row] <= losses_NM[rows]).all(axis=1)
        return nowhere_worse & (worst_NM[row] < best_NM[rows]).any(axis=1)

    left = np.flatnonzero(~mask)
    # The front by values leaves few rows. As a row may have a wide interval, others that are
    # themselves dominated can still dominate one of these.
    for row in np.flatnonzero(mask).tolist():
        left = left[~dominated_by(row, left)]
    for row in np.flatnonzero(~mask).tolist() if left.size else ():
        left = left[~dominated_by(row, left)]
    mask[left] = True
    return mask


def select_front(
    losses_NM: Losses, best_NM: Losses, worst_NM: Losses, *, intervals: bool, ties: bool
) -> Mask:
    """Return the mask of a front by one of the rules of ``pareto_front``."""
    if intervals:
        return clear_front_mask(best_NM, worst_NM)
    return front_mask_with_ties(losses_NM, best_NM, worst_NM) if ties else front_mask(losses_NM)


def pareto_front(
    candidates: Sequence[Candidate],
    metrics: Sequence[str],
    *,
    intervals: bool = False,
    ties: bool = True,
) -> list[Candidate]:
    """Return the candidates that no other candidate dominates, in their order.

    One candidate dominates another if its values are nowhere worse, and better beyond the 95 %
    intervals in at least one metric. Exact metrics, and values without an interval, are compared
    exactly. With a measured metric, only candidates measured under the same conditions dominate
    each other.

    Args:
        candidates: Candidates, which take part if they are ``comparable``.
        metrics: Names of the metrics, each with its own direction.
        intervals: Drop only candidates that are dominated beyond the intervals in every metric
            that has them: all candidates that may be on the front.
        ties: Whether intervals count; False: values alone are compared.
    """
    taking_part = comparable(candidates, metrics)
    values_NM = losses(taking_part, metrics)
    best_NM, worst_NM = loss_intervals(taking_part, metrics)
    on_front = np.zeros(len(taking_part), dtype=np.bool_)
    for places in _compared(taking_part, metrics):
        arrays = (each[places] for each in (values_NM, best_NM, worst_NM))
        on_front[places] = select_front(*arrays, intervals=intervals, ties=ties)
    return [taking_part[place] for place in np.flatnonzero(on_front)]


def _compared(candidates: Sequence[Candidate], metrics: Sequence[str]) -> list[list[int]]:
    """Return the indices of comparable candidates: all, or one group for each set of conditions."""
    groups: dict[tuple[Conditions, ...], list[int]] = {}
    for place, each in enumerate(candidates):
        groups.setdefault(measured_where(each, metrics), []).append(place)
    return list(groups.values())


def measured_where(candidate: Candidate, metrics: Sequence[str]) -> tuple[Conditions, ...]:
    """Return the conditions of the metrics that depend on them."""
    return tuple(conditions_of(candidate.measurements[each]) for each in filter(varies, metrics))


def dominators(
    candidate: Candidate,
    candidates: Sequence[Candidate],
    metrics: Sequence[str],
    *,
    ties: bool = True,
) -> list[Candidate]:
    """Return the comparable candidates that dominate one, by the rule of ``pareto_front``."""
    others = comparable(candidates, metrics)
    if not others or not comparable([candidate], metrics):
        return []
    mine_where = measured_where(candidate, metrics)
    others = [each for each in others if measured_where(each, metrics) == mine_where]
    if not others:
        return []
    theirs, mine = losses(others, metrics), losses([candidate], metrics)
    better = theirs < mine
    if ties:
        better = loss_intervals(others, metrics)[1] < loss_intervals([candidate], metrics)[0]
    mask = (theirs <= mine).all(axis=1) & better.any(axis=1)
    return [others[index] for index in np.flatnonzero(mask)]


def hypervolume(losses_NM: Losses, reference_M: Losses) -> float:
    """Return the volume that the rows dominate up to the reference point.

    While, Bradstreet and Barone, A fast way of calculating exact hypervolumes, 2012: each row adds
    its own box minus the part that later rows also dominate.

    Args:
        losses_NM: Losses, (candidates, metrics).
        reference_M: The reference point; rows that are not better in every metric add nothing.
    """
    inside = losses_NM[(losses_NM < reference_M).all(axis=1)]
    if not inside.size:
        return 0.0
    front = np.unique(inside[front_mask(inside)], axis=0)
    if front.shape[1] == 1:
        return float(reference_M[0] - front[0, 0])
    if front.shape[1] == 2:
        heights = np.diff(front[:, 1], prepend=reference_M[1])
        return float(np.sum((reference_M[0] - front[:, 0]) * -heights))
    return sum(exclusive(row, front[i + 1 :], reference_M) for i, row in enumerate(front))


def exclusive(row_M: Losses, others_NM: Losses, reference_M: Losses) -> float:
    """Return the volume that only ``row_M`` dominates, not ``others_NM``."""
    box = float(np.prod(np.maximum(reference_M - row_M, 0.0)))
    if not box or not len(others_NM):
        return box
    return box - hypervolume(np.maximum(others_NM, row_M), reference_M)


def hypervolume_history(
    candidates: Sequence[Candidate], metrics: Sequence[str]
) -> list[tuple[int, float]]:
    """Return the number of each comparable candidate with the hypervolume after it.

    The volume lies between 0 and 1 on the scale of ``unit_losses``, so volumes of different calls
    are not comparable.
    """
    taking_part = comparable(candidates, metrics)
    grown = hypervolume_growth(unit_losses(losses(taking_part, metrics), metrics))
    return [(each.number, float(v)) for each, v in zip(taking_part, grown, strict=True)]


def unit_losses(losses_NM: Losses, metrics: Sequence[str]) -> Losses:
    """Return the losses scaled so that the best of each metric is 0 and the worst is 1.

    Counts are scaled by their logarithm, as they span orders of magnitude, unless one is 0 or less.
    """
    scaled = losses_NM.copy()
    for column, name in enumerate(metrics):
        if is_count(name) and (scaled[:, column] > 0).all():
            scaled[:, column] = np.log(scaled[:, column])
    if len(scaled):
        scaled -= scaled.min(axis=0)
        scaled /= np.where(scaled.max(axis=0) > 0, scaled.max(axis=0), 1.0)
    return scaled


def hypervolume_growth(losses_NM: Losses) -> Losses:
    """Return the hypervolume after each row, of losses between 0 and 1; the worst is 1."""
    count, width = losses_NM.shape
    reference = np.ones(width)
    volume, front, grown = 0.0, np.empty((0, width)), np.empty(count)
    for place, row in enumerate(losses_NM):
        if not (front <= row).all(axis=1).any():
            volume += exclusive(row, front, reference)
            front = np.vstack([front[~(row <= front).all(axis=1)], row])
        grown[place] = volume
    return grown


def is_count(name: str) -> bool:
    """Whether the metric may span orders of magnitude, as exact metrics to minimise do."""
    found = metric(name)
    return found.tier == "exact" and found.direction == "minimize"
