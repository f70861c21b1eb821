"""Repeated measurement of latency when a study continues on another device or other versions."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from ...evaluators.base import Measurement, evaluator_of, metric
from ...evaluators.metrics import LATENCY
from ...evaluators.runtimes.surroundings import surroundings
from ...evaluators.units import plural
from ...results.analysis.conditions import (
    Conditions,
    by_conditions,
    conditions,
    conditions_of,
    text,
    varies,
)
from ...results.candidate import Candidate
from ...results.study.study import Study
from ...search_space.constraints.constraint import Constraint
from ...search_space.errors import InputError
from ..engines.base import Engine, Outcome
from .candidate_jobs import CandidateJobs
from .ledger import Ledger
from .worker import Plan, broken

_log = logging.getLogger(__name__)


def timed_here(plan: Plan, *, cluster: bool = False) -> Conditions | None:
    """Return the present conditions of latency measurements.

    Args:
        plan: Plan of the measurements.
        cluster: Whether workers run on a cluster, whose nodes are not known in advance.

    Returns:
        The conditions of this process; None for a cluster.
    """
    if cluster:
        return None
    return present(plan, LATENCY.name)


def present(plan: Plan, name: str) -> Conditions:
    """Return the present conditions of a metric, as far as they are known before it is measured."""
    settings = plan.settings.get(evaluator_of(name).name, {})
    return conditions(name, {**surroundings(plan.device, settings), **settings})


def timed_elsewhere(
    study: Study, here: Conditions | None, constraints: Sequence[Constraint] = ()
) -> list[Candidate]:
    """Return the candidates whose relevant latency was measured under other conditions.

    These are the complete candidates, and those that are infeasible by that latency.

    Args:
        study: The study.
        here: The present conditions; None: unknown, so that every latency counts as measured
            elsewhere.
        constraints: Bounds on measured metrics.
    """
    bounds = tuple(each for each in constraints if each.metric == "latency")

    def counts(candidate: Candidate, latency: Measurement) -> bool:
        infeasible = candidate.status == "infeasible" and broken(bounds, [latency]) is not None
        return candidate.status == "complete" or infeasible

    return [
        each
        for each in study.candidates()
        if (latency := each.measurements.get("latency")) is not None
        and counts(each, latency)
        and conditions_of(latency) != here
    ]


def check_latency(
    study: Study,
    here: Conditions | None,
    *,
    counts: bool,
    again: bool,
    constraints: Sequence[Constraint] = (),
) -> tuple[str, ...]:
    """Check that latencies of different devices or versions will not be compared.

    Args:
        study: The study.
        here: The present conditions; None: unknown until something is measured.
        counts: Whether latency is an objective or has a bound.
        again: Whether latencies from elsewhere will be measured again.
        constraints: Bounds on measured metrics.

    Returns:
        Notes for the user, one line each.

    Raises:
        InputError: If latency counts, and one from elsewhere is not measured again.
    """
    others = timed_elsewhere(study, here, constraints)
    if not others:
        return ()
    if again:
        return (f"Latency is measured again first: {_count(others)}",)
    found = by_conditions(others, "latency")
    first = next(iter(found))
    if here is None:
        return _cluster_notes(found) if counts else ()
    where = f"{text(first, (here,))} ({_count(found[first])})"
    now = text(here, (first,))
    if not counts:
        return (
            f"Latency was measured on {where}, but now it is measured on {now}: compare it only "
            "within each (--remeasure measures it again here)",
        )
    raise InputError(
        f"latency must be measured on one device with one set of versions in study "
        f"{study.name!r}, with latencies of {where}, but got {now}; use --remeasure to measure it "
        "again here, or another --study name"
    )


def check_measured(study: Study, plan: Plan, names: Iterable[str]) -> None:
    """Check that values of measured metrics, besides latency, will not be compared between devices.

    Conditions are compared as far as this process knows them before it measures: the device, its
    versions, and the settings of the metric's evaluator.

    Args:
        study: The study.
        plan: Plan of the measurements in this process or on this machine.
        names: Metrics that are objectives or have bounds.

    Raises:
        InputError: If a metric was measured under other conditions.
    """
    wanted = [each for each in names if metric(each).conditions and varies(each)]
    for name in wanted:
        if name == "latency":  # see ``check_latency``
            continue
        now = present(plan, name)
        known = {key for key, _ in now}
        for recorded, group in by_conditions(study.candidates(), name).items():
            compared = tuple(each for each in recorded if each[0] in known)
            if set(compared) - set(now):
                where = f"{text(compared, (now,))} ({_count(group)})"
                raise InputError(
                    f"{name} must be measured on one device with one set of versions in study "
                    f"{study.name!r}, with values of {where}, but got {text(now, (compared,))}; "
                    "use another --study name"
                )


def measured_here(plan: Plan, names: Iterable[str], *, cluster: bool = False) -> str:
    """Return the conditions of measurements in this process as text, for processes that join.

    Args:
        plan: Plan of the measurements.
        names: Metrics that are objectives or have bounds.
        cluster: Whether workers run on a cluster, whose nodes are not known in advance.
    """
    found: list[str] = []
    for name in dict.fromkeys(names):
        if metric(name).conditions and varies(name):
            here = present(plan, name)
            found.append(f"{name} on {'a cluster' if cluster else text(here)}")
    return "; ".join(found)


def _cluster_notes(found: Mapping[Conditions, Sequence[Candidate]]) -> tuple[str, ...]:
    where = "; ".join(f"{text(each, found)} ({_count(found[each])})" for each in found)
    return (
        f"Latency was measured on {where}. Nodes of a cluster may differ: it is compared only "
        "within one device and set of versions (--remeasure measures all of it again)",
    )


def _count(candidates: Sequence[Candidate]) -> str:
    return plural(len(candidates), "candidate")


class Remeasurement(CandidateJobs):
    """The source of the jobs that measure latency again and store it, for an engine."""

    def __init__(
        self, study: Study, candidates: Sequence[Candidate], ledger: Ledger | None = None
    ) -> None:
        """Set the candidates to measure.

        Args:
            study: The study, inside ``exclusive`` only.
            candidates: Candidates of the study, whose latencies are replaced.
            ledger: Ledger of the time of the workers.
        """
        super().__init__(candidates, ledger or Ledger())
        self._study = study

    def take(self, outcome: Outcome) -> None:
        """Store the measurement; after a failure the old latency is kept."""
        candidate, _ = self._returned(outcome)
        if outcome.status in ("complete", "infeasible"):
            self._study.remeasure(candidate, outcome.measurements, outcome.reason)
        else:
            self.failed[outcome.number] = outcome.reason or "no reason given"
            _log.warning("candidate %d keeps its latency: %s", outcome.number, outcome.reason)


def remeasure(
    study: Study,
    plan: Plan,
    engine: Engine,
    here: Conditions | None,
    ledger: Ledger | None = None,
) -> dict[int, str]:
    """Measure latencies from other conditions again; inside ``study.exclusive`` only.

    Candidates that were infeasible by that latency lack later metrics, so all metrics are measured.
    """
    others = timed_elsewhere(study, here, plan.constraints)
    failed: dict[int, str] = {}
    for status, again in (
        ("complete", replace(plan, metrics=("latency",), weights=None)),
        ("infeasible", plan),
    ):
        source = Remeasurement(study, [each for each in others if each.status == status], ledger)
        if not source.done:
            engine.run(source, again)
        failed |= source.failed
    return failed
