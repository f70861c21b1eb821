"""Comparison of studies: distributions of a metric, and hypervolumes of the fronts.

The empirical distribution function of the error over candidates drawn from a space measures the
quality of the space (Radosavovic et al., Designing Network Design Spaces, 2020, arXiv 2003.13678,
equation 1): the share of networks with an error below e. The band of Dvoretzky, Kiefer and
Wolfowitz with Massart's constant, 1990, contains the whole true distribution with a probability of
95 %.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...evaluators.base import metric
from .columns import Columns
from .front import Mask, hypervolume_growth, unit_losses

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Distribution:
    """The empirical distribution of a metric."""

    at_N: Floats
    """Values in ascending order; errors for an accuracy."""
    share_N: Floats
    """Share of the candidates with at most each value."""
    band: float
    """Half-width of the 95 % band of the true distribution."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Growth:
    """The hypervolume of a study over its finished candidates."""

    volume_N: Floats
    """Hypervolume after each comparable candidate; 1: the best value of every objective at once."""
    seconds_N: Floats
    """Total measuring time at each candidate, in seconds."""
    row_N: NDArray[np.intp]
    """Rows of the candidates."""


def error_name(name: str) -> str:
    """Return the name of the quantity in a metric's distribution; for an accuracy, its error."""
    return f"error (1 - {name})" if _is_share(name) else name


def _is_share(name: str) -> bool:
    return metric(name).share


def distribution(columns: Columns, name: str, mask: Mask) -> Distribution:
    """Return the distribution of a metric over the complete candidates of ``mask``."""
    values = columns.value(name)[mask & columns.comparable((name,))]
    if metric(name).direction == "maximize":
        values = 1.0 - values if _is_share(name) else -values
    count = len(values)
    return Distribution(
        at_N=np.sort(values),
        share_N=np.arange(1, count + 1) / max(count, 1),
        band=float(np.sqrt(np.log(2 / 0.05) / (2 * max(count, 1)))),
    )


def difference(one: Distribution, other: Distribution) -> tuple[float, float]:
    """Return the largest distance of two distributions, and its p-value.

    This is the two-sample Kolmogorov-Smirnov test.
    """
    from scipy.stats import ks_2samp

    if not len(one.at_N) or not len(other.at_N):
        return np.nan, np.nan
    found: Any = ks_2samp(one.at_N, other.at_N)
    return float(found.statistic), float(found.pvalue)


def growths(
    studies: Sequence[Columns], masks: Sequence[Mask], objectives: Sequence[str]
) -> list[Growth]:
    """Return the hypervolumes of studies on one common scale, that of all their candidates.

    Args:
        studies: The candidates of each study.
        masks: The candidates that take part if they are comparable in the objectives.
        objectives: Names of the objectives, the same for all studies.
    """
    rows = [
        _finished(columns, mask & columns.comparable(objectives))
        for columns, mask in zip(studies, masks, strict=True)
    ]
    losses = [columns.losses(objectives)[each] for columns, each in zip(studies, rows, strict=True)]
    scaled = unit_losses(np.concatenate(losses), objectives)
    parts = np.split(scaled, np.cumsum([len(each) for each in rows])[:-1])
    return [
        Growth(
            volume_N=hypervolume_growth(part),
            seconds_N=np.cumsum(np.nan_to_num(columns.seconds_N[each])),
            row_N=each,
        )
        for columns, each, part in zip(studies, rows, parts, strict=True)
    ]


def _finished(columns: Columns, mask: Mask) -> NDArray[np.intp]:
    """Return the rows in order of finishing."""
    rows = np.flatnonzero(mask)
    return rows[np.argsort(columns.order_N[rows], kind="stable")]


def corners(volume_N: Floats) -> NDArray[np.intp]:
    """Return the indices at which a step function changes, with the last index."""
    if not len(volume_N):
        return np.empty(0, np.intp)
    return np.union1d(np.flatnonzero(np.diff(volume_N, prepend=-1.0)), [len(volume_N) - 1])
