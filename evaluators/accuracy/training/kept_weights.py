"""Weights beside those of the last step: their exponential mean, and those of the best epoch."""

import copy
import math

import torch
from torch import Tensor, nn


def tensors_of(model: nn.Module) -> list[Tensor]:
    """Return the parameters and buffers of a model, shared ones once."""
    return [*model.parameters(), *model.buffers()]


class WeightAverage:
    """An exponential mean of a model's weights, in a model of its own.

    Polyak and Juditsky, Acceleration of stochastic approximation by averaging, 1992. At the
    beginning the mean forgets faster, as in timm and TensorFlow, so that the first weights do not
    count.
    """

    def __init__(self, model: nn.Module, steps: float) -> None:
        """Copy the model.

        Args:
            model: The model as it is before training.
            steps: Steps after which a weight counts 1/e of what it did.
        """
        self.model = copy.deepcopy(model)
        self._decay = math.exp(-1 / max(1.0, steps))

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Take in the weights after a step, counted from 1."""
        decay = min(self._decay, (1 + step) / (10 + step))
        for mean, now in zip(tensors_of(self.model), tensors_of(model), strict=True):
            if mean.is_floating_point():
                mean.lerp_(now, 1 - decay)
            else:
                mean.copy_(now)


class BestWeights:
    """A copy of the weights of the best epoch."""

    def __init__(self, model: nn.Module) -> None:
        self.tensors = [each.detach().clone() for each in tensors_of(model)]

    def keep(self, model: nn.Module) -> None:
        """Copy the weights of a model."""
        _copy(tensors_of(model), self.tensors)

    def load(self, model: nn.Module) -> None:
        """Give a model the copied weights."""
        _copy(self.tensors, tensors_of(model))


def copy_weights(source: nn.Module, target: nn.Module) -> None:
    """Give a model the weights of another one of the same network."""
    _copy(tensors_of(source), tensors_of(target))


@torch.no_grad()
def _copy(sources: list[Tensor], targets: list[Tensor]) -> None:
    for source, target in zip(sources, targets, strict=True):
        target.copy_(source)
