"""Checks of a candidate's record against its present network, weights and data."""

import json
import math
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
from ...evaluators.accuracy.target_metrics import main_score
from ...evaluators.accuracy.training.scoring import Normalise, class_logits
from ...evaluators.cost.cost import architecture_cost
from ...search_space.errors import InputError, WorkError
from ..analysis.main_metric import main_metric
from ..candidate import Candidate
from ..numbers import format_value
from ..settings import StudySettings
from .file_proof import Originals
from .networks import trained_network
from .weights import WeightsFolder, read_weights


def study_data(settings: StudySettings, *, older: bool = False) -> tuple[SearchData | None, str]:
    """Return the data of a study's search, and a remark if something has changed.

    The data are None if they cannot be read.

    Args:
        settings: Settings of the study.
        older: Whether images may have been scaled by the rules of older versions.
    """

    try:
        spec = DataSpec.from_json(settings.data)
        data = load_search_data(spec, cache=image_cache())
    except (InputError, OSError) as error:
        return None, f"the data cannot be read ({error})"
    if data.fingerprint == settings.data_fingerprint:
        return data, ""
    if older:
        with suppress(Exception):  # Pillow may raise anything for a changed file
            data = load_older_data(spec)
        if data.fingerprint == settings.data_fingerprint:
            return data, "images were scaled by the rules of an older version"
    return None, "the data have changed since the search"


def kept_preparation(found: Candidate, training: Any) -> Preparation | None:
    """Return the preparation of images that the training stored with the weights or in the record.

    The result is None for older candidates, whose training did not store it.
    """

    score = found.first(main_metric([found]).short)
    recorded = {} if score is None else score.provenance
    stated = training if isinstance(training, Mapping) else {}
    return Preparation.of(stated) or Preparation.of(recorded)


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
    """Compare a candidate's record with its present network; return that for the main metric.

    Args:
        found: The candidate.
        weights: The candidate's trained weights, if they are exported.
        data: The data of the search, if they can be read.
        remark: Why the data cannot be read, or how they differ.

    Raises:
        WorkError: If the costs differ from the recorded ones, or the main metric of the kept
            weights on the validation split is outside the recorded interval.
    """

    cost = architecture_cost(found.architecture)
    for name, counted in (("params", cost.params), ("macs", cost.macs)):
        recorded = found.value(name)
        if recorded is not None and counted != recorded:
            raise WorkError(
                f"candidate {found.number} must have its recorded {recorded:,} {name}, "
                f"but has {counted:,} now"
            )
    name = main_metric([found]).short
    score = found.first(name)
    if weights is None:
        return "not checked, since the file does not hold the search's weights"
    if data is None or score is None:
        return f"not checked again: {remark or f'no {name} is recorded'}"
    network = trained_network(found.architecture, weights)
    normalise = Normalise(data, torch.device("cpu"))
    outputs = class_logits(network, data.validation_images, normalise, 64, data.target)
    again = main_score(data.target, outputs, data.validation_labels)
    low = -math.inf if score.low is None else score.low
    high = math.inf if score.high is None else score.high
    recorded, found_again = (format_value(name, each) for each in (score.value, again))
    if not low <= again <= high:
        raise WorkError(
            f"the kept weights of candidate {found.number} must have its recorded {name}, "
            f"{recorded}, but have {found_again}"
        )
    where = f"the validation split ({remark})" if remark else "the validation split"
    return f"{recorded} recorded, {found_again} recomputed on {where}"


def trained_weights(
    folder: WeightsFolder, candidate: Candidate, *, hint: str = ""
) -> tuple[dict[str, Tensor], Any]:
    """Return the weights of a candidate that the search kept, and the origin of their training.

    Args:
        folder: Folder of the study's weights.
        candidate: The candidate.
        hint: What the user can do without weights, as the end of the message.

    Raises:
        WorkError: If no weights are kept, or they are not from the candidate's training.
    """

    path = folder.path(candidate.architecture, compressed=bool(candidate.origin))
    if not path.exists():
        raise WorkError(
            f"the trained weights of candidate {candidate.number} must be in {path}, but are "
            f"missing{hint}"
        )
    weights, header = read_weights(path)
    training = json.loads(header["metadata"])
    score = candidate.first(main_metric([candidate]).short)
    if score is None or training != json.loads(json.dumps(dict(score.provenance))):
        raise WorkError(
            f"the weights in {path} must come from the training of candidate {candidate.number}, "
            f"but come from another training{hint}"
        )
    return weights, training
