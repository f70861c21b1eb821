"""The worker, which measures candidates one after the other in one process."""

import traceback
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ...evaluators.base import (
    CandidateError,
    Evaluator,
    Measurement,
    Setup,
    evaluators_for,
)
from ...evaluators.host_lock import training
from ...evaluators.measurement_context import candidate_faults
from ...evaluators.metrics import LATENCY
from ...evaluators.runtime_table import is_latency
from ...evaluators.staged import StagedEvaluator
from ...evaluators.stopwatch import Stopwatch, activity, counted_by
from ...evaluators.units import write_constraint, write_value
from ...search_space.architecture.architecture import Architecture
from ...search_space.constraints.constraint import Constraint
from ...search_space.plugins import load_plugins
from ..engines.base import Job, Outcome
from .own_classes import register_pickled
from .start_weights import read_start

SPENT = ("out_of_memory", "device_error")
"""Kinds of failures after which a worker process is replaced."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The plan of measurements with their settings; it makes the worker in the worker's process."""

    metrics: tuple[str, ...]
    """Names of the measured and trained metrics wanted."""
    data: Mapping[str, Any]
    """The data to train on, as ``DataSpec.to_json()`` writes it."""
    cache: str
    """Folder of the cache of decoded images, shared by the workers."""
    settings: Mapping[str, Mapping[str, Any]]
    """Settings of each evaluator by name, such as recipe and timing."""
    device: str
    """``cpu``, ``cuda`` or ``cuda:N``."""
    seed: int
    """The study's seed."""
    constraints: tuple[Constraint, ...] = ()
    """Hard constraints on the measured and trained metrics."""
    optional: tuple[str, ...] = ()
    """Evaluators whose failure fails no candidate, besides those of training-free scores."""
    weights: str | None = None
    """Folder for the trained weights; None: they are dropped."""
    start: str | None = None
    """File of the weights that trainings begin with; None: none."""
    teacher: str | None = None
    """File of the weights of the network that teaches in trainings; None: none."""
    plugins: tuple[str, ...] = ()
    """Modules to import first, which register plug-ins."""
    own: bytes = b""
    """Pickled classes of the user, which may not be importable."""

    def __call__(self) -> "MeasuringWorker":
        """Load the plug-ins and make the evaluators, cheapest first; they may read the data."""
        load_plugins(self.plugins)
        register_pickled(self.own)
        return MeasuringWorker(
            evaluators=self.evaluators(self.seed),
            constraints=self.constraints,
            optional=self.optional,
            other_seed=self.evaluators,
        )

    def evaluators(self, seed: int) -> tuple[Evaluator, ...]:
        """Return the evaluators for a seed."""
        keep = None
        if self.weights is not None:
            from ...results.export.weights import WeightsFolder

            keep = WeightsFolder(Path(self.weights)).keep
        evaluators: list[Evaluator] = []
        for entry in evaluators_for(self.metrics, always=False):
            cls = entry.load()
            setup = Setup(
                device=self.device,
                seed=seed,
                settings=self.settings.get(entry.name, cls.defaults),
                data=self.data,
                cache=self.cache,
                keep=keep,
                metrics=self.metrics,
                start=None if self.start is None else partial(read_start, Path(self.start)),
                teacher=None if self.teacher is None else partial(read_start, Path(self.teacher)),
                checkpoints=self.weights,
            )
            evaluators.append(cls.make(setup))
        return tuple(evaluators)


class MeasuringWorker:
    """Runs the evaluators in order and stops at the first violated constraint or failure."""

    def __init__(
        self,
        *,
        evaluators: tuple[Evaluator, ...],
        constraints: tuple[Constraint, ...],
        optional: tuple[str, ...] = (),
        other_seed: Callable[[int], tuple[Evaluator, ...]] | None = None,
    ) -> None:
        """Set the evaluators and the constraints.

        Args:
            evaluators: Evaluators with the study's seed, cheapest first.
            constraints: Hard constraints on their metrics.
            optional: Names of evaluators whose failure fails no candidate.
            other_seed: Makes the evaluators for the seed of a job that has one.
        """
        self._evaluators = evaluators
        self._other_seed = other_seed
        self._constraints = constraints
        self._optional = optional
        self.spent = False
        """Whether memory or device failed, so that a new process must replace this one."""

    def run(self, job: Job) -> Outcome:
        """Measure one candidate; the outcome holds any failure."""
        stopwatch = Stopwatch("other")
        had: list[Measurement] = []
        undefined: dict[str, str] = {}
        reason = trace = None
        status = "complete"
        try:
            # No failure of a candidate may end the search.
            with candidate_faults(), counted_by(stopwatch):
                with activity("building"):
                    architecture = Architecture.from_json(job.architecture)
                for evaluator in self._for(job.seed):
                    if evaluator.name in job.leave_out:
                        continue
                    with activity(_activity_of(evaluator)), _share_of_host(evaluator):
                        if evaluator.metrics[0].score or evaluator.name in self._optional:
                            self._score(evaluator, architecture, had, undefined)
                        else:
                            reason = _measure(evaluator, architecture, job, had)
                    if reason:
                        status = "stopped"
                        break
                    reason = broken(self._constraints, had)
                    if reason:
                        status = "infeasible"
                        break
        except CandidateError as error:
            status, reason, trace = "failed", str(error), traceback.format_exc()
            self.spent = error.kind in SPENT
        seconds = stopwatch.read()
        return Outcome(
            number=job.number,
            status=status,
            measurements=tuple(had),
            reason=reason,
            traceback=trace,
            undefined=undefined,
            seconds={**seconds, "total": sum(seconds.values())},
        )

    def _score(
        self,
        evaluator: Evaluator,
        architecture: Architecture,
        had: list[Measurement],
        undefined: dict[str, str],
    ) -> None:
        """Add an optional metric, or the reason why there is none: it fails no candidate."""
        try:
            with candidate_faults():
                had.extend(evaluator.measure(architecture))
        except CandidateError as error:
            self.spent = self.spent or error.kind in SPENT
            undefined.update({each.name: str(error) for each in evaluator.metrics})

    def _for(self, seed: int | None) -> tuple[Evaluator, ...]:
        if seed is None:
            return self._evaluators
        assert self._other_seed is not None, "the plan makes evaluators for other seeds"
        return self._other_seed(seed)


def _measure(
    evaluator: Evaluator, architecture: Architecture, job: Job, had: list[Measurement]
) -> str | None:
    """Add an evaluator's measurements; return the reason if the candidate is stopped at a rung."""
    record = job.rungs
    if record is None or not isinstance(evaluator, StagedEvaluator):
        had.extend(evaluator.measure(architecture))
        return None
    verdict: str | None = None

    def goes_on(measurement: Measurement) -> bool:
        nonlocal verdict
        had.append(measurement)
        values = {each.metric: each.value for each in had}
        verdict = record.verdict(measurement.provenance["epochs"], values)
        return verdict is None

    had.extend(evaluator.measure_by_rungs(architecture, record.halving.rungs, goes_on) or ())
    return verdict


def _share_of_host(evaluator: Evaluator) -> AbstractContextManager[None]:
    """Return the context of an evaluator: a training pauses while another process measures."""
    return training() if evaluator.metrics[0].tier == "trained" else nullcontext()


def _activity_of(evaluator: Evaluator) -> str:
    """Return the activity that an evaluator's time counts for."""
    first = evaluator.metrics[0]
    if is_latency(evaluator.name):
        return LATENCY.name
    return "scoring" if first.score else "training" if first.tier == "trained" else evaluator.name


def broken(constraints: tuple[Constraint, ...], had: list[Measurement]) -> str | None:
    """Return the first violated constraint with the measured value, or None."""
    values = {measurement.metric: measurement.value for measurement in had}
    for constraint in constraints:
        value = values.get(constraint.metric)
        if value is not None and not constraint.holds(value):
            found = write_value(constraint.metric, value)
            return f"must keep {write_constraint(constraint)}, but {constraint.metric} is {found}"
    return None
