"""The training loop: one model, one recipe, one seed, one learning curve."""

import math
import time
from collections.abc import Callable, Collection
from functools import partial

import torch
from torch import Tensor, nn

from ...base import CandidateError
from ...host_lock import give_way
from ...measurement_context import candidate_faults, seeded
from ..augment import Augmentation, augment, draw
from ..data.dataset import SearchData
from ..recipe import Recipe, learning_rate, warmup_steps
from ..recipes.branches import skip_branches
from ..recipes.chosen import options_of
from ..source import Source
from .checkpoint import Checkpoint
from .fast_layers import fast_layers
from .kept_weights import BestWeights, WeightAverage, copy_weights, tensors_of
from .learning_curve import Epoch, TrainingResult, best_epoch
from .losses import TargetLoss, score_name, target_loss
from .optimizer import AdamW
from .regularisation import BatchChanges
from .scoring import Normalise, images_at_once

_CHECK_EVERY = 50
"""Steps between two checks of the loss; on a GPU each check waits for all pending work."""


def chosen_augmentation(recipe: Recipe, data: SearchData) -> Augmentation:
    """Return the recipe's augmentation; for ``auto``, that of the data."""
    return data.augmentation if recipe.augmentation == "auto" else recipe.augmentation


GoesOn = Callable[[int, Epoch], bool]
"""Function from the number of an epoch (from 1) and its result to whether training continues."""


class _Run:
    """A training in progress."""

    def __init__(
        self,
        model: nn.Module,
        data: SearchData,
        recipe: Recipe,
        seed: int,
        device: torch.device,
        time_limit: float | None,
        checkpoint: Checkpoint | None = None,
        teacher: Source | None = None,
        rungs: Collection[int] = (),
    ) -> None:
        self.seed = seed
        self.rungs = rungs
        self.checkpoint = checkpoint
        self.teacher = teacher
        self.start = time.perf_counter()
        self.cuda = device.type == "cuda"
        # Also on the CPU, where a depthwise convolution's weight gradient is several times faster.
        self.model = model.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.options = options_of(recipe)
        self.given = data
        self.data = data = self.options.changed_data(data)
        self.recipe = recipe
        self.device = device
        self.time_limit = time_limit
        self.count = self.options.images(len(data.train_labels))
        self.epochs = recipe.epochs if self.options.trains else 0
        # Rounded down, so that no batch is smaller than requested: batch norm needs two images.
        self.batches = max(1, self.count // recipe.batch_size)
        self.steps = self.batches * recipe.epochs
        self.step = 0
        self.options.begin(self)
        # Copied before the hooks of skipped branches are added.
        self.average = (
            WeightAverage(self.model, recipe.average * self.steps) if recipe.average else None
        )
        self.best = BestWeights(self.model) if recipe.patience else None
        self.changes = BatchChanges(recipe, len(data.classes))
        self.generator = torch.Generator(device).manual_seed(seed)
        self.optimizer = AdamW(self.model, recipe.weight_decay)
        self.normalise = Normalise(data, device)
        self.augmentation: Augmentation = chosen_augmentation(recipe, data)
        self.loss = target_loss(data, recipe)

    def result(self, goes_on: GoesOn | None = None) -> TrainingResult:
        """Run all epochs, or stop when the run has diverged or ``goes_on`` says so."""
        curve, above = self.restored()
        stopped = self.ended(curve, above) if curve else None
        # The caller also gets the epochs that were restored from the checkpoint.
        halted = goes_on is not None and not all(goes_on(n, e) for n, e in enumerate(curve, 1))
        while len(curve) < self.epochs and not (halted or stopped):
            warm = self.step >= warmup_steps(self.recipe, self.steps)
            epoch = self.epoch(len(curve) + 1)
            curve.append(epoch)
            if self.best is not None and best_epoch(curve) == len(curve):
                self.best.keep(self.validated)
            above = above + 1 if warm and epoch.train_loss > self.diverging else 0
            if len(curve) < self.epochs:
                halted = goes_on is not None and not goes_on(len(curve), epoch)
                stopped = self.ended(curve, above)
                self.keep(curve, above)
        if self.checkpoint is not None:
            self.checkpoint.remove()
        kept = best_epoch(curve) if self.best is not None and curve else len(curve)
        self.take_kept()
        if self.loss.scale is not None:
            self.loss.scale.put_into(self.model)
        if self.options.finish(self):
            value = self.scored(target_loss(self.given, self.recipe), self.model)[1]
        else:
            value = curve[kept - 1].validation_score
        return TrainingResult(
            curve=tuple(curve),
            kept_epoch=kept,
            score=value,
            seconds=time.perf_counter() - self.start,
            stopped_early=stopped,
            halted=halted,
        )

    @property
    def diverging(self) -> float:
        """Training loss above which an epoch counts as diverging."""
        return self.recipe.divergence_factor * self.loss.guess

    def divergence(self, number: int, above: int) -> str | None:
        """Return why the run stops after epoch ``number``, if it has diverged."""
        if above < self.recipe.divergence_epochs:
            return None
        return f"training loss above {self.diverging:.3g} in epochs {number - above + 1}..{number}"

    def ended(self, curve: list[Epoch], above: int) -> str | None:
        """Return why the run stops after the epochs so far, or None."""
        return self.divergence(len(curve), above) or self.patience_ended(curve)

    def patience_ended(self, curve: list[Epoch]) -> str | None:
        """Return why the run stops, if the validation score has long not become better."""
        since = len(curve) - best_epoch(curve)
        if self.best is None or since < self.recipe.patience:
            return None
        what = curve[-1].metric.replace("_", " ")
        return f"no better validation {what} in {since} epochs"

    @property
    def validated(self) -> nn.Module:
        """The model that is validated: the mean of the weights, if there is one."""
        return self.model if self.average is None else self.average.model

    def take_kept(self) -> None:
        """Give the model the weights that the training keeps."""
        if self.best is not None:
            self.best.load(self.model)
        elif self.average is not None:
            copy_weights(self.average.model, self.model)

    def state(self) -> dict[str, Tensor]:
        """Return the tensors that the next epochs depend on; writing to them restores a state."""
        return {
            **{f"model.{name}": each for name, each in self.model.state_dict().items()},
            **{f"optimizer.{name}": each for name, each in self.optimizer.state().items()},
            **{f"kept.{place}": each for place, each in enumerate(self.kept_tensors())},
            **{f"option.{name}": each for name, each in self.options.state().items()},
        }

    def kept_tensors(self) -> list[Tensor]:
        """Return the tensors of the mean of the weights and of the best epoch."""
        mean = [] if self.average is None else tensors_of(self.average.model)
        return mean if self.best is None else [*mean, *self.best.tensors]

    def keep(self, curve: list[Epoch], above: int) -> None:
        """Write the state after an epoch to the checkpoint, if there is one."""
        if self.checkpoint is None:
            return
        random = {"random.cpu": torch.default_generator.get_state()}
        random["random.order"] = self.generator.get_state()
        if self.cuda:
            random["random.cuda"] = torch.cuda.get_rng_state(self.device)
        values = {"curve": [each.to_json() for each in curve], "above": above, "step": self.step}
        self.checkpoint.write({**self.state(), **random}, values)

    def restored(self) -> tuple[list[Epoch], int]:
        """Continue from the checkpoint; return the learning curve and the diverging epochs."""
        found = None if self.checkpoint is None else self.checkpoint.read()
        if found is None:
            return [], 0
        tensors, values = found
        with torch.no_grad():
            for name, each in self.state().items():
                each.copy_(tensors[name])
        self.generator.set_state(tensors["random.order"])
        torch.default_generator.set_state(tensors["random.cpu"])
        if self.cuda:
            torch.cuda.set_rng_state(tensors["random.cuda"], self.device)
        self.step = values["step"]
        curve = [Epoch.from_json(each, score_name(self.data)) for each in values["curve"]]
        self.start -= curve[-1].seconds
        return curve, values["above"]

    def epoch(self, number: int) -> Epoch:
        """Run epoch ``number`` and validate; return the point of the learning curve."""
        train_loss = self.train_epoch()
        validation_loss, score = self.validate()
        return Epoch(
            train_loss=train_loss,
            validation_loss=validation_loss,
            validation_score=score,
            lr=learning_rate(self.recipe, self.step - 1, self.steps),
            seconds=time.perf_counter() - self.start,
            metric=score_name(self.data),
            interval=self.interval() if number in self.rungs else None,
        )

    def interval(self) -> tuple[float, float] | None:
        """Return the interval of the main score after an epoch, as of the score at the end."""
        model, at_once = self.validated, images_at_once(self.data, self.recipe.batch_size)
        return self.loss.interval(model, partial(self.logits, model), at_once, self.seed)

    def logits(self, model: nn.Module, images: Tensor) -> Tensor:
        """Return a model's outputs, float32."""
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.cuda):
            return model(self.normalise(images)).float()

    def train_epoch(self) -> float:
        """Train for one epoch; return the mean loss."""
        self.model.train()
        count = len(self.data.train_labels)
        order = torch.randperm(count, generator=self.generator, device=self.device)
        draws = draw(count, self.data.resolution, self.generator)
        order = self.options.order(self, order)
        total = torch.zeros((), device=self.device)
        for batch, indices in enumerate(order.tensor_split(self.batches)):
            total += self.train_step(
                augment(self.data.train_images[indices], draws, indices, self.augmentation),
                self.loss.targets[indices],
                indices,
            ) * len(indices)
            if batch % _CHECK_EVERY == _CHECK_EVERY - 1:
                self.check(total.item())
        loss = total.item() / self.count
        self.check(loss)
        return loss

    def train_step(self, images: Tensor, labels: Tensor, places: Tensor) -> Tensor:
        """Train one step; return the loss as a tensor on the device."""
        give_way()
        self.optimizer.zero_grad()
        if self.options:
            loss = self.options.backward(self, places, images, labels)
        else:
            images, targets = self.changes(images, labels)
            loss = self.loss(self.logits(self.model, images), targets)
            loss.backward()
            self.optimizer.clip(self.recipe.clip)
        self.optimizer.step(learning_rate(self.recipe, self.step, self.steps))
        self.step += 1
        if self.average is not None:
            self.average.update(self.model, self.step)
        return loss.detach()

    def validate(self) -> tuple[float, float]:
        """Return mean loss and main score on the validation split."""
        mean, value = self.scored(self.loss, self.validated)
        self.check(mean)
        return mean, value

    def scored(self, loss: TargetLoss, model: nn.Module) -> tuple[float, float]:
        """Return mean loss and main score of a model by a loss."""
        at_once = images_at_once(self.data, self.recipe.batch_size)
        return loss.validate(model, partial(self.logits, model), at_once)

    def check(self, loss: float) -> None:
        """Raise ``CandidateError`` if the loss is not finite or the time limit has passed."""
        if not math.isfinite(loss):
            raise CandidateError("non_finite", f"the loss became {loss} by step {self.step}")
        seconds = time.perf_counter() - self.start
        if self.time_limit is not None and seconds > self.time_limit:
            raise CandidateError(
                "time_limit",
                f"training took more than {self.time_limit:g} s: step {self.step} of {self.steps}",
            )


def train(
    model: nn.Module,
    data: SearchData,
    recipe: Recipe,
    *,
    seed: int,
    device: torch.device,
    time_limit: float | None = None,
    goes_on: GoesOn | None = None,
    checkpoint: Checkpoint | None = None,
    teacher: Source | None = None,
    rungs: Collection[int] = (),
) -> TrainingResult:
    """Train ``model`` and score it on the validation split after every epoch.

    The model ends with the kept weights: those of the last epoch, or of the best one where the
    recipe has ``patience``. A model of numbers to predict is trained on standardised ones and ends
    with mean and deviation in its last linear map (see ``OutputScale``). Memory layout is channels
    last. CUDA uses bfloat16 autocast; the CPU uses float32, where equal arguments give equal
    results (with one thread). The caller's random state is preserved.

    Args:
        model: Module from ``(B, C, H, W)`` to ``(B, classes)``, moved to the device and trained in
        place.
        data: Training and validation split, on ``device``.
        recipe: Recipe of the training.
        seed: Seed of the order, the augmentation and the model's own random numbers.
        device: Device of the training.
        time_limit: Seconds after which the training fails.
        goes_on: Called after every epoch but the last; False ends the training there.
        checkpoint: Where the state between epochs is kept; a training that was killed goes on from
            it and ends with the same weights.
        teacher: The network that teaches, if the recipe names one.
        rungs: Epochs whose score of numbers or labels has an interval.

    Raises:
        CandidateError: ``non_finite``, ``out_of_memory``, ``time_limit`` or ``error``.
    """
    with candidate_faults(), seeded(seed, device):
        run = _Run(model, data, recipe, seed, device, time_limit, checkpoint, teacher, rungs)
        hooks = skip_branches(run.model, recipe.drop_path)
        try:
            with fast_layers(run.model, run.validated):
                return run.result(goes_on)
        finally:
            run.options.end()
            for each in hooks:
                each.remove()
