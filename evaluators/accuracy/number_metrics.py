"""Metrics of predicted numbers: values by scikit-learn, 95 % intervals by resampled images.

Legend: N images, K numbers, D draws.
"""

from collections.abc import Callable, Collection, Mapping

import numpy as np
from torch import Tensor

from .metric_value import Floats, MetricValue, middle, resampled, valued

NAMES = ("r2", "rmse", "mae")
"""The metrics, the main one first."""


def why_no_numbers(name: str, values_NK: Tensor, names: Collection[str]) -> str | None:
    """Return why a metric of numbers is not defined on a split, or None.

    Args:
        name: The metric.
        values_NK: True numbers of the split, (N, K).
        names: Names of the numbers.
    """
    if name != "r2":
        return None
    same = [each for each, own in zip(names, values_NK.T, strict=True) if len(own.unique()) < 2]
    if same:
        return f"r2 must come with numbers that vary in the split, but {same[0]!r} has one value"
    return None


def number_scores(
    outputs_NK: Tensor, values_NK: Tensor, names: Collection[str], *, seed: int
) -> dict[str, MetricValue]:
    """Return metrics of predicted numbers, each the mean over the K numbers.

    Args:
        outputs_NK: Predicted numbers, (N, K).
        values_NK: True numbers, (N, K).
        names: Names of the metrics.
        seed: Seed of the resampled images.
    """
    found = outputs_NK.double().cpu().numpy()
    true = values_NK.double().cpu().numpy()
    values = _values()
    draws = _resampled(
        found, true, [name for name in NAMES if name in names], np.random.default_rng(seed)
    )
    return {
        name: valued(float(values[name](true, found)), middle(each)) for name, each in draws.items()
    }


def r2(outputs_NK: Tensor, values_NK: Tensor) -> float:
    """Return the main metric without its interval, of numbers (N, K)."""
    true, found = values_NK.double().cpu().numpy(), outputs_NK.double().cpu().numpy()
    return float(_values()["r2"](true, found))


def _values() -> Mapping[str, Callable[[Floats, Floats], float]]:
    from sklearn import metrics  # its import takes a second

    return {
        "r2": metrics.r2_score,
        "rmse": metrics.root_mean_squared_error,
        "mae": metrics.mean_absolute_error,
    }


def _resampled(
    found: Floats, true: Floats, names: Collection[str], rng: np.random.Generator
) -> dict[str, list[Floats]]:
    """Return the values of the metrics on resampled images: for each metric, chunks of draws."""
    centred = true - true.mean(0)
    errors = found - true
    drawn: dict[str, list[Floats]] = {name: [] for name in names}
    for counts_DN in resampled(len(true), rng, outputs=true.shape[1]):
        squares_DK = counts_DN @ errors**2
        if "r2" in drawn:
            sums_DK = counts_DN @ centred
            spread_DK = counts_DN @ centred**2 - sums_DK**2 / len(true)
            with np.errstate(divide="ignore", invalid="ignore"):
                drawn["r2"].append((1 - squares_DK / spread_DK).mean(1))
        if "rmse" in drawn:
            drawn["rmse"].append(np.sqrt(squares_DK / len(true)).mean(1))
        if "mae" in drawn:
            drawn["mae"].append((counts_DN @ np.abs(errors)).mean(1) / len(true))
    return drawn
