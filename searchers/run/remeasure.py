"""Repeated measurement of latency when a study continues on another device or other versions."""

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from ...evaluators.base import evaluator_of, metric
from ...evaluators.runtime_table import is_latency
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
from ..engines.base import Engine, Job, Outcome
from .candidate_jobs import CandidateJobs
from .ledger import Ledger
from .worker import Plan, broken

_log = logging.getLogger(__name__)


Here = Mapping[str, Conditions | None]
"""The present conditions of each measured latency by name; None: unknown until one is made."""


def timed_here(plan: Plan, *, cluster: bool = False) -> Here:
    """Return the present conditions of the latencies that a plan measures.

    Args:
        plan: Plan of the measurements.
        cluster: Whether workers run on a cluster, whose nodes are not known in advance.
    """
    names = filter(is_latency, plan.metrics)
    return {name: None if cluster else present(plan, name) for name in names}


def present(plan: Plan, name: str) -> Conditions:
    """Return the present conditions of a metric, as far as they are known before it is measured."""
    settings = plan.settings.get(evaluator_of(name).name, {})
    return conditions(name, {**surroundings(plan.device, settings), **settings})


def timed_elsewhere(
    study: Study, here: Here, constraints: Sequence[Constraint] = ()
) -> dict[str, list[Candidate]]:
    """Return the candidates whose relevant latency was measured under other conditions.

    These are the complete candidates, and those that are infeasible by that latency.

    Args:
        study: The study.
        here: The present conditions; where they are unknown, every latency counts as measured
            elsewhere.
        constraints: Bounds on measured metrics.

    Returns:
        The candidates by name of latency, without the latencies that have none.
    """
    found: dict[str, list[Candidate]] = {}
    for name, now in here.items():
        bounds = tuple(each for each in constraints if each.metric == name)
        for each in study.candidates():
            latency = each.measurements.get(name)
            if latency is None or conditions_of(latency) == now:
                continue
            infeasible = each.status == "infeasible" and broken(bounds, [latency]) is not None
            if each.status == "complete" or infeasible:
                found.setdefault(name, []).append(each)
    return found


def check_latency(
    study: Study,
    here: Here,
    *,
    counting: Collection[str],
    again: bool,
    constraints: Sequence[Constraint] = (),
) -> tuple[str, ...]:
    """Check that latencies of different devices or versions will not be compared.

    Args:
        study: The study.
        here: The present conditions by name of latency.
        counting: Metrics that are objectives or have bounds.
        again: Whether latencies from elsewhere will be measured again.
        constraints: Bounds on measured metrics.

    Returns:
        Notes for the user, one line each.

    Raises:
        InputError: If a latency counts, and one from elsewhere is not measured again.
    """
    others = timed_elsewhere(study, here, constraints)
    notes: list[str] = []
    for name, candidates in others.items():
        title = name.capitalize()
        if again:
            notes.append(f"{title} is measured again first: {_count(candidates)}")
            continue
        now, found = here[name], by_conditions(candidates, name)
        if now is None:
            notes += _cluster_notes(title, found) if name in counting else ()
            continue
        first = next(iter(found))
        where = f"{text(first, (now,))} ({_count(found[first])})"
        here_now = text(now, (first,))
        if name in counting:
            raise InputError(
                f"{name} must be measured on one device with one set of versions in study "
                f"{study.name!r}, with latencies of {where}, but got {here_now}; use --remeasure "
                "to measure it again here, or another --study name"
            )
        notes.append(
            f"{title} was measured on {where}, but now it is measured on {here_now}: compare it "
            "only within each (--remeasure measures it again here)"
        )
    return tuple(notes)


def check_measured(study: Study, plan: Plan, names: Iterable[str]) -> None:
    """Check that values of measured metrics but latencies will not be compared between devices.

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
        if is_latency(name):  # see ``check_latency``
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


def measured_here(plan: Plan, here: Here, names: Iterable[str], *, cluster: bool = False) -> str:
    """Return the conditions of measurements in this process as text, for processes that join.

    Args:
        plan: Plan of the measurements.
        here: The present conditions by name of latency.
        names: Metrics that are objectives or have bounds.
        cluster: Whether workers run on a cluster, whose nodes are not known in advance.
    """
    found: list[str] = []
    for name in dict.fromkeys(names):
        if metric(name).conditions and varies(name):
            known = None if cluster else here.get(name) or present(plan, name)
            found.append(f"{name} on {'a cluster' if known is None else text(known)}")
    return "; ".join(found)


def _cluster_notes(title: str, found: Mapping[Conditions, Sequence[Candidate]]) -> tuple[str, ...]:
    where = "; ".join(f"{text(each, found)} ({_count(found[each])})" for each in found)
    return (
        f"{title} was measured on {where}. Nodes of a cluster may differ: it is compared only "
        "within one device and set of versions (--remeasure measures all of it again)",
    )


def _count(candidates: Sequence[Candidate]) -> str:
    return plural(len(candidates), "candidate")


class Remeasurement(CandidateJobs):
    """The source of the jobs that measure latencies again and store them, for an engine."""

    def __init__(
        self,
        study: Study,
        candidates: Mapping[str, Sequence[Candidate]],
        ledger: Ledger | None = None,
        *,
        whole: bool = False,
    ) -> None:
        """Set the candidates to measure.

        Args:
            study: The study, inside ``exclusive`` only.
            candidates: Candidates of the study by name of the latency that is replaced.
            ledger: Ledger of the time of the workers.
            whole: Whether all metrics of the candidates are measured.
        """
        chosen = {each.number: each for group in candidates.values() for each in group}
        super().__init__([chosen[number] for number in sorted(chosen)], ledger or Ledger())
        self._study = study
        self._kept: dict[int, tuple[str, ...]] = {
            number: tuple(name for name, group in candidates.items() if each not in group)
            for number, each in chosen.items()
        }
        if whole:
            self._kept = dict.fromkeys(chosen, ())

    def next_job(self) -> Job | None:
        """Return the next job; None after the last one."""
        job = super().next_job()
        return None if job is None else replace(job, leave_out=self._kept[job.number])

    def take(self, outcome: Outcome) -> None:
        """Store the measurements; where one failed the old latency is kept."""
        candidate, _ = self._returned(outcome)
        reasons = [reason for name, reason in outcome.undefined.items() if is_latency(name)]
        if outcome.status in ("complete", "infeasible"):
            self._study.remeasure(candidate, outcome.measurements, outcome.reason)
        else:
            reasons.append(outcome.reason or "no reason given")
        if reasons:
            self.failed[outcome.number] = "; ".join(reasons)
            _log.warning("candidate %d keeps its latency: %s", outcome.number, "; ".join(reasons))


def remeasure(
    study: Study, plan: Plan, engine: Engine, here: Here, ledger: Ledger | None = None
) -> dict[int, str]:
    """Measure latencies from other conditions again; inside ``study.exclusive`` only.

    Candidates that were infeasible by that latency lack later metrics, so all metrics are measured.

    Returns:
        Reasons by number for candidates that keep a latency from elsewhere.
    """
    others = timed_elsewhere(study, here, plan.constraints)
    failed: dict[int, str] = {}
    for status in ("complete", "infeasible"):
        groups = {name: [e for e in each if e.status == status] for name, each in others.items()}
        groups = {name: each for name, each in groups.items() if each}
        whole = status == "infeasible"
        again = plan if whole else replace(plan, metrics=tuple(groups), weights=None)
        source = Remeasurement(study, groups, ledger, whole=whole)
        if not source.done:
            engine.run(source, again)
        failed |= source.failed
    return failed
