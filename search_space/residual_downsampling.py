"""Downsampling by a residual block with a stride.

Shape suffixes: B batch, C channels, H rows, W columns.
"""

from abc import abstractmethod
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Annotated, Self

from torch import Tensor, nn

from .activations import ACTIVATION, NONE_OR_ACTIVATION, activation
from .base import Downsampling
from .conv_norm import conv_norm
from .domains import YES_NO, Choice, Positive
from .mixers.bottleneck import (
    GROUPS,
    OPERATION,
    basic_layers,
    bottleneck_layers,
    uneven_groups,
)
from .shapes import Shape, conv_size, scaled


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
    """What the residual blocks with a stride share."""

    kernel_size: Annotated[int, Choice((3, 5, 7))] = 3
    """Side of the kernel that has the stride in pixels: 3, 5 or 7."""
    stride: Annotated[int, Choice((1, 2))] = 2
    """Step in pixels; 1 changes the channels alone."""
    activation: Annotated[str, ACTIVATION] = "relu"
    """Inside the branch."""
    last_activation: Annotated[str, NONE_OR_ACTIVATION] = "relu"
    """After the sum, or after the branch where there is no shortcut; or ``none``."""
    shortcut: Annotated[bool, YES_NO] = True
    """Whether a 1x1 convolution with the same stride and a batch norm is added to the branch."""

    def out_size(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width of the output."""
        geometry = (self.kernel_size, self.stride, self.kernel_size // 2)
        return conv_size(height, *geometry), conv_size(width, *geometry)

    @abstractmethod
    def branch(self, shape: Shape, width: int) -> "OrderedDict[str, nn.Module]":
        """Build the layers of the branch."""

    def build(self, shape: Shape, width: int) -> nn.Module:
        """Build the module."""
        layers = self.branch(shape, width)
        if self.shortcut:
            shortcut = conv_norm(shape.channels, width, stride=self.stride)
            return StridedResidual(nn.Sequential(layers), shortcut, self.last_activation)
        if self.last_activation != "none":
            layers["act"] = activation(self.last_activation)
        return nn.Sequential(layers)


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
class BottleneckDownsampling(ResidualDownsampling):
    """The first bottleneck block of a stage: its middle has the stride.

    He et al., 2016, figure 5, right, with the stride where torchvision has it. Without shortcut
    and last activation it is the first inverted residual of a stage of MobileNetV2 (Sandler et
    al., 2018, table 1).
    """

    name = "bottleneck"

    expansion: Annotated[float, Positive()] = 0.5
    """Inner channels over those of the input: below 1 in ResNet, above in MobileNetV2."""
    operation: Annotated[str, OPERATION] = "dense"
    """The middle: dense or depthwise convolution, or the maximum, which has no norm."""
    groups: Annotated[int, GROUPS] = 1
    """Groups of a dense convolution, 1 to 64; must divide the inner channels."""
    first: Annotated[bool, YES_NO] = True
    """Whether there is a first 1x1 convolution; without, the inner channels are the input's."""

    def inner(self, shape: Shape) -> int:
        """Return the inner channels, at least 1."""
        return scaled(shape.channels, self.expansion) if self.first else shape.channels

    def refuses(self, shape: Shape, width: int | None = None) -> str | None:
        """The groups must share the inner channels evenly."""
        uneven = uneven_groups(self.operation, self.groups, self.inner(shape))
        return super().refuses(shape, width) or uneven

    def canonical(self, shape: Shape) -> Self:
        """Make the expansion that of whole channels; leave out groups where nothing has them."""
        groups = self.groups if self.operation == "dense" else 1
        return replace(self, expansion=self.inner(shape) / shape.channels, groups=groups)

    def branch(self, shape: Shape, width: int) -> "OrderedDict[str, nn.Module]":
        """Build the layers of the branch."""
        layers = bottleneck_layers(
            shape.channels,
            width,
            self.inner(shape),
            self.kernel_size,
            stride=self.stride,
            operation=self.operation,
            groups=self.groups,
            act=self.activation,
        )
        if not self.first:
            del layers["conv1"]
        return layers
