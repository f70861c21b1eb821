"""The evaluator of the accuracy after a short training."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from ...search_space.architecture.architecture import Architecture
from ...search_space.architecture.network import Network
from ...search_space.components.initial import torch_start
from ...search_space.errors import InputError
from ...search_space.seeds import derive_seed
from ..base import Evaluator, Measurement, Setup
from ..measurement_context import candidate_faults, seeded
from ..metrics import ACCURACY
from ..stopwatch import activity
from .data.dataset import DataSpec, SearchData, load_search_data
from .recipe import Recipe
from .training.loop import TrainingResult, chosen_augmentation, train

Keeper = Callable[[Architecture, Mapping[str, Tensor], Mapping[str, Any]], None]
"""Function that stores trained weights: architecture, network state, provenance of the training."""


@lru_cache(maxsize=1)
def _loaded(spec: DataSpec, cache: str) -> SearchData:
    return load_search_data(spec, cache=Path(cache))


def setup_data(setup: Setup) -> SearchData:
    """Return the images of the study, which the evaluators of one process share.

    Raises:
        InputError: If they cannot be read.
    """
    return _loaded(DataSpec.from_json(setup.data), setup.cache)


class AccuracyEvaluator(Evaluator):
    """Trains each architecture with one recipe and scores it on the validation split."""

    name = "accuracy"
    metrics = (ACCURACY,)
    always = True
    defaults: ClassVar[Mapping[str, Any]] = Recipe().to_json()

    def __init__(
        self,
        *,
        data: SearchData,
        recipe: Recipe,
        seed: int,
        device: torch.device,
        time_limit: float | None = None,
        keep: Keeper | None = None,
    ) -> None:
        """Put the data on the device once, for all trainings.

        Args:
            data: Training and validation split.
            recipe: Recipe of the training.
            seed: The study's seed; the seed of a training is derived from it and the digest.
            device: Device of the training.
            time_limit: Longest duration of one training in seconds.
            keep: Called with the trained weights of each architecture.
        """
        self.data = data.to(device)
        self.recipe = recipe
        self.seed = seed
        self.device = device
        self.time_limit = time_limit
        self.keep = keep

    @classmethod
    def make(cls, setup: Setup) -> Self:
        """Return the evaluator for the data, the recipe and the device of the study."""
        return cls(
            data=setup_data(setup),
            recipe=Recipe.from_json(setup.settings),
            seed=setup.seed,
            device=torch.device(setup.device),
            keep=setup.keep,
        )

    def evaluate(self, architecture: Architecture) -> tuple[Measurement, ...]:
        """Return the validation accuracy with its 95 % Wilson interval.

        Raises:
            CandidateError: ``non_finite``, ``out_of_memory``, ``time_limit`` or ``error``.
            InputError: If the architecture is for other images or classes.
        """
        self._check(architecture)
        seed = derive_seed(self.seed, architecture.digest)
        with activity("building"), candidate_faults(), seeded(seed, self.device), torch_start():
            model = Network(architecture)
        result = train(
            model,
            self.data,
            self.recipe,
            seed=seed,
            device=self.device,
            time_limit=self.time_limit,
        )
        measurement = self._measurement(result, seed)
        if self.keep is not None:
            self.keep(architecture, model.state_dict(), measurement.provenance)
        return (measurement,)

    def _check(self, architecture: Architecture) -> None:
        data = self.data
        wanted = (data.channels, data.resolution, data.resolution, len(data.classes))
        given = (*architecture.input, architecture.classes)
        if given != wanted:
            raise InputError(
                "the architecture's channels, height, width and classes must be the data's, "
                f"{wanted}, but got {given}"
            )

    def _measurement(self, result: TrainingResult, seed: int) -> Measurement:
        return Measurement(
            metric="accuracy",
            value=result.accuracy,
            low=result.low,
            high=result.high,
            provenance={
                "data": self.data.spec.to_json(),
                "fingerprint": self.data.fingerprint,
                "resolution": self.data.resolution,
                "preparation": self.data.preparation.to_json(),
                "baseline": self.data.baseline,
                "recipe": self.recipe.to_json(),
                "augmentation": chosen_augmentation(self.recipe, self.data),
                "seed": seed,
                "start": "torch",
                "device": str(self.device),
                "dtype": "bfloat16" if self.device.type == "cuda" else "float32",
                "epochs": len(result.curve),
                "stopped_early": result.stopped_early,
                "learning_curve": result.curve_json(),
                "seconds": result.seconds,
                "torch": torch.__version__,
            },
        )
