"""Hard constraints steer the walk: only what can still keep them is offered.

The costs of an architecture are sums over its parts, so those of a walk are sums over its choices,
and the sums that can still be reached from a step follow from those of the steps after it (dynamic
programming, from the end). Each step keeps a set of sums that are really reached by some way on. A
choice is offered if, with what is spent and what it costs, one of the sums of the step it leads to
keeps the bounds. The peak memory is no sum but the largest of its parts' values: it is bounded by
counting the choices that are above the bound, of which there may be none, and those that reach the
lower bound, of which there must be one.

What this guarantees:

- Everything drawn keeps the constraints, and a walk never comes to a dead end: the sums kept at a
  step are among those of its choices, so what was within bounds before a choice still is after it.
- Where no step has more than ``cap`` different sums, all feasible architectures can be drawn, the
  shares are exact, and the ``uniform`` draw is uniform. Otherwise the sums are thinned on a grid;
  then a choice whose only feasible ways were thinned out is not offered, shares are estimates, and
  the uniform draw is nearly so. The least sum of a single metric is always kept: one upper bound
  is exact at any size, and so is an upper bound on the peak memory.

Shape suffixes: R choices, G groups of choices that cost the same and lead to one step, K sums, N
points.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .feasibility import Constraint
from .reach import TINY, Reach, Window, merged
from .step_table import PEAK_MEMORY, Floats, Integers, StepTable

_EXACT_UP_TO = 200_000
"""Spaces of so many walks keep every sum."""

_CAPS = (64, 1024)
"""Sums kept at a step of a larger space: the second where nothing was found with the first; four
times as many where three or more sums are bounded."""


@dataclass(frozen=True, eq=False, kw_only=True)
class _Groups:
    """The choices of a step, those joined that cost the same and lead to the same."""

    costs_GK: Floats
    nexts_G: Integers
    sizes_G: Integers
    of_R: Integers
    """The group of each choice."""


@dataclass(frozen=True, eq=False, kw_only=True)
class _Stack:
    """The sums that each group of choices of a step can lead to."""

    points_KNG: Floats
    shares_NG: Floats
    """Shares of all ways from the step."""
    there_NG: NDArray[np.bool_]
    """Which of the points there are: groups have different numbers."""


@dataclass(frozen=True, eq=False, kw_only=True)
class _Onward:
    """The sums that those choices of a step can lead to that lead to one step."""

    mine_G: Integers
    """Their groups."""
    points: Floats
    """Sums, (K, G, N)."""
    shares: Floats
    """Shares of all ways from the step, (G, N)."""
    kept: NDArray[np.bool_]
    """Which of them there are, (G, N)."""
    whole: bool
    """Whether no sum was left out."""


@dataclass(frozen=True)
class _Sum:
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


class Guide:
    """The constraints of a space, as bounds on what each choice may lead to."""

    def __init__(
        self, *, table: StepTable, constraints: Sequence[Constraint], cap: int | None = None
    ) -> None:
        """Prepare the bounds.

        Args:
            table: The steps of the space, with all metrics of the constraints.
            constraints: On metrics of ``table``, at least one.
            cap: Sums kept at a step; none: all in spaces that can be enumerated, else few.
        """
        self.table = table
        self.constraints = tuple(constraints)
        self._ways = table.ways
        self._unique: dict[int, tuple[Floats, Integers]] = {}
        self._sums, self._window = _sums(table, constraints)
        self._bounds = [
            (k, float(limit), upper)
            for upper, limits in ((False, self._window.low_K), (True, self._window.high_K))
            for k, limit in enumerate(limits)
            if np.isfinite(limit)
        ]
        self._groups = [self._grouped(number) for number in range(table.end)]
        self._before = self._least_and_most()
        small = self._ways[0] <= _EXACT_UP_TO
        caps = _CAPS if len(self._sums) < 3 else [4 * each for each in _CAPS]
        for each in (cap,) if cap else (_EXACT_UP_TO,) if small else caps:
            self._reaches = self._reached(each)
            if not self.empty:
                break
        self._stacks: dict[int, _Stack] = {}
        self._costs: dict[int, Floats] = {}

    @property
    def nothing(self) -> Floats:
        """What is spent at the start of a walk: zeros."""
        return np.zeros(len(self._window.low_K))

    @property
    def empty(self) -> bool:
        """Whether no feasible walk was found; there is none if ``exact``."""
        return not self._reaches[0].size

    @property
    def share(self) -> float:
        """Share of the walks that is feasible; an estimate unless ``exact``."""
        return float(self._reaches[0].shares_N.sum())

    @property
    def feasible(self) -> int:
        """Number of feasible walks; an estimate unless ``exact``."""
        numerator, denominator = self.share.as_integer_ratio()
        return (2 * self._ways[0] * numerator + denominator) // (2 * denominator)  # rounded

    @property
    def exact(self) -> bool:
        """Whether every feasible walk can be drawn and the shares are exact."""
        return all(reach.whole for reach in self._reaches)

    def keeps(self, spent_K: Floats) -> bool:
        """Whether a whole walk that has spent so much keeps the constraints."""
        return bool(self._window.holds(spent_K[:, None])[0])

    def costs(self, number: int) -> Floats:
        """Return what the choices of a step add to what is spent, (R, K)."""
        if number not in self._costs:
            groups = self._groups[number]
            self._costs[number] = groups.costs_GK[groups.of_R]
        return self._costs[number]

    def shares(self, number: int, spent_K: Floats) -> Floats:
        """Return the feasible ways that each choice leads to, relative to each other, (R,).

        Args:
            number: Of the step where the walk stands.
            spent_K: What the choices so far have cost.
        """
        groups, stack = self._groups[number], self._stack(number)
        shares_G = np.where(self._inside(stack, spent_K), stack.shares_NG, 0.0).sum(axis=0)
        return (shares_G / groups.sizes_G)[groups.of_R]

    def possible(self, number: int, spent_K: Floats) -> int:
        """Return the choices that lead to a feasible way, as a set of bits; see ``shares``."""
        inside_G = np.logical_or.reduce(self._inside(self._stack(number), spent_K), axis=0)
        inside_R = inside_G[self._groups[number].of_R]
        return int.from_bytes(np.packbits(inside_R, bitorder="little").tobytes(), "little")

    def values(self, metric: str) -> Floats:
        """Return values of one metric, rising, that feasible walks have; not all of them."""
        column = [each.metric for each in self._sums].index(metric)
        return np.unique(self._reaches[0].points_KN[column])

    def _inside(self, stack: _Stack, spent_K: Floats) -> NDArray[np.bool_]:
        """Return which of the sums of a step keep the bounds, (N, G)."""
        inside = stack.there_NG
        spent = spent_K.tolist()
        for k, limit, upper in self._bounds:
            points_NG, left = stack.points_KNG[k], limit - spent[k]
            inside = inside & (points_NG <= left if upper else points_NG >= left)
        return inside

    # Preparing ------------------------------------------------------------------------------

    def _grouped(self, number: int) -> _Groups:
        step = self.table.steps[number]
        costs_LK, of_R = self._unique_costs(step.table)
        if len(step.nexts) == 1:
            sizes = np.bincount(of_R)
            nexts = np.broadcast_to(step.nexts, sizes.shape)
            return _Groups(costs_GK=costs_LK * step.times, nexts_G=nexts, sizes_G=sizes, of_R=of_R)
        keys, of_R, sizes = np.unique(
            step.nexts * len(costs_LK) + of_R, return_inverse=True, return_counts=True
        )
        return _Groups(
            costs_GK=costs_LK[keys % len(costs_LK)] * step.times,
            nexts_G=keys // len(costs_LK),
            sizes_G=sizes,
            of_R=of_R,
        )

    def _unique_costs(self, table: int) -> tuple[Floats, Integers]:
        """Return the different costs of a table, built once, and the place of each choice's."""
        if table not in self._unique:
            costs_RM = self.table.tables[table]
            columns = [each.of(costs_RM) for each in self._sums]
            self._unique[table] = np.unique(np.stack(columns, axis=1), axis=0, return_inverse=True)
        return self._unique[table]

    def _least_and_most(self) -> list[tuple[Floats, Floats]]:
        """Return the least and the most that walks have spent when they come to each step."""
        far = np.full(len(self._window.low_K), np.inf)
        found = [(far, -far)] * (self.table.end + 1)
        found[0] = (self.nothing, self.nothing)
        for number, groups in enumerate(self._groups):
            least, most = found[number]
            for after in np.unique(groups.nexts_G).tolist():
                mine = groups.costs_GK[groups.nexts_G == after]
                found[after] = (
                    np.minimum(found[after][0], least + mine.min(axis=0)),
                    np.maximum(found[after][1], most + mine.max(axis=0)),
                )
        return found

    def _reached(self, cap: int) -> list[Reach]:
        """Return what can be reached from each step, by dynamic programming from the end."""
        ends = [Reach.end(len(self._window.low_K))] * (self.table.end + 1)
        self._reaches = ends
        for number in range(self.table.end - 1, -1, -1):
            least, most = self._before[number]
            useful = Window(low_K=self._window.low_K - most, high_K=self._window.high_K - least)
            parts = [self._onward(number, after) for after in self._afters(number)]
            self._reaches[number] = merged(
                _joined(parts, self.table.steps[number].second), cap, useful
            )
        return self._reaches

    def _afters(self, number: int) -> list[int]:
        return np.unique(self._groups[number].nexts_G).tolist()

    def _onward(self, number: int, after: int) -> "_Onward":
        """Return the sums that the choices leading to one step can reach, group by group.

        A first mixer rules itself out as the second.
        """
        groups, reach = self._groups[number], self._reaches[after]
        mine_G = np.flatnonzero(groups.nexts_G == after)
        points = groups.costs_GK[mine_G].T[..., None] + reach.points_KN[:, None]
        weight = self._ways[after] / self._ways[number]
        shares = (groups.sizes_G[mine_G, None] * weight) * reach.shares_N
        kept = np.ones(shares.shape, dtype=np.bool_)
        if self.table.is_second(after):
            size = groups.sizes_G[mine_G, None]
            own = reach.groups_N == mine_G[:, None]
            shares = np.where(own, shares * ((size - 1) / size), shares)
            kept = ~own | (size > 1)
        return _Onward(
            mine_G=mine_G,
            points=points,
            shares=np.where(kept, np.maximum(shares, TINY), 0.0),
            kept=kept,
            whole=reach.whole,
        )

    def _stack(self, number: int) -> _Stack:
        """Return what the choices of a step can lead to, as one array."""
        if number not in self._stacks:
            parts = [self._onward(number, after) for after in self._afters(number)]
            if len(parts) == 1:
                self._stacks[number] = _Stack(
                    points_KNG=np.ascontiguousarray(parts[0].points.transpose(0, 2, 1)),
                    shares_NG=np.ascontiguousarray(parts[0].shares.T),
                    there_NG=np.ascontiguousarray(parts[0].kept.T),
                )
                return self._stacks[number]
            size = max(each.shares.shape[1] for each in parts), len(self._groups[number].sizes_G)
            points_KNG = np.zeros((len(self._sums), *size))
            shares_NG, there_NG = np.zeros(size), np.zeros(size, dtype=np.bool_)
            for each in parts:
                width = each.shares.shape[1]
                points_KNG[:, :width, each.mine_G] = each.points.transpose(0, 2, 1)
                shares_NG[:width, each.mine_G] = each.shares.T
                there_NG[:width, each.mine_G] = each.kept.T
            self._stacks[number] = _Stack(
                points_KNG=points_KNG, shares_NG=shares_NG, there_NG=there_NG
            )
        return self._stacks[number]


class Stand:
    """Where a steered walk stands, and what it has spent."""

    def __init__(self, guide: Guide) -> None:
        self._guide = guide
        self.number = 0
        """Number of the step."""
        self.spent_K = guide.nothing
        """What the choices so far have cost."""
        self.first: int | None = None
        """At a second mixer, the choice of the first: it is not among the choices now."""

    def possible(self) -> int:
        """Return the choices that lead to a feasible way, as a set of bits."""
        bits = self._guide.possible(self.number, self.spent_K)
        if self.first is None:
            return bits
        below = (1 << self.first) - 1
        return (bits & below) | (bits >> 1 & ~below)

    def shares(self) -> Floats:
        """Return the feasible ways that each choice leads to, relative to each other, (R,)."""
        shares_R = self._guide.shares(self.number, self.spent_K)
        return shares_R if self.first is None else np.delete(shares_R, self.first)

    def drawn(self, generator: random.Random) -> int:
        """Return a choice, with the chance that its feasible ways give it."""
        sums = self.shares().cumsum()
        index = int(sums.searchsorted(generator.random() * sums[-1], side="right"))
        return min(index, int(sums.searchsorted(sums[-1])))  # rounding may lead past the last

    def take(self, index: int) -> int:
        """Go on by a choice; return its number in the table of steps."""
        if self.first is not None and index >= self.first:
            index += 1
        self.spent_K = self.spent_K + self._guide.costs(self.number)[index]
        nexts = self._guide.table.steps[self.number].nexts
        self.number = int(nexts[index if len(nexts) > 1 else 0])
        return index


def _joined(parts: Sequence[_Onward], grouped: bool) -> Reach:
    """Return what the choices of one step can reach; its groups are told apart if ``grouped``."""
    kept = [each.kept for each in parts]
    numbers = [
        np.broadcast_to(each.mine_G[:, None] if grouped else 0, each.shares.shape) for each in parts
    ]
    return Reach(
        points_KN=np.concatenate(
            [p.points[:, k] for p, k in zip(parts, kept, strict=True)], axis=1
        ),
        shares_N=np.concatenate([p.shares[k] for p, k in zip(parts, kept, strict=True)]),
        groups_N=np.concatenate([each[k] for each, k in zip(numbers, kept, strict=True)]),
        whole=all(each.whole for each in parts),
    )


def _sums(table: StepTable, constraints: Sequence[Constraint]) -> tuple[list[_Sum], Window]:
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
    found: list[tuple[_Sum, float, float]] = []
    for name in low:
        at = table.metrics.index(name)
        if name != PEAK_MEMORY:
            found.append((_Sum(name, at), low[name], high[name]))
            continue
        found.append((_Sum(name, at, above=high[name]), -np.inf, 0))
        if low[name] > -np.inf:
            found.append((_Sum(name, at, above=np.nextafter(low[name], -np.inf)), 1, np.inf))
    sums, lows, highs = zip(*found, strict=True)
    return list(sums), Window(low_K=np.array(lows), high_K=np.array(highs))
