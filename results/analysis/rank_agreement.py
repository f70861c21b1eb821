"""How well one ranking of candidates agrees with another, with bootstrap intervals.

A resample is a list of weights, the number of times that each candidate is drawn, so all resamples
are ranked at once. Shape suffixes: N candidates, R resamples.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

RESAMPLES = 2000
"""Bootstrap resamples of the candidates."""
_CELLS = 400_000
"""Most candidates times resamples of a correlation alone, so that a live page keeps up."""
_FEWEST = 100
"""Fewest resamples of a correlation alone."""
_SHARE = 0.1
"""Share of the candidates that are the best ones."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A value with its 95 % interval."""

    value: float
    """The value."""
    low: float
    """Lower end of the interval."""
    high: float
    """Upper end of the interval."""

    def text(self) -> str:
        """Return value and interval: ``0.41 [-0.15, 0.78]``."""
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]"

    def to_json(self) -> dict[str, float]:
        """Return the numbers by name."""
        return {"value": self.value, "low": self.low, "high": self.high}


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """The agreement of two rankings of the same candidates."""

    count: int
    """Number of candidates."""
    spearman: Estimate
    """Spearman's rank correlation, ties with their mean rank."""
    kendall: Estimate
    """Kendall's tau-b."""
    top_tenth: Estimate
    """Share of the best tenth of one ranking that is in the best tenth of the other."""


def agreement(x_N: Floats, y_N: Floats, *, seed: int) -> Agreement | None:
    """Return how well two lists of values rank the same candidates, the largest first.

    The intervals are percentiles of the values of resampled candidates (Efron and Tibshirani, An
    Introduction to the Bootstrap, 1993, section 13.3).

    Args:
        x_N: Values, finite.
        y_N: Other values of the same candidates.
        seed: Seed of the resamples.

    Returns:
        The agreement; None if all values of a list are equal.
    """
    count = len(x_N)
    if _is_constant(x_N, y_N):
        return None
    weights_RN = _resampled(count, seed, RESAMPLES)
    return Agreement(
        count=count,
        spearman=_estimate(_spearman(x_N, y_N, weights_RN)),
        kendall=_estimate(_kendall(x_N, y_N, weights_RN)),
        top_tenth=_estimate(_overlap(x_N, y_N, weights_RN)),
    )


def spearman(x_N: Floats, y_N: Floats, *, seed: int) -> Estimate | None:
    """Return Spearman's correlation alone, for any number of candidates.

    Args:
        x_N: Values, finite.
        y_N: Other values of the same candidates.
        seed: Seed of the resamples.

    Returns:
        The correlation; None if all values of a list are equal.
    """
    if _is_constant(x_N, y_N):
        return None
    resamples = int(np.clip(_CELLS // len(x_N), _FEWEST, RESAMPLES))
    return _estimate(_spearman(x_N, y_N, _resampled(len(x_N), seed, resamples)))


def _is_constant(x_N: Floats, y_N: Floats) -> bool:
    return len(x_N) < 2 or bool(np.ptp(x_N) == 0 or np.ptp(y_N) == 0)


def _resampled(count: int, seed: int, resamples: int) -> Floats:
    """Return the weights of resamples; the first has each candidate once."""
    draws = np.random.default_rng(seed).multinomial(count, [1 / count] * count, size=resamples)
    return np.vstack([np.ones(count), draws]).astype(np.float64)


def _estimate(values_R: Floats) -> Estimate:
    """Return the first value with the interval of the others; resamples without a value count not.

    An interval contains its value.
    """
    value = float(values_R[0])
    low, high = np.nanpercentile(values_R[1:], [2.5, 97.5])
    return Estimate(value=value, low=min(value, float(low)), high=max(value, float(high)))


def _ranks(x_N: Floats, weights_RN: Floats) -> Floats:
    """Return the mean rank of each candidate in each resample, up to a constant."""
    order_N = np.argsort(x_N, kind="stable")
    _, starts_G, sizes_G = np.unique(x_N[order_N], return_index=True, return_counts=True)
    drawn_RG = np.add.reduceat(weights_RN[:, order_N], starts_G, axis=1)
    ranks_RG = np.cumsum(drawn_RG, axis=1) - 0.5 * drawn_RG
    ranks_RN = np.empty_like(weights_RN)
    ranks_RN[:, order_N] = np.repeat(ranks_RG, sizes_G, axis=1)
    return ranks_RN


def _spearman(x_N: Floats, y_N: Floats, weights_RN: Floats) -> Floats:
    x_RN, y_RN = (_centred(_ranks(each, weights_RN), weights_RN) for each in (x_N, y_N))
    both_R, x_R, y_R = (
        (weights_RN * left * right).sum(1)
        for left, right in ((x_RN, y_RN), (x_RN, x_RN), (y_RN, y_RN))
    )
    return _divided(both_R, np.sqrt(x_R * y_R))


def _centred(ranks_RN: Floats, weights_RN: Floats) -> Floats:
    mean_R = (weights_RN * ranks_RN).sum(1) / weights_RN.sum(1)
    return ranks_RN - mean_R[:, None]


def _kendall(x_N: Floats, y_N: Floats, weights_RN: Floats) -> Floats:
    x_NN, y_NN = (np.sign(each[:, None] - each[None, :]) for each in (x_N, y_N))
    both_R, x_R, y_R = (
        ((weights_RN @ pairs) * weights_RN).sum(1)
        for pairs in (x_NN * y_NN, x_NN * x_NN, y_NN * y_NN)
    )
    return _divided(both_R, np.sqrt(x_R * y_R))


def _overlap(x_N: Floats, y_N: Floats, weights_RN: Floats) -> Floats:
    best = best_count(len(x_N))
    x_RN, y_RN = (_membership(each, weights_RN, best) for each in (x_N, y_N))
    return (weights_RN * np.minimum(x_RN, y_RN)).sum(1) / best


def best_count(count: int) -> int:
    """Return the number of candidates in the best tenth, at least 1."""
    return math.ceil(_SHARE * count)


def _membership(x_N: Floats, weights_RN: Floats, best: int) -> Floats:
    """Return the share of each candidate that is among the best; ties share the last places."""
    above_RN = weights_RN @ (x_N[None, :] > x_N[:, None]).T.astype(np.float64)
    equal_RN = weights_RN @ (x_N[None, :] == x_N[:, None]).T.astype(np.float64)
    drawn_RN = np.maximum(equal_RN, 1)  # 0 only where neither it nor a tie is drawn
    return np.clip((best - above_RN) / drawn_RN, 0, 1)


def _divided(upper: Floats, lower: Floats) -> Floats:
    """Return the quotient; not a number where the divisor is 0."""
    return np.divide(upper, lower, out=np.full_like(upper, np.nan), where=lower > 0)
