"""Regularisation of a full training: changed and mixed images, skipped branches.

The random numbers are torch's global ones. Legend: B batch, K classes.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ....search_space.architecture.network import Network
from ....search_space.components.parts import Part
from ....search_space.components.residuals import Add
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


def drop_path_rates(parts: Sequence[Part], rate: float) -> Mapping[str, float]:
    """Return the probability by residual sum that its branch is skipped.

    It rises linearly from 0 in the first block to ``rate`` in the last (Huang et al., 2016).
    """
    sums = [part.name for part in parts if isinstance(part.component, Add)]
    blocks = list(dict.fromkeys(name.rpartition(".residual")[0] for name in sums))
    last = max(1, len(blocks) - 1)
    return {name: rate * blocks.index(name.rpartition(".residual")[0]) / last for name in sums}


def skip_branches(model: nn.Module, rate: float) -> list[Any]:
    """Let a network skip residual branches in training; return the handles that end it.

    A model that is no ``Network``, and a network without residual sums, stays as it is.
    """
    if not rate or not isinstance(model, Network):
        return []
    from torchvision.ops import stochastic_depth

    def hook(probability: float) -> Callable[[nn.Module, tuple[Tensor, ...]], Batch]:
        def skip(module: nn.Module, inputs: tuple[Tensor, ...]) -> Batch:
            stream, branch = inputs
            return stream, stochastic_depth(branch, probability, "row", module.training)

        return skip

    rates = drop_path_rates(model.architecture.parts(), rate)
    return [
        model.get_submodule(name).register_forward_pre_hook(hook(probability))
        for name, probability in rates.items()
        if probability
    ]
