"""Metrics of a classifier besides top-1: values by scikit-learn, with 95 % intervals.

scikit-learn is a dependency already, so torchmetrics would bring packages and no further metric.

Legend: N images, K classes, D draws.
"""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ...search_space.statistics import Z, share_interval
from ..metrics import CLASS_METRICS
from .metric_value import Floats, Interval, MetricValue, valued

Ints = NDArray[np.int64]

NAMES = tuple(each.name for each in CLASS_METRICS)
_TOP = 5
_BINS = 15
_DRAWS = 2000
"""Resampled splits of a bootstrap."""


def why_not(name: str, classes: int, counts: Sequence[int]) -> str | None:
    """Return why a metric is not defined on a split, or None.

    Args:
        name: Name of a metric.
        classes: Number of classes.
        counts: Images of the split by class.
    """
    if name == "top5" and classes <= _TOP:
        return f"top5 must come with more than {_TOP} classes, but got {classes}"
    if name == "auroc" and classes != 2:
        return f"auroc must come with two classes, but got {classes}"
    by_class = ("balanced_accuracy", "macro_f1", "min_recall", "auroc")
    if name in by_class and (empty := sum(not each for each in counts)):
        return (
            f"{name} must come with images of every class, but {empty} of {classes} classes have "
            "none in the split"
        )
    return None


def class_scores(
    logits_NK: Tensor, labels_N: Tensor, names: Collection[str], *, seed: int
) -> dict[str, MetricValue]:
    """Return metrics of a classifier, each of which must be defined on the split.

    Args:
        logits_NK: Class scores before the softmax, (N, K).
        labels_N: True classes, (N,), int64.
        names: Names of the metrics.
        seed: Seed of the bootstrap.
    """
    found = Predictions(
        shares=logits_NK.double().softmax(1).cpu().numpy(), labels=labels_N.cpu().numpy()
    )
    return {
        name: _score(found, name, np.random.default_rng(seed)) for name in NAMES if name in names
    }


def _score(found: "Predictions", name: str, rng: np.random.Generator) -> MetricValue:
    value = float(_VALUES[name](found))
    return valued(value, _INTERVALS[name](found, value, rng) if name in _INTERVALS else None)


@dataclass(frozen=True, kw_only=True, eq=False)
class Predictions:
    """Predictions for the images of a split."""

    shares: Floats
    """Predicted probabilities, (N, K)."""
    labels: Ints
    """True classes, (N,)."""

    @property
    def classes(self) -> int:
        """Number of classes."""
        return self.shares.shape[1]

    @property
    def predicted(self) -> Ints:
        """Predicted classes, (N,)."""
        return self.shares.argmax(1)

    @property
    def right(self) -> NDArray[np.bool_]:
        """Whether each image is classified correctly, (N,)."""
        return self.predicted == self.labels

    def confusion(self) -> Ints:
        """Return the number of images by true and by predicted class, (K, K)."""
        return _sklearn().confusion_matrix(self.labels, self.predicted, labels=range(self.classes))


def _top5(found: Predictions) -> float:
    every = np.arange(found.classes)
    return _sklearn().top_k_accuracy_score(found.labels, found.shares, k=_TOP, labels=every)


def _balanced_accuracy(found: Predictions) -> float:
    return _sklearn().balanced_accuracy_score(found.labels, found.predicted)


def _macro_f1(found: Predictions) -> float:
    return float(_by_class("f1_score", found).mean())


def recalls(found: Predictions) -> Floats:
    """Return the share of images classified correctly by class, (K,)."""
    return _by_class("recall_score", found)


def _by_class(function: str, found: Predictions) -> Floats:
    """Return the result of one of scikit-learn's functions for each class, (K,)."""
    every = np.arange(found.classes)
    score = getattr(_sklearn(), function)
    return score(found.labels, found.predicted, labels=every, average=None, zero_division=0.0)


def _auroc(found: Predictions) -> float:
    return _sklearn().roc_auc_score(found.labels, found.shares[:, 1])


def _loss(found: Predictions) -> float:
    return _sklearn().log_loss(found.labels, found.shares, labels=np.arange(found.classes))


def _sklearn() -> Any:
    """Return the module of scikit-learn's metrics, whose import takes a second.

    Its types do not allow the arguments that its documentation states.
    """
    from sklearn import metrics

    return metrics


def _calibration_error(found: Predictions) -> float:
    """Guo et al., On Calibration of Modern Neural Networks, 2017, equation 3.

    scikit-learn has no multi-class form of it.
    """
    confidence = found.shares.max(1)
    place = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
    gaps = np.bincount(place, weights=found.right - confidence, minlength=_BINS)
    return float(np.abs(gaps).sum() / len(confidence))


_VALUES: Mapping[str, Callable[[Predictions], float]] = {
    "top5": _top5,
    "balanced_accuracy": _balanced_accuracy,
    "macro_f1": _macro_f1,
    "min_recall": lambda found: recalls(found).min(),
    "auroc": _auroc,
    "loss": _loss,
    "calibration_error": _calibration_error,
}


def _counts_by_class(found: Predictions) -> tuple[Ints, Ints]:
    """Return the images classified correctly and all images by class, (K,) each."""
    right_K = np.bincount(found.labels[found.right], minlength=found.classes)
    return right_K, np.bincount(found.labels, minlength=found.classes)


def _balanced_interval(found: Predictions, value: float, rng: np.random.Generator) -> Interval:
    """Wilson's interval for the effective number of images of a stratified mean.

    Korn and Graubard, Confidence intervals for proportions with small expected number of positive
    counts estimated from survey data, 1998. If that of equal recalls is smaller, it is taken.
    """
    right_K, all_K = _counts_by_class(found)
    share_K = right_K / all_K
    equal = found.classes**2 / (1 / all_K).sum()
    variance = float((share_K * (1 - share_K) / all_K).sum()) / found.classes**2
    effective = min(equal, value * (1 - value) / variance) if variance else equal
    return share_interval(value, max(1, int(effective)))


def _min_interval(found: Predictions, value: float, rng: np.random.Generator) -> Interval:
    """Wilson's intervals of all classes together (Bonferroni): the smallest of their ends."""
    from scipy.stats import binomtest

    level = 1 - 0.05 / found.classes
    ends = [
        binomtest(int(right), int(whole)).proportion_ci(level, "wilson")
        for right, whole in zip(*_counts_by_class(found), strict=True)
    ]
    return min(each.low for each in ends), min(each.high for each in ends)


def _f1_interval(found: Predictions, value: float, rng: np.random.Generator) -> Interval:
    """Bootstrap over images: resampled confusion matrices.

    Where no image is wrong, the lower end is that of the accuracy: resampling shows no error.
    """
    confusion_KK = found.confusion()
    true, guessed = np.nonzero(confusion_KK)
    counts, images = confusion_KK[true, guessed], len(found.labels)
    drawn_DC = rng.multinomial(images, counts / images, size=_DRAWS)
    draws_D = np.zeros(_DRAWS)
    for label in range(found.classes):
        own, taken = true == label, guessed == label
        whole_D = drawn_DC[:, own].sum(1) + drawn_DC[:, taken].sum(1)
        draws_D += 2 * drawn_DC[:, own & taken].sum(1) / np.maximum(whole_D, 1)
    if found.right.all():
        return share_interval(1.0, images)
    low, high = np.quantile(draws_D / found.classes, (0.025, 0.975))
    return float(low), float(high)


def _auroc_interval(found: Predictions, value: float, rng: np.random.Generator) -> Interval:
    """Newcombe, Confidence intervals for an effect size measure based on the Mann-Whitney
    statistic, part 2, 2006, method 5: as Wilson's interval, the ends solve for the true value.
    """
    first, second = np.bincount(found.labels, minlength=2).tolist()

    def beyond(true: float) -> float:
        more = ((first + second) / 2 - 1) * ((1 - true) / (2 - true) + true / (1 + true))
        variance = true * (1 - true) * (1 + more) / (first * second)
        return abs(true - value) - Z * math.sqrt(variance)

    def end(outer: float) -> float:
        inner = value
        for _ in range(60):
            middle = (inner + outer) / 2
            inner, outer = (inner, middle) if beyond(middle) > 0 else (middle, outer)
        return inner

    return end(0.0), end(1.0)


def _loss_interval(found: Predictions, value: float, rng: np.random.Generator) -> Interval:
    """The normal approximation of the mean over images."""
    given = found.shares[np.arange(len(found.labels)), found.labels]
    losses = -np.log(np.maximum(given, np.finfo(np.float64).tiny))
    half = Z * float(losses.std()) / math.sqrt(len(losses))
    return max(0.0, value - half), value + half


_INTERVALS: Mapping[str, Callable[[Predictions, float, np.random.Generator], Interval]] = {
    "top5": lambda found, value, rng: share_interval(value, len(found.labels)),
    "balanced_accuracy": _balanced_interval,
    "macro_f1": _f1_interval,
    "min_recall": _min_interval,
    "auroc": _auroc_interval,
    "loss": _loss_interval,
}
"""Intervals; the calibration error has none, since resampling raises it."""
