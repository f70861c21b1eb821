"""Pareto-optimal reachable sums, for bounds on one or two metrics.

If each metric is bounded from one side only, the non-dominated reachable sums decide what is
feasible: a Pareto front, short however many paths there are. If the first metric is bounded from
both sides, each of its sums is kept, with the best second sum for it.

Signs are chosen so that less is better, except in a metric bounded from both sides.

Shape suffixes: N points, G merged choices, K sums.
"""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .bounded_steps import BoundedSteps
from .cost_table import Floats, Integers

_MANY = 2000
"""Above this number of sums, most dominated ones are removed before sorting, which is slow."""

_HOPEFUL_CELLS = 4096


class Pair(NamedTuple):
    """The columns of one or two metrics, and their signs."""

    columns: tuple[int, ...]
    """Columns of the sums, one or two."""
    signs: tuple[float, ...]
    """-1 where more is better."""
    both_sides: bool
    """Whether the first metric is bounded from both sides."""

    def of(self, sums_K: Floats) -> Floats:
        """Return the first and second sums, (2, ...); zeros in place of a missing metric."""
        found = np.zeros((2, *sums_K.shape[1:]))
        for place, (column, sign) in enumerate(zip(self.columns, self.signs, strict=True)):
            found[place] = sign * sums_K[column]
        return found


def pair_of(steps: BoundedSteps) -> Pair | None:
    """Return the bounded metrics, or None if Pareto sums do not apply to the bounds."""
    low, high = np.isfinite(steps.bounds.low_K), np.isfinite(steps.bounds.high_K)
    both = np.flatnonzero(low & high & ~steps.never_K).tolist()
    one = np.flatnonzero((low ^ high) & ~steps.never_K).tolist()
    if not 0 < len(both) + len(one) <= 2 or len(both) > 1:
        return None
    columns = (*both, *one)
    return Pair(
        columns=columns,
        signs=tuple(1.0 if high[k] else -1.0 for k in columns),
        both_sides=bool(both),
    )


class _Part(NamedTuple):
    """The merged choices of a node that lead to one next node."""

    best: "BestSums"
    mine_G: Integers
    first_G: Floats
    second_G: Floats


class ParetoSums:
    """The Pareto-optimal sums reachable from each decision node."""

    def __init__(self, steps: BoundedSteps, pair: Pair, *, cap: int) -> None:
        """Compute the sums by dynamic programming.

        Args:
            steps: The decision nodes and the bounds.
            pair: The metrics.
            cap: Number of sums kept at a node.
        """
        self._table, self._groups = steps.table, steps.groups
        self._pair = pair
        self._allowed = [
            (each.costs_GK[:, steps.never_K] == 0).all(axis=1) for each in steps.groups
        ]
        self._parts: dict[int, list[_Part]] = {}
        self._costs = [pair.of(each.costs_GK.T) for each in steps.groups]
        bounds = steps.bounds
        self._low, self._high = self._signed(bounds.low_K, bounds.high_K)
        self._before = [self._signed(*each) for each in steps.before]
        self._best = self._reached(cap)

    @property
    def empty(self) -> bool:
        """Whether no feasible walk was found; there is none if ``whole``."""
        return not self._best[0].size

    @property
    def whole(self) -> bool:
        """Whether no sum was trimmed, so that every feasible walk is known."""
        return all(each.whole for each in self._best)

    def sums(self, column: int) -> Floats:
        """Return sums of feasible walks, (N,)."""
        place = self._pair.columns.index(column)
        return self._pair.signs[place] * self._best[0].sums_N[place]

    def possible(self, number: int, spent_K: Floats) -> NDArray[np.bool_]:
        """Return whether each merged choice of a node leads to a feasible walk, (G,)."""
        spent = [s * float(spent_K[k]) for k, s in zip(*self._pair[:2], strict=True)] + [0.0]
        first, second = self._high[0] - spent[0], self._high[1] - spent[1]
        low = self._low[0] - spent[0] if self._pair.both_sides else None
        allowed = self._allowed[number]
        found = np.zeros(len(allowed), dtype=np.bool_)
        for best, mine_G, first_G, second_G in self._parts_of(number):
            if len(mine_G) == 1:
                cost, other = first_G.item(), second_G.item()
                least = None if low is None else low - cost
                found[mine_G] = best.reached(first - cost, second - other, least)
            else:
                low_G = None if low is None else low - first_G
                found[mine_G] = best.reaches(first - first_G, second - second_G, low_G)
        return found & allowed

    def _parts_of(self, number: int) -> list[_Part]:
        if number not in self._parts:
            first_G, second_G = self._costs[number]
            self._parts[number] = [
                _Part(self._best[after], mine_G, first_G[mine_G], second_G[mine_G])
                for after, mine_G in self._groups[number].afters
            ]
        return self._parts[number]

    def _signed(self, low_K: Floats, high_K: Floats) -> tuple[list[float], list[float]]:
        """Return the minima and the maxima of the first and the second sum, with their signs."""
        one, other = self._pair.of(low_K), self._pair.of(high_K)
        return np.minimum(one, other).tolist(), np.maximum(one, other).tolist()

    def _reached(self, cap: int) -> "list[BestSums]":
        """Return the Pareto-optimal sums from each node, by dynamic programming from the end."""
        nothing = BestSums(sums_N=np.zeros((2, 1)), whole=True)
        found = [nothing] * (self._table.end + 1)
        for number in range(self._table.end - 1, -1, -1):
            afters = self._groups[number].afters
            parts = [self._onward(number, mine_G, found[after]) for after, mine_G in afters]
            found[number] = reduced(
                np.concatenate(parts, axis=1),
                both_sides=self._pair.both_sides,
                cap=cap,
                whole=all(found[after].whole for after, _ in afters),
            )
        return found

    def _onward(self, number: int, mine_G: Integers, best: "BestSums") -> Floats:
        """Return the reachable sums of merged choices leading to one node, (2, N)."""
        mine_G = mine_G[self._allowed[number][mine_G]]
        if not self._pair.both_sides:
            mine_G = mine_G[front(self._costs[number][:, mine_G])]
        points = self._costs[number][:, mine_G, None] + best.sums_N[:, None]
        least, most = self._before[number]
        kept = points[0] <= self._high[0] - least[0]
        kept &= points[1] <= self._high[1] - least[1]
        kept &= points[0] >= self._low[0] - most[0]
        return points[:, kept]


@dataclass(frozen=True, eq=False, kw_only=True)
class BestSums:
    """The Pareto-optimal sums reachable from one decision node."""

    sums_N: Floats
    """First and second sums, (2, N), in ascending order of the first."""
    whole: bool
    """Whether no Pareto-optimal sum was trimmed."""

    @property
    def size(self) -> int:
        """Number of sums."""
        return self.sums_N.shape[1]

    def reaches(self, first_G: Floats, second_G: Floats, low_G: Floats | None) -> NDArray[np.bool_]:
        """Return for each merged choice whether a sum within its bounds is reachable, (G,).

        Args:
            first_G: Upper bounds on the first sum.
            second_G: Upper bounds on the second sum.
            low_G: Lower bounds on the first sum, if that is bounded from both sides.
        """
        end_G = self.sums_N[0].searchsorted(first_G, side="right")
        if low_G is None:
            return self._upto[end_G] <= second_G
        start_G = self.sums_N[0].searchsorted(low_G, side="left")
        there_G = end_G > start_G
        if not there_G.any():
            return there_G
        counts_G = np.where(there_G, end_G - start_G, 1)
        level_G = np.frexp(counts_G)[1].astype(np.int64) - 1  # floor(log2(count))
        early_G = np.where(there_G, start_G, 0)
        late_G = np.where(there_G, end_G - (1 << level_G), 0)
        best_G = np.minimum(self._over[level_G, early_G], self._over[level_G, late_G])
        return there_G & (best_G <= second_G)

    def reached(self, first: float, second: float, low: float | None) -> bool:
        """Return ``reaches`` for a single merged choice, which is faster."""
        firsts, upto, over = self._lists
        end = bisect_right(firsts, first)
        if low is None:
            return upto[end] <= second
        start = bisect_left(firsts, low)
        if end <= start:
            return False
        level = (end - start).bit_length() - 1
        return min(over[level][start], over[level][end - (1 << level)]) <= second

    @cached_property
    def _upto(self) -> Floats:
        """The least second sum before each index and before the end, (N + 1,)."""
        return np.minimum.accumulate(np.concatenate(([np.inf], self.sums_N[1])))

    @cached_property
    def _over(self) -> Floats:
        """The least second sum over ``2 ** level`` indices from each index on, (levels, N)."""
        levels = [self.sums_N[1]]
        places = np.arange(self.size)
        while 1 << len(levels) <= self.size:
            half = 1 << (len(levels) - 1)
            later = levels[-1][np.minimum(places + half, self.size - 1)]
            levels.append(np.minimum(levels[-1], later))
        return np.stack(levels)

    @cached_property
    def _lists(self) -> tuple[list[float], list[float], list[list[float]]]:
        """The first sums, ``_upto`` and ``_over`` as lists."""
        return self.sums_N[0].tolist(), self._upto.tolist(), self._over.tolist()


def reduced(sums_N: Floats, *, both_sides: bool, cap: int, whole: bool) -> BestSums:
    """Return the Pareto-optimal sums, trimmed to about ``cap``.

    Args:
        sums_N: First and second sums, (2, N), in any order.
        both_sides: See ``Pair``.
        cap: Approximate number of sums to keep.
        whole: Whether no sum was trimmed before.
    """
    if not both_sides:
        kept = front(sums_N)
        if len(kept) > cap:
            kept, whole = kept[np.linspace(0, len(kept) - 1, cap).astype(np.int64)], False
    else:
        kept = _best_of_each(sums_N[0], sums_N[1])
        if len(kept) > cap:
            low, high = sums_N[0, kept[0]], sums_N[0, kept[-1]]
            cells = np.floor((sums_N[0, kept] - low) * (cap / (high - low)))
            inner = kept[_best_of_each(cells, sums_N[1, kept])]
            kept = np.unique(np.concatenate((kept[:1], inner, kept[-1:])))
            kept, whole = kept[np.argsort(sums_N[0, kept], kind="stable")], False
    return BestSums(sums_N=sums_N[:, kept], whole=whole)


def front(sums_N: Floats) -> Integers:
    """Return the indices of the non-dominated sums, in ascending order of the first."""
    hopeful = _hopeful(sums_N)
    order = hopeful[np.lexsort((sums_N[1, hopeful], sums_N[0, hopeful]))]
    second_N = sums_N[1, order]
    best_N = np.minimum.accumulate(np.concatenate(([np.inf], second_N)))
    return order[second_N < best_N[:-1]]


def _hopeful(sums_N: Floats) -> Integers:
    """Return the indices of all non-dominated sums, and of few dominated ones.

    Of many sums, one is removed if a smaller cell of the first sum holds a second sum as small.
    """
    every = np.arange(sums_N.shape[1])
    low, high = (sums_N[0].min(), sums_N[0].max()) if len(every) > _MANY else (0.0, 0.0)
    if low == high:
        return every
    cells_N = ((sums_N[0] - low) * (_HOPEFUL_CELLS / (high - low))).astype(np.int64)
    best = np.full(_HOPEFUL_CELLS + 2, np.inf)
    np.minimum.at(best, cells_N + 1, sums_N[1])
    return np.flatnonzero(sums_N[1] < np.minimum.accumulate(best)[cells_N])


def _best_of_each(first_N: Floats, second_N: Floats) -> Integers:
    """Return for each first sum, in ascending order, the index of its least second sum."""
    order = np.lexsort((second_N, first_N))
    return order[np.flatnonzero(np.diff(first_N[order], prepend=-np.inf))]
