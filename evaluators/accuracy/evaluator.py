"""The evaluator of the short training: accuracy, or the main score of another kind of target."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from ...search_space.architecture.architecture import Architecture
from ...search_space.architecture.network import Network
from ...search_space.components.initial import torch_start
from ...search_space.errors import InputError
from ...search_space.seeds import derive_seed
from ...search_space.statistics import share_interval
from ..base import Measurement, Setup
from ..measurement_context import candidate_faults, seeded
from ..metrics import MAIN_METRICS, SHORT_TRAINING, Metric, fidelity
from ..staged import GoesOn, StagedEvaluator
from ..stopwatch import activity
from .after_training import AFTER, AfterTraining, measured_after
from .data.dataset import DataSpec, SearchData, load_search_data
from .inherit import Inheritance, Source, inherit
from .metric_value import MetricValue, valued
from .recipe import Recipe
from .recipes.checks import check_options, ends_with_classes
from .target_metrics import check_metrics, scores_of
from .training.checkpoint import Checkpoint
from .training.learning_curve import Epoch, TrainingResult
from .training.loop import chosen_augmentation, train
from .training.losses import check_recipe, output_scale
from .training.scoring import Normalise, class_logits, images_at_once

Keeper = Callable[[Architecture, Mapping[str, Tensor], Mapping[str, Any]], None]
"""Function that stores trained weights: architecture, network state, provenance of the training."""

_STATED = ("fingerprint", "seed", "device", "dtype", "epochs", "torch")
"""Keys of the main metric's provenance that other metrics of the same training state too."""


def _of_constants(data: SearchData, main: Metric) -> dict[str, Any]:
    """Return the main score of a constant prediction, and the scale of numbers to predict."""
    scale = output_scale(data)
    if scale is None:
        return {"baseline": data.baseline}
    return {f"{main.name}_of_the_mean": data.baseline, "output_scale": scale.to_json()}


@lru_cache(maxsize=1)
def _loaded(spec: DataSpec, cache: str) -> SearchData:
    return load_search_data(spec, cache=Path(cache))


def setup_data(setup: Setup) -> SearchData:
    """Return the images of the study, which the evaluators of one process share.

    Raises:
        InputError: If they cannot be read.
    """
    return _loaded(DataSpec.from_json(setup.data), setup.cache)


class AccuracyEvaluator(StagedEvaluator):
    """Trains each architecture with one recipe and scores it on the validation split."""

    name = "accuracy"
    metrics = SHORT_TRAINING
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
        checkpoints: Path | None = None,
        wanted: Collection[str] = (),
        start: Source | None = None,
        teacher: Source | None = None,
    ) -> None:
        """Put the data on the device once, for all trainings.

        Args:
            data: Training and validation split.
            recipe: Recipe of the training.
            seed: The study's seed; the seed of a training is derived from it and the digest.
            device: Device of the training.
            time_limit: Longest duration of one training in seconds.
            keep: Called with the trained weights of each architecture.
            checkpoints: Folder for the states of trainings, from which a training that was killed
                goes on.
            wanted: Names of the metrics besides the main one.
            start: The network whose weights trainings begin with, if the recipe names one.
            teacher: The network that teaches, if the recipe names one.

        Raises:
            InputError: If a wanted metric is not defined on the validation split or by the recipe,
                or the weights that the recipe names are not given.
        """
        if bool(recipe.init) != (start is not None):
            raise InputError(
                f"trainings must begin with the weights that the recipe names, "
                f"{recipe.init or 'none'}, but got {'none' if start is None else start.name}"
            )
        self.start = start
        check_metrics([each.name for each in SHORT_TRAINING if each.name in wanted], data)
        check_recipe(recipe, data)
        self.main = MAIN_METRICS[data.target]
        self.data = data.to(device)
        self.recipe = recipe
        self.seed = seed
        self.device = device
        self.time_limit = time_limit
        self.keep = keep
        self.checkpoints = checkpoints
        self.wanted = tuple(
            each for each in SHORT_TRAINING if each.name in wanted and each is not self.main
        )
        check_options(recipe, data, [each.name for each in self.wanted], teacher)
        self.teacher = teacher

    @property
    def measured(self) -> tuple[Metric, ...]:
        """The main metric of the data's kind of target, and the wanted metrics."""
        return (self.main, *self.wanted)

    @classmethod
    def make(cls, setup: Setup) -> Self:
        """Return the evaluator for the data, the recipe and the device of the study."""
        return cls(
            data=setup_data(setup),
            recipe=Recipe.from_json(setup.settings),
            seed=setup.seed,
            device=torch.device(setup.device),
            keep=setup.keep,
            checkpoints=None if setup.checkpoints is None else Path(setup.checkpoints),
            wanted=setup.metrics,
            start=None if setup.start is None else setup.start(),
            teacher=None if setup.teacher is None else setup.teacher(),
        )

    def evaluate_by_rungs(
        self, architecture: Architecture, rungs: Sequence[int], goes_on: GoesOn
    ) -> tuple[Measurement, ...] | None:
        """Return the main metric with its 95 % interval, and the wanted metrics.

        The result is None if training was stopped.

        A training that is stopped at a rung follows the learning rate of the whole training.

        Raises:
            CandidateError: ``non_finite``, ``out_of_memory``, ``time_limit`` or ``error``.
            InputError: If the architecture is for other images or classes.
        """
        self._check(architecture)
        seed = derive_seed(self.seed, architecture.digest)
        with activity("building"), candidate_faults(), seeded(seed, self.device), torch_start():
            model = Network(architecture)
        found = self._inherited(model)

        def after_epoch(number: int, epoch: Epoch) -> bool:
            return number not in rungs or goes_on(self._at_rung(number, epoch))

        result = train(
            model,
            self.data,
            self.recipe,
            seed=seed,
            device=self.device,
            time_limit=self.time_limit,
            goes_on=after_epoch,
            checkpoint=self._checkpoint(architecture, seed),
            teacher=self.teacher,
            rungs=rungs,
        )
        if result.halted:
            return None
        scores = self._scores(model, result, seed)
        measurement = self._measurement(result, scores.pop(self.main.name), seed, found)
        if self.keep is not None and ends_with_classes(self.recipe):
            self.keep(architecture, model.state_dict(), measurement.provenance)
        return (
            measurement,
            *self._others(scores, measurement.provenance),
            *self._after(model, measurement.provenance),
        )

    def _inherited(self, model: Network) -> Inheritance | None:
        """Give a network the weights of the start, if there is one."""
        if self.start is None:
            return None
        return inherit(model, self.start, self.data.classes, output_scale(self.data))

    def _scores(self, model: Network, result: TrainingResult, seed: int) -> dict[str, MetricValue]:
        """Return the main metric and the wanted ones of a trained network."""
        data = self.data
        names = [each.name for each in self.measured if each.name not in AFTER]
        if data.target == "classes" and len(names) == 1:  # scikit-learn takes a second to import
            value = result.score
            return {self.main.name: valued(value, share_interval(value, self._images))}
        normalise = Normalise(data, self.device)
        size = images_at_once(data, self.recipe.batch_size)
        outputs = class_logits(model, data.validation_images, normalise, size, data.target)
        found = scores_of(data.target, outputs, data.validation_labels, names, seed=seed)
        if data.target == "classes":  # as the training counted
            found[self.main.name] = valued(result.score, share_interval(result.score, self._images))
        return found

    @property
    def _images(self) -> int:
        return len(self.data.validation_labels)

    def _others(
        self, scores: Mapping[str, MetricValue], provenance: Mapping[str, Any]
    ) -> Iterator[Measurement]:
        """Yield the wanted metrics of a trained network."""
        stated = {key: provenance[key] for key in _STATED}
        for name, found in scores.items():
            yield Measurement(
                metric=name,
                value=found.value,
                low=found.low,
                high=found.high,
                provenance={**stated, "scikit-learn": version("scikit-learn")},
            )

    def _after(self, model: Network, provenance: Mapping[str, Any]) -> Iterator[Measurement]:
        """Yield the wanted metrics of the trained network in other forms."""
        trained = AfterTraining(
            network=model,
            data=self.data,
            seed=self.seed,
            provenance={key: provenance[key] for key in _STATED},
        )
        for each in self.wanted:
            if each.name in AFTER:
                yield measured_after(each.name, trained)

    def _checkpoint(self, architecture: Architecture, seed: int) -> Checkpoint | None:
        if self.checkpoints is None:
            return None
        key = {
            "recipe": self.recipe.to_json(),
            "augmentation": chosen_augmentation(self.recipe, self.data),
            "fingerprint": self.data.fingerprint,
            "seed": seed,
            "device": str(self.device),
            "torch": torch.__version__,
        }
        return Checkpoint(self.checkpoints / f"{architecture.digest}-{seed}.training", key)

    def _at_rung(self, number: int, epoch: Epoch) -> Measurement:
        value = epoch.validation_score
        classes = self.data.target == "classes"
        interval = share_interval(value, self._images) if classes else epoch.interval
        found = valued(value, interval)
        return Measurement(
            metric=fidelity(self.main.name, number),
            value=found.value,
            low=found.low,
            high=found.high,
            provenance={"epochs": number, "epochs_of_the_recipe": self.recipe.epochs},
        )

    def _check(self, architecture: Architecture) -> None:
        data = self.data
        wanted = (data.channels, data.resolution, data.resolution, len(data.classes))
        given = (*architecture.input, architecture.classes)
        if given != wanted:
            raise InputError(
                "the architecture's channels, height, width and classes must be the data's, "
                f"{wanted}, but got {given}"
            )

    def _measurement(
        self, result: TrainingResult, score: MetricValue, seed: int, found: Inheritance | None
    ) -> Measurement:
        return Measurement(
            metric=self.main.name,
            value=score.value,
            low=score.low,
            high=score.high,
            provenance={
                "data": self.data.spec.to_json(),
                "fingerprint": self.data.fingerprint,
                "resolution": self.data.resolution,
                "preparation": self.data.preparation.to_json(),
                **_of_constants(self.data, self.main),
                "recipe": self.recipe.to_json(),
                "augmentation": chosen_augmentation(self.recipe, self.data),
                "seed": seed,
                "start": "torch",
                **({} if found is None else {"inheritance": found.text()}),
                "device": str(self.device),
                "dtype": "bfloat16" if self.device.type == "cuda" else "float32",
                "epochs": len(result.curve),
                "stopped_early": result.stopped_early,
                "learning_curve": result.curve_json(),
                "seconds": result.seconds,
                "torch": torch.__version__,
            },
        )
