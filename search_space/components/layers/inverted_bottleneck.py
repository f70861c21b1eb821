"""Downsampling by an inverted residual."""

from dataclasses import dataclass
from typing import Annotated

from torch import nn

from ...domains import Choice, Positive
from ...shapes import Shape
from ..activations import ACTIVATION
from ..base import Downsampling
from ..initial import fan_out_start
from .canonical_forms import RoundedRatio
from .conv_norm import divisible, inverted_residual


@dataclass(frozen=True, kw_only=True)
class InvertedResidualDownsampling(RoundedRatio, Downsampling):
    """An inverted residual without the residual (Sandler et al., MobileNetV2, 2018, table 1).

    arXiv:1801.04381.
    """

    name = "inverted_residual"

    ratio: Annotated[float, Positive()] = 4.0
    """Ratio of hidden to input channels, before rounding to multiples of eight."""
    stride: Annotated[int, Choice((1, 2))] = 2
    """Step in pixels; 1 changes only the channels."""
    activation: Annotated[str, ACTIVATION] = "relu6"
    """Activation after the first two convolutions."""

    def hidden(self, shape: Shape) -> int:
        """Return the hidden channels."""
        return divisible(round(shape.channels * self.ratio))

    def out_size(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width of the output: halves, rounded up."""
        return -(-height // self.stride), -(-width // self.stride)

    def build(self, shape: Shape, width: int) -> nn.Module:
        """Build the module."""
        hidden = self.hidden(shape)
        layers = inverted_residual(
            shape.channels, width, hidden, stride=self.stride, act=self.activation
        )
        return fan_out_start(layers)
