"""The feasible share and the cost ranges of a space, known before anything is measured."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .constraint import Constraint
from .cost_table import CostedGraph, Floats
from .relaxations import relaxations
from .steering import Guide, SteeredPath

_SAMPLES = 1000
_FEASIBLE_SAMPLES = 100  # sampled one by one, which takes longer


@dataclass(frozen=True, kw_only=True)
class Spread:
    """The range and the median of a metric over the walks of a space."""

    low: float
    """The least value, exact."""
    median: float
    """The median of a uniform sample of 1,000 walks."""
    high: float
    """The greatest value, exact."""


@dataclass(frozen=True, kw_only=True)
class SpaceCheck:
    """The contents of a space, and its feasible share under constraints."""

    walks: int
    """Exact number of walks. Several may lead to one architecture; see ``SearchSpace.size``."""
    spreads: dict[str, Spread]
    """The spread of each metric over all walks."""
    share: float
    """Feasible share of the walks."""
    exact: bool
    """Whether the share is exact; else it is an estimate from a sample."""
    share_range: tuple[float, float]
    """95 % interval of the share; both ends are the share itself if that is exact."""
    proved: bool
    """Whether a share of 0 is proved: nothing is feasible."""
    feasible_medians: dict[str, float]
    """The median of each constrained metric over ``feasible_sample`` walks: a rough figure."""
    feasible_sample: int
    """Number of feasible walks sampled; 0 if there are none, or no constraints."""
    feasible_uniform: bool
    """Whether the feasible walks were sampled uniformly."""
    moves: tuple[str, ...]
    """If nothing is feasible: the bounds to relax, and their new values. Each entry alone helps."""


def check(table: CostedGraph, constraints: Sequence[Constraint]) -> SpaceCheck:
    """Return the cost ranges of a space and its feasible share.

    Args:
        table: The cost table of the space, with the metrics to report.
        constraints: Bounds on some of these metrics.
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
        walks=table.path_counts[0],
        spreads=spreads,
        share=share,
        exact=exact,
        share_range=share_range,
        proved=proved,
        feasible_medians=feasible,
        feasible_sample=_FEASIBLE_SAMPLES if feasible else 0,
        feasible_uniform=uniform,
        moves=() if share else relaxations(table, constraints),
    )


def _feasible_sample(guide: Guide, count: int) -> Floats:
    """Return the costs of sampled feasible walks, (count, metrics)."""
    table, generator = guide.table, random.Random(0)
    spent = np.zeros((count, len(table.metrics)))
    for spent_M in spent:
        steered = SteeredPath(guide)
        while steered.number != table.end:
            number, index = steered.number, steered.drawn(generator)
            steered.take(index)
            spent_M[:] = table.add(spent_M, table.costs(number)[index])
    return spent
