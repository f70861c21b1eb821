"""The model of one metric, fitted to the history: predictions with standard deviations."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...results.analysis.front import front_mask
from .gaussian_process import Inputs, fit, predict

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

MOST_FITTED = 120
"""Maximum number of candidates to fit parameters to: a fit takes time cubic in their number."""
MOST_USED = 240
"""Maximum number of candidates that predictions are made from."""
FEWEST = 8
"""Minimum number of candidates to fit a model to."""


@dataclass(frozen=True, eq=False)
class Training:
    """Values of one metric, as losses."""

    inputs: Inputs
    """The candidates that have a value, in the order of their numbers."""
    losses_N: Floats
    """Losses of the candidates."""
    noise_N: Floats
    """Known variances of the values; 0 where exact."""

    @property
    def count(self) -> int:
        """Number of candidates."""
        return len(self.losses_N)

    def part(self, places: Integers) -> "Training":
        """Return some of the candidates."""
        return Training(self.inputs.rows(places), self.losses_N[places], self.noise_N[places])

    def fitted(self, lengths: Sequence[float]) -> Floats:
        """Return the parameters of a Gaussian process for these values."""
        centre, scale = _standard(self.losses_N)
        values = (self.losses_N - centre) / scale
        return fit(self.inputs, values, self.noise_N / scale**2, lengths)

    def predicted(self, theta: Floats, points: Inputs) -> tuple[Floats, Floats]:
        """Return mean and deviation of the loss at ``points``."""
        centre, scale = _standard(self.losses_N)
        values = (self.losses_N - centre) / scale
        mean, sd = predict(theta, self.inputs, values, self.noise_N / scale**2, points)
        return centre + scale * mean, scale * sd


def _standard(values: Floats) -> tuple[float, float]:
    deviation = float(values.std())
    return float(values.mean()), deviation if deviation > 1e-12 else 1.0


def fit_point(count: int) -> int:
    """Return how many candidates the parameters are fitted to when there are ``count``.

    A new fit comes after every candidate at first, then after an eighth more candidates: all fits
    of a search together take little more time than the last one. A fit depends on ``count`` alone.
    """
    point = FEWEST
    while (after := point + max(1, point // 8)) <= count:
        point = after
    return min(point, count)


def thinned(losses_NM: Floats, most: int) -> Integers:
    """Return the indices of at most ``most`` rows, ascending: the best for two thirds, then others.

    The best are those of the first fronts (later rows first within the last one taken); the others
    are spread evenly over the rest.
    """
    count = len(losses_NM)
    if count <= most:
        return np.arange(count)
    left, best = np.arange(count), list[int]()
    while len(best) < 2 * most // 3:
        front = left[front_mask(losses_NM[left])]
        best += front[::-1].tolist()
        left = np.setdiff1d(left, front)
    best = best[: 2 * most // 3]
    rest = np.setdiff1d(np.arange(count), best)
    others = rest[np.linspace(0, len(rest) - 1, most - len(best)).round().astype(np.int64)]
    return np.sort(np.concatenate([np.array(best, dtype=np.int64), others]))
