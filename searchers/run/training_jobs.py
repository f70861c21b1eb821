"""The jobs of other trainings of a study's candidates: longer ones, or with recipe options."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ...evaluators.base import Measurement
from ...results.candidate import Candidate
from ...results.study.run_time import summed
from ...results.study.study import Study
from ..engines.base import Outcome
from .candidate_jobs import CandidateJobs
from .ledger import Ledger
from .study_plan import Listener

_log = logging.getLogger(__name__)


class TrainingJobs(CandidateJobs):
    """The source of other trainings, whose score is stored under a metric of their own."""

    def __init__(
        self,
        study: Study,
        candidates: Sequence[Candidate],
        name: str,
        ledger: Ledger,
        listener: Listener,
        *,
        outdated: str | None = None,
    ) -> None:
        """Set the candidates to train.

        Args:
            study: The study, inside ``exclusive`` only.
            candidates: The candidates.
            name: Name of the score.
            ledger: Ledger of the time.
            listener: Called after each training has been stored.
            outdated: A metric that is removed from the record where the score is stored.
        """
        super().__init__(candidates, ledger)
        self._study = study
        self._name = name
        self._listener = listener
        self._outdated = outdated
        self.trained: list[int] = []
        """Numbers of the candidates trained so far."""

    def take(self, outcome: Outcome) -> None:
        """Store a score beside the others."""
        candidate, spent = self._returned(outcome)
        main = self._study.settings.main_metric
        found = next((each for each in outcome.measurements if each.metric == main), None)
        if outcome.status != "complete" or found is None:
            self.failed[candidate.number] = outcome.reason or "no reason given"
            _log.warning("%s of candidate %d: %s", self._name, candidate.number, outcome.reason)
        else:
            kept = without(candidate.measurements, self._outdated)
            candidate = replace(
                candidate,
                measurements={**kept, self._name: replace(found, metric=self._name)},
                seconds=summed((candidate.seconds, spent)),
            )
            with self._ledger.clock.doing("storing"):
                self._study.revise(candidate, self._ledger.read())
            self.trained.append(candidate.number)
        self._listener(candidate, outcome.reason)


def without(measurements: Mapping[str, Measurement], name: str | None) -> dict[str, Measurement]:
    """Return the measurements of all other metrics."""
    return {key: each for key, each in measurements.items() if key != name}
