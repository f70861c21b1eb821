"""Hard constraints steer the walk: only what can still keep them is offered.

The costs of an architecture are sums over its parts, so those of a walk are sums over its choices,
and the sums that can still be reached from a step follow from those of the steps after it (dynamic
programming, from the end). Each step keeps sums that are really reached by some way on. A choice is
offered if, with what is spent and what it costs, one of the sums of the step it leads to keeps the
bounds. The peak memory is no sum but the largest of its parts' values: it is bounded by counting
the choices that are above the bound, of which there may be none, and those that reach the lower
bound, of which there must be one.

What this guarantees:

- Everything drawn keeps the constraints, and a walk never comes to a dead end: the sums kept at a
  step are among those of its choices, so what was within bounds before a choice still is after it.
- In spaces of up to 200,000 walks every sum is kept: what is offered is all that is feasible, the
  share is exact and so is the ``uniform`` draw.
- In larger ones, where one or two metrics are bounded from one side each (the peak memory from
  above besides), only sums that no other beats matter (``pareto_sums``). While these are few, all
  that is feasible is offered; ``complete`` says so. Else they are trimmed, to hundreds at a step.
- Where a metric is bounded from both sides, or three are bounded, sums are trimmed on a grid
  (``trimmed_sums``): a choice whose only feasible ways were left out is not offered. The narrower
  the bounds, the more this happens. If next to nothing is found so, walks are looked for that can
  end farthest within the bounds (``beam_search``), and walks drawn near the bounds are cut and
  joined (``importance_sampling``): equalities of several metrics may still be beyond this.
- The share is then estimated from walks drawn near the bounds, and the uniform draw is exact
  wherever one in 500 of these is kept (``uniform``); else it follows the trimmed sums.

Shape suffixes: R choices, G groups of choices that cost the same and lead to one step, K sums.
"""

import random
from collections.abc import Sequence
from functools import cached_property

import numpy as np

from .beam_search import Beam
from .bounded_steps import BoundedSteps
from .constraint import Constraint
from .cost_table import Floats, Numbers, StepTable
from .importance_sampling import Tilted
from .pareto_sums import ParetoSums, pair_of
from .trimmed_sums import TINY, TrimmedSums

EXACT_UP_TO = 200_000
"""Spaces of so many walks keep every sum."""

_CAPS = (64, 1024)
"""Sums kept at a step of a larger space: the second where the first leave few whole ways."""

_CAPS_OF_MANY = (256, 1024)
"""The same where three or more sums are bounded."""

_FRONT = 1_000_000
"""Sums of fronts in all, at least 256 and at most 4096 a step."""

_CELLS = 128
"""Sums of a front at a step where one metric is bounded from both sides."""

_MORE = 16
"""So many times more where no way is found."""

_FEW = 16
"""Of fewer whole ways, or fewer sampled walks that keep the bounds, more are looked for."""

_WALKS = 8192
"""Walks drawn to estimate a share and to find some."""

_MANY_WALKS = 262144
"""The same where few of them keep the bounds."""

_PIECES = 32768
"""Walks whose pieces are joined where nothing is found otherwise."""

_JOINED = 256
"""Walks that are found by joining pieces."""

_KEPT = 1 / 500
"""Least chance of a walk to be kept at which walks are drawn and refused."""


class Guide:
    """The constraints of a space, as bounds on what each choice may lead to."""

    def __init__(
        self,
        *,
        table: StepTable,
        constraints: Sequence[Constraint],
        cap: int | None = None,
        quick: bool = False,
    ) -> None:
        """Prepare the bounds.

        Args:
            table: The steps of the space, with all metrics of the constraints.
            constraints: On metrics of ``table``, at least one.
            cap: Sums kept at a step; none: all in spaces that can be enumerated, else few.
            quick: Whether to look less hard where nothing is found at once.
        """
        self.table = table
        self.constraints = tuple(constraints)
        self._cap = cap
        self._quick = quick
        self._small = table.ways[0] <= EXACT_UP_TO and cap is None
        self._steps = BoundedSteps(table, constraints, as_given=quick)
        self._costs: dict[int, Floats] = {}

    @property
    def nothing(self) -> Floats:
        """What is spent at the start of a walk: zeros."""
        return np.zeros(len(self._steps.sums))

    @property
    def empty(self) -> bool:
        """Whether no feasible walk was found; there is none if ``proved``."""
        if self._steps.contradictory:
            return True
        if self._quick and not self._small and len(self._found):
            return False
        return not self._trimmed.size if self._pareto is None else self._pareto.empty

    @property
    def proved(self) -> bool:
        """Whether it is certain, where no walk was found, that there is none."""
        return self._small or self._steps.contradictory or self._tilted.none or self.complete

    @property
    def exact(self) -> bool:
        """Whether every feasible walk can be drawn and the share is exact."""
        return self._small

    @property
    def complete(self) -> bool:
        """Whether every feasible walk can be drawn."""
        return self._small or (self._pareto is not None and self._pareto.whole)

    @cached_property
    def uniform(self) -> bool:
        """Whether ``Stand.drawn`` makes all feasible walks equally likely."""
        return self._small or self._kept_chance >= _KEPT

    @cached_property
    def share_range(self) -> tuple[float, float, float]:
        """Share of the walks that is feasible, and its 95 % interval; see ``exact``.

        Where none of the walks that are drawn near the bounds keeps them, the share is that of one
        walk, and the interval reaches up to what this allows.
        """
        if self._steps.contradictory or (not self._small and self._tilted.none):
            return 0.0, 0.0, 0.0
        if self._small:
            return self._trimmed.share, self._trimmed.share, self._trimmed.share
        hits, share, low, high = self._tilted.share(_WALKS, seed=0)
        if hits < _FEW:
            hits, share, low, high = self._tilted.share(_MANY_WALKS, seed=0)
        if hits:
            return share, low, high
        if self.empty:
            return 0.0, 0.0, 0.0 if self.complete else high
        one = max(1 / self.table.ways[0], TINY)
        return one, one, max(high, one)

    @property
    def share(self) -> float:
        """Share of the walks that is feasible; an estimate unless ``exact``."""
        return self.share_range[0]

    @property
    def feasible(self) -> int:
        """Number of feasible walks; an estimate unless ``exact``."""
        numerator, denominator = self.share.as_integer_ratio()
        return (2 * self.table.ways[0] * numerator + denominator) // (2 * denominator)  # rounded

    def costs(self, number: int) -> Floats:
        """Return what the choices of a step add to what is spent, (R, K)."""
        if number not in self._costs:
            groups = self._steps.groups[number]
            self._costs[number] = groups.costs_GK[groups.of_R]
        return self._costs[number]

    def shares(self, number: int, spent_K: Floats) -> Floats:
        """Return the feasible ways that each choice leads to, relative to each other, (R,).

        Args:
            number: Of the step where the walk stands.
            spent_K: What the choices so far have cost.
        """
        groups = self._steps.groups[number]
        shares_G = self._trimmed.shares(number, spent_K)
        if self._pareto is not None and not shares_G.any():
            shares_G = np.where(self._pareto.possible(number, spent_K), groups.sizes_G, 0.0)
        return (shares_G / groups.sizes_G)[groups.of_R]

    def possible(self, number: int, spent_K: Floats) -> int:
        """Return the choices that lead to a feasible way, as a set of bits."""
        sums = self._trimmed if self._pareto is None else self._pareto
        inside_R = sums.possible(number, spent_K)[self._steps.groups[number].of_R]
        return int.from_bytes(np.packbits(inside_R, bitorder="little").tobytes(), "little")

    def values(self, metric: str) -> Floats:
        """Return values of one metric, rising, that feasible walks have; not all of them.

        The least of one that is bounded from above, or the greatest of one that is bounded from
        below, is among them if ``complete``.
        """
        column = [each.metric for each in self._steps.sums].index(metric)
        sums = self._trimmed if self._pareto is None else self._pareto
        return np.unique(sums.sums(column))

    def way(self, generator: random.Random) -> dict[int, int]:
        """Return a feasible walk, each as likely as any other, as groups of choices.

        Only if ``uniform``, and not ``exact``.
        """
        return self._tilted.draw(generator)

    def within(self, number: int, group: int) -> list[int]:
        """Return the choices of a group."""
        return np.flatnonzero(self._steps.groups[number].of_R == group).tolist()

    # Preparing ------------------------------------------------------------------------------

    @cached_property
    def _pareto(self) -> ParetoSums | None:
        """The sums that no other beats; none: too much is bounded."""
        pair = None if self._small else pair_of(self._steps)
        if pair is None:
            return None
        few = _CELLS if pair.both_sides else min(max(_FRONT // self.table.end, 256), 4096)
        few = few // 4 if self._quick else few
        fronts = ParetoSums(self._steps, pair, cap=self._cap or few)
        if not fronts.empty or fronts.whole or self._quick:
            return fronts
        if not (self._cap or self._tilted.none):
            fronts = ParetoSums(self._steps, pair, cap=_MORE * few)
        return None if fronts.empty and not fronts.whole else fronts

    @cached_property
    def _trimmed(self) -> TrimmedSums:
        if self._small or self._cap:
            return TrimmedSums(self._steps, cap=self._cap or EXACT_UP_TO)
        few, more = _CAPS if len(self._steps.sums) < 3 else _CAPS_OF_MANY
        found = TrimmedSums(self._steps, cap=few)
        # where fronts steer, it is for the shares alone
        if found.size >= _FEW or self._pareto is not None or self._tilted.none:
            return found
        if not self._quick:
            found = TrimmedSums(self._steps, cap=more)
        if found.size < _FEW:
            found.add(self._found)
        if not (found.size or self._quick):
            found.add(self._tilted.spliced(self._tilted.sample(_PIECES, seed=0), _JOINED))
        return found

    @cached_property
    def _found(self) -> Numbers:
        """Feasible walks, a few: with room to all bounds, or else at the limit of one."""
        found = Beam(self._as_given).walks()
        for k, _, upper in self._as_given.limits:
            if len(found) or self._quick:
                break
            found = Beam(self._as_given, aim=k, up=not upper).walks()
        return found

    @cached_property
    def _as_given(self) -> BoundedSteps:
        if self._quick:
            return self._steps
        return BoundedSteps(self.table, self.constraints, as_given=True)

    @cached_property
    def _tilted(self) -> Tilted:
        return Tilted(self._steps)

    @cached_property
    def _kept_chance(self) -> float:
        return self._tilted.kept_chance(_WALKS, seed=1)


class Stand:
    """Where a steered walk stands, and what it has spent."""

    def __init__(self, guide: Guide) -> None:
        self._guide = guide
        self.number = 0
        """Number of the step."""
        self.spent_K = guide.nothing
        """What the choices so far have cost."""
        self._way: dict[int, int] = {}

    def possible(self) -> int:
        """Return the choices that lead to a feasible way, as a set of bits."""
        return self._guide.possible(self.number, self.spent_K)

    def drawn(self, generator: random.Random) -> int:
        """Return a choice, with the chance that its feasible ways give it; see ``uniform``."""
        if len(self._guide.costs(self.number)) == 1:
            return 0
        if self._guide.exact or not self._guide.uniform:
            sums = self._guide.shares(self.number, self.spent_K).cumsum()
            index = int(sums.searchsorted(generator.random() * sums[-1], side="right"))
            return min(index, int(sums.searchsorted(sums[-1])))  # rounding may lead past the last
        if self.number not in self._way:
            self._way = self._guide.way(generator)
        return generator.choice(self._guide.within(self.number, self._way[self.number]))

    def take(self, index: int) -> None:
        """Go on by a choice."""
        self.spent_K = self.spent_K + self._guide.costs(self.number)[index]
        nexts = self._guide.table.steps[self.number].nexts
        self.number = int(nexts[index if len(nexts) > 1 else 0])
