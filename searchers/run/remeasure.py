"""Latency measured anew, where a study goes on with another device or other versions."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch

from ...evaluators.base import Measurement
from ...evaluators.latency.provenance import describe
from ...evaluators.units import plural
from ...results.analysis.conditions import (
    Conditions,
    by_conditions,
    conditions,
    conditions_of,
    text,
)
from ...results.candidate import Candidate
from ...results.study.study import Study
from ...search_space.constraints.constraint import Constraint
from ...search_space.errors import InputError
from ..engines.base import Engine, Job, Outcome
from .worker import Plan, broken

_log = logging.getLogger(__name__)


def timed_here(plan: Plan, *, cluster: bool = False) -> Conditions | None:
    """Return the conditions under which latency would be measured now.

    Args:
        plan: What is measured and how.
        cluster: Whether workers are on the nodes of a cluster, which nobody knows before.

    Returns:
        Those of this process; None for a cluster.
    """
    if cluster:
        return None
    return conditions("latency", {**describe(torch.device(plan.device)), **plan.latency.to_json()})


def timed_elsewhere(
    study: Study, here: Conditions | None, constraints: Sequence[Constraint] = ()
) -> list[Candidate]:
    """Return the candidates whose latency was measured under other conditions, and counts.

    These are the complete ones, and those that are infeasible by that latency.

    Args:
        study: The record.
        here: The conditions now; none: not known, so that any latency is from elsewhere.
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
    """Refuse to let latencies of several devices or versions be compared.

    Args:
        study: The record.
        here: The conditions now; none: not known before something is measured.
        counts: Whether latency is an objective or bounded.
        again: Whether what was timed elsewhere will be measured again.
        constraints: Bounds on measured metrics.

    Returns:
        What the user should know, one line each.

    Raises:
        InputError: If latency counts, there is some from elsewhere, and it is not measured again.
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
        f"{study.name!r}, which has it from {where}, but got {now}; use --remeasure to measure "
        "it again here, or another --study name"
    )


def _cluster_notes(found: Mapping[Conditions, Sequence[Candidate]]) -> tuple[str, ...]:
    where = "; ".join(f"{text(each, found)} ({_count(found[each])})" for each in found)
    return (
        f"Latency was measured on {where}. Nodes of a cluster may differ: it is compared only "
        "within one device and set of versions (--remeasure measures all of it again)",
    )


def _count(candidates: Sequence[Candidate]) -> str:
    return plural(len(candidates), "candidate")


class Remeasurement:
    """The jobs that measure latency again, as an engine sees them; what is measured is stored."""

    def __init__(self, study: Study, candidates: Sequence[Candidate]) -> None:
        """Take note of what is to be measured.

        Args:
            study: Where it is stored; inside ``exclusive`` only.
            candidates: Of this study; what is measured of them holds from then on.
        """
        self._study = study
        self._waiting = list(candidates)
        self._under_way: dict[int, Candidate] = {}
        self.failed: dict[int, str] = {}
        """Number to reason, of those that keep the latency they had."""

    def next_job(self) -> Job | None:
        """Return the next job; None when all were given."""
        if not self._waiting:
            return None
        candidate = self._waiting.pop(0)
        self._under_way[candidate.number] = candidate
        return Job(number=candidate.number, architecture=candidate.architecture.to_json())

    def take(self, outcome: Outcome) -> None:
        """Store what was measured; where that failed, the old latency stays."""
        candidate = self._under_way.pop(outcome.number)
        if outcome.status in ("complete", "infeasible"):
            self._study.remeasure(candidate, outcome.measurements, outcome.reason)
        else:
            self.failed[outcome.number] = outcome.reason or "no reason given"
            _log.warning("candidate %d keeps its latency: %s", outcome.number, outcome.reason)

    @property
    def done(self) -> bool:
        """Whether all were given."""
        return not self._waiting


def remeasure(study: Study, plan: Plan, engine: Engine, here: Conditions | None) -> dict[int, str]:
    """Measure again what was timed under other conditions; inside ``study.exclusive`` only.

    What was infeasible by its latency there was measured no further: all that is wanted of it is
    measured.
    """
    others = timed_elsewhere(study, here, plan.constraints)
    failed: dict[int, str] = {}
    for status, again in (
        ("complete", replace(plan, metrics=("latency",), weights=None)),
        ("infeasible", plan),
    ):
        source = Remeasurement(study, [each for each in others if each.status == status])
        if not source.done:
            engine.run(source, again)
        failed |= source.failed
    return failed
