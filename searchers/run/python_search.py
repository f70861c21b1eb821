"""Functions that run a search and open a study from Python."""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike

from ...evaluators.accuracy.data.arrays import keep_arrays
from ...evaluators.accuracy.data.cache import image_cache
from ...results.study.storage_url import DEFAULT_STORAGE, read_storage
from ...results.study.study import Study
from ...search_space.files import space_from_data
from ...search_space.plugins import load_present
from ...search_space.space import SearchSpace
from .loop import Progress
from .options import SearchOptions
from .search import prepare, run

Callback = Callable[[Study, Progress], None]
"""Called after each finished candidate has been stored."""


_log = logging.getLogger(__name__)


def search(
    *,
    space: str | Path | Mapping[str, Any] | SearchSpace = "micro",
    data: str | Path | tuple[ArrayLike, ArrayLike] = "digits",
    objectives: Sequence[str] = ("accuracy", "macs"),
    constraints: Sequence[str] = (),
    budget: int = 100,
    searcher: str = "tpe",
    engine: str = "local",
    workers: int | None = None,
    device: str = "auto",
    resolution: int | None = None,
    epochs: int | None = None,
    time_limit: float | None = None,
    seed: int = 0,
    study: str | None = None,
    storage: str = DEFAULT_STORAGE,
    plugins: Sequence[str] = (),
    callbacks: Sequence[Callback] = (),
) -> Study:
    """Search until the study holds the budget; return the study.

    A repeated call continues the search. Workers are processes, so a script must call this under
    ``if __name__ == "__main__":``.

    Args:
        space: A shipped space, a YAML file, the content of such a file, or a space.
        data: A data set, a folder, a .npz file (see ``ArrayFile``), or images (N, H, W) or
            (N, H, W, C), uint8, with labels (N,), which are kept in ``runs/cache``.
        objectives: Names of the metrics to optimise, also those of functions (see ``metric``).
        constraints: Hard constraints, such as ``params<=2e6`` or ``latency<=5ms``.
        budget: Total number of candidates in the study.
        searcher: Name of the searcher.
        engine: Name of the
        engine: ``local`` or ``ray``.
        workers: Candidates measured at once; None: one per core, or one on a GPU.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        resolution: Side of the images in pixels; None: chosen from the space and the data.
        epochs: Passes over the training images; None: chosen from the data.
        time_limit: Seconds after which a candidate fails; None: no limit.
        seed: Seed of all random numbers.
        study: Name of the study; None: made from the space, the data and the other settings.
        storage: Storage of the
        study: a URL, or an SQLite file.
        plugins: Modules, or paths of ``.py`` files, that register plug-ins.
        callbacks: Called after each finished candidate has been stored.

    Raises:
        InputError: If an argument cannot be used.
    """
    options = SearchOptions(
        budget=budget,
        space=_space(space),
        data=data if isinstance(data, str) else _data(data),
        resolution=resolution,
        objectives=tuple(objectives),
        constraints=tuple(constraints),
        searcher=searcher,
        engine=engine,
        workers=workers,
        device=device,
        epochs=epochs,
        time_limit=time_limit,
        seed=seed,
        study=study,
        storage=storage,
        plugins=tuple(plugins),
    )
    prepared = prepare(options)

    def listener(progress: Progress) -> None:
        for each in callbacks:
            each(prepared.study, progress)

    run(prepared, listener)
    return prepared.study


def load_study(name: str | None = None, storage: str = DEFAULT_STORAGE) -> Study:
    """Open an existing study and load its plug-ins; missing plug-ins are logged.

    Args:
        name: Name of the study; None: the latest.
        storage: Storage of the study: a URL, or an SQLite file.

    Raises:
        InputError: If the study does not exist; the message lists the existing ones.
        StorageError: If the storage does not exist.
    """
    found = Study.open(name, read_storage(storage))
    for line in load_present(found.settings.plugins):
        _log.warning("%s; what the study recorded is shown", line)
    return found


def _space(space: str | Path | Mapping[str, Any] | SearchSpace) -> str | SearchSpace:
    if isinstance(space, SearchSpace):
        return space
    return space_from_data(space) if isinstance(space, Mapping) else str(space)


def _data(data: Path | tuple[ArrayLike, ArrayLike]) -> str:
    if isinstance(data, Path):
        return str(data) if data.suffix == ".npz" else f"folder:{data}"
    images, labels = data
    return f"arrays:{keep_arrays(images, labels, image_cache())}"
