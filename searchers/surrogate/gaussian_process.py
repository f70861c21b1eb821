"""A Gaussian process over candidates; its kernel compares decisions and numbers.

SciPy is imported on use, since a search proposes its first networks without it.

Shape suffixes: N training points, P points to predict, E columns of the decisions' embedding.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_LINEAR, _AGREE, _NEAR, _BOTH, _NOISE, _REACH = range(6)
_PRIOR_MEAN = (0.3, 0.5, 0.5, 0.5, 0.01, 1.0)
_PRIOR_SD = (1.0, 1.0, 1.0, 1.0, 1.5, 1.0)
_LENGTH_SD = 1.0
_JITTER = 1e-8
_LEAST_VARIANCE = 1e-10
_WIDEST = 4.0  # prior deviations within which parameters are fitted
_STEPS = 30
_DECIMALS = 2
"""Fitted parameters are rounded, so that the last digits of a matrix product, which depend on the
machine and its threads, do not reach the proposals."""


@dataclass(frozen=True, eq=False)
class Inputs:
    """The inputs of the kernel for some candidates."""

    decisions_NE: Floats
    """Embedding of the decisions: the product of two rows is the number of decisions that agree."""
    active_N: Floats
    """Number of decisions of each candidate."""
    groups: tuple[Floats, ...]
    """Groups of numbers, (N, numbers) each; a group shares one length scale."""

    def rows(self, places: Sequence[int] | NDArray[np.int64] | slice) -> "Inputs":
        """Return some of the candidates."""
        groups = tuple(each[places] for each in self.groups)
        return Inputs(self.decisions_NE[places], self.active_N[places], groups)


@dataclass(frozen=True, eq=False)
class _Pairs:
    """Distances between two sets of candidates."""

    apart: Floats
    """Share of the decisions that differ: 1 minus twice the number that agree, divided by the
    number of decisions of both candidates."""
    product: Floats
    """Mean product of the numbers."""
    squares: tuple[Floats, ...]
    """Mean squared difference in each group."""


@lru_cache(maxsize=4)
def _pairs(first: Inputs, second: Inputs) -> _Pairs:
    """Return the distances, which the models of several metrics at the same inputs share."""
    agreeing = first.decisions_NE @ second.decisions_NE.T
    both = first.active_N[:, None] + second.active_N[None]
    products: Floats = np.zeros_like(agreeing)
    squares: list[Floats] = []
    numbers = sum(each.shape[1] for each in first.groups)
    for one, other in zip(first.groups, second.groups, strict=True):
        inner = one @ other.T
        lengths = (one**2).sum(axis=1)[:, None] + (other**2).sum(axis=1)[None]
        squares.append(np.maximum(lengths - 2 * inner, 0.0) / one.shape[1])
        products += inner / numbers
    apart = np.maximum(1 - 2 * agreeing / np.maximum(both, 1.0), 0.0)
    return _Pairs(apart=apart, product=products, squares=tuple(squares))


def _terms(theta: Floats, pairs: _Pairs) -> tuple[tuple[Floats, ...], Floats, Floats]:
    """Return the four terms of the kernel, then agreement and scaled distance, which they use."""
    amplitude = np.exp(theta)
    agree = np.exp(-pairs.apart / amplitude[_REACH])
    squared = np.zeros_like(agree)
    for length, square in zip(amplitude[_REACH + 1 :], pairs.squares, strict=True):
        squared += square / length**2
    root = np.sqrt(5 * squared)
    decay = np.exp(-root)
    near = (1 + root + root**2 / 3) * decay
    terms = (
        amplitude[_LINEAR] * pairs.product,
        amplitude[_AGREE] * agree,
        amplitude[_NEAR] * near,
        amplitude[_BOTH] * agree * near,
    )
    return terms, agree, root


def covariance(theta: Floats, first: Inputs, second: Inputs) -> Floats:
    """Return the prior covariance of two sets of candidates, (first, second).

    Linear in the numbers + exp(-share of decisions that differ) + Matern 5/2 of the numbers + the
    product of the last two; numbers and values are standardised.
    """
    linear, agree, near, both = _terms(theta, _pairs(first, second))[0]
    return linear + agree + near + both


def prior(groups: int, lengths: Sequence[float]) -> tuple[Floats, Floats]:
    """Return mean and deviation of the normal prior of the parameters' logarithms.

    The parameters: amplitudes of the four terms, noise variance, the length scale of the share of
    decisions that differ, and a length for each group of numbers.
    """
    assert len(lengths) == groups
    mean = np.log(np.array([*_PRIOR_MEAN, *lengths]))
    return mean, np.array([*_PRIOR_SD, *[_LENGTH_SD] * groups])


def negative_log_posterior(
    theta: Floats,
    pairs: _Pairs,
    values_N: Floats,
    noise_N: Floats,
    mean: Floats,
    deviation: Floats,
) -> tuple[float, Floats]:
    """Return the objective of a fit and its gradient."""
    from scipy.linalg import cho_solve  # type: ignore[import-untyped]

    count = len(values_N)
    terms, agree, root = _terms(theta, pairs)
    amplitude = np.exp(theta)
    # The derivative of the last two terms by -r^2 / 2.
    slope = (amplitude[_NEAR] + amplitude[_BOTH] * agree) * (5 / 3) * (1 + root) * np.exp(-root)
    own = np.eye(count)
    lower = np.linalg.cholesky(sum(terms) + own * (amplitude[_NOISE] + _JITTER) + np.diag(noise_N))
    weights = cho_solve((lower, True), values_N, check_finite=False)
    inverse = cho_solve((lower, True), own, check_finite=False)
    off = (theta - mean) / deviation
    value = 0.5 * values_N @ weights + np.log(np.diag(lower)).sum() + 0.5 * off @ off
    outer = np.outer(weights, weights) - inverse
    slopes = [-0.5 * (outer * each).sum() for each in terms]
    slopes.append(-0.5 * np.trace(outer) * amplitude[_NOISE])
    reach = (terms[1] + terms[3]) * pairs.apart / amplitude[_REACH]
    slopes.append(-0.5 * (outer * reach).sum())
    for length, square in zip(amplitude[_REACH + 1 :], pairs.squares, strict=True):
        slopes.append(-0.5 * (outer * slope * square).sum() / length**2)
    return float(value), np.array(slopes) + off / deviation


def fit(inputs: Inputs, values_N: Floats, noise_N: Floats, lengths: Sequence[float]) -> Floats:
    """Return the parameters (their logarithms) with the highest posterior density, rounded.

    Args:
        inputs: Training points, with standardised numbers.
        values_N: Their values, standardised.
        noise_N: Known variances of the values, in the same scale.
        lengths: Prior medians of the groups' length scales.
    """
    from scipy.optimize import minimize  # type: ignore[import-untyped]

    mean, deviation = prior(len(inputs.groups), lengths)
    found = minimize(
        negative_log_posterior,
        mean,
        (_pairs(inputs, inputs), values_N, noise_N, mean, deviation),
        jac=True,
        method="L-BFGS-B",
        bounds=np.stack([mean - _WIDEST * deviation, mean + _WIDEST * deviation], axis=1),
        options={"maxiter": _STEPS},
    )
    return np.round(found.x, _DECIMALS)


def predict(
    theta: Floats, inputs: Inputs, values_N: Floats, noise_N: Floats, points: Inputs
) -> tuple[Floats, Floats]:
    """Return mean and standard deviation at ``points``, (P,) each, without noise.

    Args:
        theta: Parameters from ``fit``.
        inputs: Training points.
        values_N: Their values.
        noise_N: Known variances of the values.
        points: Points to predict the value at.
    """
    from scipy.linalg import cho_solve, solve_triangular  # type: ignore[import-untyped]

    own = covariance(theta, inputs, inputs)
    own[np.diag_indices_from(own)] += np.exp(theta[_NOISE]) + _JITTER + noise_N
    lower = np.linalg.cholesky(own)
    across_PN = covariance(theta, points, inputs)
    mean_P = across_PN @ cho_solve((lower, True), values_N, check_finite=False)
    reduced_NP = solve_triangular(lower, across_PN.T, lower=True, check_finite=False)
    amplitude = np.exp(theta)
    numbers = sum(each.shape[1] for each in points.groups)
    length_P = sum(((each**2).sum(axis=1) for each in points.groups), np.zeros(len(mean_P)))
    before_P = amplitude[_LINEAR] * length_P / max(numbers, 1) + amplitude[[1, 2, 3]].sum()
    variance_P = before_P - (reduced_NP**2).sum(axis=0)
    return mean_P, np.sqrt(np.maximum(variance_P, _LEAST_VARIANCE))
