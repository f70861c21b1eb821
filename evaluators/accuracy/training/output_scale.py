"""The scale of numbers to predict, which training removes and the trained network holds.

Legend: N images, K numbers.
"""

from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor, nn

from ....search_space.components.heads import MeanOfScores, NormedLinear
from ...base import CandidateError


@dataclass(frozen=True, kw_only=True, eq=False)
class OutputScale:
    """Mean and deviation of each number over the training images."""

    mean_K: Tensor
    """Means, (K,), float64."""
    std_K: Tensor
    """Standard deviations, (K,), float64, above 0."""

    @classmethod
    def of(cls, values_NK: Tensor) -> Self:
        """Return the scale of numbers (N, K)."""
        std_K = values_NK.std(0, correction=0)
        return cls(mean_K=values_NK.mean(0), std_K=torch.where(std_K > 0, std_K, 1.0))

    def standardised(self, values_NK: Tensor) -> Tensor:
        """Return numbers minus their mean, divided by their deviation, (N, K), float32."""
        return ((values_NK - self.mean_K) / self.std_K).float()

    @torch.no_grad()
    def put_into(self, model: nn.Module) -> None:
        """Let a model that predicts standardised numbers predict them in their unit.

        Mean and deviation become part of its last linear map, so every exported form has them.
        """
        for layer in _last_maps(model):
            std_K, mean_K = (each.to(layer.weight.device) for each in (self.std_K, self.mean_K))
            layer.weight.copy_(layer.weight.double() * std_K[:, None])
            layer.bias.copy_(layer.bias.double() * std_K + mean_K)

    @torch.no_grad()
    def take_from(self, model: nn.Module) -> None:
        """Undo ``put_into``."""
        for layer in _last_maps(model):
            std_K, mean_K = (each.to(layer.weight.device) for each in (self.std_K, self.mean_K))
            layer.weight.copy_(layer.weight.double() / std_K[:, None])
            layer.bias.copy_((layer.bias.double() - mean_K) / std_K)

    def to_json(self) -> dict[str, Any]:
        """Return mean and deviation as JSON values."""
        return {"mean": self.mean_K.tolist(), "std": self.std_K.tolist()}


def _last_maps(model: nn.Module) -> list[nn.Linear]:
    """Return the linear maps that end in a model's outputs.

    Raises:
        CandidateError: If the model ends in another module.
    """
    found = getattr(model, "get_classifier", lambda: model)()
    maps = [_last_map(each) for each in _branches(found)]
    if any(each is None for each in maps):
        raise CandidateError(
            "error",
            "a network that predicts numbers must end in a linear map with a bias, which holds "
            f"their mean and deviation, but ends in {type(found).__name__}",
        )
    return [each for each in maps if each is not None]


def _branches(module: nn.Module) -> list[nn.Module]:
    return [module.labels, module.teacher] if isinstance(module, MeanOfScores) else [module]


def _last_map(module: nn.Module) -> nn.Linear | None:
    while isinstance(module, nn.Sequential) and len(module):
        module = module[-1]
    if isinstance(module, NormedLinear):
        module = module.linear
    return (
        module
        if isinstance(module, nn.Linear) and "bias" in dict(module.named_parameters())
        else None
    )
