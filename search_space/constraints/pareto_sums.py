"""Where one or two metrics are bounded: what can still be reached, with hardly any thinning.

Shape suffixes: N sums, G groups of choices that cost the same and lead to one step, K sums.
"""

from typing import NamedTuple

import numpy as np

from .bounded_steps import BoundedSteps
from .cost_table import Floats, Integers
from .unbeaten_sums import Best, Flags, Pair, front, reduced


def pair_of(steps: BoundedSteps) -> Pair | None:
    """Return the metrics whose bounds are kept with hardly any thinning; none: too many."""
    low, high = np.isfinite(steps.window.low_K), np.isfinite(steps.window.high_K)
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
    """The groups of a step that lead to one other."""

    best: Best
    mine_G: Integers
    first_G: Floats
    second_G: Floats
    own_G: Integers | None


class Fronts:
    """The best sums that can be reached from each step."""

    def __init__(self, steps: BoundedSteps, pair: Pair, *, cap: int) -> None:
        """Compute them.

        Args:
            steps: The steps and the bounds.
            pair: Whose sums.
            cap: Sums kept at a step.
        """
        self._table, self._groups = steps.table, steps.groups
        self._pair = pair
        self._allowed = [
            (each.costs_GK[:, steps.never_K] == 0).all(axis=1) for each in steps.groups
        ]
        self._parts: dict[int, list[_Part]] = {}
        self._costs = [pair.of(each.costs_GK.T) for each in steps.groups]
        window = steps.window
        self._low, self._high = self._signed(window.low_K, window.high_K)
        self._before = [self._signed(*each) for each in steps.before]
        self._best = self._reached(cap)

    @property
    def empty(self) -> bool:
        """Whether no way keeps the bounds; none was found unless ``whole``."""
        return not self._best[0].size

    @property
    def whole(self) -> bool:
        """Whether all that keeps the bounds is told."""
        return all(each.whole for each in self._best)

    def sums(self, column: int) -> Floats:
        """Return sums that whole ways have that keep the bounds, (N,)."""
        place = self._pair.columns.index(column)
        return self._pair.signs[place] * self._best[0].sums_N[place]

    def possible(self, number: int, spent_K: Floats) -> Flags:
        """Return which groups of a step lead to a way that keeps the bounds, (G,)."""
        spent = [s * float(spent_K[k]) for k, s in zip(*self._pair[:2], strict=True)] + [0.0]
        first, second = self._high[0] - spent[0], self._high[1] - spent[1]
        low = self._low[0] - spent[0] if self._pair.both_sides else None
        allowed = self._allowed[number]
        found = np.zeros(len(allowed), dtype=np.bool_)
        for best, mine_G, first_G, second_G, own_G in self._parts_of(number):
            if len(mine_G) == 1 and own_G is None:
                cost, other = first_G.item(), second_G.item()
                least = None if low is None else low - cost
                found[mine_G] = best.reached(first - cost, second - other, least)
                continue
            low_G = None if low is None else low - first_G
            found[mine_G] = best.reaches(first - first_G, second - second_G, low_G, own_G)
        return found & allowed

    def _parts_of(self, number: int) -> list[_Part]:
        if number not in self._parts:
            self._parts[number] = [
                _Part(
                    best=self._best[after],
                    mine_G=mine_G,
                    first_G=self._costs[number][0, mine_G],
                    second_G=self._costs[number][1, mine_G],
                    own_G=self._own(number, after, mine_G),
                )
                for after, mine_G in self._groups[number].afters
            ]
        return self._parts[number]

    def _signed(self, low_K: Floats, high_K: Floats) -> tuple[list[float], list[float]]:
        """Return the least and the most of the first and of the second sum."""
        one, other = self._pair.of(low_K), self._pair.of(high_K)
        return np.minimum(one, other).tolist(), np.maximum(one, other).tolist()

    def _own(self, number: int, after: int, mine_G: Integers) -> Integers | None:
        """Return the groups of a second mixer that are ruled out by those of the first."""
        if not self._table.is_second(after):
            return None
        return np.where(self._groups[number].sizes_G[mine_G] > 1, -1, mine_G)

    def _reached(self, cap: int) -> list[Best]:
        """Return the best sums from each step, by dynamic programming from the end."""
        found = [Best.end()] * (self._table.end + 1)
        for number in range(self._table.end - 1, -1, -1):
            afters = self._groups[number].afters
            parts = [self._onward(number, after, mine_G, found[after]) for after, mine_G in afters]
            found[number] = reduced(
                np.concatenate([sums for sums, _ in parts], axis=1),
                np.concatenate([groups for _, groups in parts]),
                both_sides=self._pair.both_sides,
                cap=cap,
                whole=all(found[after].whole for after, _ in afters),
            )
        return found

    def _onward(
        self, number: int, after: int, mine_G: Integers, best: Best
    ) -> tuple[Floats, Integers]:
        """Return the sums that groups leading to one step can reach, and the group of each."""
        second = self._table.steps[number].second
        mine_G = mine_G[self._allowed[number][mine_G]]
        own_G = self._own(number, after, mine_G)
        if not (self._pair.both_sides or second or own_G is not None):
            mine_G = mine_G[front(self._costs[number][:, mine_G], np.zeros_like(mine_G))]
        points = self._costs[number][:, mine_G, None] + best.sums_N[:, None]
        least, most = self._before[number]
        kept = points[0] <= self._high[0] - least[0]
        kept &= points[1] <= self._high[1] - least[1]
        kept &= points[0] >= self._low[0] - most[0]
        if own_G is not None:
            kept &= best.groups_N != own_G[:, None]
        groups = np.broadcast_to(mine_G[:, None] if second else 0, kept.shape)
        return points[:, kept], groups[kept]
