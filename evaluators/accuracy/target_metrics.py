"""The metrics of the short training for each kind of target.

Legend: N images, K outputs.
"""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from torch import Tensor

from ...search_space.errors import InputError
from ...search_space.statistics import share_interval
from ..metrics import MAIN_METRICS, TRAINED, metric
from ..targets import Target
from .class_metrics import class_scores, why_not
from .label_metrics import label_scores, mean_average_precision, why_no_labels
from .metric_value import MetricValue, valued
from .number_metrics import number_scores, r2, why_no_numbers

if TYPE_CHECKING:
    from .data.dataset import SearchData


def check_metrics(names: Collection[str], data: "SearchData") -> None:
    """Check that metrics are defined on the validation split of data.

    Args:
        names: Names of metrics, also of others than those of the short training.
        data: The data.

    Raises:
        InputError: If one of them, or the main one, is not defined; one line with the first.
    """
    for name in names:
        kinds = metric(name).targets
        if kinds and data.target not in kinds:
            known = ", ".join(each.name for each in TRAINED if data.target in each.targets)
            raise InputError(
                f"{name} must come with a target of {' or '.join(kinds)}, but {data.spec.name!r} "
                f"has one of {data.target}, whose metrics are {known}"
            )
    for name in (MAIN_METRICS[data.target].name, *names):
        if reason := why_undefined(name, data.target, data.classes, data.validation_labels):
            raise InputError(reason)


def why_undefined(name: str, target: Target, classes: Sequence[str], labels: Tensor) -> str | None:
    """Return why a metric is not defined on a split, or None.

    Args:
        name: Name of a metric.
        target: Kind of target.
        classes: Names of the outputs.
        labels: Targets of the split.
    """
    if target == "regression":
        return why_no_numbers(name, labels, classes)
    if target == "labels":
        return why_no_labels(name, labels)
    return why_not(name, len(classes), labels.bincount(minlength=len(classes)).tolist())


def defined_on(target: Target, classes: Sequence[str], labels: Tensor) -> tuple[str, ...]:
    """Return the names of the metrics that are defined on a split, the main one first."""
    names = [each.name for each in TRAINED if target in each.targets]
    return tuple(n for n in names if why_undefined(n, target, classes, labels) is None)


def scores_of(
    target: Target, outputs_NK: Tensor, labels: Tensor, names: Collection[str], *, seed: int
) -> dict[str, MetricValue]:
    """Return metrics of a split by name, each of which must be defined on it.

    Args:
        target: Kind of target.
        outputs_NK: Outputs of the network, (N, K): class scores before the softmax, label scores
            before the sigmoid, or numbers in their unit.
        labels: Targets of the split.
        names: Names of the metrics.
        seed: Seed of the intervals.
    """
    if target == "regression":
        return number_scores(outputs_NK, labels, names, seed=seed)
    if target == "labels":
        return label_scores(outputs_NK, labels, names, seed=seed)
    found: dict[str, MetricValue] = {}
    if MAIN_METRICS[target].name in names:
        share = main_score(target, outputs_NK, labels)
        found["accuracy"] = valued(share, share_interval(share, len(labels)))
    others = [name for name in names if name != "accuracy"]
    return found | (class_scores(outputs_NK, labels, others, seed=seed) if others else {})


def main_score(target: Target, outputs_NK: Tensor, labels: Tensor) -> float:
    """Return the main metric of a split without its interval; see ``scores_of``."""
    if target == "regression":
        return r2(outputs_NK, labels)
    if target == "labels":
        return mean_average_precision(outputs_NK, labels)
    return int((outputs_NK.argmax(1) == labels).sum()) / len(labels)
