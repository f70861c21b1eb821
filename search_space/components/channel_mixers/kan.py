"""Layers of learned functions at each position."""

from collections import OrderedDict
from dataclasses import dataclass
from functools import partial
from typing import Annotated

from torch import nn

from ...domains import Choice, IntRange, Positive
from ...shapes import Shape
from ..activations import ACTIVATION
from ..base import ChannelMixer
from ..layers.canonical_forms import RoundedRatio
from ..layers.spline_conv import SplineConv2d
from .basis_conv import BasisConv


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


@dataclass(frozen=True, kw_only=True)
class BasisKan(RoundedRatio, ChannelMixer):
    """Two layers of functions of each channel that are not splines, with learned weights.

    Shreyas S and Akshath M, ViKANformer, 2025, arXiv:2503.01124, which compares them in a vision
    transformer. ``gaussian`` is Fast-KAN (Li, 2024, arXiv:2405.06721,
    equation 5: normed channels, bumps on [-2, 2], and a term beside them), ``fourier`` FourierKAN
    (Xu et al., 2024, arXiv:2406.01034), ``sine`` SineKAN (Reinhardt et al., 2024, arXiv:2407.04149,
    equation 7). Which functions suit is a choice of the space, as in Activation Space Selectable
    Kolmogorov-Arnold Networks (Yang et al., 2024, arXiv:2408.08338), for each block here, there
    for each node. All start from normal weights that keep the size of the channels; in the
    reference codes they differ.
    """

    name = "basis_kan"
    catalogue = ("B02", "B50")

    ratio: Annotated[float, Positive()] = 1.0
    """Ratio of hidden channels to channels."""
    basis: Annotated[str, Choice(("gaussian", "fourier", "sine"))] = "gaussian"
    """Functions of each channel: bumps, cosines and sines, or sines of learned frequencies."""
    functions: Annotated[int, IntRange(2, 32, 2)] = 8
    """Functions of each channel, even, 2 to 32."""

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        channels, hidden = shape.channels, self.hidden(shape)
        layer = partial(BasisConv, basis=self.basis, functions=self.functions)
        return nn.Sequential(
            OrderedDict(
                layer1=layer(channels=channels, width=hidden),
                layer2=layer(channels=hidden, width=channels),
            )
        )
