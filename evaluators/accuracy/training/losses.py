"""The training loss and the validation score for each kind of target.

Legend: N images, B batch, K outputs.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ....search_space.errors import InputError
from ...metrics import MAIN_METRICS
from ..data.dataset import SearchData
from ..recipe import Recipe
from ..target_metrics import main_score, scores_of
from .output_scale import OutputScale
from .scoring import outputs_of, score


class TargetLoss(ABC):
    """The loss of a training, and its score on the validation split."""

    targets: Tensor
    """Training targets, whose rows for a batch the loss takes; on the device of the data."""
    guess: float
    """Loss of a network that has learned nothing."""
    scale: OutputScale | None = None
    """Scale of the numbers to predict; None for other kinds of target."""

    @abstractmethod
    def __call__(self, outputs_BK: Tensor, targets: Tensor, reduction: str = "mean") -> Tensor:
        """Return the loss of a batch.

        Args:
            outputs_BK: Outputs of the network.
            targets: Rows of ``targets``, or mixed pairs of them.
            reduction: ``mean``, or ``none`` for the loss of each image, (B,).
        """

    @abstractmethod
    def validate(
        self, model: nn.Module, outputs: Callable[[Tensor], Tensor], batch_size: int
    ) -> tuple[float, float]:
        """Return mean loss and main score on the validation split.

        Args:
            model: The model, which is put in eval mode.
            outputs: Function from images, uint8, to the model's float32 outputs.
            batch_size: Images per forward pass.
        """

    @abstractmethod
    def interval(
        self, model: nn.Module, outputs: Callable[[Tensor], Tensor], batch_size: int, seed: int
    ) -> tuple[float, float] | None:
        """Return the 95 % interval of the main score over resampled images of the split.

        None for classes, whose interval follows from the score. Arguments are those of
        ``validate``, and the seed of the resampled images.
        """


def class_weights(data: SearchData) -> Tensor:
    """Return the weight of an image of each class in the training loss, (K,), float32.

    The sum of the weights of a class's images is the same for every class, and the mean of all
    weights is 1.
    """
    counts = torch.bincount(data.train_labels, minlength=len(data.classes)).float()
    return len(data.train_labels) / (len(data.classes) * counts.clamp(min=1))


class ClassLoss(TargetLoss):
    """Cross-entropy, with smoothed labels and weights of the classes where the recipe says so."""

    def __init__(self, data: SearchData, recipe: Recipe) -> None:
        self.targets = data.train_labels
        self.guess = math.log(len(data.classes))
        self._data = data
        self._weights = class_weights(data) if recipe.class_weights else None
        self._smoothing = recipe.label_smoothing

    def __call__(self, outputs_BK: Tensor, targets: Tensor, reduction: str = "mean") -> Tensor:
        """Return the loss for classes (B,), or shares of classes (B, K)."""
        return F.cross_entropy(
            outputs_BK,
            targets,
            weight=self._weights,
            label_smoothing=self._smoothing,
            reduction=reduction,
        )

    def validate(
        self, model: nn.Module, outputs: Callable[[Tensor], Tensor], batch_size: int
    ) -> tuple[float, float]:
        """Return mean cross-entropy and accuracy."""
        mean, right = score(model, outputs, self._data, batch_size)
        return mean, right / len(self._data.validation_labels)

    def interval(
        self, model: nn.Module, outputs: Callable[[Tensor], Tensor], batch_size: int, seed: int
    ) -> tuple[float, float] | None:
        """Return None."""
        return None


def _reduced(losses_BK: Tensor, reduction: str) -> Tensor:
    return losses_BK.mean() if reduction == "mean" else losses_BK.mean(1)


class _OutputLoss(TargetLoss):
    """A loss of outputs that stand each for itself."""

    def __init__(self, data: SearchData) -> None:
        self._data = data
        self._truth = data.validation_labels

    @abstractmethod
    def loss(self, outputs_NK: Tensor, targets_NK: Tensor) -> Tensor:
        """Return the mean loss on the validation split."""

    def validate(
        self, model: nn.Module, outputs: Callable[[Tensor], Tensor], batch_size: int
    ) -> tuple[float, float]:
        """Return mean loss and main score."""
        found = outputs_of(model, outputs, self._data.validation_images, batch_size)
        target = self._data.target
        mean = float(self.loss(found, self._truth))
        # The check of the loss reports numbers that are not finite.
        value = main_score(target, found, self._truth) if bool(found.isfinite().all()) else 0.0
        return mean, value

    def interval(
        self, model: nn.Module, outputs: Callable[[Tensor], Tensor], batch_size: int, seed: int
    ) -> tuple[float, float] | None:
        """Return the interval that the main score has after a whole training."""
        found = outputs_of(model, outputs, self._data.validation_images, batch_size)
        if not bool(found.isfinite().all()):
            return None
        name = score_name(self._data)
        value = scores_of(self._data.target, found, self._truth, (name,), seed=seed)[name]
        if value.low is None or value.high is None:
            return None
        return value.low, value.high


class NumberLoss(_OutputLoss):
    """Squared error of numbers that are standardised by their mean and deviation in training."""

    def __init__(self, data: SearchData, recipe: Recipe) -> None:
        super().__init__(data)
        self.scale = OutputScale.of(data.train_labels)
        self.targets = self.scale.standardised(data.train_labels)
        self._truth = self.scale.standardised(data.validation_labels)
        self.guess = 1.0

    def __call__(self, outputs_BK: Tensor, targets: Tensor, reduction: str = "mean") -> Tensor:
        """Return the squared error of standardised numbers (B, K)."""
        return _reduced(F.mse_loss(outputs_BK, targets, reduction="none"), reduction)

    def loss(self, outputs_NK: Tensor, targets_NK: Tensor) -> Tensor:
        """Return the mean squared error of standardised numbers (N, K)."""
        return F.mse_loss(outputs_NK, targets_NK)


class LabelLoss(_OutputLoss):
    """Binary cross-entropy, the mean over labels.

    With weights, images with and without a label count the same for it. Smoothed labels are mixed
    with one half.
    """

    def __init__(self, data: SearchData, recipe: Recipe) -> None:
        super().__init__(data)
        self.targets = data.train_labels.float()
        self._truth = data.validation_labels.float()
        self._smoothing = recipe.label_smoothing
        with_K = self.targets.sum(0)
        self._weights: tuple[Tensor, Tensor] | None = None
        if recipe.class_weights:
            without_K = len(self.targets) - with_K
            half = len(self.targets) / 2
            self._weights = half / with_K.clamp(min=1), half / without_K.clamp(min=1)
        self.guess = math.log(2)

    def __call__(self, outputs_BK: Tensor, targets: Tensor, reduction: str = "mean") -> Tensor:
        """Return the loss for labels (B, K), from 0 to 1."""
        smooth = targets * (1 - self._smoothing) + self._smoothing / 2
        weight = None
        if self._weights is not None:
            positive_K, negative_K = self._weights
            weight = targets * positive_K + (1 - targets) * negative_K
        losses = F.binary_cross_entropy_with_logits(
            outputs_BK, smooth, weight=weight, reduction="none"
        )
        return _reduced(losses, reduction)

    def loss(self, outputs_NK: Tensor, targets_NK: Tensor) -> Tensor:
        """Return the mean binary cross-entropy without weights."""
        return F.binary_cross_entropy_with_logits(outputs_NK, targets_NK)


_LOSSES = {"classes": ClassLoss, "regression": NumberLoss, "labels": LabelLoss}
_NOT_FOR_NUMBERS = ("class_weights", "label_smoothing", "mixup", "cutmix")
"""Keys of a recipe that have no meaning for numbers."""


def check_recipe(recipe: Recipe, data: SearchData) -> None:
    """Check that a recipe has a meaning for the data's kind of target.

    Raises:
        InputError: If it has none: one line with the first key.
    """
    if data.target != "regression":
        return
    for name in _NOT_FOR_NUMBERS:
        if value := getattr(recipe, name):
            raise InputError(
                f"{name} must be without regression, whose targets are numbers, but got {value!r}"
            )


def target_loss(data: SearchData, recipe: Recipe) -> TargetLoss:
    """Return the loss for the data's kind of target.

    Raises:
        InputError: If the recipe has no meaning for it.
    """
    check_recipe(recipe, data)
    return _LOSSES[data.target](data, recipe)


def output_scale(data: SearchData) -> OutputScale | None:
    """Return the scale of numbers to predict; None for other kinds of target."""
    return OutputScale.of(data.train_labels) if data.target == "regression" else None


def score_name(data: SearchData) -> str:
    """Return the name of the score of ``TargetLoss.validate``."""
    return MAIN_METRICS[data.target].name
