"""Predictions of candidates on the validation split, by the weights that the search kept."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from ...evaluators.accuracy.data.dataset import SearchData
from ...evaluators.accuracy.training.scoring import Normalise, class_logits
from ...search_space.errors import InputError, WorkError
from ..candidate import Candidate
from .networks import trained_network
from .record_checks import trained_weights
from .weights import WeightsFolder

_BATCH = 64


def class_probabilities(
    folder: WeightsFolder,
    candidates: Sequence[Candidate],
    data: SearchData,
    listener: Callable[[int], None],
) -> tuple[dict[int, NDArray[np.float64]], dict[int, str]]:
    """Return the probabilities of the classes, (N, K), by number, and why others have none.

    Args:
        folder: Folder of the study's weights.
        candidates: The candidates.
        data: The study's data.
        listener: Called with the number of candidates that are done.

    Raises:
        InputError: If the targets are not classes.
    """
    if data.target != "classes":
        raise InputError(f"probabilities of classes need classes, but the target is {data.target}")
    normalise = Normalise(data, torch.device("cpu"))
    found: dict[int, NDArray[np.float64]] = {}
    lacking: dict[int, str] = {}
    for done, each in enumerate(candidates):
        listener(done)
        try:
            weights, _ = trained_weights(folder, each)
        except WorkError as error:
            lacking[each.number] = str(error)
            continue
        network = trained_network(each.architecture, weights)
        logits_NK = class_logits(network, data.validation_images, normalise, _BATCH)
        found[each.number] = logits_NK.double().softmax(1).numpy()
    return found, lacking
