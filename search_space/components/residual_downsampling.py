"""Downsampling by a residual block with a stride."""

from abc import abstractmethod
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Annotated, Self

from torch import nn

from ..domains import YES_NO, Choice, Positive
from ..shapes import Shape, conv_size, scaled
from .activations import ACTIVATION
from .base import Downsampling
from .initial import fan_out_start
from .layers.conv_norm import conv_norm
from .layers.gate_and_shortcut import StridedResidual
from .layers.squeezing import SQUEEZE_KNOBS, Squeezing
from .mixers.bottleneck import GROUPS, basic_layers, bottleneck_layers, uneven_groups


@dataclass(frozen=True, kw_only=True)
class ResidualDownsampling(Downsampling):
    """Base of the residual blocks with a stride.

    The shortcut is a 1x1 convolution with the same stride and a batch norm. The last norm's scale
    starts at one, as in torchvision; in timm at zero.
    """

    added = ("mean_shortcut",)

    kernel_size: Annotated[int, Choice((3, 5, 7))] = 3
    """Side of the kernel that has the stride in pixels: 3, 5 or 7."""
    stride: Annotated[int, Choice((1, 2))] = 2
    """Step in pixels; 1 changes only the channels."""
    activation: Annotated[str, ACTIVATION] = "relu"
    """Activation inside the branch, and after the sum."""
    mean_shortcut: Annotated[bool, YES_NO] = False
    """Whether the shortcut has the mean over 2x2 positions in place of its stride, as in ResNet-D
    (He et al., Bag of Tricks, 2018, arXiv:1812.01187) and DeepMAD (Shen et al., 2023)."""

    def canonical(self, shape: Shape) -> Self:
        """Without a stride, or with one position, ``mean_shortcut`` has no effect."""
        return replace(super().canonical(shape), mean_shortcut=self.means(shape))

    def means(self, shape: Shape) -> bool:
        """Whether the shortcut takes means."""
        return self.mean_shortcut and self.stride == 2 and shape.tokens > 1

    def out_size(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width of the output."""
        geometry = (self.kernel_size, self.stride, self.kernel_size // 2)
        return conv_size(height, *geometry), conv_size(width, *geometry)

    @abstractmethod
    def branch(self, shape: Shape, width: int) -> "OrderedDict[str, nn.Module]":
        """Build the layers of the branch."""

    def build(self, shape: Shape, width: int) -> nn.Module:
        """Build the module."""
        branch = nn.Sequential(self.branch(shape, width))
        means = self.means(shape)
        shortcut = conv_norm(shape.channels, width, stride=1 if means else self.stride)
        if means:
            pool = nn.AvgPool2d(self.stride, ceil_mode=True, count_include_pad=False)
            shortcut = nn.Sequential(OrderedDict[str, nn.Module](pool=pool, map=shortcut))
        module = StridedResidual(branch, shortcut, self.activation)
        return fan_out_start(module, grouped=False)


@dataclass(frozen=True, kw_only=True)
class BasicDownsampling(ResidualDownsampling):
    """The first basic block of a stage of ResNet-18 and -34 (He et al., 2016, figure 5, left)."""

    name = "basic"

    def branch(self, shape: Shape, width: int) -> "OrderedDict[str, nn.Module]":
        """Build two convolutions, the first with the stride."""
        return basic_layers(
            shape.channels,
            width,
            width,
            self.kernel_size,
            stride=self.stride,
            act=self.activation,
        )


@dataclass(frozen=True, kw_only=True)
class BottleneckDownsampling(ResidualDownsampling, Squeezing):
    """The first bottleneck block of a stage (He et al., 2016, figure 5, right).

    The middle operation has the stride, as in torchvision. In the hybrid network of Han et al.,
    2022, arXiv:2202.02777, section 4, a 2x2 mean before the convolution has it.
    """

    name = "bottleneck"
    added = (*SQUEEZE_KNOBS, "mean_shortcut")

    expansion: Annotated[float, Positive()] = 0.5
    """Ratio of inner to input channels."""
    operation: Annotated[str, Choice(("conv", "max", "mean_conv"))] = "conv"
    """Middle operation: a convolution, the maximum (without a norm), or mean and convolution."""
    groups: Annotated[int, GROUPS] = 1
    """Groups of the convolution, 1 to 64; must divide the inner channels."""

    def inner(self, shape: Shape) -> int:
        """Return the inner channels, at least 1."""
        return scaled(shape.channels, self.expansion)

    def why_invalid(self, shape: Shape, width: int | None = None) -> str | None:
        """The groups must divide the inner channels."""
        uneven = uneven_groups(self.operation, self.groups, self.inner(shape))
        return super().why_invalid(shape, width) or uneven

    def canonical(self, shape: Shape) -> Self:
        """Round the expansion to whole channels; reset knobs without effect."""
        same = replace(super().canonical(shape), expansion=self.inner(shape) / shape.channels)
        if self.operation == "max":
            return replace(same, groups=1)
        return replace(same, operation="conv") if self.stride == 1 else same

    def branch(self, shape: Shape, width: int) -> "OrderedDict[str, nn.Module]":
        """Build the layers of the branch."""
        return bottleneck_layers(
            shape.channels,
            width,
            self.inner(shape),
            self.kernel_size,
            stride=self.stride,
            operation=self.operation,
            groups=self.groups,
            act=self.activation,
            squeeze=self.squeezing(self.inner(shape), shape),
        )
