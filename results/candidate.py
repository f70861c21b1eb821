"""A candidate: an architecture with its measurements and status in a study."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any, Literal

from ..evaluators.base import Measurement
from ..evaluators.metrics import OF_REFINE
from ..search_space.architecture.outline import outline
from ..search_space.errors import InputError

if TYPE_CHECKING:
    from ..search_space.architecture.architecture import Architecture

Status = Literal["running", "complete", "stopped", "infeasible", "failed", "baseline"]


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """An architecture with its measurements and status in a study.

    A candidate read from a record makes its architecture at first access, since that needs torch,
    which takes seconds to import.
    """

    number: int
    """Index in the study, from 0, in order of proposal."""
    architecture: "Architecture"
    """The network, in canonical form."""
    decisions: Mapping[str, Any]
    """Values of the decisions by path."""
    status: Status
    """Status; ``stopped``: its training was stopped at a rung, so that it has the trained metrics
    of lower fidelity alone, or its latency was not measured since it cannot reach the front;
    ``infeasible``: violates a hard constraint; ``failed``: see ``reason``; ``baseline``: measured,
    but no candidate of the front (``nas baselines``)."""
    measurements: Mapping[str, Measurement] = field(default_factory=dict[str, Measurement])
    """Measurements by metric; those made before a failure are kept."""
    singles: Mapping[str, tuple[Measurement, ...]] = field(
        default_factory=dict[str, tuple[Measurement, ...]]
    )
    """All single measurements of each metric whose measurement is a mean of several trainings; the
    first is that of the search, whose weights are kept."""
    undefined: Mapping[str, str] = field(default_factory=dict[str, str])
    """Reasons by metric for training-free scores that this network does not have."""
    origin: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """How the candidate was made from another one: number and digest of its ``parent``, ``method``,
    bounds ``to``, ...; empty: a search proposed it."""
    reason: str | None = None
    """Why the candidate failed, is infeasible or was stopped, one line."""
    traceback: str | None = None
    """The traceback of a failure."""
    seconds: Mapping[str, float] = field(default_factory=dict[str, float])
    """Wall time by activity, s: of the worker (``building``, ``latency``, ``training``, ``other``
    and their sum ``total``; earlier records name the evaluators), and of the searching process
    (``searching``, ``costing``, and ``storing`` its start)."""

    def __getattr__(self, name: str) -> Any:
        record: Mapping[str, Any] | None = vars(self).get("_record")
        if name != "architecture" or record is None:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        from ..search_space.architecture.architecture import Architecture

        made = Architecture.from_json(record["architecture"])
        # Keep what is computed already: for thousands of candidates it takes seconds.
        vars(made).update(digest=record["digest"], canonical=made)
        vars(self)["architecture"] = made
        return made

    @property
    def inherits(self) -> bool:
        """Whether the training began with weights of another candidate."""
        return "start" in self.origin

    @property
    def digest(self) -> str:
        """The architecture's digest."""
        record = vars(self).get("_record")
        return self.architecture.digest if record is None else record["digest"]

    @property
    def architecture_json(self) -> dict[str, Any]:
        """The canonical architecture as JSON values, without making the architecture."""
        record = vars(self).get("_record")
        return self.architecture.canonical.to_json() if record is None else record["architecture"]

    def outline(self) -> str:
        """Return the architecture's outline, one short line, without making the architecture."""
        return outline(self.architecture_json)

    @property
    def is_buildable(self) -> bool:
        """Whether all components of the architecture are known: a plug-in may be missing."""
        try:
            return bool(self.architecture)
        except InputError:
            return False

    def summary(self) -> str:
        """Return the architecture's summary, one line; its outline if a component is missing."""
        return self.architecture.summary() if self.is_buildable else self.outline()

    def first(self, metric: str) -> Measurement | None:
        """Return the search's own measurement of a metric, also where a mean has replaced it."""
        singles = self.singles.get(metric)
        return singles[0] if singles else self.measurements.get(metric)

    def value(self, metric: str) -> float | None:
        """Return the metric's value, or None if it was not measured."""
        measurement = self.measurements.get(metric)
        return None if measurement is None else measurement.value

    @property
    def epochs(self) -> int:
        """Epochs of the search's own training that were measured; 0 if there were none."""
        later = {each.name for each in OF_REFINE}
        own = (each for name, each in self.measurements.items() if name not in later)
        found = (each.provenance.get("epochs", 0) for each in own)
        return max((each for each in found if isinstance(each, int)), default=0)

    def _repr_html_(self) -> str:
        from ..search_space.architecture import forms

        title = f"<p><b>candidate {self.number}</b> {self.status} {escape(self.reason or '')}</p>"
        cells = "".join(
            f"<tr><td>{escape(name)}</td><td>{escape(value)}</td></tr>"
            for name, value in self._measured()
        )
        return f"{title}<table>{cells}</table>{self._form(forms.html)}"

    def __rich__(self) -> str:
        from ..search_space.architecture import forms

        lines = [f"candidate {self.number} {self.status} {self.reason or ''}".rstrip()]
        lines += [f"{name:<12} {value}" for name, value in self._measured()]
        return "\n".join(lines).replace("[", r"\[") + "\n" + self._form(forms.text)

    def _form(self, form: "Callable[[Architecture], str]") -> str:
        """Return a form of the architecture; its outline if a component is missing."""
        return form(self.architecture) if self.is_buildable else self.outline()

    def _measured(self) -> list[tuple[str, str]]:
        from .numbers import format_measurement

        return [(name, format_measurement(each)) for name, each in self.measurements.items()]

    def to_json(self) -> dict[str, Any]:
        """Return the candidate as JSON values, which ``from_json`` reads."""
        return {
            "number": self.number,
            "digest": self.digest,
            "status": self.status,
            "architecture": self.architecture_json,
            "decisions": dict(self.decisions),
            "measurements": [each.to_json() for each in self.measurements.values()],
            **self._singles_json(),
            **({"undefined": dict(self.undefined)} if self.undefined else {}),
            **({"origin": dict(self.origin)} if self.origin else {}),
            "reason": self.reason,
            "traceback": self.traceback,
            "seconds": dict(self.seconds),
        }

    def _singles_json(self) -> dict[str, Any]:
        if not self.singles:
            return {}
        return {"singles": {n: [each.to_json() for each in m] for n, m in self.singles.items()}}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Candidate":
        """Read the JSON values of ``to_json``."""
        measurements = [Measurement.from_json(each) for each in data["measurements"]]
        candidate = cls.__new__(cls)
        vars(candidate).update(
            _record={"digest": data["digest"], "architecture": data["architecture"]},
            number=data["number"],
            decisions=data["decisions"],
            status=data["status"],
            measurements={each.metric: each for each in measurements},
            singles={
                name: tuple(map(Measurement.from_json, found))
                for name, found in data.get("singles", {}).items()
            },
            undefined=data.get("undefined", {}),
            origin=data.get("origin", {}),
            reason=data["reason"],
            traceback=data["traceback"],
            seconds=data["seconds"],
        )
        return candidate


def searched(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Return the candidates that searches proposed, not those made from others.

    They alone are a searcher's history, so that it proposes what it would have without the others.
    """
    return [each for each in candidates if not each.origin]
