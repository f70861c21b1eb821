"""The choices of each step, as what they add to the sums that are bounded.

Shape suffixes: R choices, G groups of choices that cost the same and lead to one step, K sums, M
metrics, N points, W walks, S steps.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .constraint import Constraint
from .cost_table import PEAK_MEMORY, Floats, Integers, Numbers, StepTable


@dataclass(frozen=True, eq=False, kw_only=True)
class Window:
    """Closed bounds on the sum of each metric."""

    low_K: Floats
    """Least sums."""
    high_K: Floats
    """Greatest sums."""

    def holds(self, points_KN: Floats) -> NDArray[np.bool_]:
        """Return which sums are within the bounds, (N,)."""
        inside = np.ones(points_KN.shape[1], dtype=np.bool_)
        for points_N, low, high in zip(points_KN, self.low_K, self.high_K, strict=True):
            inside &= (points_N >= low) & (points_N <= high)
        return inside


@dataclass(frozen=True)
class Sum:
    """What is added up over the choices of a walk."""

    metric: str
    """The metric that it bounds."""
    at: int
    """Its column in the tables of costs."""
    above: float | None = None
    """If given, those choices are counted that have more."""

    def of(self, costs_RM: Floats) -> Floats:
        """Return what choices add to it, (R,)."""
        column = costs_RM[:, self.at]
        return column if self.above is None else (column > self.above).astype(np.float64)


@dataclass(frozen=True, eq=False, kw_only=True)
class Groups:
    """The choices of a step, those joined that cost the same and lead to the same."""

    costs_GK: Floats
    """What each adds to the sums."""
    nexts_G: Integers
    """The step that it leads to."""
    sizes_G: Integers
    """Number of its choices."""
    of_R: Integers
    """The group of each choice."""
    afters: tuple[tuple[int, Integers], ...]
    """The steps that the groups lead to, each with the groups that do."""


def _bounded_sums(
    table: StepTable, constraints: Sequence[Constraint]
) -> tuple[tuple[Sum, ...], Window]:
    """Return the sums that are to be bounded, and the bounds of all constraints together."""
    low = {each.metric: -np.inf for each in constraints}
    high = {each.metric: np.inf for each in constraints}
    for each in constraints:  # a strict bound moves by the least step
        strict_low = each.strict and np.isfinite(each.low)
        strict_high = each.strict and np.isfinite(each.high)
        least = np.nextafter(each.low, np.inf) if strict_low else each.low
        most = np.nextafter(each.high, -np.inf) if strict_high else each.high
        low[each.metric] = max(low[each.metric], least)
        high[each.metric] = min(high[each.metric], most)
    found: list[tuple[Sum, float, float]] = []
    for name in low:
        at = table.metrics.index(name)
        if name != PEAK_MEMORY:
            found.append((Sum(name, at), low[name], high[name]))
            continue
        found.append((Sum(name, at, above=high[name]), -np.inf, 0))
        if low[name] > -np.inf:
            found.append((Sum(name, at, above=np.nextafter(low[name], -np.inf)), 1, np.inf))
    sums, lows, highs = zip(*found, strict=True)
    return sums, Window(low_K=np.array(lows), high_K=np.array(highs))


def _choice_groups(table: StepTable, sums: Sequence[Sum]) -> list[Groups]:
    """Return the groups of the choices of every step."""
    unique: dict[int, tuple[Floats, Integers]] = {}
    found: list[Groups] = []
    for step in table.steps:
        if step.table not in unique:
            columns = [each.of(table.tables[step.table]) for each in sums]
            unique[step.table] = np.unique(np.stack(columns, axis=1), axis=0, return_inverse=True)
        costs_LK, of_R = unique[step.table]
        if len(step.nexts) == 1:
            sizes = np.bincount(of_R)
            keys, nexts = np.arange(len(sizes)), np.broadcast_to(step.nexts, sizes.shape)
        else:
            keys, of_R, sizes = np.unique(
                step.nexts * len(costs_LK) + of_R, return_inverse=True, return_counts=True
            )
            nexts = keys // len(costs_LK)
        found.append(
            Groups(
                costs_GK=costs_LK[keys % len(costs_LK)] * step.times,
                nexts_G=nexts,
                sizes_G=sizes,
                of_R=of_R,
                afters=tuple(
                    (after, np.flatnonzero(nexts == after)) for after in np.unique(nexts).tolist()
                ),
            )
        )
    return found


def _spent_before(groups: Sequence[Groups], sums: int) -> tuple[tuple[Floats, Floats], ...]:
    """Return the least and the most that walks have spent when they come to each step."""
    far, nothing = np.full(sums, np.inf), np.zeros(sums)
    found = [(far, -far)] * (len(groups) + 1)
    found[0] = (nothing, nothing)
    for number, each in enumerate(groups):
        least, most = found[number]
        for after, mine_G in each.afters:
            mine = each.costs_GK[mine_G]
            found[after] = (
                np.minimum(found[after][0], least + mine.min(axis=0)),
                np.maximum(found[after][1], most + mine.max(axis=0)),
            )
    return tuple(found)


def _meant(window: Window, least_K: Floats, most_K: Floats) -> Window:
    """Return the bounds without those of two sides, and those from below, that all walks keep."""
    low_K = np.where(window.low_K <= least_K, -np.inf, window.low_K)
    above = np.isfinite(low_K) & (window.high_K >= most_K)
    return Window(low_K=low_K, high_K=np.where(above, np.inf, window.high_K))


class BoundedSteps:
    """The steps of a space, with bounds on sums."""

    def __init__(
        self, table: StepTable, constraints: Sequence[Constraint], *, as_given: bool = False
    ) -> None:
        """Prepare them.

        Args:
            table: The steps.
            constraints: On its metrics.
            as_given: Whether to keep also bounds of which all walks keep within.
        """
        self.table = table
        """The steps."""
        self.sums, self.window = _bounded_sums(table, constraints)
        self.groups = _choice_groups(table, self.sums)
        """The choices of each step."""
        self.before = _spent_before(self.groups, len(self.sums))
        """The least and the most that walks have spent when they come to each step."""
        self.contradictory = bool((self.window.low_K > self.window.high_K).any())
        """Whether bounds on one metric exclude each other."""
        if not as_given:
            self.window = _meant(self.window, *self.before[-1])
        self.limits = tuple(
            (k, float(limit), upper)
            for upper, limits in ((False, self.window.low_K), (True, self.window.high_K))
            for k, limit in enumerate(limits)
            if np.isfinite(limit)
        )
        """The finite bounds: the sum, the value, whether it is the upper one."""
        self.never_K = np.array(
            [
                each.above is not None and high == 0
                for each, high in zip(self.sums, self.window.high_K, strict=True)
            ]
        )
        """The sums that count choices that must not be taken at all."""

    def of(self, groups_WS: Numbers) -> Floats:
        """Return the sums of walks, (W, K): of each the group at each step; -1: not there."""
        found = np.zeros((len(groups_WS), len(self.sums)))
        for number, groups in enumerate(self.groups):
            taken = groups_WS[:, number]
            found += np.where((taken >= 0)[:, None], groups.costs_GK[taken], 0)
        return found
