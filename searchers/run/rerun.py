"""Further measurements of the latency of candidates that tie (``nas refine --runs``)."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

from ...evaluators.metrics import LATENCY
from ...evaluators.runtime_table import is_latency
from ...results.analysis.conditions import conditions_of, text
from ...results.analysis.front import pareto_front
from ...results.analysis.ties import tied_with
from ...results.candidate import Candidate
from ...results.study.study import Study
from ...search_space.errors import InputError
from ..engines.base import Job
from .ledger import Ledger
from .remeasure import present
from .repeat import Repeated, Repetition, run_repetition
from .study_plan import Listener, Training, timing_of


@dataclass(frozen=True, kw_only=True)
class Rerun:
    """The result of further measurements of the latency."""

    measured: Repeated
    """The measurements."""
    ties: Mapping[int, list[int]]
    """Ties that are left: numbers of the candidates with better values by that of the tied one."""


class TiedRuns(Repetition):
    """The source of the measurements that separate ties.

    The candidates of each tie get one more run, and then the ties are computed again. A tie that is
    left when its candidates have all runs stays one.
    """

    def next_job(self) -> Job | None:
        """Return the next measurement; None while others are under way."""
        job = super().next_job()
        if job is None:
            return None
        # The evaluator of the study's own seed keeps the sentinel's history from run to run.
        return Job(number=job.number, architecture=job.architecture)

    def _missing(self) -> list[tuple[int, int]]:
        objectives = self._study.settings.objectives
        front = pareto_front(list(self._now.values()), objectives)
        tied = tied_with(front, objectives)
        chosen = {*tied, *(number for better in tied.values() for number in better)}
        found: list[tuple[int, int]] = []
        for each in front:
            if each.number in chosen and each.number not in self.failed:
                missing = set(range(1, self._seeds)) - self._had(each)
                found += [(each.number, repeat) for repeat in sorted(missing)[:1]]
        return found


def rerun_ties(study: Study, runs: int, ledger: Ledger, listener: Listener) -> Rerun:
    """Measure the latency of candidates that tie again, until the intervals separate them.

    The record keeps each single measurement, and the candidate's measurement becomes the mean with
    the interval of the runs' pooled spread.

    Args:
        study: The study.
        runs: Most measurements of each candidate, at least 2.
        ledger: Ledger of the time of this run.
        listener: Called after each measurement has been stored.

    Raises:
        InputError: If latency is no objective, a tie was measured under other conditions than the
            present ones, or another process searches the study.
    """
    objectives = study.settings.objectives
    if not any(map(is_latency, objectives)):
        raise InputError(
            f"runs must be of a study with the objective {LATENCY.name}, but the objectives of "
            f"{study.name!r} are {', '.join(objectives)}"
        )
    timing = timing_of(study)
    _check_conditions(study, timing)
    with study.exclusive():
        source = TiedRuns(study, timing.metrics, runs, ledger, listener)
        measured = run_repetition(study, source, timing, ledger)
    front = pareto_front(study.candidates(), objectives)
    return Rerun(measured=measured, ties=tied_with(front, objectives))


def _check_conditions(study: Study, timing: Training) -> None:
    """Check that the ties were measured under the present conditions.

    Raises:
        InputError: If one was not.
    """
    objectives = study.settings.objectives
    front = pareto_front(study.candidates(), objectives)
    by_number: dict[int, Candidate] = {each.number: each for each in front}
    here = {name: present(timing.plan, name) for name in timing.metrics}
    for number, name in product(tied_with(front, objectives), timing.metrics):
        found = conditions_of(by_number[number].measurements[name])
        if found != here[name]:
            raise InputError(
                f"runs must be measured on the device and versions of candidate {number}, "
                f"{text(found, (here[name],))}, but got {text(here[name], (found,))}; nas search "
                "--remeasure measures all latencies here"
            )
