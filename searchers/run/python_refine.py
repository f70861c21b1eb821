"""The function that refines a study from Python."""

from pathlib import Path

from ...results.study.storage_url import DEFAULT_STORAGE
from ...results.study.study import Study
from .ledger import Ledger
from .lengthen import lengthen
from .python_search import load_study
from .refine_request import check_request
from .repeat import repeat_front
from .rerun import rerun_ties
from .study_plan import training_of


def refine(
    study: Study | str | None = None,
    *,
    seeds: int | None = None,
    long: int | None = None,
    epochs: int | None = None,
    runs: int | None = None,
    engine: str = "local",
    workers: int | None = None,
    storage: str | Path = DEFAULT_STORAGE,
) -> Study:
    """Train candidates of a study again; return the study.

    A repeated call continues. Workers are processes, so a script must call this under
    ``if __name__ == "__main__":``.

    Args:
        study: The study, or its name; None: the latest.
        seeds: Train each candidate of the front until it has so many trainings with different
            seeds, at least 2; its measurement becomes their mean. None: do not.
        long: Train so many candidates longer, at least 4, and predict the long scores of all
            others. None: do not.
        epochs: Epochs of the long training; None: five times the search's own.
        runs: Measure the latency of candidates that tie again, until the intervals separate them or
            each has so many runs, at least 2. None: do not.
        engine: Name of the engine.
        workers: Candidates trained at once; None: one per core, or one on a GPU.
        storage: Storage of a study given by name.

    Raises:
        InputError: If an argument cannot be used.
    """
    check_request(seeds=seeds, long=long, epochs=epochs, runs=runs)
    found = study if isinstance(study, Study) else load_study(study, storage)
    if runs is not None:
        rerun_ties(found, runs, Ledger(), lambda candidate, reason: None)
    if seeds is None and long is None:
        return found
    training = training_of(found, engine=engine, workers=workers)
    if seeds is not None:
        repeat_front(found, training, seeds, Ledger(), lambda candidate, reason: None)
    if long is not None:
        lengthen(found, training, long, epochs, Ledger(), lambda candidate, reason: None)
    return found
