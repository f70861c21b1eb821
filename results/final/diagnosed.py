"""Trained networks with their data, of which diagnostics are computed."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...evaluators.accuracy.data.cache import image_cache
from ...evaluators.accuracy.data.dataset import DataSpec, SearchData, load_search_data
from ...evaluators.trained.base import Trained
from ...search_space.errors import InputError
from ..candidate import Candidate
from ..export.header import read_facts, read_header
from ..export.networks import trained_network
from ..export.record_checks import study_data, trained_weights
from ..export.weights import WeightsFolder, read_weights
from ..study.study import Study
from .divisions import stated_division


def data_of(study: Study) -> SearchData:
    """Return the images of a study's search.

    Raises:
        InputError: If they cannot be read, or have changed.
    """
    data, remark = study_data(study.settings)
    if data is None:
        raise InputError(
            f"diagnostics must read the images of study {study.name!r}'s search, but {remark}"
        )
    return data


def trained_candidate(study: Study, candidate: Candidate, data: SearchData) -> Trained:
    """Return a candidate's network with the weights that the search kept.

    Args:
        study: Its study.
        candidate: The candidate.
        data: The images of the study, see ``data_of``.

    Raises:
        InputError: If the weights cannot be read.
        WorkError: If no weights are kept, or they are of another training.
    """
    weights, training = trained_weights(WeightsFolder(study.weights), candidate)
    return Trained(
        network=trained_network(candidate.architecture, weights),
        data=data,
        start_seed=_start_seed(training),
        origin="search",
        seed=study.settings.seed,
    )


def trained_file(path: Path, data: str | None) -> Trained:
    """Return the network of a ``.safetensors`` file of ours, as of ``nas finalize``.

    Args:
        path: The file.
        data: Name of the data that it was trained on.

    Raises:
        InputError: If the file cannot be read or its weights are not trained, or the data are
            others.
    """
    weights, header = read_weights(path)
    architecture, facts = read_header(header), read_facts(header)
    training = facts.get("training")
    if not isinstance(training, Mapping):
        raise InputError(f"diagnostics must be of trained weights, but those of {path} are not")
    if data is None:
        raise InputError(
            f"the data of {path} must be given, as --data digits: a file does not state where they "
            "are"
        )
    spec = replace(
        DataSpec(name=data, resolution=architecture.input.height), **stated_division(str(path))
    )
    found = load_search_data(spec, cache=image_cache())
    stated = facts.get("fingerprint", training.get("fingerprint"))
    if stated not in (None, found.fingerprint):
        raise InputError(
            f"the data must be those that {path} was trained on, but {data} has other images or "
            "another division"
        )
    return Trained(
        network=trained_network(architecture, weights),
        data=found,
        start_seed=_start_seed(training),
        origin=path.name,
    )


def _start_seed(training: Any) -> int | None:
    """Return the seed of the weights that a training began with; None if it inherited them."""
    if not isinstance(training, Mapping) or training.get("inheritance") is not None:
        return None
    of_search = training.get("start")
    seed = training.get("seed")
    known = of_search == "torch" or "kept_epoch" in training  # a full training starts as a search's
    return seed if known and isinstance(seed, int) else None
