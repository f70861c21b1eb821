"""Training-free scores of candidates that a search has finished."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ...evaluators.base import evaluators_for
from ...results.candidate import Candidate
from ...results.study.run_time import summed
from ...results.study.study import Study
from ..engines.base import Outcome
from .candidate_jobs import CandidateJobs
from .ledger import Ledger
from .own_classes import pickle_classes
from .search import recorded_time
from .study_plan import Training

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ScoredCandidates:
    """The result of scoring candidates."""

    scored: tuple[int, ...]
    """Numbers of the candidates that this run has scored."""
    failed: Mapping[int, str]
    """Reasons by number for candidates that could not be scored."""


class Scoring(CandidateJobs):
    """The source of the jobs that compute scores and store them beside the other metrics."""

    def __init__(self, study: Study, candidates: Sequence[Candidate], ledger: Ledger) -> None:
        """Set the candidates to score.

        Args:
            study: The study, inside ``exclusive`` only.
            candidates: The candidates.
            ledger: Ledger of the time.
        """
        super().__init__(candidates, ledger)
        self._study = study
        self.scored: list[int] = []
        """Numbers of the candidates scored so far."""

    def take(self, outcome: Outcome) -> None:
        """Store the scores of a candidate, and the reasons for those that it does not have."""
        candidate, spent = self._returned(outcome)
        if outcome.status != "complete":
            self.failed[candidate.number] = outcome.reason or "no reason given"
            _log.warning("scores of candidate %d: %s", candidate.number, outcome.reason)
            return
        found = {each.metric: each for each in outcome.measurements}
        changed = replace(
            candidate,
            measurements={**candidate.measurements, **found},
            undefined={**candidate.undefined, **outcome.undefined},
            seconds=summed((candidate.seconds, spent)),
        )
        with self._ledger.clock.doing("storing"):
            self._study.revise(changed, self._ledger.read())
        self.scored.append(candidate.number)


def score_candidates(
    study: Study,
    training: Training,
    scores: Sequence[str],
    numbers: Sequence[int],
    ledger: Ledger,
) -> ScoredCandidates:
    """Compute the scores that candidates lack; those with a reason for none are not tried again.

    Args:
        study: The study.
        training: How its candidates are trained, which states data, device and seed.
        scores: Names of scores.
        numbers: The candidates.
        ledger: Ledger of the time of this run.

    Raises:
        InputError: If another process searches the study.
    """
    entries = evaluators_for(scores, always=False)
    settings = {each.name: dict(each.load().defaults) for each in entries}
    plan = replace(
        training.plan,
        metrics=tuple(scores),
        settings={**settings, **training.plan.settings},
        own=pickle_classes(entries),
    )
    with study.exclusive(), recorded_time(study, ledger, training.engine):
        lacking = [
            each
            for each in study.candidates()
            if each.number in numbers and not {*scores} <= {*each.measurements, *each.undefined}
        ]
        source = Scoring(study, lacking, ledger)
        if not source.done:
            training.engine.run(source, plan)
    return ScoredCandidates(scored=tuple(source.scored), failed=source.failed)
