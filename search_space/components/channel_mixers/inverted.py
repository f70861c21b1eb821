"""The inverted residual as a channel mixer."""

from dataclasses import dataclass
from typing import Annotated

from torch import nn

from ...domains import YES_NO, Positive
from ...shapes import Shape
from ..activations import ACTIVATION
from ..base import ChannelMixer
from ..initial import fan_out_start
from ..layers.canonical_forms import RoundedRatio
from ..layers.conv_norm import divisible, inverted_residual
from ..layers.gate_and_shortcut import Shortcut


@dataclass(frozen=True, kw_only=True)
class InvertedResidual(RoundedRatio, ChannelMixer):
    """Two linear maps with a depthwise 3x3 convolution between, a batch norm after each.

    Sandler et al., MobileNetV2, 2018, arXiv:1801.04381, section 3.3. Hidden channels are multiples
    of eight. The block adds the residual; AFFNet (Huang et al., 2023) has one inside too.
    """

    name = "inverted_residual"

    ratio: Annotated[float, Positive()] = 4.0
    """Ratio of hidden channels to channels, before rounding to a multiple of 8; 1: no first map."""
    activation: Annotated[str, ACTIVATION] = "relu6"
    """Activation after the first two convolutions."""
    shortcut: Annotated[bool, YES_NO] = False
    """Whether the input is added."""

    def hidden(self, shape: Shape) -> int:
        """Return the hidden channels."""
        return divisible(round(shape.channels * self.ratio))

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        channels = shape.channels
        branch = inverted_residual(channels, channels, self.hidden(shape), act=self.activation)
        return fan_out_start(Shortcut(branch) if self.shortcut else branch)
