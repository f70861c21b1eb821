"""Downsampling by a residual block with a stride.

Shape suffixes: B batch, C channels, H rows, W columns.
"""

from abc import abstractmethod
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Annotated, Self

from torch import Tensor, nn

from ..domains import Choice, Positive
from ..shapes import Shape, conv_size, scaled
from .activations import ACTIVATION, activation
from .base import Downsampling
from .initial import fan_out_start
from .layers.conv_norm import conv_norm
from .layers.squeezing import SQUEEZE_KNOBS, Squeezing
from .mixers.bottleneck import GROUPS, basic_layers, bottleneck_layers, uneven_groups


class StridedResidual(nn.Module):
    """A branch and its shortcut, added and activated."""

    def __init__(self, branch: nn.Module, shortcut: nn.Module, act: str) -> None:
        super().__init__()
        self.branch = branch
        self.shortcut = shortcut
        self.act = activation(act)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C', H', W')."""
        return self.act(self.branch(x_BCHW) + self.shortcut(x_BCHW))


@dataclass(frozen=True, kw_only=True)
class ResidualDownsampling(Downsampling):
    """Base of the residual blocks with a stride.

    The shortcut is a 1x1 convolution with the same stride and a batch norm. The last norm's scale
    starts at one, as in torchvision; in timm at zero.
    """

    kernel_size: Annotated[int, Choice((3, 5, 7))] = 3
    """Side of the kernel that has the stride in pixels: 3, 5 or 7."""
    stride: Annotated[int, Choice((1, 2))] = 2
    """Step in pixels; 1 changes only the channels."""
    activation: Annotated[str, ACTIVATION] = "relu"
    """Activation inside the branch, and after the sum."""

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
        shortcut = conv_norm(shape.channels, width, stride=self.stride)
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
    added = SQUEEZE_KNOBS

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
