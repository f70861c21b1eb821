"""Metrics of predicted labels: values by scikit-learn, 95 % intervals by resampled images.

A label's score is the network's output before the sigmoid; above 0, the label is predicted. Means
over labels leave out those that no image of the split has, and for the area under the curve those
that every image has. Legend: N images, K labels, D draws.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ...search_space.statistics import share_interval
from .metric_value import Floats, Interval, MetricValue, middle, resampled, valued

Ints = NDArray[np.int64]

NAMES = ("mean_average_precision", "macro_f1", "auroc", "loss", "micro_f1", "subset_accuracy")
"""The metrics, the main one first."""


def why_no_labels(name: str, labels_NK: Tensor) -> str | None:
    """Return why a metric of labels is not defined on a split, or None.

    Args:
        name: The metric.
        labels_NK: True labels of the split as 0 and 1, (N, K).
    """
    counts_K = labels_NK.sum(0)
    if name in ("mean_average_precision", "macro_f1", "micro_f1") and not bool(counts_K.any()):
        return f"{name} must come with a label in the split, but no image of it has one"
    if name == "auroc" and not bool(((counts_K > 0) & (counts_K < len(labels_NK))).any()):
        return "auroc must come with images with and without a label, but the split has none"
    return None


def label_scores(
    outputs_NK: Tensor, labels_NK: Tensor, names: Collection[str], *, seed: int
) -> dict[str, MetricValue]:
    """Return metrics of predicted labels, each of which must be defined on the split.

    Args:
        outputs_NK: Scores before the sigmoid, (N, K).
        labels_NK: True labels as 0 and 1, (N, K).
        names: Names of the metrics.
        seed: Seed of the resampled images.
    """
    scores, true = outputs_NK.double().cpu().numpy(), labels_NK.double().cpu().numpy()
    found: dict[str, MetricValue] = {}
    for name in (each for each in NAMES if each in names):
        value = float(_VALUES[name](scores, true))
        interval = _interval(name, value, scores, true, np.random.default_rng(seed))
        found[name] = valued(value, interval)
    return found


def mean_average_precision(outputs_NK: Tensor, labels_NK: Tensor) -> float:
    """Return the main metric without its interval, of scores and labels (N, K)."""
    return _mean_precision(outputs_NK.double().cpu().numpy(), labels_NK.double().cpu().numpy())


def _mean_precision(scores: Floats, true: Floats) -> float:
    from sklearn.metrics import average_precision_score  # its import takes a second

    some = true.any(0)
    return float(average_precision_score(true[:, some], scores[:, some], average="macro"))


def _auroc(scores: Floats, true: Floats) -> float:
    from sklearn.metrics import roc_auc_score

    both = true.any(0) & ~true.all(0)
    return float(roc_auc_score(true[:, both], scores[:, both], average="macro"))


def _f1(scores: Floats, true: Floats, average: str) -> float:
    from sklearn import metrics

    f1_score: Any = metrics.f1_score  # its types do not allow a documented argument
    some = true.any(0) if average == "macro" else np.full(true.shape[1], True)
    given, guessed = true[:, some], scores[:, some] > 0
    if given.shape[1] == 1:  # one column would be taken for two classes
        given, guessed, average = given[:, 0], guessed[:, 0], "binary"
    return float(f1_score(given, guessed, average=average, zero_division=0.0))


def _losses(scores: Floats, true: Floats) -> Floats:
    """Return the mean binary cross-entropy of each image, (N,)."""
    import torch

    found = F.binary_cross_entropy_with_logits(
        torch.from_numpy(scores), torch.from_numpy(true), reduction="none"
    )
    return found.mean(1).numpy()


def _subset_accuracy(scores: Floats, true: Floats) -> float:
    from sklearn.metrics import accuracy_score

    return float(accuracy_score(true, scores > 0))


_VALUES: Mapping[str, Callable[[Floats, Floats], float]] = {
    "mean_average_precision": _mean_precision,
    "macro_f1": lambda scores, true: _f1(scores, true, "macro"),
    "auroc": _auroc,
    "loss": lambda scores, true: float(_losses(scores, true).mean()),
    "micro_f1": lambda scores, true: _f1(scores, true, "micro"),
    "subset_accuracy": _subset_accuracy,
}


def _interval(
    name: str, value: float, scores: Floats, true: Floats, rng: np.random.Generator
) -> Interval:
    """Return the interval of a metric.

    Where a value is the best or the worst one there is, resampling shows no spread: then the
    interval is that of a share of right images.
    """
    if name == "subset_accuracy" or (value in (0.0, 1.0) and name != "loss"):
        return share_interval(value, len(true))
    draw = _DRAWN[name](scores, true)
    return middle([draw(each) for each in resampled(len(true), rng, outputs=true.shape[1])])


Draw = Callable[[Floats], Floats]
"""Function from counts of images, (D, N), to the values of a metric, (D,)."""


def _over_labels(
    scores: Floats, true: Floats, value: "Callable[[Floats, Floats, Ints], Floats]"
) -> Draw:
    """Return the mean over labels of ``value`` of counts, truths and ends of equal scores."""
    orders = [np.argsort(-each, kind="stable") for each in scores.T]
    ends = [_last_of_equals(each[order]) for each, order in zip(scores.T, orders, strict=True)]

    def draw(counts_DN: Floats) -> Floats:
        with np.errstate(divide="ignore", invalid="ignore"):
            found = [
                value(counts_DN[:, order], each[order], end)
                for each, order, end in zip(true.T, orders, ends, strict=True)
                if each.any()
            ]
        return _mean_of_known(np.stack(found))

    return draw


def _mean_of_known(values_KD: Floats) -> Floats:
    """Return the mean over the labels that a resampled split has, (D,)."""
    known = np.isfinite(values_KD)
    with np.errstate(invalid="ignore"):
        return np.where(known, values_KD, 0.0).sum(0) / known.sum(0)


def _last_of_equals(ordered: Floats) -> Ints:
    """Return for each place of an ordered list the last place with the same value."""
    groups = np.concatenate([[0], np.cumsum(np.diff(ordered) != 0)])
    return np.searchsorted(groups, groups, side="right") - 1


def precision_of(counts_DN: Floats, true_N: Floats, ends: Ints) -> Floats:
    """Return the average precision of images in the order of their scores, (D,)."""
    with_DN = counts_DN * true_N
    precision_DN = with_DN.cumsum(1)[:, ends] / np.maximum(counts_DN.cumsum(1)[:, ends], 1)
    return (with_DN * precision_DN).sum(1) / with_DN.sum(1)


def area_of(counts_DN: Floats, true_N: Floats, ends: Ints) -> Floats:
    """Return the share of pairs of images with and without a label in the right order, (D,)."""
    with_DN, without_DN = counts_DN * true_N, counts_DN * (1 - true_N)
    upto_DN = without_DN.cumsum(1)
    before = np.searchsorted(ends, ends, side="left")
    above_DN = upto_DN[:, before] - without_DN[:, before]  # without the label, with higher scores
    equal_DN = upto_DN[:, ends] - above_DN
    total_D = without_DN.sum(1)
    wrong_D = (with_DN * (above_DN + equal_DN / 2)).sum(1)
    return 1 - wrong_D / (with_DN.sum(1) * total_D)


def _f1_draw(scores: Floats, true: Floats, *, micro: bool) -> Draw:
    right, either = true * (scores > 0), true + (scores > 0)
    some = true.any(0)

    def draw(counts_DN: Floats) -> Floats:
        right_DK, either_DK = counts_DN @ right, counts_DN @ either
        with np.errstate(divide="ignore", invalid="ignore"):
            if micro:
                return 2 * right_DK.sum(1) / either_DK.sum(1)
            return _mean_of_known((2 * right_DK / either_DK)[:, some].T)

    return draw


def _loss_draw(scores: Floats, true: Floats) -> Draw:
    losses = _losses(scores, true)
    return lambda counts_DN: counts_DN @ losses / len(losses)


_DRAWN: Mapping[str, Callable[[Floats, Floats], Draw]] = {
    "mean_average_precision": lambda scores, true: _over_labels(scores, true, precision_of),
    "macro_f1": lambda scores, true: _f1_draw(scores, true, micro=False),
    "auroc": lambda scores, true: _over_labels(scores, true, area_of),
    "loss": _loss_draw,
    "micro_f1": lambda scores, true: _f1_draw(scores, true, micro=True),
}
