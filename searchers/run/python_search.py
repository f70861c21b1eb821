"""Functions that run a search and open a study from Python."""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike

from ...evaluators.accuracy.data.cache import image_cache
from ...evaluators.accuracy.data.given import given_data
from ...evaluators.base import Evaluator
from ...results.study.storage_url import DEFAULT_STORAGE, read_storage
from ...results.study.study import Study
from ...search_space.architecture.architecture import Architecture
from ...search_space.constraints.constraint import Constraint
from ...search_space.files import space_from_data
from ...search_space.plugins import load_present
from ...search_space.space import SearchSpace
from ..plugins import register
from .loop import Progress
from .options import read_options
from .search import prepare, run

Callback = Callable[[Study, Progress], None]
"""Called after each finished candidate has been stored."""


_log = logging.getLogger(__name__)


def search(
    *,
    space: str | Path | Mapping[str, Any] | SearchSpace = "micro",
    data: str | Path | tuple[ArrayLike, ArrayLike] = "digits",
    target: str | None = None,
    objectives: str | Sequence[str] = (),
    constraints: str | Constraint | Sequence[str | Constraint] = (),
    budget: int | None = None,
    max_time: float | str | None = None,
    scores: str | Sequence[str] = (),
    rank_by_score: bool = False,
    searcher: str | None = None,
    scheduler: str | None = None,
    eta: int | None = None,
    rungs: Sequence[int] | None = None,
    architectures: str | Path | Architecture | Sequence[str | Path | Architecture] = (),
    from_study: str | None = None,
    seed_zoo: bool = False,
    engine: str = "local",
    ray_address: str | None = None,
    workers: int | None = None,
    device: str = "auto",
    resolution: int | None = None,
    max_megapixels: int | None = None,
    epochs: int | None = None,
    augmentation: str | None = None,
    class_weights: bool = False,
    init: str | Path | None = None,
    recipe: str | Mapping[str, Any] = "",
    time_limit: float | None = None,
    seed: int = 0,
    exportable_only: bool = False,
    exportable_to: str | Sequence[str] = (),
    runtime: str | Sequence[str] = (),
    device_command: str = "",
    latency_from: str | Path = "",
    any_resolution: bool = False,
    remeasure: bool = False,
    join: bool = False,
    study: str | None = None,
    storage: str | Path = DEFAULT_STORAGE,
    plugins: Sequence[str | Path] = (),
    evaluators: Sequence[type[Evaluator]] = (),
    callbacks: Sequence[Callback] = (),
) -> Study:
    """Search until the study holds the budget; return the study.

    A repeated call continues the search. Workers are processes, so a script must call this under
    ``if __name__ == "__main__":``.

    Args:
        space: A shipped space, a YAML file, the content of such a file, or a space.
        data: A data set by name, or a path as for ``--data``; images (N, H, W) or (N, H, W, C),
            uint8, with labels (N,), or numbers or labels (N, K); or a map-style data set of PyTorch
            (see ``keep_dataset``). Images from memory are kept in ``runs/cache``.
        target: What images have as target: ``classes``, ``regression`` or ``labels``, with the
            names of columns after a colon, as in ``regression:age,weight``; None: as the data are.
        objectives: Names of the metrics to optimise, also those of functions (see ``metric``);
            none: the main metric of the data's kind of target, and macs.
        constraints: Hard constraints, such as ``params<=2e6`` or ``latency<=5ms``.
        budget: Total number of candidates in the study; None: 100, or no limit with ``max_time``.
        max_time: Time of this run after which no further candidate starts, in seconds or as in
            ``"1h30m"``; what runs then finishes, and a repeated call continues. None: no limit.
        scores: Training-free scores to record for each candidate, such as ``"naswot,zico"``, or
            ``"all"``; none: those of the study.
        rank_by_score: Whether objectives and constraints may be training-free scores.
        searcher: Name of the searcher; None: the study's, ``pareto`` for a new study.
        scheduler: ``asha`` stops the trainings of all but the best candidates early, ``none`` stops
            none; None: the study's, ``none`` for a new study.
        eta: With ``asha``, 1 / eta of the candidates continue at a rung; None: 3.
        rungs: With ``asha``, the epochs after which a training may be stopped; None: the epochs of
            the training, divided by eta once and twice.
        architectures: Networks to propose first: architectures, or files of them (``.json``, one
            or a list, or ``.safetensors``). They count for the budget.
        from_study: Name of a study in the same storage, whose front is proposed first, and measured
            again.
        seed_zoo: Whether to propose first the published networks that lie in the space.
        engine: Name of the engine: ``local`` or ``ray``.
        ray_address: Address of an existing Ray cluster; None: a new one on this machine.
        workers: Candidates measured at once; None: one per core, or one on a GPU.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        resolution: Side of the images in pixels; None: chosen from the space and the data.
        max_megapixels: Largest image file in millions of pixels; None: 250.
        epochs: Passes over the training images; None: chosen from the data.
        augmentation: How training images are changed at random: ``none``, ``shift`` or
            ``shift+flip``; None: as suits the data, not at all for numbers to predict.
        class_weights: Whether every class counts the same in the training loss, however many images
            it has.
        init: Weights that trainings begin with, as far as they fit: ``timm:NAME``,
            ``timm:NAME:FILE`` or a ``.safetensors`` file; None: from scratch.
        recipe: Recipe options, such as ``"sam=0.1,linear_probe"``, or a mapping of names to values;
            ``nas recipes`` lists them.
        time_limit: Seconds after which a candidate fails; None: no limit.
        seed: Seed of all random numbers.
        exportable_only: Another name of ``exportable_to="onnxruntime"``.
        exportable_to: Runtimes that must run every component, such as
            ``"onnxruntime,openvino"``.
        runtime: Runtimes, such as ``"onnxruntime,openvino"``: the first is what plain ``latency``
            is measured in, and the latency in each other one is recorded; none: ``eager``.
        device_command: Command that runs a ruler on another device, where runtimes that run model
            files are timed; empty: on this device.
        latency_from: CSV file of measured latencies in place of a device; empty: none.
        any_resolution: Whether to leave out components that take images of one size only.
        remeasure: Whether to first measure again latencies from another device or other versions.
        join: Whether other processes that join may search the study at the same time.
        study: Name of the study; None: made from the space, the data and the other settings.
        storage: Storage of the study: a URL, or an SQLite file.
        plugins: Modules, or paths of ``.py`` files, that register plug-ins.
        evaluators: Evaluators to register first, see ``register``.
        callbacks: Called after each finished candidate has been stored.

    Raises:
        InputError: If an argument cannot be used.
    """
    for each in evaluators:
        register(each)
    options = read_options(
        {
            "data": given_data(data, image_cache()),
            "objectives": objectives,
            "constraints": constraints,
            "scores": scores,
            "rank_by_score": rank_by_score,
            "architectures": architectures,
            "seed_zoo": seed_zoo,
            "class_weights": class_weights,
            "recipe": recipe or {},
            "engine": engine,
            "device": device,
            "seed": seed,
            "exportable_only": exportable_only,
            "exportable_to": exportable_to,
            "runtime": runtime,
            "device_command": device_command,
            "latency_from": str(latency_from),
            "any_resolution": any_resolution,
            "remeasure": remeasure,
            "join": join,
            "storage": str(storage),
            "plugins": [str(plugins)] if isinstance(plugins, str | Path) else plugins,
            **_given(
                target=target,
                space=None if isinstance(space, SearchSpace | Mapping) else str(space),
                budget=budget,
                max_time=max_time,
                searcher=searcher,
                scheduler=scheduler,
                eta=eta,
                rungs=None if rungs is None else list(rungs),
                from_study=from_study,
                ray_address=ray_address,
                workers=workers,
                resolution=resolution,
                max_megapixels=max_megapixels,
                epochs=epochs,
                augmentation=augmentation,
                init=None if init is None else str(init),
                time_limit=time_limit,
                study=study,
            ),
        },
        space=_space(space) if isinstance(space, SearchSpace | Mapping) else None,
    )
    prepared = prepare(options)

    def listener(progress: Progress) -> None:
        for each in callbacks:
            each(prepared.study, progress)

    run(prepared, listener)
    return prepared.study


def load_study(name: str | None = None, storage: str | Path = DEFAULT_STORAGE) -> Study:
    """Open an existing study and load its plug-ins; missing plug-ins are logged.

    Args:
        name: Name of the study; None: the latest.
        storage: Storage of the study: a URL, or an SQLite file.

    Raises:
        InputError: If the study does not exist; the message lists the existing ones.
        StorageError: If the storage does not exist.
    """
    found = Study.open(name, read_storage(str(storage)))
    for line in load_present(found.settings.plugins):
        _log.warning("%s; only the recorded values are shown", line)
    return found


def _given(**values: object) -> dict[str, object]:
    return {name: value for name, value in values.items() if value is not None}


def _space(space: Mapping[str, Any] | SearchSpace) -> SearchSpace:
    return space if isinstance(space, SearchSpace) else space_from_data(space)
