"""The search loop of a process that searches a study together with others."""

import logging
import time
from collections.abc import Mapping

from ...results.candidate import Candidate, searched
from ..engines.base import Job
from .loop import SearchLoop

_log = logging.getLogger(__name__)
POLL_SECONDS = 0.5
"""Seconds between two looks at the study while all that is left is measured by other processes."""


class JoinedLoop(SearchLoop):
    """The source of the jobs of one of several processes; inside ``study.joined()`` only.

    Each proposal is based on everything that has finished in the study, and on what runs. So that
    processes propose different networks, its number, from which its seed is derived, is that of all
    candidates in the study. If another process claims the same network first, the searcher is asked
    again.

    At the end the loop waits for the other processes, and takes up the candidates of those that
    have ended.
    """

    _others: Mapping[int, Candidate] = {}
    """Candidates that other processes measure, by number."""
    _heard: frozenset[int] = frozenset()
    """Numbers of the finished candidates that the searcher knows."""
    _waits = False
    """Whether the user knows that this process waits for others."""

    @property
    def cut_short(self) -> bool:
        """Whether the time was up before the budget was spent, or while others measure."""
        return super().cut_short or (self.time_is_up and bool(self._others))

    @property
    def done(self) -> bool:
        """Whether no further job will follow.

        It is False while a job runs, also in another process, since that may end before the job.
        """
        return super().done and (self.time_is_up or not self._others)

    def next_job(self) -> Job | None:
        """Return the next job, or None: after an outcome there may be one again."""
        if late := self._late_job():
            return late
        while not self.time_is_up:
            with self._clock.doing("storing"):
                self._look()
            candidate = self._again.pop(0) if self._again else self._claim()
            if candidate is not None:
                if job := self._begin(candidate):
                    return job
            elif not self._wants_more:
                if self._started or not self._others:
                    return None
                self._report_wait()
                time.sleep(POLL_SECONDS)
        return None

    def _report_wait(self) -> None:
        """Log, once, that this process waits for others."""
        if not self._waits:
            numbers = ", ".join(map(str, sorted(self._others)))
            _log.warning("waiting for other processes, which measure candidates %s", numbers)
        self._waits = True

    def _left(self, running: list[Candidate]) -> list[Candidate]:
        """Leave what runs to other processes until it is known that they have ended."""
        self._others = {each.number: each for each in running}
        return []

    def _look(self) -> None:
        """Read what others have done, and take up a candidate whose process has ended."""
        taken = None if self._again else self._study.take_up()
        if taken is not None and taken.number not in self._started:  # else it runs here already
            self._again.append(taken)
        known = searched(self._study.candidates())
        mine = {*self._started, *(each.number for each in self._again)}
        running = {each.number: each for each in known if each.status == "running"}
        self._others = {number: each for number, each in running.items() if number not in mine}
        fresh = {
            each.number: each
            for each in known
            if each.number not in running and each.number not in self._finished
        }
        self._finished.update(fresh)
        self._numbers = [each.number for each in known]
        self._digests = {each.digest for each in known}

    def _tell(self) -> None:
        for number in sorted(set(self._finished) - self._heard):
            self._searcher.tell(self._finished[number])
        self._heard = frozenset(self._finished)
        pending = {**self._others, **self._started}
        self._searcher.expect(tuple(pending[number] for number in sorted(pending)))

    def _claim(self) -> Candidate | None:
        """Return a new candidate; None without one, or if another process was faster."""
        if not self._wants_more:
            return None
        before = self._clock.read()
        proposal = self._asked()
        if proposal is None:
            return None
        with self._clock.doing("storing"):
            candidate = self._study.claim(
                architecture=proposal.architecture,
                decisions=proposal.decisions,
                distributions=self._distributions,
                budget=self._budget,
            )
        if candidate is not None:
            self._count(candidate.number, before)
        return candidate

    def _history_of(self, number: int) -> list[Candidate]:
        """Return everything that has finished."""
        return [self._finished[each] for each in sorted(self._finished)]
