"""What a space holds under hard constraints, told before anything is measured."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .constraint import Constraint
from .cost_table import Floats, StepTable
from .relaxations import moves
from .steering import Guide, Stand

_SAMPLES = 1000
_FEASIBLE_SAMPLES = 100  # drawn one by one, which takes longer


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
    """Number of walks, exact. Some may give the same architecture; see ``SearchSpace.size``."""
    spreads: dict[str, Spread]
    """Metric to its spread over all walks."""
    share: float
    """Feasible share of the walks."""
    exact: bool
    """Whether the share is exact; else it is an estimate from a sample."""
    share_range: tuple[float, float]
    """Its 95 % interval; the share itself where that is exact."""
    proved: bool
    """Whether it is certain, where the share is 0, that nothing is feasible."""
    feasible_medians: dict[str, float]
    """Constrained metric to its median over ``feasible_sample`` walks: a rough figure."""
    feasible_sample: int
    """Number of feasible walks drawn for that; 0 where there are none or no constraints."""
    feasible_uniform: bool
    """Whether each feasible walk was as likely to be drawn as any other; else these are some."""
    moves: tuple[str, ...]
    """Where nothing is feasible: which bounds to move and to what values. One of these helps."""


def check(table: StepTable, constraints: Sequence[Constraint]) -> SpaceCheck:
    """Return what a space holds and what of it keeps ``constraints``.

    Args:
        table: The steps of the space with their costs: the metrics to report.
        constraints: On some of these metrics.
    """
    low, high = table.extremes()
    medians = np.median(table.sample(_SAMPLES, seed=0), axis=0)
    spreads = {
        name: Spread(low=float(low[index]), median=float(medians[index]), high=float(high[index]))
        for index, name in enumerate(table.metrics)
    }
    share, exact, proved, share_range, uniform = 1.0, True, True, (1.0, 1.0), True
    feasible: dict[str, float] = {}
    if constraints:
        guide = Guide(table=table, constraints=constraints)
        share, exact, share_range = guide.share, guide.exact, guide.share_range[1:]
        proved = bool(share) or guide.proved
        uniform = share > 0 and guide.uniform
        if share:
            middle = np.median(_feasible_sample(guide, _FEASIBLE_SAMPLES), axis=0)
            constrained = {each.metric for each in constraints}
            feasible = {
                name: float(middle[index])
                for index, name in enumerate(table.metrics)
                if name in constrained
            }
    return SpaceCheck(
        walks=table.ways[0],
        spreads=spreads,
        share=share,
        exact=exact,
        share_range=share_range,
        proved=proved,
        feasible_medians=feasible,
        feasible_sample=_FEASIBLE_SAMPLES if feasible else 0,
        feasible_uniform=uniform,
        moves=() if share else moves(table, constraints),
    )


def _feasible_sample(guide: Guide, count: int) -> Floats:
    """Return the costs of feasible walks, (count, metrics)."""
    table, generator = guide.table, random.Random(0)
    spent = np.zeros((count, len(table.metrics)))
    for row in spent:
        stand = Stand(guide)
        while stand.number != table.end:
            number, index = stand.number, stand.drawn(generator)
            stand.take(index)
            row[:] = table.add(row, table.costs(number)[index])
    return spent
