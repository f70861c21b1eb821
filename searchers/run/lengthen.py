"""Long trainings of a few candidates, and predictions for all others (``nas refine --long``)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

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
from ...results.candidate import Candidate
from ...results.study.study import Study
from ...search_space.errors import InputError
from .ledger import Ledger
from .search import recorded_time
from .study_plan import Listener, Training
from .training_jobs import TrainingJobs, without

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
        source = TrainingJobs(
            study,
            _chosen(study, count),
            long_name(short),
            ledger,
            listener,
            outdated=predicted_name(short),
        )
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
