"""A candidate: an architecture with its measurements and status in a study."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any, Literal

from ..evaluators.base import Measurement
from ..search_space import forms
from ..search_space.architecture import Architecture

Status = Literal["running", "complete", "infeasible", "failed"]


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """An architecture with its measurements and status in a study."""

    number: int
    """Its place in the study, from 0, in the order of proposal."""
    architecture: Architecture
    """The network, in canonical form."""
    decisions: Mapping[str, Any]
    """What was chosen on the walk: path to value."""
    status: Status
    """``infeasible``: breaks a hard constraint; ``failed``: see ``reason``."""
    measurements: Mapping[str, Measurement] = field(default_factory=dict[str, Measurement])
    """Metric name to measurement; those had before a failure are kept."""
    reason: str | None = None
    """Why it failed or is infeasible, one line."""
    traceback: str | None = None
    """The traceback of a failure."""
    seconds: Mapping[str, float] = field(default_factory=dict[str, float])
    """Wall time by activity: ``training``, ``latency``, ``total`` ..."""

    @property
    def digest(self) -> str:
        """The architecture's digest."""
        return self.architecture.digest

    def value(self, metric: str) -> float | None:
        """Return the metric's value, or none if it was not measured."""
        measurement = self.measurements.get(metric)
        return None if measurement is None else measurement.value

    def _repr_html_(self) -> str:
        title = f"<p><b>candidate {self.number}</b> {self.status} {escape(self.reason or '')}</p>"
        cells = "".join(
            f"<tr><td>{escape(name)}</td><td>{escape(value)}</td></tr>"
            for name, value in self._measured()
        )
        return f"{title}<table>{cells}</table>{forms.html(self.architecture)}"

    def __rich__(self) -> str:
        lines = [f"candidate {self.number} {self.status} {self.reason or ''}".rstrip()]
        lines += [f"{name:<12} {value}" for name, value in self._measured()]
        return "\n".join(lines).replace("[", r"\[") + "\n" + forms.text(self.architecture)

    def _measured(self) -> list[tuple[str, str]]:
        from .table import format_measurement

        return [(name, format_measurement(each)) for name, each in self.measurements.items()]

    def to_json(self) -> dict[str, Any]:
        """Return JSON values only; ``from_json`` reads them back to an equal value."""
        return {
            "number": self.number,
            "digest": self.digest,
            "status": self.status,
            "architecture": self.architecture.canonical.to_json(),
            "decisions": dict(self.decisions),
            "measurements": [each.to_json() for each in self.measurements.values()],
            "reason": self.reason,
            "traceback": self.traceback,
            "seconds": dict(self.seconds),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Candidate":
        """Read what ``to_json`` wrote."""
        architecture = Architecture.from_json(data["architecture"])
        # What was worked out before it was stored stays: for thousands that would take seconds.
        vars(architecture).update(digest=data["digest"], canonical=architecture)
        measurements = [Measurement.from_json(each) for each in data["measurements"]]
        return cls(
            number=data["number"],
            architecture=architecture,
            decisions=data["decisions"],
            status=data["status"],
            measurements={each.metric: each for each in measurements},
            reason=data["reason"],
            traceback=data["traceback"],
            seconds=data["seconds"],
        )
