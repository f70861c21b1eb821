"""The value of a metric on a split, and resampled splits for its interval.

Legend: N images, D draws.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Interval = tuple[float, float] | None

_CHUNK = 50
"""Resampled splits at a time."""
_LARGE = 100_000
"""Numbers of a split from which fewer draws are made."""


@dataclass(frozen=True, kw_only=True)
class MetricValue:
    """The value of a metric on a split."""

    value: float
    """The value in the metric's unit."""
    low: float | None = None
    """Lower end of the 95 % interval; None where there is no honest one."""
    high: float | None = None
    """Upper end of the 95 % interval; None where there is no honest one."""


def valued(value: float, interval: Interval) -> MetricValue:
    """Return a value with an interval that holds it."""
    if interval is None:
        return MetricValue(value=value)
    low, high = interval
    return MetricValue(value=value, low=min(low, value), high=max(high, value))


def resampled(images: int, rng: np.random.Generator, *, outputs: int = 1) -> Iterator[Floats]:
    """Yield how often each image is in a resampled split, (D, N), some draws at a time.

    Args:
        images: Number of images.
        rng: Source of the random numbers.
        outputs: Outputs of each image; with many numbers in all there are 300 draws, else 1,000.
    """
    draws = 300 if images * outputs > _LARGE else 1000
    for _ in range(draws // _CHUNK):
        places = rng.integers(images, size=(_CHUNK, images))
        places += images * np.arange(_CHUNK)[:, None]
        counts = np.bincount(places.ravel(), minlength=_CHUNK * images)
        yield counts.reshape(_CHUNK, images).astype(np.float64)


def middle(values: list[Floats]) -> Interval:
    """Return the interval that holds 95 % of the values of all draws; None if none is a number."""
    found = np.concatenate(values)
    found = found[np.isfinite(found)]
    if not len(found):
        return None
    low, high = np.quantile(found, (0.025, 0.975))
    return float(low), float(high)
