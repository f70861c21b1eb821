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
- In larger spaces with at most two metrics bounded, each from one side (and perhaps the peak memory
  from above), the non-dominated sums suffice (``pareto_sums``). While they are few, all feasible
  choices are offered (``complete``). Else some are left out at a node.
- If a metric is bounded from both sides, or three metrics are bounded, sums are trimmed on a grid
  (``trimmed_sums``): a choice whose feasible paths were all trimmed is not offered. The narrower
  the bounds, the more often this happens. If nothing is found, walks sampled near the bounds
  (``importance_sampling``) are recombined. Equality constraints on several metrics may still find
  nothing.
- In larger spaces the share is estimated from walks sampled near the bounds. Samples are exactly
  uniform if at least one in 500 of these walks is accepted (``uniform``); else each offered choice
  has the probability by which these walks take it.

Shape suffixes: R choices, G merged choices (of equal cost, leading to one node), K sums.
"""

import random
from collections.abc import Sequence
from functools import cached_property

import numpy as np

from .bounded_steps import BoundedSteps
from .constraint import Constraint
from .cost_table import CostedGraph, Floats
from .importance_sampling import Estimate, ImportanceSampler
from .pareto_sums import ParetoSums, signs_of
from .trimmed_sums import TINY, TrimmedSums

EXACT_UP_TO = 200_000
"""Number of walks up to which every sum is kept."""

_TRIMMED = 512
"""Trimmed sums kept at a node. With 512, the sums alone found walks within all of 8 bounds of
0.01 % around the params and macs of random networks of ``micro`` (0.6 s each), with 256 in 7."""

_PARETO = 2048
"""Pareto sums kept at a node: twice the longest front of ``micro`` (1,036), so that none is trimmed
there. In ``mobile`` and ``imagenet``, whose fronts are longer, this takes 2 to 3 s."""

_KEPT = 1 / 500
"""Least acceptance probability for rejection sampling: 500 tries take about 50 ms in ``micro``."""


def reachable_sums(
    steps: BoundedSteps, *, cap: int | None = None, aim: int | None = None, up: bool = False
) -> ParetoSums | TrimmedSums:
    """Return the reachable sums of the kind that suits the bounds.

    Args:
        steps: The decision nodes and the bounds.
        cap: Number of sums kept at a node; None: all of them in small spaces, else few.
        aim: Index of a sum whose least value is looked for.
        up: Whether the greatest value of the sum ``aim`` is looked for instead.
    """
    if cap is None and steps.table.path_counts[0] <= EXACT_UP_TO:
        return TrimmedSums(steps, cap=EXACT_UP_TO)
    signs = signs_of(steps, aim=aim, up=up)
    if signs is not None:
        sums = ParetoSums(steps, signs, cap=cap or _PARETO)
        if sums.size or sums.whole:
            return sums
    sums = TrimmedSums(steps, cap=cap or _TRIMMED, aim=aim, up=up)
    for k, _, upper in steps.one_sided if aim is None else ():
        if sums.size or sums.whole:
            break
        sums = TrimmedSums(steps, cap=cap or _TRIMMED, aim=k, up=not upper)
    return sums


class Guide:
    """Decides which choices of a walk can still satisfy the constraints."""

    def __init__(
        self, *, table: CostedGraph, constraints: Sequence[Constraint], cap: int | None = None
    ) -> None:
        """Prepare the bounds.

        Args:
            table: The cost table of the space, with all metrics of the constraints.
            constraints: Bounds on metrics of ``table``, at least one.
            cap: Number of sums kept at a node; None: all of them in small spaces, else few.
        """
        self.table = table
        self.constraints = tuple(constraints)
        self.exact = table.path_counts[0] <= EXACT_UP_TO and cap is None
        """Whether every feasible walk can be sampled and the share is exact."""
        self._cap = cap
        self._steps = BoundedSteps(table, constraints)
        self._costs: dict[int, Floats] = {}

    @property
    def nothing(self) -> Floats:
        """The sums at the start of a walk: zeros."""
        return np.zeros(len(self._steps.sums))

    @property
    def empty(self) -> bool:
        """Whether no feasible walk was found; there is none if ``proved``."""
        return not self._sums.size

    @property
    def proved(self) -> bool:
        """Whether an empty result is proved: if no feasible walk was found, there is none."""
        return self.complete or self._excluded

    @property
    def complete(self) -> bool:
        """Whether every feasible walk can be sampled."""
        return self._sums.whole

    @property
    def uniform(self) -> bool:
        """Whether ``SteeredPath.drawn`` samples uniformly from all feasible walks."""
        return self.exact or self._estimate.accepted >= _KEPT

    @cached_property
    def share_range(self) -> tuple[float, float, float]:
        """Feasible share of the walks, and its 95 % interval; see ``exact``.

        If no walk sampled near the bounds is feasible though one is known, the share is that of one
        walk.
        """
        if isinstance(self._sums, TrimmedSums) and self.exact:
            return self._sums.share, self._sums.share, self._sums.share
        if self.empty and self.proved:
            return 0.0, 0.0, 0.0
        if self._estimate.hits or self.empty:
            return self._estimate.share, self._estimate.low, self._estimate.high
        one = max(1 / self.table.path_counts[0], TINY)
        return one, one, max(self._estimate.high, one)

    @property
    def share(self) -> float:
        """Feasible share of the walks; an estimate unless ``exact``."""
        return self.share_range[0]

    @property
    def feasible(self) -> int:
        """Number of feasible walks; an estimate unless ``exact``."""
        numerator, denominator = self.share.as_integer_ratio()
        doubled = 2 * self.table.path_counts[0] * numerator
        return (doubled + denominator) // (2 * denominator)  # rounded

    def costs(self, number: int) -> Floats:
        """Return what each choice of a node adds to the sums, (R, K)."""
        if number not in self._costs:
            groups = self._steps.groups[number]
            self._costs[number] = groups.costs_GK[groups.of_R]
        return self._costs[number]

    def weights(self, number: int, spent_K: Floats) -> Floats:
        """Return relative probabilities of the choices of a node, (R,): 0 if not offered.

        If ``exact``, they are in proportion to the numbers of feasible paths.

        Args:
            number: The number of the node.
            spent_K: The sums over the choices so far.
        """
        groups = self._steps.groups[number]
        if isinstance(self._sums, TrimmedSums) and self.exact:
            weights_G = self._sums.shares(number, spent_K)
        else:
            chances_G = np.maximum(self._sampler.chances[number], TINY)
            weights_G = np.where(self._sums.possible(number, spent_K), chances_G, 0.0)
        return (weights_G / groups.sizes_G)[groups.of_R]

    def possible(self, number: int, spent_K: Floats) -> int:
        """Return the choices that lead to a feasible walk, as a bit mask."""
        inside_R = self._sums.possible(number, spent_K)[self._steps.groups[number].of_R]
        return int.from_bytes(np.packbits(inside_R, bitorder="little").tobytes(), "little")

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
    def _sums(self) -> ParetoSums | TrimmedSums:
        sums = reachable_sums(self._steps, cap=self._cap)
        if isinstance(sums, TrimmedSums) and not (sums.size or sums.whole or self._excluded):
            sums.add(self._sampler.recombined())
        return sums

    @property
    def _excluded(self) -> bool:
        """Whether the bounds alone prove that no walk is feasible."""
        return self._steps.contradictory or self._sampler.none

    @cached_property
    def _sampler(self) -> ImportanceSampler:
        return ImportanceSampler(self._steps)

    @cached_property
    def _estimate(self) -> Estimate:
        return self._sampler.estimate()


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
            sums = self._guide.weights(self.number, self.spent_K).cumsum()
            index = int(sums.searchsorted(generator.random() * sums[-1], side="right"))
            return min(index, int(sums.searchsorted(sums[-1])))  # rounding may pass the last index
        if self.number not in self._walk:
            self._walk = self._guide.draw(generator)
        return generator.choice(self._guide.within(self.number, self._walk[self.number]))

    def take(self, index: int) -> None:
        """Take a choice and move to the next node."""
        self.spent_K = self.spent_K + self._guide.costs(self.number)[index]
        nexts = self._guide.table.nodes[self.number].nexts
        self.number = int(nexts[index if len(nexts) > 1 else 0])
