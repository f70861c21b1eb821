"""What a space holds under hard constraints, told before anything is measured."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from .feasibility import Constraint
from .guide import Guide
from .reach import Floats
from .space import SearchSpace
from .step_costs import PartCosts, StepCosts
from .steps import END

_SAMPLES = 1000


@dataclass(frozen=True, kw_only=True)
class Spread:
    """How a metric is spread over the walks of a space."""

    low: float
    """The least value, exact."""
    median: float
    """The median of a uniform sample of 1,000 walks."""
    high: float
    """The greatest value, exact."""


@dataclass(frozen=True, kw_only=True)
class SpaceCheck:
    """What a space holds, and what of it keeps the constraints."""

    walks: int
    """Number of walks, exact: of different architectures unless stages can be left out."""
    spreads: dict[str, Spread]
    """Metric to its spread over all walks."""
    share: float
    """Feasible share of the walks."""
    exact: bool
    """Whether the share is exact; else it is an estimate from thinned sums."""
    feasible_medians: dict[str, float]
    """Constrained metric to its median over a uniform sample of the feasible walks."""
    moves: tuple[str, ...]
    """Where nothing is feasible: which bound to move and to what value, one line each."""


def check(
    space: SearchSpace,
    constraints: Sequence[Constraint],
    *,
    metrics: Sequence[str],
    costs: PartCosts,
) -> SpaceCheck:
    """Return what ``space`` holds and what of it keeps ``constraints``.

    Args:
        space: Bound to the images.
        constraints: On some of ``metrics``.
        metrics: Additive metrics to report.
        costs: Those metrics of a part.
    """
    table = StepCosts(graph=space.graph, metrics=metrics, costs=costs)
    low, high = table.extremes()
    sample = np.array([_sampled(table, None, seed) for seed in range(_SAMPLES)])
    medians = np.median(sample, axis=0)
    spreads = {
        name: Spread(low=float(low[index]), median=float(medians[index]), high=float(high[index]))
        for index, name in enumerate(metrics)
    }
    share, exact = 1.0, True
    feasible: dict[str, float] = {}
    moves: tuple[str, ...] = ()
    if constraints:
        guide = Guide(graph=space.graph, constraints=constraints, costs=costs)
        share, exact = guide.feasible / space.size(), guide.exact
        if share:
            table = StepCosts(graph=space.graph, metrics=guide.metrics, costs=costs)
            drawn = np.array([_sampled(table, guide, seed) for seed in range(_SAMPLES // 5)])
            middle = np.median(drawn, axis=0)
            feasible = {name: float(middle[i]) for i, name in enumerate(guide.metrics)}
        else:
            moves = _moves(space, constraints, spreads, costs)
    return SpaceCheck(
        walks=space.size(),
        spreads=spreads,
        share=share,
        exact=exact,
        feasible_medians=feasible,
        moves=moves,
    )


def _sampled(table: StepCosts, guide: Guide | None, seed: int) -> Floats:
    """Return the sums of one walk, drawn uniformly of all or of those that keep the bounds."""
    generator = random.Random(seed)
    graph = table.graph
    node, spent = graph.start, np.zeros(len(table.metrics))
    while node != END:
        step = graph.step(node)
        nexts, counts = step.nexts, step.counts
        if guide is not None:
            counts = guide.counts(node, spent).tolist()
        index = generator.choices(range(len(counts)), counts)[0]
        spent = spent + table.costs(node)[index]
        node = nexts[index]
    return spent


def _moves(
    space: SearchSpace,
    constraints: Sequence[Constraint],
    spreads: dict[str, Spread],
    costs: PartCosts,
) -> tuple[str, ...]:
    """Return for each bound the value to which it must move, the others kept, if that helps."""
    alone = [
        line
        for each in constraints
        if (line := _move(each, spreads[each.metric].low, spreads[each.metric].high))
    ]
    if alone:
        return tuple(alone)
    found: list[str] = []
    for each in constraints:
        others = [other for other in constraints if other != each]
        open_bound = Constraint(metric=each.metric)
        guide = Guide(graph=space.graph, constraints=[*others, open_bound], costs=costs)
        values = guide.values(each.metric)
        if len(values):
            above, below = values[values > each.high], values[values < each.low]
            nearest = [*above[:1].tolist(), *below[-1:].tolist()]
            for value in nearest:
                side = {"high": value} if value > each.high else {"low": value}
                found.append(f"{each} must become {replace(each, **side, strict=False)}")
    return tuple(found)


def _move(constraint: Constraint, low: float, high: float) -> str | None:
    """Return what one bound must become to meet a metric that lies between ``low`` and ``high``."""
    if constraint.high < low:
        return f"{constraint} must become {replace(constraint, high=low, strict=False)} or more"
    if constraint.low > high:
        return f"{constraint} must become {replace(constraint, low=high, strict=False)} or less"
    return None
