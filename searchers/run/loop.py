"""The search loop: it asks the searcher, checks exact costs, hands out jobs and stores results."""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Protocol

from ...evaluators.base import CandidateError, Evaluator, Measurement
from ...evaluators.measurement_context import candidate_faults
from ...evaluators.metrics import LATENCY
from ...results.candidate import Candidate, searched
from ...results.study.study import Study
from ...search_space.constraints.constraint import Constraint
from ...search_space.errors import WorkError
from ..base import Proposal, Searcher
from ..distributions import distributions
from ..engines.base import Job, Outcome
from ..halving import Halving, RungRecord, rung_record
from .forecast import Forecast, LatencyForecast
from .ledger import Ledger
from .worker import broken

_log = logging.getLogger(__name__)

_AGAIN = ("out_of_memory", "device_error", "worker_died")
"""Kinds of failures after which a candidate is measured once more, on a new worker."""
_OWN = ("searching", "costing", "storing")
"""Activities of this process that count for one candidate."""
_IN_A_ROW = 5
"""Number of consecutive failures after which the search stops, since the candidates may not be the
cause."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """The progress of a search."""

    candidate: Candidate
    """The candidate that has just finished."""
    finished: int
    """Number of finished candidates in the study, earlier runs included."""
    budget: int | None
    """Budget of the study: the total number of candidates; None: no limit but the time."""
    fresh: int
    """Number of candidates finished by this run."""
    seconds: float
    """Wall time of this run."""


class Listener(Protocol):
    """Called after each finished candidate has been stored."""

    def __call__(self, progress: Progress) -> None:
        """Show or record the progress."""
        ...


class SearchLoop:
    """The source of the jobs of one run of a study, for an engine.

    The k-th candidate is proposed from the history of the candidates up to the (k - ``lag``)-th, in
    order of number, whatever else has finished by then. So proposals do not depend on the workers'
    timing, and a resumed search proposes the same candidates as an uninterrupted one. (If another
    program adds trials to the study, numbers exceed k.)
    """

    def __init__(
        self,
        *,
        study: Study,
        searcher: Searcher,
        exact: Sequence[Evaluator],
        constraints: tuple[Constraint, ...] = (),
        budget: int | None,
        lag: int,
        listener: Listener,
        ledger: Ledger | None = None,
        max_time: float | None = None,
        halving: Halving | None = None,
        first: Sequence[Proposal] = (),
        forecast: LatencyForecast | None = None,
    ) -> None:
        self._study = study
        self._searcher = searcher
        self._exact = exact
        self._constraints = constraints
        self._budget = budget
        self._lag = lag
        self._listener = listener
        self._distributions = distributions(searcher.space.decisions())
        self._ledger = ledger or Ledger()
        self._clock = self._ledger.clock
        self._max_time = max_time
        self._halving = halving
        self._first = first
        self._forecast = forecast
        self._open: dict[int, Forecast] = {}
        self._late: list[Job] = []
        self._start = time.perf_counter()
        known = searched(study.candidates())
        self._finished = {each.number: each for each in known if each.status != "running"}
        self._again = self._left([each for each in known if each.status == "running"])
        self._started: dict[int, Candidate] = {}
        self._spent: dict[int, dict[str, float]] = {}
        self._digests = {each.digest for each in known}
        self._numbers = [each.number for each in known]
        self._reported = 0
        self._tried_again: set[int] = set()
        self._failed_in_a_row = 0
        self.fresh = 0
        """Number of candidates finished by this run."""
        self.exhausted = False
        """Whether all architectures of the space have been proposed."""
        self.duplicates = 0
        """Number of proposals found in the record."""

    def _left(self, running: list[Candidate]) -> list[Candidate]:
        """Return the candidates to measure first, of those that had no outcome at the start."""
        return running

    @property
    def time_is_up(self) -> bool:
        """Whether the run has reached its time limit, so that no further candidate starts."""
        return self._max_time is not None and self._clock.wall >= self._max_time

    @property
    def cut_short(self) -> bool:
        """Whether the time was up before the budget was spent."""
        return self.time_is_up and bool(self._again or self._wants_more)

    @property
    def done(self) -> bool:
        """Whether no further job will follow.

        It is False while a job runs, since the job may be repeated.
        """
        if self._started:
            return False
        return self.time_is_up or not (self._again or self._wants_more)

    @property
    def _wants_more(self) -> bool:
        """Whether the budget asks for further candidates."""
        left = self._budget is None or len(self._numbers) < self._budget
        return left and not self.exhausted

    @property
    def finished(self) -> int:
        """Total number of finished candidates in the study."""
        return len(self._finished)

    def next_job(self) -> Job | None:
        """Return the next job, or None while the history that it needs is incomplete."""
        if late := self._late_job():
            return late
        while self._again and not self.time_is_up:
            candidate = self._again.pop(0)
            if job := self._begin(candidate):
                return job
        while self._wants_more and not self.time_is_up and self._history_complete():
            before = self._clock.read()
            proposal = self._asked()
            if proposal is None:
                return None
            candidate = self._admit(proposal)
            self._count(candidate.number, before)
            if job := self._begin(candidate):
                return job
        return None

    def _asked(self) -> Proposal | None:
        """Return the proposal for the next candidate, or None if the space is exhausted."""
        with self._clock.doing("searching"):
            self._tell()
            proposal = self._propose()
        self.exhausted = proposal is None
        return proposal

    def _history_complete(self) -> bool:
        return all(number in self._finished for number in self._unreported())

    def _unreported(self) -> list[int]:
        """Return the numbers of the candidates for the searcher's ``tell`` before the next
        ``ask``.
        """
        return self._numbers[self._reported : max(0, len(self._numbers) - self._lag + 1)]

    def _tell(self) -> None:
        for number in self._unreported():
            self._searcher.tell(self._finished[number])
            self._reported += 1
        # By number, finished or not: which have finished depends on the workers' timing.
        waiting = {**self._started, **{each.number: each for each in self._again}}
        known = {**waiting, **self._finished}
        self._searcher.expect(tuple(known[each] for each in self._numbers[self._reported :]))

    def _propose(self) -> Proposal | None:
        """Return a proposal that is not in the record, or None if the space is exhausted.

        The searcher is asked after the first candidates.
        """
        for each in self._first:
            if each.architecture.digest not in self._digests:
                return each
        for attempt in count():
            proposal = self._searcher.ask(len(self._numbers), attempt)
            if proposal is None or proposal.architecture.digest not in self._digests:
                return proposal
            self.duplicates += 1
        raise AssertionError("count() has no end")

    def _admit(self, proposal: Proposal) -> Candidate:
        """Add the proposal to the study."""
        with self._clock.doing("storing"):
            candidate = self._study.start(
                architecture=proposal.architecture,
                decisions=proposal.decisions,
                distributions=self._distributions,
            )
        self._digests.add(candidate.digest)
        self._numbers.append(candidate.number)
        return candidate

    def _begin(self, candidate: Candidate) -> Job | None:
        """Measure the exact costs; return the job, or None if the candidate ends here."""
        had: list[Measurement] = []
        outcome = None
        leave_out: tuple[str, ...] = ()
        before = self._clock.read()
        try:
            with self._clock.doing("costing"), candidate_faults():
                for evaluator in self._exact:
                    had.extend(evaluator.measure(candidate.architecture))
                reason = broken(self._constraints, had)
                if not reason and self._forecast is not None:
                    reason, leave_out = self._predict(candidate, self._forecast, had)
            if reason:
                outcome = Outcome(number=candidate.number, status="infeasible", reason=reason)
        except CandidateError as error:
            outcome = Outcome(number=candidate.number, status="failed", reason=str(error))
        self._count(candidate.number, before)
        exact = {each.metric: each for each in had}
        self._started[candidate.number] = replace(candidate, measurements=exact)
        if outcome is not None:
            self.take(outcome)
            return None
        self._ledger.given(candidate.number)
        return Job(
            number=candidate.number,
            architecture=candidate.architecture.to_json(),
            rungs=self._rungs(candidate.number, exact),
            leave_out=leave_out,
        )

    def _predict(
        self, candidate: Candidate, forecast: LatencyForecast, had: list[Measurement]
    ) -> tuple[str | None, tuple[str, ...]]:
        """Add the predicted latency, if there is one, to the measurements.

        Returns:
            Why the candidate is infeasible, or None, and the evaluators that it does not need.
        """
        self._open.pop(candidate.number, None)
        found = forecast.of(candidate.architecture, self._history_of(candidate.number))
        if found is None:
            return None, ()
        had.append(found.measurement)
        if found.is_sure and LATENCY.name in self._objectives:
            self._open[candidate.number] = found  # once the other objectives are known
        return found.breaks, (LATENCY.name,) if found.is_sure else ()

    def _measured_later(self, started: Candidate, outcome: Outcome) -> Outcome | None:
        """Decide whether a candidate's latency is measured, now that the rest is known.

        Returns:
            The outcome of the candidate, or None if a job for its latency follows.
        """
        found = self._open.pop(outcome.number, None)
        if found is None or outcome.status != "complete":
            return outcome
        measured = {each.metric: each for each in outcome.measurements}
        known = {**started.measurements, **measured}
        history = self._history_of(outcome.number)
        reason = found.unreachable(known, started, history, self._objectives)
        if reason is not None:
            return replace(outcome, status="stopped", reason=reason)
        assert self._forecast is not None
        self._started[outcome.number] = replace(
            started, measurements=known, undefined=outcome.undefined
        )
        self._late.append(
            Job(
                number=outcome.number,
                architecture=started.architecture.to_json(),
                leave_out=self._forecast.others,
            )
        )
        return None

    def _late_job(self) -> Job | None:
        """Return a job for the latency of a candidate whose other metrics are known."""
        if not self._late:
            return None
        job = self._late.pop(0)
        self._ledger.given(job.number)
        return job

    @property
    def _objectives(self) -> list[str]:
        return [each.metric for each in self._searcher.objectives]

    def _rungs(self, number: int, exact: Mapping[str, Measurement]) -> RungRecord | None:
        """Return the record that decides at the rungs; None without early stopping."""
        if self._halving is None:
            return None
        values = {name: each.value for name, each in exact.items()}
        return rung_record(self._halving, self._objectives, self._history_of(number), values)

    def _history_of(self, number: int) -> list[Candidate]:
        """Return the history that a candidate was proposed from."""
        end = max(0, self._numbers.index(number) - self._lag + 1)
        return [self._finished[each] for each in self._numbers[:end] if each in self._finished]

    def take(self, outcome: Outcome) -> None:
        """Store the outcome of one job, then call the listener.

        A candidate that ran out of memory, or whose worker died, is first measured once more.

        Raises:
            WorkError: If too many candidates in a row have failed; all are stored.
        """
        started = self._started.pop(outcome.number)
        seconds = self._add(outcome.number, self._ledger.returned(outcome.number, outcome.seconds))
        if outcome.kind in _AGAIN and outcome.number not in self._tried_again:
            _log.warning("candidate %d is tried again: %s", outcome.number, outcome.reason)
            self._tried_again.add(outcome.number)
            self._again.append(replace(started, measurements={}))
            return
        decided = self._measured_later(started, outcome)
        if decided is None:
            return
        outcome = decided
        measured = {each.metric: each for each in outcome.measurements}
        candidate = replace(
            started,
            status=outcome.status,
            measurements={**started.measurements, **measured},
            undefined={**started.undefined, **outcome.undefined},
            reason=outcome.reason,
            traceback=outcome.traceback,
            seconds=seconds,
        )
        del self._spent[candidate.number]
        with self._clock.doing("storing"):
            recorded = self._study.finish(candidate, self._ledger.read())
        self._finished[candidate.number] = recorded
        self.fresh += recorded.seconds is seconds  # another process may have finished it before
        with self._clock.doing("showing"):
            self._listener(
                Progress(
                    candidate=recorded,
                    finished=self.finished,
                    budget=self._budget,
                    fresh=self.fresh,
                    seconds=time.perf_counter() - self._start,
                )
            )
        self._check_failures(outcome)

    def _count(self, number: int, before: Mapping[str, float]) -> None:
        """Add what this process has spent since ``before`` to the times of a candidate."""
        now = self._clock.read()
        spent = {name: now[name] - before.get(name, 0.0) for name in _OWN if name in now}
        self._add(number, {name: seconds for name, seconds in spent.items() if seconds})

    def _add(self, number: int, seconds: Mapping[str, float]) -> dict[str, float]:
        """Add to the times of a candidate; return them."""
        found = self._spent.setdefault(number, {})
        for name, spent in seconds.items():
            found[name] = found.get(name, 0.0) + spent
        return found

    def _check_failures(self, outcome: Outcome) -> None:
        """Stop the search before a fault of the machine or of our code uses up the budget."""
        ours = outcome.kind in (*_AGAIN, "error")
        self._failed_in_a_row = self._failed_in_a_row + 1 if ours else 0
        if self._failed_in_a_row == _IN_A_ROW:
            raise WorkError(
                f"at most {_IN_A_ROW - 1} candidates in a row may fail, but with candidate "
                f"{outcome.number} there are {_IN_A_ROW}: {outcome.reason}; what finished is "
                "kept, and the same command continues the search"
            )
