"""The trainings of a full run, one for each seed; a finished one is read from its file."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...evaluators.accuracy.data.dataset import SearchData
from ...evaluators.accuracy.data.image_rows import Images
from ...evaluators.accuracy.inherit import Source, inherit
from ...evaluators.accuracy.recipe import Recipe
from ...evaluators.accuracy.training.checkpoint import Checkpoint
from ...evaluators.accuracy.training.learning_curve import Epoch
from ...evaluators.accuracy.training.loop import chosen_augmentation, train
from ...evaluators.accuracy.training.losses import output_scale
from ...evaluators.accuracy.training.scoring import Normalise, class_logits
from ...evaluators.base import CandidateError
from ...evaluators.measurement_context import seeded
from ...search_space.architecture.architecture import Architecture
from ...search_space.architecture.network import Network
from ...search_space.components.initial import torch_start
from ...search_space.errors import InputError, WorkError
from ...search_space.seeds import derive_seed
from ..export.header import make_header, read_facts
from ..export.networks import trained_network
from ..export.weights import read_weights, save_weights
from .divisions import division
from .split_scores import SplitScores, split_scores


@dataclass(frozen=True, kw_only=True)
class Step:
    """A step of a run, for its display."""

    seed: int
    """Number of the training, from 0."""
    epoch: int
    """Number of the epoch, from 1."""
    epochs: int
    """Epochs of the training, if it does not end early."""
    result: Epoch
    """Result of the epoch."""


Listener = Callable[[Step], None]


@dataclass(frozen=True, kw_only=True)
class Training:
    """A finished training of one seed."""

    number: int
    """Number of the training, from 0."""
    seed: int
    """Seed of the training."""
    file: Path
    """File of its weights."""
    curve: tuple[Mapping[str, Any], ...]
    """Learning curve, one point per epoch."""
    kept_epoch: int
    """Number of the epoch, from 1, whose weights are kept."""
    stopped_early: str | None
    """Why the training ended early, or None."""
    inheritance: Mapping[str, Any] | None
    """What the network inherited; None: it started from scratch."""
    validation: SplitScores
    """Scores of the kept weights on the validation split."""


class _Held(Checkpoint):
    """A state that stays until the weights of the training are stored."""

    def remove(self) -> None:
        """Keep the file."""

    def release(self) -> None:
        """Remove the file."""
        super().remove()


@dataclass(frozen=True, kw_only=True, eq=False)
class Trainer:
    """Trains a network with several seeds."""

    architecture: Architecture
    """The network."""
    data: SearchData
    """Training and validation split, on the CPU."""
    recipe: Recipe
    """Recipe of the training."""
    source: Source | None
    """The network to inherit from; None: from scratch."""
    teacher: Source | None = None
    """The network that teaches; None: the recipe names none."""
    seed: int
    """Seed from which those of the trainings are derived."""
    device: str
    """``cpu``, ``cuda`` or ``cuda:N``."""
    folder: Path
    """Folder of the weights and of the states of trainings."""
    key: str
    """Key of the run without the number of its trainings."""

    def training(self, number: int, listener: Listener) -> Training:
        """Return a training: the finished one of its file, else go on with it.

        Raises:
            WorkError: If it fails.
        """
        file = self.folder / f"seed-{number}.safetensors"
        return self._finished(number, file) or self._train(number, file, listener)

    def logits(self, training: Training, images: Images) -> Tensor:
        """Return the outputs of a finished training for images, (N, C, R, R), uint8."""
        weights, _ = read_weights(training.file)
        device = torch.device(self.device)
        network = trained_network(self.architecture, weights).to(device)
        network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        normalise = Normalise(self.data, device)
        size, target = 2 * self.recipe.batch_size, self.data.target
        return class_logits(network, images.to(device), normalise, size, target)

    def _finished(self, number: int, file: Path) -> Training | None:
        if not file.exists():
            return None
        try:
            facts = read_facts(read_weights(file)[1])
            stated: Any = facts["training"]
            if stated["key"] != self.key:
                return None
            return Training(
                number=number,
                seed=stated["seed"],
                file=file,
                curve=tuple(stated["learning_curve"]),
                kept_epoch=stated["kept_epoch"],
                stopped_early=stated["stopped_early"],
                inheritance=stated["inheritance"],
                validation=SplitScores.from_json(stated["validation"]),
            )
        except (InputError, LookupError, TypeError):  # damaged or of another version
            return None

    def _train(self, number: int, file: Path, listener: Listener) -> Training:
        device = torch.device(self.device)
        seed = derive_seed("full training", self.seed, number, self.architecture.digest)
        with seeded(seed, torch.device("cpu")), torch_start():
            model = Network(self.architecture)
        found = None
        if self.source is not None:
            found = inherit(model, self.source, self.data.classes, output_scale(self.data))
        state = _Held(
            self.folder / f"seed-{number}.training",
            {"key": self.key, "seed": seed, "torch": torch.__version__},
        )

        def after_epoch(epoch: int, result: Epoch) -> bool:
            listener(Step(seed=number, epoch=epoch, epochs=self.recipe.epochs, result=result))
            return True

        data = self.data.to(device)
        try:
            result = train(
                model,
                data,
                self.recipe,
                seed=seed,
                device=device,
                goes_on=after_epoch,
                checkpoint=state,
                teacher=self.teacher,
            )
        except CandidateError as error:
            raise WorkError(f"the training failed: {error}") from error
        if len(result.curve) == self.recipe.epochs:  # the loop reports the others
            after_epoch(self.recipe.epochs, result.curve[-1])
        normalise = Normalise(self.data, device)
        size, target = 2 * self.recipe.batch_size, data.target
        outputs = class_logits(model, data.validation_images, normalise, size, target)
        truth, names = self.data.validation_labels, self.data.classes
        scores = split_scores(outputs, truth, names, seed=seed, target=target)
        training = Training(
            number=number,
            seed=seed,
            file=file,
            curve=tuple(result.curve_json()),
            kept_epoch=result.kept_epoch,
            stopped_early=result.stopped_early,
            inheritance=None if found is None else found.to_json() | {"text": found.text()},
            validation=scores,
        )
        facts = self._facts(training)
        save_weights(file, model.state_dict(), make_header(self.architecture, facts))
        state.release()
        return training

    def _facts(self, training: Training) -> dict[str, Any]:
        """Return the facts that the file of a training states."""
        stated: dict[str, Any] = {
            "key": self.key,
            "seed": training.seed,
            "recipe": self.recipe.to_json(),
            "augmentation": chosen_augmentation(self.recipe, self.data),
            "learning_curve": list(training.curve),
            "kept_epoch": training.kept_epoch,
            "stopped_early": training.stopped_early,
            "inheritance": training.inheritance,
            "validation": training.validation.to_json(),
            "device": self.device,
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
        }
        return {
            "training": json.loads(json.dumps(stated)),
            "fingerprint": self.data.fingerprint,
            "division": division(self.data.spec),
            "preparation": self.data.preparation.described(),
        }
