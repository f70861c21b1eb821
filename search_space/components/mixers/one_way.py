"""Convolutions by one-way (1-D) filters."""

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Annotated, Self

from torch import nn

from ...domains import YES_NO, Choice
from ...shapes import Shape
from ..base import TokenMixer, Traits
from ..layers.kernel_clipping import KERNEL, depthwise, reaching_kernel


@dataclass(frozen=True, kw_only=True)
class OneWayConv(TokenMixer):
    """A convolution by a sequence of one-way (1-D) filters (Boukraichi et al., 2023).

    Each kernel is a product of 1-D filters from the start of training. A two-way kernel of a
    channel has one along rows and one along columns; a three-way kernel has one over channels
    first.
    """

    name = "one_way_conv"
    traits = Traits(
        catalogue=("M02",),
        paper="Boukraichi et al., A priori compression of convolutional neural networks for wave "
        "simulators, 2023, arXiv:2304.04964",
        reach="local",
        weights="static",
        cost="N k",
    )

    kernel_size: Annotated[int, KERNEL] = 3
    """Length of the spatial filters in pixels, odd, 1 to 31."""
    axes: Annotated[str, Choice(("height", "width", "height_width", "channels_height_width"))] = (
        "channels_height_width"
    )
    """The axes with a filter, in the order of application."""
    bias: Annotated[bool, YES_NO] = True
    """Whether the last filter has a bias."""

    def canonical(self, shape: Shape) -> Self:
        """Clip the filters to taps that can reach the map along their axes."""
        height = shape.height if "height" in self.axes else 1
        width = shape.width if "width" in self.axes else 1
        reach = reaching_kernel(self.kernel_size, Shape(1, height, width))
        return replace(self, kernel_size=reach)

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        channels, length = shape.channels, self.kernel_size
        layers = OrderedDict[str, nn.Module]()
        if "channels" in self.axes:
            layers["channels"] = nn.Conv2d(channels, channels, 1, bias=False)
        if "height" in self.axes:
            last = self.axes == "height"
            layers["height"] = depthwise(channels, (length, 1), bias=self.bias and last)
        if "width" in self.axes:
            layers["width"] = depthwise(channels, (1, length), bias=self.bias)
        return nn.Sequential(layers)
