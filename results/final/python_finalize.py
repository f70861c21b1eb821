"""The function that trains a chosen network in full from Python."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike

from ...evaluators.accuracy.data.cache import image_cache
from ...evaluators.accuracy.data.given import given_data
from ...evaluators.accuracy.option_table import read_options
from ..candidate import Candidate
from ..study.storage_url import DEFAULT_STORAGE
from .finalize import Finalized, prepare, run
from .options import FinalOptions
from .trainings import Listener


def finalize(
    network: str | int | Path | Candidate,
    *,
    data: str | Path | tuple[ArrayLike, ArrayLike] | None = None,
    target: str | None = None,
    epochs: int | None = None,
    init: str | int | Path = "scratch",
    seeds: int = 1,
    seed: int = 0,
    resolution: int | None = None,
    augmentation: str | None = None,
    class_weights: bool = False,
    recipe: str | Mapping[str, Any] = "",
    device: str = "auto",
    test: bool = True,
    read_test_again: bool = False,
    output: str | Path | None = None,
    study: str | None = None,
    storage: str | Path = DEFAULT_STORAGE,
    listener: Listener = lambda step: None,
) -> Finalized:
    """Train a network in full, read the test split once, and write model, card and curve.

    A repeated call goes on where an interrupted one ended, to the same weights; a finished run is
    only read.

    Args:
        network: A candidate, its number or the prefix of its digest, the name of a published
            network, or a ``.json`` or ``.safetensors`` file.
        data: The data, as of ``search``; None: those of the study.
        target: What images of ``data`` have as target, as of ``search``.
        epochs: Passes over the training images; None: sized by the data.
        init: The weights at the start: ``scratch``, ``search``, another candidate, a
            ``.safetensors`` file, ``timm:NAME`` or ``timm:NAME:FILE``.
        seeds: Number of trainings, each with its own seed; the card has all of them.
        seed: Seed from which those of the trainings are derived.
        resolution: Side of the images in pixels; None: the data's own, or what the network needs.
        augmentation: How training images are changed at random: ``none`` (also without
            RandAugment), ``shift`` or ``shift+flip``; None: as in the study, else as suits the
            data.
        class_weights: Whether every class counts the same in the training loss.
        recipe: Recipe options, such as ``"sam=0.1"``, or a mapping of names to values.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        test: Whether to read the test split at the end.
        read_test_again: Whether to read the test split although it has been read.
        output: Folder of the results; None: one under ``runs/final``.
        study: Name of the study; None: the latest, where the network is a candidate.
        storage: Storage of the studies and of the readings: a URL, or an SQLite file.
        listener: Called after each epoch.

    Raises:
        InputError: If an argument cannot be used, or the test split has been read.
        WorkError: If a training fails, or weights are missing.
    """
    options = FinalOptions(
        network=str(network.number if isinstance(network, Candidate) else network),
        data=None if data is None else given_data(data, image_cache().resolve()),
        target=target,
        epochs=epochs,
        init=str(init),
        seeds=seeds,
        seed=seed,
        resolution=resolution,
        augmentation=augmentation,
        class_weights=class_weights,
        recipe=read_options(recipe) if recipe else {},
        device=device,
        test=test,
        read_test_again=read_test_again,
        output=None if output is None else str(output),
        study=study,
        storage=str(storage),
    )
    return run(prepare(options), listener)
