"""The best second sum that goes with each first sum: makes bounds on one or two metrics precise.

Where a metric is only bounded from one side, less of it (or more) is always as good. So of the sums
of two metrics that can be reached from a step only those matter that no other beats in both: a
front, short even where there are more ways on than atoms. If the first metric is bounded from both
sides, each of its sums matters, with the best second sum that goes with it.

Signs are such that less is better of both metrics, unless the first is bounded from both sides.

Shape suffixes: N sums, G groups of choices that cost the same and lead to one step.
"""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .cost_table import Floats, Integers

Flags = NDArray[np.bool_]

_MANY = 2000
"""Of more sums the hopeless are left out first, as sorting takes long."""

_HOPEFUL_CELLS = 4096


class Pair(NamedTuple):
    """The columns of one or two metrics, and their signs."""

    columns: tuple[int, ...]
    """One or two."""
    signs: tuple[float, ...]
    """-1 where more is better."""
    both_sides: bool
    """Whether the first is bounded from both sides."""

    def of(self, sums_K: Floats) -> Floats:
        """Return first and second sums, (2, ...); zeros where there is no second."""
        found = np.zeros((2, *sums_K.shape[1:]))
        for place, (column, sign) in enumerate(zip(self.columns, self.signs, strict=True)):
            found[place] = sign * sums_K[column]
        return found


@dataclass(frozen=True, eq=False, kw_only=True)
class _Ranks:
    """The best second sum of each range of places, and the best of another group."""

    best: Floats
    group: Integers
    """The group of the best."""
    other: Floats
    """The best of all other groups."""

    def joined(self, late: "_Ranks") -> "_Ranks":
        """Return the same of each range here together with one of ``late``."""
        first = self.best <= late.best
        group = np.where(first, self.group, late.group)
        loser = np.where(first, late.best, self.best)
        same = self.group == late.group
        other = np.minimum(self.other, late.other)
        return _Ranks(
            best=np.where(first, self.best, late.best),
            group=group,
            other=np.where(same, other, np.minimum(loser, np.where(first, self.other, late.other))),
        )

    def take(self, places: "Integers | tuple[Integers, Integers]") -> "_Ranks":
        return _Ranks(best=self.best[places], group=self.group[places], other=self.other[places])

    def without(self, places: "Integers | slice", own_G: Integers | None) -> Floats:
        """Return the best that is not of one's own group."""
        best = self.best[places]
        return (
            best
            if own_G is None
            else np.where(self.group[places] == own_G, self.other[places], best)
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class Best:
    """What can be reached from a step."""

    sums_N: Floats
    """First and second sums, (2, N): the first rise."""
    groups_N: Integers
    """The group of the first choice, where it matters; else zeros."""
    whole: bool
    """Whether nothing was left out that matters."""

    @classmethod
    def end(cls) -> "Best":
        """Return the one way of nothing more."""
        return cls(sums_N=np.zeros((2, 1)), groups_N=np.zeros(1, np.int64), whole=True)

    @property
    def size(self) -> int:
        """Number of sums."""
        return self.sums_N.shape[1]

    def reaches(
        self, first_G: Floats, second_G: Floats, low_G: Floats | None, own_G: Integers | None
    ) -> Flags:
        """Return for each group whether something within its bounds can be reached, (G,).

        Args:
            first_G: Upper bounds on the first sum.
            second_G: Upper bounds on the second sum.
            low_G: Lower bounds on the first sum, if it is bounded from both sides.
            own_G: The group whose sums it may not take; none: it may take all.
        """
        end_G = self.sums_N[0].searchsorted(first_G, side="right")
        if low_G is None:
            return self._upto.without(end_G, own_G) <= second_G
        start_G = self.sums_N[0].searchsorted(low_G, side="left")
        there_G = end_G > start_G
        if not there_G.any():
            return there_G
        counts_G = np.where(there_G, end_G - start_G, 1)
        level_G = np.frexp(counts_G)[1].astype(np.int64) - 1  # the greatest power of two in each
        early_G = np.where(there_G, start_G, 0)
        late_G = np.where(there_G, end_G - (1 << level_G), 0)
        over = self._over
        if own_G is None:
            best_G = np.minimum(over.best[level_G, early_G], over.best[level_G, late_G])
        else:
            both = over.take((level_G, early_G)).joined(over.take((level_G, late_G)))
            best_G = both.without(slice(None), own_G)
        return there_G & (best_G <= second_G)

    def reached(self, first: float, second: float, low: float | None) -> bool:
        """Return the same as ``reaches`` for a single group that may take all."""
        end = bisect_right(self._firsts, first)
        if low is None:
            return self._best_upto[end] <= second
        start = bisect_left(self._firsts, low)
        if end <= start:
            return False
        level = (end - start).bit_length() - 1
        best = self._best_over[level]
        return min(best[start], best[end - (1 << level)]) <= second

    @cached_property
    def _firsts(self) -> list[float]:
        return self.sums_N[0].tolist()

    @cached_property
    def _best_upto(self) -> list[float]:
        return self._upto.best.tolist()

    @cached_property
    def _best_over(self) -> list[list[float]]:
        return self._over.best.tolist()

    @cached_property
    def _over(self) -> _Ranks:
        """The best of ``2 ** level`` places from each place on, (levels, N)."""
        far = np.full(self.size, np.inf)
        levels = [_Ranks(best=self.sums_N[1], group=self.groups_N, other=far)]
        places = np.arange(self.size)
        while 1 << len(levels) <= self.size:
            half = 1 << (len(levels) - 1)
            levels.append(
                levels[-1].joined(levels[-1].take(np.minimum(places + half, self.size - 1)))
            )
        return _Ranks(
            best=np.stack([each.best for each in levels]),
            group=np.stack([each.group for each in levels]),
            other=np.stack([each.other for each in levels]),
        )

    @cached_property
    def _upto(self) -> _Ranks:
        """The best second sum before each place and before the end."""
        far = np.array([np.inf])
        ranks = _ranked(self.sums_N[1], self.groups_N)
        return _Ranks(
            best=np.concatenate((far, ranks.best)),
            group=np.concatenate(([-1], ranks.group)),
            other=np.concatenate((far, ranks.other)),
        )


def _ranked(second_N: Floats, groups_N: Integers) -> _Ranks:
    """Return the best second sum up to each place, its group, and the best of other groups.

    What was the best before a better one of another group came is at least as good as all else.
    """
    if not len(second_N):
        return _Ranks(best=second_N, group=groups_N, other=second_N)
    best_N = np.minimum.accumulate(second_N)
    before_N = np.concatenate(([np.inf], best_N[:-1]))
    better_N = second_N < before_N
    better_N[0] = True
    holder_N = groups_N[np.maximum.accumulate(np.where(better_N, np.arange(len(second_N)), 0))]
    held_N = np.concatenate((holder_N[:1], holder_N[:-1]))
    changed_N = groups_N != held_N
    event_N = np.where(changed_N, np.where(better_N, before_N, second_N), np.inf)
    return _Ranks(best=best_N, group=holder_N, other=np.minimum.accumulate(event_N))


def reduced(sums_N: Floats, groups_N: Integers, *, both_sides: bool, cap: int, whole: bool) -> Best:
    """Leave out what does not matter, and of what is left all but about ``cap``.

    Args:
        sums_N: First and second sums, (2, N), in any order.
        groups_N: Groups of the first choice, where they matter: for each, what matters without it
            stays too.
        both_sides: See ``Pair``.
        cap: Sums to keep.
        whole: Whether nothing was left out before.
    """
    if not both_sides:
        kept = front(sums_N, groups_N)
        if len(kept) > cap:
            kept, whole = kept[np.linspace(0, len(kept) - 1, cap).astype(np.int64)], False
    else:
        kept = _best_of_each(sums_N[0], sums_N[1], groups_N)
        if len(kept) > cap:
            low, high = sums_N[0, kept[0]], sums_N[0, kept[-1]]
            cells = np.floor((sums_N[0, kept] - low) * (cap / (high - low)))
            inner = kept[_best_of_each(cells, sums_N[1, kept], groups_N[kept])]
            kept = np.unique(np.concatenate((kept[:1], inner, kept[-1:])))
            kept, whole = kept[np.argsort(sums_N[0, kept], kind="stable")], False
    return Best(sums_N=sums_N[:, kept], groups_N=groups_N[kept], whole=whole)


def front(sums_N: Floats, groups_N: Integers) -> Integers:
    """Return the sums that nothing beats, by the first; of no group and of any other."""
    count = len(groups_N)
    if count > _MANY and not groups_N.any():
        hopeful = _hopeful(sums_N)
        if hopeful is not None:
            return hopeful[front(sums_N[:, hopeful], groups_N[hopeful])]
    order = np.lexsort((sums_N[1], sums_N[0]))
    if not count:
        return order
    second_N, of_N = sums_N[1, order], groups_N[order]
    ranks = _ranked(second_N, of_N)
    kept = np.ones(count, dtype=np.bool_)
    own = of_N[1:] == ranks.group[:-1]
    kept[1:] = second_N[1:] < np.where(own, ranks.best[:-1], ranks.other[:-1])
    return order[kept]


def _hopeful(sums_N: Floats) -> Integers | None:
    """Return the sums that none of a lesser cell of the first sum beats; none: it is not many."""
    low, high = sums_N[0].min(), sums_N[0].max()
    if low == high:
        return None
    cells_N = ((sums_N[0] - low) * (_HOPEFUL_CELLS / (high - low))).astype(np.int64)
    best = np.full(_HOPEFUL_CELLS + 2, np.inf)
    np.minimum.at(best, cells_N + 1, sums_N[1])
    found = np.flatnonzero(sums_N[1] < np.minimum.accumulate(best)[cells_N])
    return found if 2 * len(found) < sums_N.shape[1] else None


def _best_of_each(first_N: Floats, second_N: Floats, groups_N: Integers) -> Integers:
    """Return for each first sum the best second sum, and the best of another group."""
    order = np.lexsort((second_N, first_N))
    if not len(order):
        return order
    starts_N = np.concatenate(([True], first_N[order][1:] != first_N[order][:-1]))
    run_N = np.cumsum(starts_N) - 1
    leader_N = groups_N[order][np.flatnonzero(starts_N)][run_N]
    others = np.flatnonzero(groups_N[order] != leader_N)
    _, firsts = np.unique(run_N[others], return_index=True)
    places = np.concatenate((np.flatnonzero(starts_N), others[firsts]))
    return order[np.sort(places)]
