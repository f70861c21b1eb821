"""Regularisation of a full training: changed and mixed images.

The random numbers are torch's global ones. Legend: B batch, K classes.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ..recipe import Recipe

_GROUPS = 16
"""Groups of a batch whose images get the same changes: each image alone would take longer than its
training."""

Batch = tuple[Tensor, Tensor]
"""Images (B, C, H, W) and classes (B,) or shares of classes (B, K)."""


class BatchChanges:
    """The changes of a recipe to training batches."""

    def __init__(self, recipe: Recipe, classes: int) -> None:
        """Make the transforms that the recipe has; torchvision is imported for them alone."""
        self._mixed = recipe.mixed
        self._change = _rand_augment(recipe.rand_augment) if recipe.rand_augment else None
        self._mix = _mixing(recipe, classes) if recipe.mixup or recipe.cutmix else None

    def __call__(self, images: Tensor, labels: Tensor) -> Batch:
        """Return images, uint8 or float from 0 to 255, and their labels or shares of labels.

        Args:
            images: (B, C, H, W), uint8.
            labels: (B,), int64.
        """
        if self._change is not None:
            groups = images.split(max(1, -(-len(images) // _GROUPS)))
            images = torch.cat([self._change(each.contiguous()) for each in groups])
        if self._mix is None or float(torch.rand(())) >= self._mixed:
            return images, labels
        return self._mix(images.float(), labels)


def _rand_augment(strength: int) -> Callable[[Tensor], Tensor]:
    from torchvision.transforms import v2

    return v2.RandAugment(num_ops=2, magnitude=strength)


def _mixing(recipe: Recipe, classes: int) -> Callable[[Tensor, Tensor], Batch]:
    from torchvision.transforms import v2

    kinds = ((v2.MixUp, recipe.mixup), (v2.CutMix, recipe.cutmix))
    made: list[Any] = [make(alpha=alpha, num_classes=classes) for make, alpha in kinds if alpha]
    return v2.RandomChoice(made)
