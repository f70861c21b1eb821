"""The universal inverted bottleneck of MobileNetV4.

Shape suffixes: B batch, C channels, H rows, W columns.
"""

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Annotated, Self

from torch import nn

from ...domains import YES_NO, Choice, Positive
from ...shapes import Shape
from ..activations import ACTIVATION
from ..base import Downsampling, TokenMixer, Traits
from ..initial import fan_out_start
from ..layers.canonical_forms import RoundedRatio
from ..layers.conv_norm import conv_norm
from ..layers.kernel_clipping import reaching_wide
from ..residuals import ChannelScale


@dataclass(frozen=True, kw_only=True)
class UniversalKnobs(RoundedRatio):
    """Base of the universal inverted bottleneck as a mixer and as downsampling."""

    first_kernel: Annotated[int, Choice((0, 3, 5, 7))] = 3
    """Side of the depthwise kernel before the expansion in pixels; 0: none."""
    ratio: Annotated[float, Positive()] = 4.0
    """Ratio of hidden to input channels."""
    activation: Annotated[str, ACTIVATION] = "relu"
    """Activation after the expansion and after the depthwise convolution between."""

    def layers(self, shape: Shape, width: int, kernel_size: int, stride: int = 1) -> nn.Sequential:
        """Build the module."""
        channels, hidden = shape.channels, self.hidden(shape)
        layers = OrderedDict[str, nn.Module]()
        if self.first_kernel:
            layers["first"] = conv_norm(channels, channels, self.first_kernel, groups=channels)
        layers["expand"] = conv_norm(channels, hidden, act=self.activation)
        if kernel_size:
            layers["dwconv"] = conv_norm(
                hidden, hidden, kernel_size, stride=stride, groups=hidden, act=self.activation
            )
        layers["project"] = conv_norm(hidden, width)
        return fan_out_start(nn.Sequential(layers))


@dataclass(frozen=True, kw_only=True)
class UniversalInverted(UniversalKnobs, TokenMixer):
    """The inverted bottleneck with optional depthwise convolutions before and inside (MobileNetV4).

    Qin et al., MobileNetV4, 2024, section 4 and figure 4: ``extra depthwise`` has both,
    the inverted bottleneck the second, ConvNeXt-like the first, and the feed-forward network none.
    """

    name = "universal_inverted"
    traits = Traits(
        paper="Qin et al., MobileNetV4: Universal Models for the Mobile Ecosystem, 2024, "
        "arXiv:2404.10518",
        code="tensorflow/models",
        reach="local",
        weights="static",
        cost="N k^2",
    )

    kernel_size: Annotated[int, Choice((0, 3, 5, 7))] = 3
    """Side of the depthwise kernel between expansion and projection in pixels; 0: none."""

    def canonical(self, shape: Shape) -> Self:
        """Clip the kernels to taps that can reach the map, but not below 3."""
        return replace(
            super().canonical(shape),
            first_kernel=reaching_wide(self.first_kernel, shape),
            kernel_size=reaching_wide(self.kernel_size, shape),
        )

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        return self.layers(shape, shape.channels, self.kernel_size)


@dataclass(frozen=True, kw_only=True)
class UniversalDownsampling(UniversalKnobs, Downsampling):
    """MobileNetV4's inverted bottleneck for the start of a stage, without a residual.

    Qin et al., MobileNetV4, 2024, arXiv:2404.10518; the convolution inside has the stride.
    """

    name = "universal_inverted"
    added = ("scaled",)

    kernel_size: Annotated[int, Choice((3, 5, 7))] = 3
    """Side of the depthwise kernel between expansion and projection in pixels: 3, 5 or 7."""
    stride: Annotated[int, Choice((1, 2))] = 2
    """Step in pixels; 1 changes only the channels."""
    scaled: Annotated[bool, YES_NO] = False
    """Whether a learned factor per channel, at the start 1e-5, follows, as in the hybrid sizes."""

    def out_size(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width of the output: halves, rounded up."""
        return -(-height // self.stride), -(-width // self.stride)

    def build(self, shape: Shape, width: int) -> nn.Module:
        """Build the module."""
        layers = self.layers(shape, width, self.kernel_size, self.stride)
        if self.scaled:
            layers.add_module("scale", ChannelScale(width, 1e-5, False))
        return layers
