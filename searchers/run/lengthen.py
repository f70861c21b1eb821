"""Long trainings of a few candidates, and predictions for all others (``nas refine --long``)."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ...evaluators.base import Measurement
from ...evaluators.metrics import long_name, predicted_name
from ...results.analysis.corrected import (
    Check,
    epochs_of,
    left_out,
    predictable,
    predicted,
)
from ...results.analysis.correction import spread_over_costs
from ...results.analysis.front import pareto_front
from ...results.analysis.main_metric import MainMetric
from ...results.candidate import Candidate
from ...results.study.run_time import summed
from ...results.study.study import Study
from ...search_space.errors import InputError
from ..engines.base import Outcome
from .candidate_jobs import CandidateJobs
from .ledger import Ledger
from .search import recorded_time
from .study_plan import Listener, Training

_log = logging.getLogger(__name__)
TIMES_LONGER = 5
"""Default number of epochs of a long training, as a multiple of the search's own."""


@dataclass(frozen=True, kw_only=True)
class Lengthened:
    """The result of long trainings."""

    epochs: int
    """Epochs of the long training."""
    trained: tuple[int, ...]
    """Numbers of the candidates that this run has trained longer."""
    failed: Mapping[int, str]
    """Reasons by number for candidates whose long training failed."""
    predicted: int
    """Number of candidates with a predicted long score."""
    check: Check | None
    """How well the model predicts the long scores; None if there are too few."""


class Lengthening(CandidateJobs):
    """The source of the long trainings, which are stored under a metric of their own."""

    def __init__(
        self, study: Study, candidates: Sequence[Candidate], ledger: Ledger, listener: Listener
    ) -> None:
        """Set the candidates to train longer.

        Args:
            study: The study, inside ``exclusive`` only.
            candidates: The candidates to train.
            ledger: Ledger of the time.
            listener: Called after each training has been stored.
        """
        super().__init__(candidates, ledger)
        self._study = study
        self._names = MainMetric(short=study.settings.main_metric)
        self._listener = listener
        self.trained: list[int] = []
        """Numbers of the candidates trained so far."""

    def take(self, outcome: Outcome) -> None:
        """Store a long score beside the short one."""
        candidate, spent = self._returned(outcome)
        names = self._names
        found = next((each for each in outcome.measurements if each.metric == names.short), None)
        if outcome.status != "complete" or found is None:
            self.failed[candidate.number] = outcome.reason or "no reason given"
            _log.warning("long training of candidate %d: %s", candidate.number, outcome.reason)
        else:
            measurements = without(candidate.measurements, names.predicted)
            candidate = replace(
                candidate,
                measurements={**measurements, names.long: replace(found, metric=names.long)},
                seconds=summed((candidate.seconds, spent)),
            )
            with self._ledger.clock.doing("storing"):
                self._study.revise(candidate, self._ledger.read())
            self.trained.append(candidate.number)
        self._listener(candidate, outcome.reason)


def lengthen(
    study: Study,
    training: Training,
    count: int | Sequence[int],
    epochs: int | None,
    ledger: Ledger,
    listener: Listener,
) -> Lengthened:
    """Train a few candidates longer, and predict the long scores of all others.

    The candidates of the front come first, then a spread over the MACs. A candidate that has a long
    score already is not trained again; the model uses its score.

    Args:
        study: The study.
        training: How its candidates are trained.
        count: Number of candidates to train longer, or the numbers of those that are.
        epochs: Epochs of the long training; None: those of earlier long trainings of the study,
            else ``TIMES_LONGER`` times the search's own.
        ledger: Ledger of the time of this run.
        listener: Called after each training has been stored.

    Raises:
        InputError: If the study has no main metric, or long scores of other lengths, or another
            process searches it.
    """
    short = study.settings.main_metric
    if short not in training.metrics:
        raise InputError(
            f"long trainings must be of the metric {short}, but study {study.name!r} trains for "
            f"{', '.join(training.metrics)}"
        )
    longer = long_epochs(study, epochs)
    settings = training.plan.settings
    recipe: dict[str, Any] = {**settings["accuracy"], "epochs": longer}
    plan = replace(training.plan, metrics=(short,), settings={**settings, "accuracy": recipe})
    with study.exclusive(), recorded_time(study, ledger, training.engine):
        source = Lengthening(study, _chosen(study, count), ledger, listener)
        training.engine.run(source, plan)
        guesses = _predict(study, ledger)
    return Lengthened(
        epochs=longer,
        trained=tuple(source.trained),
        failed=source.failed,
        predicted=guesses,
        check=left_out(study.candidates()),
    )


def long_epochs(study: Study, given: int | None) -> int:
    """Return the epochs of the long training.

    Raises:
        InputError: If they are no more than the search's own, or differ from earlier ones.
    """
    short = study.settings.recipe.get("epochs", 1)
    before = next((had for each in study.candidates() if (had := epochs_of(each))), None)
    longer = given or before or TIMES_LONGER * short
    if longer <= short:
        raise InputError(
            f"epochs of a long training must be more than the search's own {short}, but got "
            f"{longer}"
        )
    if before not in (None, longer):
        raise InputError(
            f"epochs must be the same in all long trainings of a study, {before} in "
            f"{study.name!r}, but got {longer}: scores of different lengths are not comparable"
        )
    return longer


def _chosen(study: Study, count: int | Sequence[int]) -> list[Candidate]:
    """Return the candidates to train longer, without those that have a long score."""
    usable, long = predictable(study.candidates()), long_name(study.settings.main_metric)
    if not isinstance(count, int):
        return [each for each in usable if each.number in count and long not in each.measurements]
    on_front = {each.number for each in pareto_front(usable, study.settings.objectives)}
    front = [place for place, each in enumerate(usable) if each.number in on_front]
    costs = [each.measurements["macs"].value for each in usable]
    chosen = [usable[place] for place in spread_over_costs(costs, front, count)]
    return [each for each in chosen if long not in each.measurements]


def _predict(study: Study, ledger: Ledger) -> int:
    """Store the predicted long scores of all other candidates; return their number."""
    candidates = study.candidates()
    name = predicted_name(study.settings.main_metric)
    with ledger.clock.doing("predicting"):
        guesses = predicted(candidates)
    with ledger.clock.doing("storing"):
        for each in candidates:
            guess = guesses.get(each.number)
            if guess != each.measurements.get(name):
                kept = without(each.measurements, name)
                new = kept if guess is None else {**kept, name: guess}
                study.revise(replace(each, measurements=new))
    return len(guesses)


def without(measurements: Mapping[str, Measurement], name: str) -> dict[str, Measurement]:
    """Return the measurements of all other metrics."""
    return {key: each for key, each in measurements.items() if key != name}
