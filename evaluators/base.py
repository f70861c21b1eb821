"""The base class of evaluators, metrics and measurements."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from ..search_space.errors import unknown_name

if TYPE_CHECKING:
    from ..search_space.architecture.architecture import Architecture

Direction = Literal["minimize", "maximize"]
Tier = Literal["exact", "measured", "trained"]


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One quantity by which candidates are compared."""

    name: str
    """The name used on the command line, in tables and in the record."""
    unit: str
    """Unit of the value; ``"1"`` for a fraction."""
    direction: Direction
    """Whether lower or higher values are better."""
    tier: Tier
    """How the value is obtained: computed exactly, measured on hardware, or by training."""
    summary: str
    """One-line meaning."""


METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            name="accuracy",
            unit="1",
            direction="maximize",
            tier="trained",
            summary="top-1 accuracy on the validation split after the short schedule",
        ),
        Metric(
            name="macs",
            unit="MAC",
            direction="minimize",
            tier="exact",
            summary="multiply-adds of one forward pass for one image",
        ),
        Metric(
            name="params",
            unit="1",
            direction="minimize",
            tier="exact",
            summary="trainable parameters",
        ),
        Metric(
            name="activations",
            unit="1",
            direction="minimize",
            tier="exact",
            summary="elements of the outputs of convolutions and matrix products, one image",
        ),
        Metric(
            name="param_bytes",
            unit="B",
            direction="minimize",
            tier="exact",
            summary="bytes of the parameters and saved buffers in float32",
        ),
        Metric(
            name="peak_memory",
            unit="B",
            direction="minimize",
            tier="exact",
            summary="most bytes of maps alive at one time in a run of one image, float32",
        ),
        Metric(
            name="latency",
            unit="ms",
            direction="minimize",
            tier="measured",
            summary="median time of one forward pass of one batch on the device",
        ),
    )
}


def metric(name: str) -> Metric:
    """Return the metric of a name.

    Raises:
        InputError: If there is none; the message lists the known metrics.
    """
    if name not in METRICS:
        raise unknown_name("metric", name, METRICS)
    return METRICS[name]


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """A metric's value with its interval and provenance."""

    metric: str
    """Name of the metric, a key of ``METRICS``."""
    value: float
    """The value in the metric's unit; an ``int`` where the metric is a count."""
    low: float | None = None
    """Lower end of the 95 % interval; None for an exact value."""
    high: float | None = None
    """Upper end of the 95 % interval; None for an exact value."""
    provenance: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Origin of the value (device, data, recipe, seed, versions), as JSON values."""

    @property
    def unit(self) -> str:
        """The metric's unit."""
        return metric(self.metric).unit

    def to_json(self) -> dict[str, Any]:
        """Return the value as JSON values, which ``from_json`` reads back."""
        return {
            "metric": self.metric,
            "value": self.value,
            "unit": self.unit,
            "low": self.low,
            "high": self.high,
            "provenance": dict(self.provenance),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Measurement":
        """Read what ``to_json`` wrote."""
        return cls(
            metric=data["metric"],
            value=data["value"],
            low=data["low"],
            high=data["high"],
            provenance=data["provenance"],
        )


class CandidateError(Exception):
    """One candidate cannot be measured; the search continues."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind = kind
        """``out_of_memory``, ``device_error``, ``non_finite``, ``time_limit``, ``worker_died`` or
        ``error``."""


class Evaluator(ABC):
    """Measures one architecture.

    Evaluators run in the order of their tiers: exact, measured, trained. A candidate that breaks a
    hard constraint does not reach the next evaluator.
    """

    metrics: ClassVar[tuple[str, ...]]
    """Names of the provided metrics."""

    @abstractmethod
    def evaluate(self, architecture: "Architecture") -> tuple[Measurement, ...]:
        """Return one measurement for each of ``metrics``.

        Raises:
            CandidateError: If this architecture cannot be measured.
        """
