"""The jobs that measure candidates of a study again."""

from collections.abc import Mapping, Sequence

from ...results.candidate import Candidate
from ..engines.base import Job, Outcome
from .ledger import Ledger


class CandidateJobs:
    """The source of jobs for an engine, one job for each given candidate.

    A subclass has the method ``take``, which stores an outcome.
    """

    def __init__(self, candidates: Sequence[Candidate], ledger: Ledger) -> None:
        """Set the candidates to measure.

        Args:
            candidates: Candidates of a study.
            ledger: Ledger of the time of the workers.
        """
        self._ledger = ledger
        self._waiting = list(candidates)
        self._under_way: dict[int, Candidate] = {}
        self.failed: dict[int, str] = {}
        """Reasons by number for candidates whose measurement failed."""

    @property
    def done(self) -> bool:
        """Whether all jobs were returned."""
        return not self._waiting

    def next_job(self) -> Job | None:
        """Return the next job; None after the last one."""
        if not self._waiting:
            return None
        candidate = self._waiting.pop(0)
        self._under_way[candidate.number] = candidate
        self._ledger.given(candidate.number)
        return Job(number=candidate.number, architecture=candidate.architecture.to_json())

    def _returned(self, outcome: Outcome) -> tuple[Candidate, Mapping[str, float]]:
        """Return the candidate of an outcome as it was before, and the times of its worker."""
        candidate = self._under_way.pop(outcome.number)
        return candidate, self._ledger.returned(outcome.number, outcome.seconds)
