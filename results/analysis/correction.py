"""Correction of short trainings: the score after a long one, predicted from a few long ones.

A score is at most 1: an accuracy, R2 or an average precision; its error is what is missing to 1.
A linear model predicts the logarithm of the error after a long training from the logarithms of the
short training's error, of the MACs and of the parameters. Short trainings favour small networks,
which the costs tell. The model is Bayesian ridge regression with conjugate priors (Bishop, Pattern
Recognition and Machine Learning, 2006, section 3.3, with an unknown variance), so that ten long
trainings are enough and the prediction is a Student distribution, not a normal one. The strength of
the prior is averaged over a grid by its marginal likelihood.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LEAST_ERROR = 1e-3
"""Smallest error: smaller ones are raised to this, since the logarithm of 0 does not exist."""
FEWEST = 4
"""Fewest long trainings from which anything is predicted."""
_LESS = 0.3
"""Scale of the single features relative to their combination (small error with many MACs), which
ranks long trainings better than either feature alone."""
_STRENGTHS = np.logspace(-2, 3, 21)
"""Precision of the prior of the coefficients, relative to the noise."""


def log_error(score: Floats) -> Floats:
    """Return the logarithm of the error of scores of at most 1."""
    return np.log(np.maximum(1 - score, LEAST_ERROR))


@dataclass(frozen=True, kw_only=True, eq=False)
class Prediction:
    """Predicted scores after a long training."""

    value_N: Floats
    """Medians."""
    low_N: Floats
    """Lower ends of the 95 % intervals of one long training."""
    high_N: Floats
    """Upper ends."""


class Correction:
    """The model of the score after a long training, fitted to a few candidates."""

    def __init__(self, *, short_N: Floats, long_N: Floats, costs_NC: Floats) -> None:
        """Fit the model.

        Args:
            short_N: Scores after the short training, at least ``FEWEST``.
            long_N: Scores of the same candidates after the long training.
            costs_NC: Positive costs, such as MACs and parameters, (candidates, costs).
        """
        assert len(long_N) >= FEWEST, "a few long trainings are needed"
        raw_NF = _features(short_N, costs_NC)
        self._centre_F = raw_NF.mean(axis=0)
        spread_F = raw_NF.std(axis=0)
        self._scale_F = np.where(spread_F > 1e-9, spread_F, 1.0)
        self._x_NF = self._inputs(raw_NF)
        target_N = log_error(long_N)
        self._mean = float(target_N.mean())
        self._y_N = target_N - self._mean
        fits = [self._fit(each) for each in _STRENGTHS]
        evidence = np.array([fit[2] for fit in fits])
        self._weights = np.exp(evidence - evidence.max())
        self._weights /= self._weights.sum()
        self._fits = [fit[:2] for fit in fits]

    def _inputs(self, raw_NF: Floats) -> Floats:
        """Return the inputs: error minus first cost, then each feature on a smaller scale."""
        scaled_NF = (raw_NF - self._centre_F) / self._scale_F
        return np.column_stack([scaled_NF[:, 0] - scaled_NF[:, 1], _LESS * scaled_NF])

    def _fit(self, strength: float) -> tuple[float, Floats, float]:
        """Return the noise's variance, the inverse precision and the log-evidence of a prior."""
        count, width = self._x_NF.shape
        precision_FF = self._x_NF.T @ self._x_NF + strength * np.eye(width)
        inverse_FF = np.asarray(np.linalg.inv(precision_FF), dtype=np.float64)
        projected_F = self._x_NF.T @ self._y_N
        square = float(self._y_N @ self._y_N - projected_F @ inverse_FF @ projected_F)
        square = max(square, 1e-12)
        determinant = np.linalg.slogdet(precision_FF)[1] - width * np.log(strength)
        evidence = -0.5 * determinant - 0.5 * (count - 1) * np.log(square)
        return square / (count - 1), inverse_FF, float(evidence)

    def predict(self, *, short_N: Floats, costs_NC: Floats) -> Prediction:
        """Predict the accuracies of other candidates after the long training.

        Args:
            short_N: Their accuracies after the short training.
            costs_NC: Their costs, as for the fit.
        """
        from scipy import stats

        x_NF = self._inputs(_features(short_N, costs_NC))
        count = len(self._y_N)
        projected_F = self._x_NF.T @ self._y_N
        means: list[Floats] = []
        variances: list[Floats] = []
        for variance, inverse_FF in self._fits:
            means.append(self._mean + x_NF @ inverse_FF @ projected_F)
            reach_N = np.einsum("nf,fg,ng->n", x_NF, inverse_FF, x_NF)
            variances.append(variance * (1 + 1 / count + reach_N))
        mean_N = self._weights @ np.array(means)
        # The mixture over the strengths, by its first two moments.
        second_N = self._weights @ (np.array(variances) + (np.array(means) - mean_N) ** 2)
        half_N = float(stats.t.ppf(0.975, count - 1)) * np.sqrt(second_N)
        return Prediction(
            value_N=_accuracy(mean_N),
            low_N=_accuracy(mean_N + half_N),
            high_N=_accuracy(mean_N - half_N),
        )


def _features(short_N: Floats, costs_NC: Floats) -> Floats:
    return np.column_stack([log_error(short_N), np.log(costs_NC)])


def _accuracy(log_error_N: Floats) -> Floats:
    return 1 - np.minimum(np.exp(log_error_N), 1.0)


def spread_over_costs(costs: Sequence[float], front: Sequence[int], count: int) -> list[int]:
    """Choose which candidates to train longer: the front first, then a spread over the costs.

    Each further candidate is the one whose cost, as a logarithm, is farthest from all chosen ones.
    Of a front with more than ``count`` candidates, a spread over the costs is taken too.

    Args:
        costs: A positive cost of each candidate, such as the MACs.
        front: Indices of the candidates on the front.
        count: Number of candidates to choose.

    Returns:
        The chosen indices, in order of choice.
    """
    logs = np.log(np.asarray(costs, dtype=np.float64))
    chosen: list[int] = []
    for pool in (list(front), [each for each in range(len(logs)) if each not in set(front)]):
        left = sorted(pool, key=lambda each: (logs[each], each))
        if len(left) <= count - len(chosen):
            chosen += left
            continue
        while left and len(chosen) < count:
            # With nothing chosen, begin with the cheapest.
            away = [min((abs(logs[e] - logs[c]) for c in chosen), default=0.0) for e in left]
            chosen.append(left.pop(int(np.argmax(away))))
    return chosen
