"""The scheduler of a search: its settings in the study, and its rungs."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ...evaluators.base import Entry, metric
from ...evaluators.staged import StagedEvaluator
from ...results.candidate import Candidate
from ...results.settings import StudySettings
from ...search_space.errors import InputError
from ..halving import DEFAULT_ETA, Halving, default_rungs
from .options import SearchOptions

CHECKPOINTS = "*.training"
"""Pattern of the files of interrupted trainings, in the folder of the weights."""


def scheduler_settings(
    options: SearchOptions, epochs: int, evaluators: Mapping[str, Entry]
) -> Mapping[str, Any]:
    """Return the scheduler as the study stores it; empty without one.

    Args:
        options: Options of the search.
        epochs: Epochs of the whole training.
        evaluators: The search's evaluators by name.

    Raises:
        InputError: If the search has no objective whose training can be stopped, or the rungs do
            not fit the training.
    """
    if options.scheduler in (None, "none"):
        return {}
    trained = [name for name in options.objectives if metric(name).tier == "trained"]
    staged = [
        each.name
        for entry in evaluators.values()
        if issubclass(entry.load(), StagedEvaluator)
        for each in entry.metrics
        if not each.on_request
    ]
    if not trained or set(trained) - set(staged):
        raise InputError(
            f"scheduler {options.scheduler!r} must come with trained objectives whose training can "
            f"be stopped ({', '.join(staged) or 'accuracy'}), but the objectives are "
            f"{', '.join(options.objectives)}"
        )
    eta = options.eta or DEFAULT_ETA
    halving = Halving(eta=eta, rungs=options.rungs or default_rungs(epochs, eta))
    if halving.rungs[-1] >= epochs:
        raise InputError(
            f"rungs must lie below the {epochs} epochs of the training, but got {halving.rungs[-1]}"
        )
    return {"name": options.scheduler, "eta": eta, "rungs": list(halving.rungs)}


def halving_of(settings: StudySettings) -> Halving | None:
    """Return the rungs of a study; None if every candidate trains to the end."""
    stored = settings.scheduler
    if not stored:
        return None
    return Halving(eta=stored["eta"], rungs=tuple(stored["rungs"]))


def halving_text(halving: Halving, epochs: int) -> str:
    """Return the rule that stops trainings of ``epochs`` epochs, in one line."""
    rungs = " and ".join(map(str, halving.rungs))
    return (
        f"Of {epochs} epochs: after {rungs} a candidate continues if it is among the best "
        f"1/{halving.eta} so far"
    )


def remove_checkpoints(folder: Path, running: Iterable[Candidate] = ()) -> None:
    """Remove the files that interrupted trainings of finished candidates have left.

    Args:
        folder: Folder of the study's weights.
        running: Candidates that other processes still measure; their files stay.
    """
    kept = tuple(each.digest for each in running)
    for each in folder.glob(CHECKPOINTS):
        if not each.name.startswith(kept):
            each.unlink(missing_ok=True)
