"""Steering of walks by hard constraints: only choices that can still satisfy them are offered.

The costs of an architecture are sums over its parts, so the costs of a walk are sums over its
choices. The reachable sums of a decision node follow from those of the next nodes (dynamic
programming from the end); each is the sum of a real path. A choice is offered if the costs so far,
its own costs and one of the sums of the next node together satisfy the bounds. The peak memory is a
maximum over the parts, not a sum. Its bounds are on numbers of choices: no choice may exceed the
upper bound, and at least one must reach the lower bound.

Guarantees:

- Every sample satisfies the constraints, and no walk comes to a dead end: each sum kept at a node
  comes from one of its choices, so a sum within the bounds before a choice is within them after it.
- In spaces of up to 200,000 walks every sum is kept: all feasible choices are offered, the share is
  exact, and ``uniform`` samples are exactly uniform.
- In larger spaces with one or two metrics bounded from one side each (and perhaps the peak memory
  from above), the non-dominated sums suffice (``pareto_sums``). While they are few, all feasible
  choices are offered (``complete``). Else they are trimmed, to hundreds at a node.
- If a metric is bounded from both sides, or three metrics are bounded, sums are trimmed on a grid
  (``trimmed_sums``): a choice whose feasible paths were all trimmed is not offered. The narrower
  the bounds, the more often this happens. If few sums are found, a search for walks with the
  largest slack (``beam_search``) and a recombination of walks sampled near the bounds
  (``importance_sampling``) add more. Equality constraints on several metrics may still find
  nothing.
- In larger spaces the share is estimated from walks sampled near the bounds. Samples are exactly
  uniform if at least one in 500 of these walks is accepted (``uniform``); else they follow the
  shares of the trimmed sums.

Shape suffixes: R choices, G merged choices (of equal cost, leading to one node), K sums.
"""

import random
from collections.abc import Sequence
from functools import cached_property

import numpy as np

from .beam_search import Beam
from .bounded_steps import BoundedSteps
from .constraint import Constraint
from .cost_table import CostedGraph, Floats, Numbers
from .importance_sampling import ImportanceSampler
from .pareto_sums import ParetoSums, pair_of
from .trimmed_sums import TINY, TrimmedSums

EXACT_UP_TO = 200_000
"""Number of walks up to which every sum is kept."""

_CAPS = (64, 1024)
"""Sums kept at a node of a larger space; the second if the first finds few feasible sums."""

_CAPS_OF_MANY = (256, 1024)
"""The values of ``_CAPS`` for three or more bounded sums."""

_FRONT = 1_000_000
"""Total number of Pareto sums; from 256 to 4096 at a node."""

_CELLS = 128
"""Pareto sums kept at a node if one metric is bounded from both sides."""

_FEW = 16
"""With fewer feasible sums, or fewer feasible samples, the search goes on."""

_WALKS = 8192
"""Walks sampled to estimate a share."""

_MANY_WALKS = 262144
"""Walks sampled if few of the first samples are feasible."""

_PIECES = 32768
"""Walks sampled for recombination if all else finds nothing."""

_JOINED = 256
"""Number of feasible walks that recombination aims for."""

_KEPT = 1 / 500
"""Least acceptance probability for rejection sampling."""


class Guide:
    """Decides which choices of a walk can still satisfy the constraints."""

    def __init__(
        self,
        *,
        table: CostedGraph,
        constraints: Sequence[Constraint],
        cap: int | None = None,
        quick: bool = False,
    ) -> None:
        """Prepare the bounds.

        Args:
            table: The cost table of the space, with all metrics of the constraints.
            constraints: Bounds on metrics of ``table``, at least one.
            cap: Number of sums kept at a node; None: all of them in small spaces, else few.
            quick: Whether to skip the slow searches for feasible walks.
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
        """The sums at the start of a walk: zeros."""
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
        """Whether an empty result is proved: if no feasible walk was found, there is none."""
        return self._small or self._steps.contradictory or self._sampler.none or self.complete

    @property
    def exact(self) -> bool:
        """Whether every feasible walk can be sampled and the share is exact."""
        return self._small

    @property
    def complete(self) -> bool:
        """Whether every feasible walk can be sampled."""
        return self._small or (self._pareto is not None and self._pareto.whole)

    @cached_property
    def uniform(self) -> bool:
        """Whether ``SteeredPath.drawn`` samples uniformly from all feasible walks."""
        return self._small or self._kept_chance >= _KEPT

    @cached_property
    def share_range(self) -> tuple[float, float, float]:
        """Feasible share of the walks, and its 95 % interval; see ``exact``.

        If no walk sampled near the bounds is feasible though one is known, the share is that of one
        walk.
        """
        if self._steps.contradictory or (not self._small and self._sampler.none):
            return 0.0, 0.0, 0.0
        if self._small:
            return self._trimmed.share, self._trimmed.share, self._trimmed.share
        hits, share, low, high = self._sampler.share(_WALKS, seed=0)
        if hits < _FEW:
            hits, share, low, high = self._sampler.share(_MANY_WALKS, seed=0)
        if hits:
            return share, low, high
        if self.empty:
            return 0.0, 0.0, 0.0 if self.complete else high
        one = max(1 / self.table.ways[0], TINY)
        return one, one, max(high, one)

    @property
    def share(self) -> float:
        """Feasible share of the walks; an estimate unless ``exact``."""
        return self.share_range[0]

    @property
    def feasible(self) -> int:
        """Number of feasible walks; an estimate unless ``exact``."""
        numerator, denominator = self.share.as_integer_ratio()
        return (2 * self.table.ways[0] * numerator + denominator) // (2 * denominator)  # rounded

    def costs(self, number: int) -> Floats:
        """Return what each choice of a node adds to the sums, (R, K)."""
        if number not in self._costs:
            groups = self._steps.groups[number]
            self._costs[number] = groups.costs_GK[groups.of_R]
        return self._costs[number]

    def shares(self, number: int, spent_K: Floats) -> Floats:
        """Return relative numbers of feasible paths through each choice of a node, (R,).

        Args:
            number: The number of the node.
            spent_K: The sums over the choices so far.
        """
        groups = self._steps.groups[number]
        shares_G = self._trimmed.shares(number, spent_K)
        if self._pareto is not None and not shares_G.any():
            shares_G = np.where(self._pareto.possible(number, spent_K), groups.sizes_G, 0.0)
        return (shares_G / groups.sizes_G)[groups.of_R]

    def possible(self, number: int, spent_K: Floats) -> int:
        """Return the choices that lead to a feasible walk, as a bit mask."""
        sums = self._trimmed if self._pareto is None else self._pareto
        inside_R = sums.possible(number, spent_K)[self._steps.groups[number].of_R]
        return int.from_bytes(np.packbits(inside_R, bitorder="little").tobytes(), "little")

    def values(self, metric: str) -> Floats:
        """Return some values of one metric over feasible walks, in ascending order.

        If ``complete``, they include the least value of a metric with an upper bound and the
        greatest value of one with a lower bound.
        """
        column = [each.metric for each in self._steps.sums].index(metric)
        sums = self._trimmed if self._pareto is None else self._pareto
        return np.unique(sums.sums(column))

    def draw(self, generator: random.Random) -> dict[int, int]:
        """Return a uniformly sampled feasible walk, as its merged choices by node.

        Requires ``uniform`` and not ``exact``.
        """
        return self._sampler.draw(generator)

    def within(self, number: int, group: int) -> list[int]:
        """Return the choices in a merged choice."""
        return np.flatnonzero(self._steps.groups[number].of_R == group).tolist()

    # Preparing ------------------------------------------------------------------------------

    @cached_property
    def _pareto(self) -> ParetoSums | None:
        """The Pareto sums, or None if they do not apply to the bounds."""
        pair = None if self._small else pair_of(self._steps)
        if pair is None:
            return None
        few = _CELLS if pair.both_sides else min(max(_FRONT // self.table.end, 256), 4096)
        few = few // 4 if self._quick else few
        fronts = ParetoSums(self._steps, pair, cap=self._cap or few)
        found = not fronts.empty or fronts.whole or self._quick
        return fronts if found else None

    @cached_property
    def _trimmed(self) -> TrimmedSums:
        if self._small or self._cap:
            return TrimmedSums(self._steps, cap=self._cap or EXACT_UP_TO)
        few, more = _CAPS if len(self._steps.sums) < 3 else _CAPS_OF_MANY
        found = TrimmedSums(self._steps, cap=few)
        # with Pareto sums, the trimmed sums serve for shares alone
        if found.size >= _FEW or self._pareto is not None or self._sampler.none:
            return found
        if not self._quick:
            found = TrimmedSums(self._steps, cap=more)
        if found.size < _FEW:
            found.add(self._found)
        if not (found.size or self._quick):
            found.add(self._sampler.recombined(self._sampler.sample(_PIECES, seed=0), _JOINED))
        return found

    @cached_property
    def _found(self) -> Numbers:
        """A few feasible walks: with slack to all bounds, or else at an extreme of one metric."""
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
    def _sampler(self) -> ImportanceSampler:
        return ImportanceSampler(self._steps)

    @cached_property
    def _kept_chance(self) -> float:
        return self._sampler.kept_chance(_WALKS, seed=1)


class SteeredPath:
    """A steered path: a walk in progress under constraints."""

    def __init__(self, guide: Guide) -> None:
        self._guide = guide
        self.number = 0
        """Number of the current node."""
        self.spent_K = guide.nothing
        """The sums over the choices so far."""
        self._walk: dict[int, int] = {}

    def possible(self) -> int:
        """Return the choices that lead to a feasible walk, as a bit mask."""
        return self._guide.possible(self.number, self.spent_K)

    def drawn(self, generator: random.Random) -> int:
        """Return a choice sampled by its number of feasible paths; see ``Guide.uniform``."""
        if len(self._guide.costs(self.number)) == 1:
            return 0
        if self._guide.exact or not self._guide.uniform:
            sums = self._guide.shares(self.number, self.spent_K).cumsum()
            index = int(sums.searchsorted(generator.random() * sums[-1], side="right"))
            return min(index, int(sums.searchsorted(sums[-1])))  # rounding may pass the last index
        if self.number not in self._walk:
            self._walk = self._guide.draw(generator)
        return generator.choice(self._guide.within(self.number, self._walk[self.number]))

    def take(self, index: int) -> None:
        """Take a choice and move to the next node."""
        self.spent_K = self.spent_K + self._guide.costs(self.number)[index]
        nexts = self._guide.table.steps[self.number].nexts
        self.number = int(nexts[index if len(nexts) > 1 else 0])
