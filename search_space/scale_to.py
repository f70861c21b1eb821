"""The network of a scaling rule that has a given cost."""

import heapq
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from .architecture.architecture import Architecture
from .errors import InputError
from .scaling import Axis, Scalable, Sizes, chosen
from .scaling_rules import Factors, ScalingRule

TOLERANCE = 0.02
"""How far a result may be from the target, as a share of the target."""
_STEPS = 12
_STRIDE = 1.5
"""Largest change of a growth in one step, since attention may cost far more on larger maps."""

_FINEST = 8
"""A fineness beyond that of all multiples."""

CostOf = Callable[[Architecture], float]
"""The cost of a network; NaN where it has none."""


@dataclass(frozen=True, kw_only=True)
class Scaled:
    """A network that a rule gives for a target."""

    architecture: Architecture
    """The network."""
    value: float
    """Its cost."""
    target: float
    """The cost asked for."""
    rule: ScalingRule
    """The rule."""
    factors: Factors
    """What the network has by what the first one has: blocks, mean width, side of the images."""

    @property
    def error(self) -> float:
        """How far the cost is from the target, as a share of it."""
        return self.value / self.target - 1

    @property
    def met(self) -> bool:
        """Whether the cost is within the tolerance."""
        return abs(self.error) <= TOLERANCE


@dataclass
class _Tried:
    """The networks tried, with their costs."""

    network: Scalable
    cost: CostOf
    target: float
    values: dict[Sizes, float] = field(default_factory=dict[Sizes, float])
    reason: str = ""
    """Why a network was refused last."""

    def error(self, sizes: Sizes) -> float:
        """Return the logarithm of the target by the cost; NaN for a network that is refused."""
        if sizes not in self.values:
            try:
                value = self.cost(self.network.with_sizes(sizes))
            except InputError as error:
                self.reason, value = str(error), math.nan
            self.values[sizes] = value
        value = self.values[sizes]
        return math.log(self.target / value) if value > 0 else math.nan

    @property
    def nearest(self) -> Sizes | None:
        """The network nearest to the target so far."""
        known = [each for each in self.values if not math.isnan(self.error(each))]
        return min(known, key=lambda each: abs(self.error(each)), default=None)


def scale_to(
    architecture: Architecture,
    rule: ScalingRule,
    target: float,
    cost: CostOf,
    *,
    aspect: float = 1.0,
    most: int = 300,
    fineness: int = 4,
) -> Scaled:
    """Return the network of a rule whose cost is nearest to a target, within 2 % where possible.

    Of the networks within 2 %, it is that nearest to the rule, with widths in the coarsest
    multiples (8, 4, 2, 1) that have one.

    Args:
        architecture: The network to scale.
        rule: The rule.
        target: The cost, above 0.
        cost: The cost of a network.
        aspect: Factor on depth by width, at equal multiply-adds.
        most: Largest number of networks near the rule whose cost is computed, for each multiple.
        fineness: Number of multiples tried, from the coarsest.

    Raises:
        InputError: If the rule does not change the cost, or components refuse all networks.
    """
    network = Scalable(architecture)
    tried = _Tried(network=network, cost=cost, target=target)
    own = tried.error(network.sizes)
    if math.isnan(own):
        raise InputError(f"a network to scale must have a cost: {tried.reason or 'it has none'}")
    search = _Search(tried, rule, aspect)
    if aspect == 1:
        search.check_change(own)
    factors = search.growth(own)
    for finer in range(fineness):
        found = search.nearest_to_rule(factors, finer, most)
        if found is not None:
            return _scaled(tried, found, rule)
    nearest = tried.nearest
    assert nearest is not None
    return _scaled(tried, nearest, rule)


def _scaled(tried: _Tried, sizes: Sizes, rule: ScalingRule) -> Scaled:
    had = tried.network.sizes
    ratios = [math.log(new / old) for new, old in zip(sizes.widths, had.widths, strict=True)]
    return Scaled(
        architecture=tried.network.with_sizes(sizes).canonical,
        value=tried.values[sizes],
        target=tried.target,
        rule=rule,
        factors=Factors(
            depth=sum(sizes.depths) / sum(had.depths),
            width=math.exp(sum(ratios) / len(ratios)),
            resolution=sizes.side / had.side,
        ),
    )


@dataclass(frozen=True)
class _Search:
    """The search among networks of one rule."""

    tried: _Tried
    rule: ScalingRule
    aspect: float

    def check_change(self, own: float) -> None:
        """Check that the rule changes the cost.

        Args:
            own: Logarithm of the target by the network's own cost.

        Raises:
            InputError: If it does not.
        """
        far = self._first(self._factors(own + math.copysign(1.0, own)))
        if self._error(far) == own and abs(math.expm1(-own)) > TOLERANCE:
            raise InputError(
                "a rule must change the cost that is asked for, but growth by the rule "
                f"{self.rule.name} does not"
            )

    def growth(self, start: float) -> Factors:
        """Return the factors whose rounded network is nearest to the target."""
        factors = self._factors(self._solved(start, self._factors))
        if self.rule.width:  # depths and sides are coarse: the width makes up for them
            kept = self._first(factors)
            growth = self._solved(0.0, partial(_wider, factors), kept)
            factors = _wider(factors, growth)
        return factors

    def _factors(self, growth: float) -> Factors:
        return self.rule.factors(growth, self.aspect)

    def _first(self, factors: Factors, kept: Sizes | None = None) -> Sizes:
        """Return the numbers nearest to the factors; ``kept`` has depths and side."""
        try:
            axes = self.tried.network.axes(self.rule, factors, _FINEST)
        except InputError as error:
            self.tried.reason = str(error)
            return Sizes(widths=(), depths=(), side=0)
        sizes = chosen(self.tried.network.sizes, axes, [0] * len(axes))
        return sizes if kept is None else replace(kept, widths=sizes.widths)

    def _error(self, sizes: Sizes) -> float:
        return self.tried.error(sizes) if sizes.side else math.nan

    def _solved(
        self, start: float, factors: Callable[[float], Factors], kept: Sizes | None = None
    ) -> float:
        """Return the growth with the least error, by secants on the logarithms."""
        growth, slope = min(max(start, -_STRIDE), _STRIDE), 1.0
        known: list[tuple[float, float]] = []
        for _ in range(_STEPS):
            error = self._error(self._first(factors(growth), kept))
            if math.isnan(error):  # half way to the last network that can be built
                growth = (growth + (known[-1][0] if known else 0.0)) / 2
                continue
            if known and known[-1][0] != growth:
                slope = (known[-1][1] - error) / (growth - known[-1][0])
            known.append((growth, error))
            if abs(error) < TOLERANCE / 4:
                break
            step = error / min(max(slope, 0.4), 3.0)
            growth += min(max(step, -_STRIDE), _STRIDE)
        return min(known, key=lambda each: abs(each[1]), default=(0.0, 0.0))[0]

    def nearest_to_rule(self, factors: Factors, fineness: int, most: int) -> Sizes | None:
        """Return the network nearest to the factors that meets the target; None if there is none.

        Networks are tried in the order of the sum of the squared logarithms of their numbers by
        the rule's.
        """
        try:
            axes = self.tried.network.axes(self.rule, factors, fineness)
        except InputError as error:
            self.tried.reason = str(error)
            return None
        first = (0,) * len(axes)
        waiting: list[tuple[float, tuple[int, ...]]] = [(self._away(axes, first), first)]
        for _ in range(most):
            if not waiting:
                break
            _, places = heapq.heappop(waiting)
            sizes = chosen(self.tried.network.sizes, axes, places)
            if abs(math.expm1(-self._error(sizes))) <= TOLERANCE:  # False for NaN
                return sizes
            for at in range(_last(places), len(axes)):
                if places[at] + 1 < len(axes[at].options):
                    after = (*places[:at], places[at] + 1, *places[at + 1 :])
                    heapq.heappush(waiting, (self._away(axes, after), after))
        return None

    def _away(self, axes: Sequence[Axis], places: Sequence[int]) -> float:
        return sum(axis.away(axis.options[place]) for axis, place in zip(axes, places, strict=True))


def _wider(factors: Factors, growth: float) -> Factors:
    return replace(factors, width=factors.width * math.exp(growth / 2))


def _last(places: Sequence[int]) -> int:
    """Return the last axis that was moved, so that each network is reached once."""
    return max((at for at, place in enumerate(places) if place), default=0)
