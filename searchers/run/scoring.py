"""Training-free scores of candidates that a search has finished."""

import logging
from collections.abc import Collection, Mapping, Sequence
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
from .study_plan import Listener, Training

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

    def __init__(
        self, study: Study, candidates: Sequence[Candidate], ledger: Ledger, listener: Listener
    ) -> None:
        """Set the candidates to score.

        Args:
            study: The study, inside ``exclusive`` only.
            candidates: The candidates.
            ledger: Ledger of the time.
            listener: Called after each candidate.
        """
        super().__init__(candidates, ledger)
        self._study = study
        self._listener = listener
        self.scored: list[int] = []
        """Numbers of the candidates scored so far."""

    def take(self, outcome: Outcome) -> None:
        """Store the scores of a candidate, and the reasons for those that it does not have."""
        candidate, spent = self._returned(outcome)
        if outcome.status != "complete":
            self.failed[candidate.number] = outcome.reason or "no reason given"
            _log.warning("scores of candidate %d: %s", candidate.number, outcome.reason)
            self._listener(candidate, outcome.reason)
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
        self._listener(changed, None)


def score_candidates(
    study: Study,
    training: Training,
    scores: Sequence[str],
    numbers: Sequence[int],
    ledger: Ledger,
    listener: Listener = lambda candidate, reason: None,
) -> ScoredCandidates:
    """Compute the scores that candidates lack; those with a reason for none are not tried again.

    Args:
        study: The study.
        training: How its candidates are trained, which states data, device and seed.
        scores: Names of scores.
        numbers: The candidates.
        ledger: Ledger of the time of this run.
        listener: Called after each candidate.

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
        lacking = lacking_scores(study.candidates(), scores, numbers)
        source = Scoring(study, lacking, ledger, listener)
        if not source.done:
            training.engine.run(source, plan)
    return ScoredCandidates(scored=tuple(source.scored), failed=source.failed)


def lacking_scores(
    candidates: Sequence[Candidate], scores: Collection[str], numbers: Collection[int]
) -> list[Candidate]:
    """Return those of the numbered candidates that lack a score, and a reason for having none."""
    return [
        each
        for each in candidates
        if each.number in numbers and not {*scores} <= {*each.measurements, *each.undefined}
    ]
