"""The result of a training: the points of its learning curve."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """One point of a learning curve."""

    train_loss: float
    """Mean training loss over the epoch: for classes the smoothed cross-entropy, in nats."""
    validation_loss: float
    """Mean loss on the validation split after the epoch: for classes the cross-entropy, in nats;
    for numbers the squared error in standard deviations."""
    validation_score: float
    """Main score on the validation split after the epoch, larger is better: for classes the share
    that is classified correctly."""
    lr: float
    """Learning rate of the epoch's last step."""
    seconds: float
    """Wall time since the training began."""
    metric: str = "accuracy"
    """Name of the main score."""
    interval: tuple[float, float] | None = None
    """95 % interval of the main score of numbers or labels after an epoch that is a rung; None
    elsewhere, and for classes, whose interval follows from the share and the number of images."""

    def to_json(self) -> dict[str, Any]:
        """Return the values as JSON values, the score as ``validation_`` and its name."""
        found = asdict(self)
        found.pop("metric")
        if self.interval is None:
            del found["interval"]
        return {
            f"validation_{self.metric}" if name == "validation_score" else name: value
            for name, value in found.items()
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any], metric: str) -> Self:
        """Read the JSON values of ``to_json`` for a main score."""
        values = dict(data)
        if "interval" in values:
            values["interval"] = tuple(values["interval"])
        return cls(validation_score=values.pop(f"validation_{metric}"), metric=metric, **values)


@dataclass(frozen=True, kw_only=True)
class TrainingResult:
    """The result of a training."""

    curve: tuple[Epoch, ...]
    """Learning curve, one point per epoch run."""
    kept_epoch: int
    """Number of the epoch, from 1, whose weights are kept."""
    score: float
    """Main score of the kept weights on the validation split."""
    seconds: float
    """Wall time of the training, validation included."""
    stopped_early: str | None = None
    """Why the training ended early, or None."""
    halted: bool = False
    """Whether the caller ended the training before its last epoch."""

    def curve_json(self) -> list[dict[str, Any]]:
        """Return the learning curve as JSON values."""
        return [epoch.to_json() for epoch in self.curve]


def best_epoch(curve: Sequence[Epoch]) -> int:
    """Return the number, from 1, of the first epoch with the best validation score, among equals
    that with the smallest loss."""
    ranks = [(-each.validation_score, each.validation_loss) for each in curve]
    return 1 + ranks.index(min(ranks))
