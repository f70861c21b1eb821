"""What the record of a candidate holds, checked against its network, weights and data of today."""

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor

from ...evaluators.accuracy.data.cache import image_cache
from ...evaluators.accuracy.data.dataset import DataSpec, SearchData, load_search_data
from ...evaluators.accuracy.data.older import load_older_data
from ...evaluators.accuracy.data.originals import sample, validation_originals
from ...evaluators.accuracy.data.preparation import Preparation
from ...evaluators.accuracy.training.scoring import Normalise, score
from ...evaluators.cost.cost import architecture_cost
from ...search_space.errors import InputError, WorkError
from ..candidate import Candidate
from ..numbers import format_value
from ..settings import StudySettings
from .file_proof import Originals
from .networks import trained_network
from .weights import WeightsFolder, read_weights


def study_data(settings: StudySettings, *, older: bool = False) -> tuple[SearchData | None, str]:
    """Return the data that a study was searched on, and what there is to say of it.

    That is nothing where all is as it was. Where the data are not to be had there are none.

    Args:
        settings: Of the study.
        older: Whether images may have been scaled as older versions did.
    """

    try:
        spec = DataSpec.from_json(settings.data)
        data = load_search_data(spec, cache=image_cache())
    except (InputError, OSError) as error:
        return None, f"the data are not here ({error})"
    if data.fingerprint == settings.data_fingerprint:
        return data, ""
    if older:
        with suppress(Exception):  # whatever Pillow raises of a file that is not what it was
            data = load_older_data(spec)
        if data.fingerprint == settings.data_fingerprint:
            return data, "images were scaled as older versions did"
    return None, "the data have changed since the search"


def kept_preparation(found: Candidate, training: Any) -> Preparation | None:
    """Return how images are prepared as the training kept it, with the weights or in the record.

    None for candidates that were trained before it was kept.
    """

    accuracy = found.measurements.get("accuracy")
    recorded = {} if accuracy is None else accuracy.provenance
    told = training if isinstance(training, Mapping) else {}
    return Preparation.of(told) or Preparation.of(recorded)


def originals(data: SearchData, *, same_rules: bool) -> Originals:
    """Return validation images as files, at most 1,000 and about a thousand megapixels."""

    places = sample(data, 1000, 1e9)
    indices = torch.tensor(places)
    return Originals(
        given=validation_originals(data, places),
        levels=data.validation_images[indices],
        labels=data.validation_labels[indices],
        preparation=data.preparation,
        same_rules=same_rules,
    )


def check_measured(
    found: Candidate,
    weights: dict[str, Tensor] | None,
    data: SearchData | None,
    remark: str,
) -> str:
    """Compare a candidate's record with its network of today; return what came of the accuracy.

    Args:
        found: The candidate.
        weights: Its trained weights, if they are exported.
        data: The data of the search, where they are to be had.
        remark: Why they are not, or how they were prepared otherwise than today.

    Raises:
        WorkError: If the costs are not the recorded ones, or the accuracy of the kept weights on
            the validation split is outside the recorded interval.
    """

    cost = architecture_cost(found.architecture)
    for name, counted in (("params", cost.params), ("macs", cost.macs)):
        recorded = found.value(name)
        if recorded is not None and counted != recorded:
            raise WorkError(
                f"candidate {found.number} must have its recorded {recorded:,} {name}, "
                f"but has {counted:,} now"
            )
    accuracy = found.measurements.get("accuracy")
    if weights is None:
        return "that of the search's weights, which this file does not hold"
    if data is None or accuracy is None:
        return f"not checked again: {remark or 'none is recorded'}"
    network = trained_network(found.architecture, weights)
    normalise = Normalise(data, torch.device("cpu"))
    _, right = score(network, lambda images: network(normalise(images)), data, 64)
    again = right / len(data.validation_labels)
    low, high = accuracy.low or 0.0, accuracy.high or 1.0
    recorded, found_again = (format_value("accuracy", each) for each in (accuracy.value, again))
    if not low <= again <= high:
        raise WorkError(
            f"the kept weights of candidate {found.number} must have its recorded accuracy, "
            f"{recorded}, but have {found_again}"
        )
    where = f"the validation split ({remark})" if remark else "the validation split"
    return f"{recorded} recorded, {found_again} again on {where}"


def trained_weights(folder: WeightsFolder, candidate: Candidate) -> tuple[dict[str, Tensor], Any]:
    """Return the weights that the search kept of a candidate, and the training they come from.

    Raises:
        WorkError: If there are none, or they come from another training than the candidate's.
    """

    path = folder.path(candidate.architecture)
    if not path.exists():
        raise WorkError(
            f"the trained weights of candidate {candidate.number} must lie in {path}, but there "
            "are none; --untrained exports fresh ones"
        )
    weights, header = read_weights(path)
    training = json.loads(header["metadata"])
    accuracy = candidate.measurements.get("accuracy")
    if accuracy is None or training != json.loads(json.dumps(dict(accuracy.provenance))):
        raise WorkError(
            f"the weights in {path} must come from the training of candidate {candidate.number}, "
            "but come from another; --untrained exports fresh ones"
        )
    return weights, training
