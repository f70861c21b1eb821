"""Evaluators (base class and table) and measurements."""

import json
import math
import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

from ..search_space.errors import InputError
from ..search_space.plugins import add, load_installed, put, resolved
from .diagnostics import DIAGNOSTICS, register_diagnostic
from .diagnostics import GROUP as OF_TRAINED
from .metric_checks import check_evaluator
from .metrics import (
    COSTS,
    LATENCY,
    METRICS,
    PARAM_BYTES_INT8,
    SHORT_TRAINING,
    TIERS,
    Tier,
    score_with_recipe,
)
from .metrics import Direction as Direction
from .metrics import Metric as Metric
from .metrics import describe_recorded as describe_recorded
from .metrics import in_order as in_order
from .metrics import is_known as is_known
from .metrics import metric as metric
from .runtime_table import RUNTIMES, RuntimeEntry
from .scores import SCORES
from .shape_metrics import SHAPE_METRICS
from .targets import Target

if TYPE_CHECKING:
    from ..search_space.architecture.architecture import Architecture

GROUP = "nas_explorer.evaluators"
"""Group of the entry points of evaluators."""


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """The value of a metric, with its interval and provenance.

    Raises:
        InputError: If the metric is unknown and no unit is given.
    """

    metric: str
    """Name of the metric."""
    value: float
    """The value in the metric's unit; an ``int`` if the metric is a count."""
    low: float | None = None
    """Lower end of the 95 % interval; None for an exact value."""
    high: float | None = None
    """Upper end of the 95 % interval; None for an exact value."""
    unit: str = ""
    """Unit of the value; by default the metric's."""
    direction: Direction | None = None
    """``minimize`` or ``maximize``; by default the metric's."""
    provenance: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Origin of the value (device, data, recipe, seed, versions), as JSON values."""

    def __post_init__(self) -> None:
        if not self.unit or self.direction is None:
            found = metric(self.metric)
            object.__setattr__(self, "unit", self.unit or found.unit)
            object.__setattr__(self, "direction", self.direction or found.direction)

    def to_json(self) -> dict[str, Any]:
        """Return the value as JSON values, which ``from_json`` reads back."""
        return {
            "metric": self.metric,
            "value": self.value,
            "unit": self.unit,
            "direction": self.direction,
            "low": self.low,
            "high": self.high,
            "provenance": dict(self.provenance),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Measurement":
        """Read the JSON values of ``to_json``, also of versions without unit and direction.

        An unknown metric is registered as the record describes it.
        """
        name, unit, direction = data["metric"], data.get("unit", ""), data.get("direction")
        if not is_known(name) and unit and direction:
            summary = "known from a record alone"
            described = Metric(
                name=name, unit=unit, direction=direction, tier="measured", summary=summary
            )
            describe_recorded(score_with_recipe(name) or described)
        return cls(
            metric=name,
            value=data["value"],
            low=data["low"],
            high=data["high"],
            unit=unit,
            direction=direction,
            provenance=data["provenance"],
        )


class CandidateError(Exception):
    """The failure of one candidate's measurement; the search continues."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind = kind
        """``out_of_memory``, ``device_error``, ``non_finite``, ``not_defined``, ``time_limit``,
        ``worker_died`` or ``error``."""


@dataclass(frozen=True, kw_only=True)
class Setup:
    """The context that an evaluator is made with, in the process where it measures."""

    device: str = "cpu"
    """``cpu``, ``cuda`` or ``cuda:N``."""
    seed: int = 0
    """The study's seed."""
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """The evaluator's own settings as stored in the study: JSON values."""
    data: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """The study's data, as ``DataSpec.to_json()`` writes it; empty without data."""
    cache: str = ""
    """Folder for the cache of decoded images."""
    keep: Callable[..., None] | None = None
    """Function that stores the weights of a trained network; see the evaluator of the accuracy."""
    metrics: Collection[str] = ()
    """Names of the wanted metrics; those that are measured on request alone must be among them."""
    start: Callable[[], Any] | None = None
    """Function that reads the network whose weights trainings begin with; None: there is none."""
    teacher: Callable[[], Any] | None = None
    """Function that reads the network that teaches in trainings; None: there is none."""
    checkpoints: str | None = None
    """Folder for the states of interrupted trainings; None: they start again from the beginning."""


class Evaluator(ABC):
    """Measures one architecture.

    Evaluators run in the order of their tiers: exact, measured, trained. A candidate that breaks
    a hard constraint never reaches the next one. Exact evaluators run in the process that searches,
    the others in its workers.
    """

    name: ClassVar[str]
    """Name in the table and in records."""
    metrics: ClassVar[tuple[Metric, ...]]
    """The metrics that the evaluator measures, all of one tier."""
    always: ClassVar[bool] = False
    """Whether the evaluator measures every candidate, even if none of its metrics is an
    objective."""
    defaults: ClassVar[Mapping[str, Any]] = {}
    """The evaluator's settings, as JSON values; they are stored in the study and must not
    change."""

    @classmethod
    def make(cls, setup: Setup) -> Self:
        """Return the evaluator; called once in each process that measures."""
        return cls()

    @property
    def measured(self) -> tuple[Metric, ...]:
        """The metrics of every measurement: all but those on request that were not wanted."""
        return tuple(each for each in self.metrics if not each.on_request)

    @abstractmethod
    def evaluate(self, architecture: "Architecture") -> tuple[Measurement, ...]:
        """Return one measurement for each of ``measured``.

        Raises:
            CandidateError: If this architecture cannot be measured.
        """

    def measure(self, architecture: "Architecture") -> tuple[Measurement, ...]:
        """Return the result of ``evaluate`` as plain numbers, each finite and in its interval.

        Raises:
            CandidateError: If this architecture cannot be measured, a metric is missing, or a
                measurement is not a finite number in its interval with JSON values as provenance.
        """
        return self.checked(self.evaluate(architecture))

    def checked(self, found: tuple[Measurement, ...]) -> tuple[Measurement, ...]:
        """Return measurements as plain numbers; see ``measure``.

        Raises:
            CandidateError: As of ``measure``.
        """
        wanted, given = [each.name for each in self.measured], [each.metric for each in found]
        if sorted(given) != sorted(wanted):
            detail = f"evaluator {self.name} must measure {wanted}, but returned {given}"
            raise CandidateError("error", detail)
        return tuple(map(_checked, found))


def _checked(found: Measurement) -> Measurement:
    """Return a measurement with Python's own numbers, which can be stored.

    Raises:
        CandidateError: If a value is not a finite number, the value lies outside its interval or is
            no share, or the provenance cannot be stored.
    """
    value = _plain(found.metric, found.value)
    low, high = (None if e is None else _plain(found.metric, e) for e in (found.low, found.high))
    if not (value if low is None else low) <= value <= (value if high is None else high):
        detail = f"{found.metric} must lie in its interval, but {value} is not in {low} to {high}"
        raise CandidateError("error", detail)
    if metric(found.metric).share and not 0 <= value <= 1:
        detail = f"{found.metric} must be a share from 0 to 1 (0.9 is 90 %), but is {value}"
        raise CandidateError("error", detail)
    try:
        json.dumps(dict(found.provenance))
    except (TypeError, ValueError) as error:
        detail = f"the provenance of {found.metric} must be JSON values: {error}"
        raise CandidateError("error", detail) from None
    return replace(found, value=value, low=low, high=high)


def _plain(name: str, value: Any) -> float:
    """Return a number of any library as an ``int`` or a ``float``."""
    is_flag = type(value).__name__ in ("bool", "bool_")  # numpy's too
    if is_flag or isinstance(value, str | bytes):
        raise CandidateError("error", f"{name} must be a number, but is {value!r}")
    try:
        return operator.index(value)
    except TypeError:
        pass
    try:
        number = float(value)
    except (TypeError, ValueError, RuntimeError):
        raise CandidateError("error", f"{name} must be a number, but is {value!r}") from None
    if not math.isfinite(number):
        raise CandidateError("non_finite", f"{name} is {number}")
    return number


@dataclass(frozen=True, kw_only=True)
class Entry:
    """An entry of the table of evaluators, usable before the evaluator is imported."""

    name: str
    """The evaluator's name."""
    metrics: tuple[Metric, ...]
    """The evaluator's metrics."""
    always: bool
    """Whether the evaluator measures every candidate."""
    place: str | type[Evaluator]
    """The evaluator's class, or its module in this package and its name."""
    runtime: str = ""
    """For the latency in a named runtime, that name; ``place`` is then the function that makes the
    class from it."""

    @property
    def tier(self) -> Tier:
        """The tier of the evaluator's metrics."""
        return self.metrics[0].tier

    def load(self) -> type[Evaluator]:
        """Return the evaluator's class."""
        found: Any = resolved(self.place, __name__.rpartition(".")[0])
        return found(self.runtime) if self.runtime else found


def latency_entry(runtime: RuntimeEntry) -> Entry:
    """Return the entry of the evaluator of the latency in a runtime."""
    found, place = runtime.metric, "runtimes.evaluator:latency_in"
    return Entry(name=found.name, metrics=(found,), always=False, place=place, runtime=runtime.name)


_SHAPE = "shape_evaluator:ShapeEvaluator"
EVALUATORS: dict[str, Entry] = {
    each.name: each
    for each in (
        Entry(name="cost", metrics=COSTS, always=True, place="cost.evaluator:CostEvaluator"),
        Entry(
            name=PARAM_BYTES_INT8.name,
            metrics=(PARAM_BYTES_INT8,),
            always=False,
            place="int8.param_bytes:Int8Bytes",
        ),
        Entry(name="shape", metrics=SHAPE_METRICS, always=False, place=_SHAPE),
        Entry(
            name="latency",
            metrics=(LATENCY,),
            always=True,
            place="runtimes.evaluator:Latency",
        ),
        *map(latency_entry, RUNTIMES.values()),
        Entry(
            name="accuracy",
            metrics=SHORT_TRAINING,
            always=True,
            place="accuracy.evaluator:AccuracyEvaluator",
        ),
        *(
            Entry(name=each.metric.name, metrics=(each.metric,), always=False, place=each.place)
            for each in SCORES.values()
        ),
    )
}
"""The evaluators by name; ``register_evaluator`` adds to them."""


METRICS.update({each.metric.name: each.metric for each in RUNTIMES.values()})
METRICS.update({name: each.metric for name, each in SCORES.items()})
METRICS.update({each.name: each for each in SHAPE_METRICS})


def register_evaluator(cls: type[Evaluator]) -> None:
    """Add an evaluator and its metrics to the tables.

    Raises:
        InputError: If the evaluator or one of its metrics is not well described, or a name is
            taken.
    """
    check_evaluator(cls)
    entry = Entry(name=cls.name, metrics=cls.metrics, always=cls.always, place=cls)
    for each in cls.metrics:
        owner = evaluator_of(each.name) if each.name in METRICS else entry
        if owner.name != cls.name:
            raise InputError(
                f"the name of a metric must be free, but got {each.name!r}, which is one of "
                f"evaluator {owner.name!r}"
            )
    add(EVALUATORS, cls.name, entry, kind="evaluator", group=GROUP)
    for each in cls.metrics:
        put(METRICS, each.name, each)


def evaluator_of(name: str) -> Entry:
    """Return the table entry of the evaluator that measures a metric.

    Raises:
        InputError: If the metric is unknown, or no evaluator measures it.
    """
    for entry in EVALUATORS.values():
        if any(each.name == name for each in entry.metrics):
            return entry
    if name in DIAGNOSTICS:
        raise InputError(
            f"a metric of a search must not be a diagnostic of trained networks, but got {name!r}: "
            "nas fidelity --diagnostics measures it after the search"
        )
    raise InputError(
        f"a metric must be measured by an evaluator, but {metric(name).name!r} is known from a "
        "record alone; --plugin loads the module that measures it"
    )


def metrics_of(
    entries: Iterable[Entry], wanted: Collection[str], target: Target = "classes"
) -> tuple[Metric, ...]:
    """Return the metrics that evaluators measure where those of ``wanted`` are requested.

    Args:
        entries: The evaluators.
        wanted: Names of the metrics that are requested.
        target: The data's kind of target, for which the metrics must be defined.
    """
    return tuple(
        each
        for entry in entries
        for each in entry.metrics
        if (not each.on_request or each.name in wanted)
        and (not each.targets or target in each.targets)
    )


def evaluators_for(metrics: Collection[str], *, always: bool = True) -> list[Entry]:
    """Return the evaluators of these metrics, and those that always measure, cheapest first.

    If ``metrics`` has a trained one, no evaluator of another trained metric is added.

    Raises:
        InputError: If a metric is unknown, or no evaluator measures it.
    """
    wanted = {evaluator_of(name).name for name in metrics}
    trained = any(EVALUATORS[name].tier == "trained" for name in wanted)
    found = [
        each
        for each in EVALUATORS.values()
        if each.name in wanted
        or (always and each.always and not (trained and each.tier == "trained"))
    ]
    return sorted(found, key=lambda each: TIERS.index(each.tier))


load_installed(GROUP, register_evaluator)
load_installed(OF_TRAINED, register_diagnostic)
