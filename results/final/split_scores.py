"""The scores of a network on one split."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ...evaluators.accuracy.class_metrics import (
    ClassScore,
    Predictions,
    class_scores,
    defined_metrics,
    recalls,
)
from ...evaluators.base import Measurement
from ...search_space.statistics import share_interval
from ..numbers import format_measurement


@dataclass(frozen=True, kw_only=True)
class SplitScores:
    """The scores of a network on one split, with 95 % intervals over the choice of images."""

    images: int
    """Number of images."""
    metrics: Mapping[str, ClassScore]
    """The accuracy and every other metric that is defined on the split, by name."""
    recalls: tuple[ClassScore, ...]
    """Share of images classified correctly by class, in the order of the classes."""
    counts: tuple[int, ...]
    """Images by class."""
    confusion: tuple[tuple[int, ...], ...]
    """Number of images by true class (outer) and predicted class."""

    @property
    def accuracy(self) -> ClassScore:
        """Share of images classified correctly."""
        return self.metrics["accuracy"]

    def text(self, name: str) -> str:
        """Return a metric with unit and interval: ``93.1 % [92.0, 94.1]``."""
        return score_text(name, self.metrics[name])

    def to_json(self) -> dict[str, Any]:
        """Return the scores as JSON values, which ``from_json`` reads."""
        return {
            "images": self.images,
            "metrics": {name: vars(each) for name, each in self.metrics.items()},
            "recalls": [vars(each) for each in self.recalls],
            "counts": list(self.counts),
            "confusion": [list(row) for row in self.confusion],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "SplitScores":
        """Read the JSON values of ``to_json``."""
        return cls(
            images=data["images"],
            metrics={name: ClassScore(**each) for name, each in data["metrics"].items()},
            recalls=tuple(ClassScore(**each) for each in data["recalls"]),
            counts=tuple(data["counts"]),
            confusion=tuple(tuple(row) for row in data["confusion"]),
        )


def score_text(name: str, score: ClassScore) -> str:
    """Return a score with its metric's unit and its interval."""
    found = Measurement(metric=name, value=score.value, low=score.low, high=score.high)
    return format_measurement(found)


def split_scores(
    logits_NK: Tensor, labels_N: Tensor, classes: tuple[str, ...], *, seed: int
) -> SplitScores:
    """Return the scores of class scores before the softmax, (N, K), for true classes, (N,)."""
    logits, labels = logits_NK.float().cpu(), labels_N.cpu()
    right = logits.argmax(1) == labels
    share = float(right.double().mean())
    names = defined_metrics(classes, labels)
    found = Predictions(shares=logits.double().softmax(1).numpy(), labels=labels.numpy())
    counts = torch.bincount(labels, minlength=len(classes)).tolist()
    return SplitScores(
        images=len(labels),
        metrics={
            "accuracy": _share(share, len(labels)),
            **class_scores(logits, labels, names, seed=seed),
        },
        recalls=tuple(
            _share(float(each), count) if count else ClassScore(value=0.0, low=0.0, high=1.0)
            for each, count in zip(recalls(found), counts, strict=True)
        ),
        counts=tuple(counts),
        confusion=tuple(tuple(map(int, row)) for row in found.confusion()),
    )


def _share(share: float, count: int) -> ClassScore:
    low, high = share_interval(share, count)
    return ClassScore(value=share, low=low, high=high)
