"""Heads: from the last feature map to class scores.

Shape suffixes: B batch, C channels, H rows, W columns, K classes.
"""

from collections import OrderedDict
from dataclasses import dataclass, field, replace
from typing import Annotated, Self

from torch import Tensor, nn

from .activations import ACTIVATION, activation
from .base import Head, Norm, table_of
from .domains import Positive
from .norms import LayerNorm
from .shapes import Shape, scaled


class PooledClassifier(nn.Module):
    """Mean over places, norm, classifier."""

    def __init__(self, norm: nn.Module, classifier: nn.Module) -> None:
        super().__init__()
        self.norm = norm
        self.classifier = classifier

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, K)."""
        pooled_BC11 = x_BCHW.mean((2, 3), keepdim=True)
        return self.classifier(self.norm(pooled_BC11).flatten(1))


@dataclass(frozen=True, kw_only=True)
class PooledHead(Head):
    """Mean over places, norm, one linear map (ConvNeXt, Liu et al., 2022)."""

    name = "pooled"

    norm: Norm = field(default_factory=LayerNorm)
    """Between mean and map."""

    def build(self, shape: Shape, classes: int) -> nn.Module:
        """Build the module."""
        norm = self.norm.build(Shape(shape.channels, 1, 1))
        return PooledClassifier(norm, nn.Linear(shape.channels, classes))


@dataclass(frozen=True, kw_only=True)
class MlpHead(Head):
    """Mean over places, norm, and a perceptron with a norm inside (MetaFormer Baselines, 2022)."""

    name = "mlp"

    ratio: Annotated[float, Positive()] = 4.0
    """Hidden channels over channels."""
    activation: Annotated[str, ACTIVATION] = "squared_relu"
    """Inside the perceptron."""
    norm: Norm = field(default_factory=LayerNorm)
    """Between mean and perceptron."""

    def hidden(self, shape: Shape) -> int:
        """Return the hidden channels, at least 1."""
        return scaled(shape.channels, self.ratio)

    def canonical(self, shape: Shape) -> Self:
        """Make the ratio that of whole channels."""
        return replace(self, ratio=self.hidden(shape) / shape.channels)

    def build(self, shape: Shape, classes: int) -> nn.Module:
        """Build the module."""
        hidden = self.hidden(shape)
        perceptron = nn.Sequential(
            OrderedDict(
                fc1=nn.Linear(shape.channels, hidden),
                act=activation(self.activation),
                norm=nn.LayerNorm(hidden),
                fc2=nn.Linear(hidden, classes),
            )
        )
        return PooledClassifier(self.norm.build(Shape(shape.channels, 1, 1)), perceptron)


HEADS = table_of(PooledHead, MlpHead)
