"""Candidates that no search proposed, trained and measured as the search does."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ...results.candidate import Candidate
from ...results.export.weights import compressed_weights
from ...results.study.study import Study
from ...search_space.architecture.architecture import Architecture
from ...search_space.errors import InputError
from ..engines.base import Job, Outcome
from .derived_job import DerivedJob
from .ledger import Ledger
from .remeasure import check_latency, check_measured, timed_here
from .search import make_engine, recorded_time, worker_count
from .study_plan import measuring_plan

Listener = Callable[[str], None]
"""Called with what is done."""


@dataclass(frozen=True, kw_only=True)
class Addition:
    """A network to add to a study."""

    architecture: Architecture
    """The network."""
    origin: Mapping[str, Any]
    """How it was made; see ``Candidate.origin``. It may not be empty."""


@dataclass(frozen=True, kw_only=True)
class Added:
    """The candidate of an addition."""

    candidate: Candidate
    """The candidate."""
    fresh: bool
    """Whether it was measured by this run."""


def add_candidates(
    study: Study,
    additions: Sequence[Addition],
    ledger: Ledger,
    listener: Listener,
    *,
    workers: int | None = None,
) -> list[Added]:
    """Train and measure networks with the recipe of a study; return their candidates.

    A network that the study has already, and that has not failed, is not measured again. The same
    call continues an interrupted run.

    Args:
        study: The study, whose plug-ins are loaded.
        additions: The networks.
        ledger: Ledger of the time of this run.
        listener: Called with what is done.
        workers: Networks trained at once; None: one per core, or one on a GPU.

    Raises:
        InputError: If a network has other images or classes than the study, the study's data or
            device are not here, or another process searches it.
    """
    with study.exclusive():
        recipe = study.settings.recipe
        plan = measuring_plan(study, recipe)
        plan = replace(plan, weights=str(compressed_weights(study.weights)))
        check_measured(study, plan, study.settings.objectives)
        bounded = (each.metric for each in plan.constraints)
        counting = tuple(dict.fromkeys((*study.settings.objectives, *bounded)))
        for note in check_latency(study, timed_here(plan), counting=counting, again=False):
            listener(note)
        known = {e.digest: e for e in study.candidates() if e.status not in ("failed", "running")}
        begun = {e.digest: e for e in study.running() if e.origin}
        jobs: dict[str, DerivedJob] = {}
        for each in additions:
            digest = each.architecture.digest
            if digest in known or digest in jobs:
                continue
            candidate = begun.get(digest) or study.start(
                architecture=each.architecture, decisions={}, distributions={}, origin=each.origin
            )
            jobs[digest] = DerivedJob(study, candidate, plan, 0, ledger)
        engine = make_engine("local", worker_count(plan.device, workers), plan.device)
        if jobs:
            with recorded_time(study, ledger, engine):
                engine.run(_Jobs(tuple(jobs.values()), listener), plan)
    return [
        Added(candidate=jobs[digest].candidate, fresh=True)
        if (digest := each.architecture.digest) in jobs
        else Added(candidate=known[digest], fresh=False)
        for each in additions
    ]


def check_images(study: Study, architecture: Architecture) -> None:
    """Check that a network takes the images of a study and has its outputs.

    Raises:
        InputError: If it does not.
    """
    others = next((e.architecture for e in study.candidates() if e.is_buildable), None)
    given = (architecture.input, architecture.classes)
    if others is not None and given != (others.input, others.classes):
        raise InputError(
            f"a network of study {study.name!r} must take images of {others.input} and have "
            f"{others.classes} outputs, but got {given[0]} and {given[1]}"
        )


class _Jobs:
    """The source of several jobs, for an engine."""

    def __init__(self, jobs: Sequence[DerivedJob], listener: Listener) -> None:
        self._jobs = {each.candidate.number: each for each in jobs}
        self._listener = listener

    @property
    def done(self) -> bool:
        """Whether all jobs were given."""
        return all(each.done for each in self._jobs.values())

    def next_job(self) -> Job | None:
        """Return the next job; None if there is none."""
        for each in self._jobs.values():
            if not each.done and (job := each.next_job()) is not None:
                return job
        return None

    def take(self, outcome: Outcome) -> None:
        """Store an outcome."""
        job = self._jobs[outcome.number]
        job.take(outcome)
        self._listener(f"Candidate {outcome.number}: {job.candidate.status}")
