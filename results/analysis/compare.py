"""Comparing studies: the distribution of a metric, and what their fronts come to dominate.

The empirical distribution function of the error over candidates drawn from a space tells how good
the space is, as in Radosavovic et al., Designing Network Design Spaces, 2020, arXiv 2003.13678,
equation 1: the share of its networks with an error below e. Its band is that of Dvoretzky, Kiefer
and Wolfowitz with Massart's constant, 1990: the whole of the true distribution lies in it with
95 %.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...evaluators.base import metric
from ..numbers import format_value
from .columns import Columns
from .front import Mask, hypervolume_growth, unit_losses

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Distribution:
    """The empirical distribution of a metric."""

    at_N: Floats
    """Values, rising; of an accuracy the errors."""
    share_N: Floats
    """Share of the candidates whose value is at most so large."""
    band: float
    """What the true distribution may lie above or below that, with 95 %."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Growth:
    """The hypervolume of a study as its candidates finish."""

    volume_N: Floats
    """After each comparable candidate; 1 would be the best value of every objective at once."""
    seconds_N: Floats
    """Measuring time until then."""
    row_N: NDArray[np.intp]
    """Rows of the candidates."""


def error_name(name: str) -> str:
    """Return what the distribution of a metric is of: errors, where more is better."""
    return f"error (1 - {name})" if _is_share(name) else name


def _is_share(name: str) -> bool:
    return format_value(name, 0).endswith("%")


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
    """Return the greatest distance of two distributions, and how probable it is by chance.

    The two-sample test of Kolmogorov and Smirnov.
    """
    from scipy.stats import ks_2samp

    if not len(one.at_N) or not len(other.at_N):
        return np.nan, np.nan
    found: Any = ks_2samp(one.at_N, other.at_N)
    return float(found.statistic), float(found.pvalue)


def growths(
    studies: Sequence[Columns], masks: Sequence[Mask], objectives: Sequence[str]
) -> list[Growth]:
    """Return the hypervolumes of studies, on one scale: that of all their candidates together.

    Args:
        studies: The candidates of each.
        masks: Which of them take part; of these, those comparable in the objectives do.
        objectives: What counts, the same for all.
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
    """Return the rows in the order in which they finished."""
    rows = np.flatnonzero(mask)
    return rows[np.argsort(columns.order_N[rows], kind="stable")]


def corners(volume_N: Floats) -> NDArray[np.intp]:
    """Return the places where a staircase changes, and the last one."""
    if not len(volume_N):
        return np.empty(0, np.intp)
    return np.union1d(np.flatnonzero(np.diff(volume_N, prepend=-1.0)), [len(volume_N) - 1])
