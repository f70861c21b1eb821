"""The scores of a network on one split."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ...evaluators.accuracy.class_metrics import Predictions, recalls
from ...evaluators.accuracy.metric_value import MetricValue
from ...evaluators.accuracy.target_metrics import defined_on, scores_of
from ...evaluators.base import Measurement
from ...evaluators.metrics import MAIN_METRICS
from ...evaluators.targets import Target, stated_target
from ...search_space.statistics import share_interval
from ..numbers import format_measurement

_OF_OUTPUT: Mapping[Target, tuple[str, ...]] = {
    "classes": (),
    "regression": ("r2", "rmse", "mae"),
    "labels": ("mean_average_precision", "macro_f1", "auroc"),
}
"""The metrics of each output alone."""


@dataclass(frozen=True, kw_only=True)
class SplitScores:
    """The scores of a network on one split, with 95 % intervals over the choice of images."""

    images: int
    """Number of images."""
    metrics: Mapping[str, MetricValue]
    """Every metric that is defined on the split, by name, the main one first."""
    recalls: tuple[MetricValue, ...] = ()
    """Share of images classified correctly by class, in the order of the classes."""
    counts: tuple[int, ...] = ()
    """Images by class, or with each label."""
    confusion: tuple[tuple[int, ...], ...] = ()
    """Number of images by true class (outer) and predicted class."""
    outputs: tuple[Mapping[str, MetricValue], ...] = ()
    """Metrics of each number or label alone, as far as they are defined."""
    target: Target = "classes"
    """Kind of target."""

    @property
    def main(self) -> MetricValue:
        """The main metric: for classes the accuracy."""
        return self.metrics[self.main_name]

    @property
    def main_name(self) -> str:
        """Name of the main metric."""
        return MAIN_METRICS[self.target].name

    @property
    def accuracy(self) -> MetricValue:
        """Share of images classified correctly, for classes."""
        return self.metrics["accuracy"]

    def text(self, name: str) -> str:
        """Return a metric with unit and interval: ``93.1 % [92.0, 94.1]``."""
        return score_text(name, self.metrics[name])

    def to_json(self) -> dict[str, Any]:
        """Return the scores as JSON values, which ``from_json`` reads."""
        found: dict[str, Any] = {
            "images": self.images,
            "metrics": _json(self.metrics),
            "recalls": [vars(each) for each in self.recalls],
            "counts": list(self.counts),
            "confusion": [list(row) for row in self.confusion],
        }
        if self.target != "classes":
            found |= {"target": self.target, "outputs": [_json(each) for each in self.outputs]}
        return found

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "SplitScores":
        """Read the JSON values of ``to_json``."""
        return cls(
            images=data["images"],
            metrics=_values(data["metrics"]),
            recalls=tuple(MetricValue(**each) for each in data["recalls"]),
            counts=tuple(data["counts"]),
            confusion=tuple(tuple(row) for row in data["confusion"]),
            outputs=tuple(map(_values, data.get("outputs", ()))),
            target=stated_target(data),
        )


def _json(metrics: Mapping[str, MetricValue]) -> dict[str, Any]:
    return {name: vars(each) for name, each in metrics.items()}


def _values(data: Mapping[str, Any]) -> dict[str, MetricValue]:
    return {name: MetricValue(**each) for name, each in data.items()}


def score_text(name: str, score: MetricValue) -> str:
    """Return a score with its metric's unit and its interval."""
    found = Measurement(metric=name, value=score.value, low=score.low, high=score.high)
    return format_measurement(found)


def split_scores(
    outputs_NK: Tensor,
    labels: Tensor,
    classes: tuple[str, ...],
    *,
    seed: int,
    target: Target = "classes",
) -> SplitScores:
    """Return the scores of a split.

    Args:
        outputs_NK: Outputs of the network, see ``scores_of``.
        labels: Targets: classes (N,), or numbers or labels (N, K).
        classes: Names of the outputs.
        seed: Seed of the intervals.
        target: Kind of target.
    """
    outputs, labels = outputs_NK.float().cpu(), labels.cpu()
    names = defined_on(target, classes, labels)
    metrics = scores_of(target, outputs, labels, names, seed=seed)
    if target != "classes":
        return SplitScores(
            images=len(labels),
            metrics=metrics,
            counts=tuple(map(int, labels.sum(0))) if target == "labels" else (),
            outputs=tuple(
                _of_output(target, outputs[:, [place]], labels[:, [place]], name, seed)
                for place, name in enumerate(classes)
            ),
            target=target,
        )
    found = Predictions(shares=outputs.double().softmax(1).numpy(), labels=labels.numpy())
    counts = torch.bincount(labels, minlength=len(classes)).tolist()
    return SplitScores(
        images=len(labels),
        metrics=metrics,
        recalls=tuple(
            _share(float(each), count) if count else MetricValue(value=0.0, low=0.0, high=1.0)
            for each, count in zip(recalls(found), counts, strict=True)
        ),
        counts=tuple(counts),
        confusion=tuple(tuple(map(int, row)) for row in found.confusion()),
    )


def _of_output(
    target: Target, outputs_N1: Tensor, labels_N1: Tensor, name: str, seed: int
) -> dict[str, MetricValue]:
    """Return the metrics of one output."""
    defined = defined_on(target, (name,), labels_N1)
    names = [each for each in _OF_OUTPUT[target] if each in defined]
    return scores_of(target, outputs_N1, labels_N1, names, seed=seed)


def _share(share: float, count: int) -> MetricValue:
    low, high = share_interval(share, count)
    return MetricValue(value=share, low=low, high=high)
