"""Scaling laws fitted to a family of trained networks, and what they predict for a larger one.

Shape suffixes: D bootstrap draws, S values of c, N sizes, K numbers of a law.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...search_space.errors import InputError
from .rank_agreement import Estimate

Numbers = NDArray[np.float64]

FEWEST = 5
"""Least number of sizes: four to fit three numbers, and the largest, which is held out."""
_DRAWS = 400
_SHARES = 100
"""Values of c that are tried, as shares of the least error."""
_FLOOR = 1e-3
"""Least spread: exact measurements count alike."""
_ENDS = (2.5, 97.5)


@dataclass(frozen=True, kw_only=True)
class Point:
    """A trained network of the family."""

    number: int
    """The candidate's number."""
    size: float
    """Its cost, or its number of training images; above 0."""
    error: float
    """Its error, above 0: 1 - score of a score with the best value 1, else the metric itself."""
    spread: float = 0.0
    """Standard deviation of the logarithm of the error, from the interval of the measurement."""


@dataclass(frozen=True, kw_only=True)
class LawFit:
    """A law fitted to all sizes but the largest."""

    law: str
    """``power``: error = a (size / unit)^-b + c; ``log``: error = a - b ln(size / unit)."""
    unit: float
    """The geometric mean of the fitted sizes."""
    numbers: dict[str, Estimate]
    """The fitted numbers by name, with bootstrap intervals: a, b, and c of a power law."""
    points: tuple[Point, ...]
    """The fitted points, in ascending order of size."""
    held_out: Point
    """The largest size, which was not fitted."""
    predicted: Estimate
    """Its predicted error; the interval is that of a measurement."""

    @property
    def inside(self) -> bool:
        """Whether the measured error lies in the predicted interval."""
        return self.predicted.low <= self.held_out.error <= self.predicted.high

    def error(self, size: float) -> float:
        """Return the fitted error at a size."""
        law = _LAWS[self.law]
        numbers_1K = np.array([[self.numbers[name].value for name in law.names]])
        return float(law.curve(np.array([size / self.unit]), numbers_1K)[0, 0])

    def text(self, size: str) -> str:
        """Return the law with its numbers as text.

        Args:
            size: Name of the size, such as ``macs``.
        """
        a, b = self.numbers["a"], self.numbers["b"]
        ratio = f"({size} / {self.unit:.3g})"
        if self.law == "log":
            return f"error = {_shown(a)} - {_shown(b)} x ln{ratio}"
        return f"error = {_shown(a)} x {ratio}^-b + {_shown(self.numbers['c'])}, b = {_shown(b)}"

    def to_json(self) -> dict[str, Any]:
        """Return the fit as JSON values."""
        return {
            "law": self.law,
            "unit": self.unit,
            "numbers": {name: each.to_json() for name, each in self.numbers.items()},
            "fitted": [each.number for each in self.points],
            "held_out": self.held_out.number,
            "predicted": self.predicted.to_json(),
            "measured": self.held_out.error,
            "inside": self.inside,
        }


def _shown(found: Estimate) -> str:
    return f"{found.value:.3g} [{found.low:.3g}, {found.high:.3g}]"


@dataclass(frozen=True)
class _Law:
    """A law, by its numbers."""

    names: tuple[str, ...]
    curve: Callable[[Numbers, Numbers], Numbers]
    """The errors, (draws, sizes), of sizes by the numbers, (draws, names)."""
    fit: Callable[[Numbers, Numbers, Numbers], Numbers]
    """The numbers of sizes, errors and the spreads of their logarithms."""


def _power(size_N: Numbers, numbers_DK: Numbers) -> Numbers:
    a_D1, b_D1, c_D1 = numbers_DK.T[:, :, None]
    return a_D1 * size_N**-b_D1 + c_D1


def _fit_power(size_N: Numbers, error_DN: Numbers, spread_N: Numbers) -> Numbers:
    """Fit by least squares of the logarithms, with b and c at least 0.

    For each of many values of c, the other two are those of a line through the logarithms of what
    is left of the errors; a misfit of what is left counts as the misfit of the error that it is.
    """
    shares_S = np.linspace(0.0, 0.995, _SHARES)
    c_DS = error_DN.min(axis=1)[:, None] * shares_S
    rest_DSN = error_DN[:, None, :] - c_DS[..., None]
    weight_DSN = (rest_DSN / error_DN[:, None, :] / spread_N) ** 2
    log_N = np.log(size_N)
    total_DS = weight_DSN.sum(-1)
    y_DSN = np.log(rest_DSN)
    x_DS, mean_DS = ((weight_DSN * each).sum(-1) / total_DS for each in (log_N, y_DSN))
    away_DSN = log_N - x_DS[..., None]
    slope_DS = (weight_DSN * away_DSN * y_DSN).sum(-1) / (weight_DSN * away_DSN**2).sum(-1)
    b_DS = np.clip(-slope_DS, 0.0, None)
    a_DS = np.exp(mean_DS + b_DS * x_DS)
    curve_DSN = a_DS[..., None] * size_N ** -b_DS[..., None] + c_DS[..., None]
    misfit_DSN = (np.log(curve_DSN) - np.log(error_DN)[:, None, :]) / spread_N
    best_D = (misfit_DSN**2).sum(-1).argmin(axis=1)
    at = (np.arange(len(best_D)), best_D)
    return np.stack([a_DS[at], b_DS[at], c_DS[at]], axis=1)


def _log(size_N: Numbers, numbers_DK: Numbers) -> Numbers:
    return numbers_DK[:, :1] - numbers_DK[:, 1:] * np.log(size_N)


def _fit_log(size_N: Numbers, error_DN: Numbers, spread_N: Numbers) -> Numbers:
    """Fit by least squares, each error weighed by its own spread."""
    weight_DN = 1 / (spread_N * error_DN) ** 2
    log_N, total_D1 = np.log(size_N), weight_DN.sum(1, keepdims=True)
    x_D1, y_D1 = ((weight_DN * e).sum(1, keepdims=True) / total_D1 for e in (log_N, error_DN))
    away_DN = log_N - x_D1
    slope_D1 = (weight_DN * away_DN * error_DN).sum(1, keepdims=True) / (
        weight_DN * away_DN**2
    ).sum(1, keepdims=True)
    return np.concatenate([y_D1 - slope_D1 * x_D1, -slope_D1], axis=1)


_LAWS = {
    "power": _Law(("a", "b", "c"), _power, _fit_power),
    "log": _Law(("a", "b"), _log, _fit_log),
}


def fit_law(points: Sequence[Point], *, law: str = "power", seed: int = 0) -> LawFit:
    """Fit a law to all sizes but the largest, and predict that one.

    Intervals are those of a parametric bootstrap: the fitted errors are multiplied by random
    factors, whose logarithms have the spread of the measurement or that of the misfits, whichever
    is larger, and fitted again. The predicted interval has such a factor too, so that it is that of
    one more measurement.

    Args:
        points: The trained networks.
        law: ``power`` or ``log``, see ``LawFit``.
        seed: Seed of the bootstrap.

    Raises:
        InputError: If there are fewer than five sizes.
    """
    ordered = sorted(points, key=lambda each: each.size)
    if len({each.size for each in ordered}) < FEWEST:
        raise InputError(
            f"a law must be fitted to at least {FEWEST} trained sizes, the largest of which is "
            f"held out, but got {len({each.size for each in ordered})}"
        )
    *fitted, last = ordered
    chosen = _LAWS[law]
    unit = math.exp(sum(math.log(each.size) for each in fitted) / len(fitted))
    size_N = np.array([each.size / unit for each in fitted])
    error_1N = np.array([[each.error for each in fitted]])
    measured_N = np.maximum([each.spread for each in fitted], _FLOOR)
    numbers_1K = chosen.fit(size_N, error_1N, measured_N)
    curve_1N = _positive(chosen.curve(size_N, numbers_1K))
    left = max(len(fitted) - len(chosen.names), 1)
    misfit = math.sqrt(float(((np.log(error_1N) - np.log(curve_1N)) ** 2).sum()) / left)
    spread_N = np.maximum(measured_N, misfit)
    generator = np.random.default_rng(seed)
    noise_DN = generator.normal(size=(_DRAWS, len(fitted))) * spread_N
    drawn_DK = chosen.fit(size_N, curve_1N * np.exp(noise_DN), spread_N)
    at = np.array([last.size / unit])
    noise_D = generator.normal(size=_DRAWS) * max(last.spread, misfit, _FLOOR)
    predicted_D = _positive(chosen.curve(at, drawn_DK))[:, 0] * np.exp(noise_D)
    low_K, high_K = np.percentile(drawn_DK, _ENDS, axis=0)
    low, high = np.percentile(predicted_D, _ENDS)
    return LawFit(
        law=law,
        unit=unit,
        numbers={
            name: _around(*each)
            for name, *each in zip(chosen.names, numbers_1K[0], low_K, high_K, strict=True)
        },
        points=tuple(fitted),
        held_out=last,
        predicted=_around(_positive(chosen.curve(at, numbers_1K))[0, 0], low, high),
    )


def _around(value: float, low: float, high: float) -> Estimate:
    """Return a number with its interval, which holds it: c is at the end of its range at times."""
    return Estimate(
        value=float(value), low=min(float(low), float(value)), high=max(float(high), float(value))
    )


def _positive(errors: Numbers) -> Numbers:
    """Return errors as numbers above 0: a line may fall below."""
    return np.maximum(errors, 1e-9)
