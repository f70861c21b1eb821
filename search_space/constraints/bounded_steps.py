"""The decision nodes of a space, with what each choice adds to the bounded sums.

Shape suffixes: R choices, G merged choices (of equal cost, leading to one node), K sums, M metrics,
N points, W walks, S decision nodes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .constraint import Constraint
from .cost_table import PEAK_MEMORY, CostedGraph, Floats, Integers


@dataclass(frozen=True, eq=False, kw_only=True)
class Bounds:
    """Closed bounds on the sums of a walk."""

    low_K: Floats
    """Lower bounds."""
    high_K: Floats
    """Upper bounds."""

    def holds(self, points_KN: Floats) -> NDArray[np.bool_]:
        """Return which sums are within the bounds, (N,)."""
        inside = np.ones(points_KN.shape[1], dtype=np.bool_)
        for points_N, low, high in zip(points_KN, self.low_K, self.high_K, strict=True):
            inside &= (points_N >= low) & (points_N <= high)
        return inside


@dataclass(frozen=True)
class Sum:
    """A quantity that is summed over the choices of a walk."""

    metric: str
    """The metric whose bounds apply to the sum."""
    at: int
    """The metric's column in the cost tables."""
    above: float | None = None
    """If given, the sum is the number of choices whose cost exceeds this value."""

    def of(self, costs_RM: Floats) -> Floats:
        """Return what each choice adds to the sum, (R,)."""
        column = costs_RM[:, self.at]
        return column if self.above is None else (column > self.above).astype(np.float64)


@dataclass(frozen=True, eq=False, kw_only=True)
class MergedChoices:
    """The choices of a decision node; choices of equal cost and equal next node are merged."""

    costs_GK: Floats
    """What each merged choice adds to the sums."""
    nexts_G: Integers
    """The node that each merged choice leads to."""
    sizes_G: Integers
    """Number of choices in each merged choice."""
    of_R: Integers
    """The merged choice that each choice belongs to."""
    afters: tuple[tuple[int, Integers], ...]
    """The next nodes, each with the merged choices that lead to it."""


def _bounded_sums(
    table: CostedGraph, constraints: Sequence[Constraint]
) -> tuple[tuple[Sum, ...], Bounds]:
    """Return the sums that the constraints bound, and their bounds."""
    low = {each.metric: -np.inf for each in constraints}
    high = {each.metric: np.inf for each in constraints}
    for each in constraints:  # a strict bound becomes the next float inside it
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
    return sums, Bounds(low_K=np.array(lows), high_K=np.array(highs))


def _merged_choices(table: CostedGraph, sums: Sequence[Sum]) -> list[MergedChoices]:
    """Return the merged choices of every node."""
    unique: dict[int, tuple[Floats, Integers]] = {}
    found: list[MergedChoices] = []
    for node in table.nodes:
        if node.table not in unique:
            columns = [each.of(table.tables[node.table]) for each in sums]
            unique[node.table] = np.unique(np.stack(columns, axis=1), axis=0, return_inverse=True)
        costs_LK, of_R = unique[node.table]
        if len(node.nexts) == 1:
            sizes = np.bincount(of_R)
            keys, nexts = np.arange(len(sizes)), np.broadcast_to(node.nexts, sizes.shape)
        else:
            keys, of_R, sizes = np.unique(
                node.nexts * len(costs_LK) + of_R, return_inverse=True, return_counts=True
            )
            nexts = keys // len(costs_LK)
        found.append(
            MergedChoices(
                costs_GK=costs_LK[keys % len(costs_LK)] * node.times,
                nexts_G=nexts,
                sizes_G=sizes,
                of_R=of_R,
                afters=tuple(
                    (after, np.flatnonzero(nexts == after)) for after in np.unique(nexts).tolist()
                ),
            )
        )
    return found


def _spent_before(groups: Sequence[MergedChoices], sums: int) -> tuple[tuple[Floats, Floats], ...]:
    """Return the least and the greatest sums of walks on arrival at each node."""
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


class BoundedSteps:
    """The decision nodes of a space, with bounds on the sums of a walk."""

    def __init__(self, table: CostedGraph, constraints: Sequence[Constraint]) -> None:
        """Merge the choices, read the bounds, and drop those that every walk satisfies.

        Args:
            table: The decision nodes and their costs.
            constraints: Bounds on metrics of ``table``.
        """
        self.table = table
        """The decision nodes and their costs."""
        self.sums, self.bounds = _bounded_sums(table, constraints)
        self.groups = _merged_choices(table, self.sums)
        """The merged choices of each node."""
        self.before = _spent_before(self.groups, len(self.sums))
        """The least and the greatest sums of walks on arrival at each node."""
        least_K, most_K = self.before[-1]
        self.scale_K = np.where(most_K > least_K, most_K - least_K, 1)
        """Largest minus least value of each sum over all walks; 1 if they are equal."""
        self.contradictory = bool((self.bounds.low_K > self.bounds.high_K).any())
        """Whether two bounds on one metric exclude each other."""
        self.bounds = Bounds(
            low_K=np.where(self.bounds.low_K <= least_K, -np.inf, self.bounds.low_K),
            high_K=np.where(self.bounds.high_K >= most_K, np.inf, self.bounds.high_K),
        )
        self.limits = tuple(
            (k, float(limit), upper)
            for upper, limits in ((False, self.bounds.low_K), (True, self.bounds.high_K))
            for k, limit in enumerate(limits)
            if np.isfinite(limit)
        )
        """The finite bounds: index of the sum, value, and whether it is an upper bound."""
        both_K = np.isfinite(self.bounds.low_K) & np.isfinite(self.bounds.high_K)
        self.one_sided = tuple(each for each in self.limits if not both_K[each[0]])
        """The entries of ``limits`` whose sum has no other bound."""
        self.never_K = np.array(
            [
                each.above is not None and high == 0
                for each, high in zip(self.sums, self.bounds.high_K, strict=True)
            ]
        )
        """Whether a sum counts forbidden choices, so that it must be 0."""
