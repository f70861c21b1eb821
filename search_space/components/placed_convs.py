"""Convolutions with batch norms, behind which a learned vector is added at each position (SOFT)."""

from dataclasses import dataclass
from typing import Annotated

from torch import nn

from ..domains import Positive
from ..shapes import Shape
from .activations import ACTIVATION
from .base import Downsampling, Stem
from .layers.conv_norm import conv_norm
from .patch_stems import Positions


@dataclass(frozen=True, kw_only=True)
class PlacedConvStem(Stem):
    """Three 3x3 convolutions of strides 2, 1 and 2, and a learned vector at each position.

    Lu et al., SOFT, 2021, arXiv:2110.11945, reference code: each with a bias, a batch norm and an
    activation. Initial weights are torch's, as there.
    """

    name = "placed_convs"
    one_size = True

    hidden: Annotated[int, Positive(whole=True)] = 32
    """Channels after the first two convolutions."""
    activation: Annotated[str, ACTIVATION] = "relu"
    """Activation after each norm."""

    def out_size(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width of the output: quarters, rounded up."""
        return -(-height // 4), -(-width // 4)

    def build(self, shape: Shape, width: int) -> nn.Module:
        """Build the module."""
        hidden, act = self.hidden, self.activation
        return nn.Sequential(
            conv_norm(shape.channels, hidden, 3, stride=2, act=act, bias=True),
            conv_norm(hidden, hidden, 3, act=act, bias=True),
            conv_norm(hidden, width, 3, stride=2, act=act, bias=True),
            Positions(self.out_shape(shape, width)),
        )


@dataclass(frozen=True, kw_only=True)
class PlacedConvDownsampling(Downsampling):
    """A 3x3 convolution, a batch norm, an activation, and a learned vector at each position.

    Lu et al., SOFT, 2021, arXiv:2110.11945, reference code. Initial weights are torch's, as there.
    """

    name = "placed_conv"
    one_size = True

    activation: Annotated[str, ACTIVATION] = "relu"
    """Activation after the norm."""

    def out_size(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width of the output: halves, rounded up."""
        return -(-height // 2), -(-width // 2)

    def build(self, shape: Shape, width: int) -> nn.Module:
        """Build the module."""
        return nn.Sequential(
            conv_norm(shape.channels, width, 3, stride=2, act=self.activation, bias=True),
            Positions(self.out_shape(shape, width)),
        )
