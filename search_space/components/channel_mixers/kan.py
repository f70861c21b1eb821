"""Layers of learned functions at each position."""

from collections import OrderedDict
from dataclasses import dataclass
from functools import partial
from typing import Annotated

from torch import nn

from ...domains import IntRange, Positive
from ...shapes import Shape
from ..activations import ACTIVATION
from ..base import ChannelMixer
from ..layers.canonical_forms import RoundedRatio
from ..layers.spline_conv import SplineConv2d


@dataclass(frozen=True, kw_only=True)
class Kan(RoundedRatio, ChannelMixer):
    """Two Kolmogorov-Arnold layers over channels, each edge a learned function.

    Liu et al., KAN: Kolmogorov-Arnold Networks, 2024, arXiv:2404.19756, equation 2.7; in place of
    perceptrons on images Moradi et al., Kolmogorov-Arnold Network Autoencoders, 2024,
    arXiv:2410.02077.
    """

    name = "kan"
    catalogue = ("B27",)

    ratio: Annotated[float, Positive()] = 1.0
    """Ratio of hidden channels to channels."""
    grid_size: Annotated[int, IntRange(1, 32)] = 5
    """Cells of the splines' grid, 1 to 32."""
    spline_order: Annotated[int, IntRange(1, 5)] = 3
    """Degree of the splines' pieces, 1 to 5."""
    span: Annotated[float, Positive()] = 1.0
    """The splines' grid is [-span, span]; outside it the splines are zero."""
    activation: Annotated[str, ACTIVATION] = "silu"
    """Activation of the term beside the spline."""

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        channels, hidden = shape.channels, self.hidden(shape)
        layer = partial(
            SplineConv2d,
            kernel_size=1,
            grid_size=self.grid_size,
            order=self.spline_order,
            span=self.span,
            act=self.activation,
        )
        return nn.Sequential(
            OrderedDict(
                layer1=layer(channels=channels, width=hidden),
                layer2=layer(channels=hidden, width=channels),
            )
        )
