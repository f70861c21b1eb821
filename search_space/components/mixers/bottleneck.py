"""The convolutions of residual networks' basic and bottleneck blocks."""

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Annotated, Self

from torch import nn

from ...domains import Choice, IntRange, Positive
from ...shapes import Shape
from ..activations import ACTIVATION
from ..base import Traits
from ..initial import fan_out_start
from ..layers.canonical_forms import WidenedMixer
from ..layers.conv_norm import conv_norm
from ..layers.kernel_clipping import KERNEL
from ..layers.squeezing import SQUEEZE_KNOBS, Squeezing

OPERATION = Choice(("conv", "max"))
"""Spatial operation of a bottleneck: a convolution, or the maximum."""

GROUPS = IntRange(1, 64)
"""Legal numbers of groups."""


def basic_layers(
    channels: int,
    width: int,
    inner: int,
    kernel_size: int,
    *,
    stride: int = 1,
    act: str,
    eps: float = 1e-5,
) -> "OrderedDict[str, nn.Module]":
    """Return two convolutions with batch norms, an activation between."""
    return OrderedDict(
        conv1=conv_norm(channels, inner, kernel_size, stride=stride, act=act, eps=eps),
        conv2=conv_norm(inner, width, kernel_size, eps=eps),
    )


def bottleneck_layers(
    channels: int,
    width: int,
    inner: int,
    kernel_size: int,
    *,
    stride: int = 1,
    operation: str,
    groups: int,
    act: str,
    squeeze: nn.Module | None = None,
) -> "OrderedDict[str, nn.Module]":
    """Return 1x1 convolution, a spatial operation, 1x1 convolution, with batch norms.

    The operation is ``conv``, ``max``, or ``mean_conv``: the mean over ``stride`` x ``stride``
    positions, then the convolution. ``squeeze`` follows it.
    """
    layers = OrderedDict[str, nn.Module](conv1=conv_norm(channels, inner, act=act))
    if operation == "max":
        layers["conv2"] = nn.MaxPool2d(kernel_size, stride, kernel_size // 2)
    else:
        if operation == "mean_conv":
            layers["pool"] = nn.AvgPool2d(stride, ceil_mode=True, count_include_pad=False)
            stride = 1
        layers["conv2"] = conv_norm(
            inner, inner, kernel_size, stride=stride, groups=groups, act=act
        )
    if squeeze is not None:
        layers["squeeze"] = squeeze
    layers["conv3"] = conv_norm(inner, width)
    return layers


def uneven_groups(operation: str, groups: int, inner: int) -> str | None:
    """Return why the groups do not divide the inner channels, or None."""
    if operation == "max" or inner % groups == 0:
        return None
    return f"groups must divide the inner channels, but got groups {groups} and {inner} channels"


@dataclass(frozen=True, kw_only=True)
class BasicConv(WidenedMixer):
    """Two dense convolutions with batch norms: the branch of ResNet's basic block.

    He et al., 2016, figure 5, left. The last norm's initial scale is one, as in torchvision; in
    timm it is zero.
    """

    name = "basic_conv"
    traits = Traits(
        paper="He et al., Deep Residual Learning for Image Recognition, 2016, arXiv:1512.03385",
        code="pytorch/vision",
        reach="local",
        weights="static",
        cost="N k^2",
    )
    added = ("eps",)

    kernel_size: Annotated[int, KERNEL] = 3
    """Side of both kernels in pixels, odd, 1 to 31."""
    expansion: Annotated[float, Positive()] = 1.0
    """Ratio of inner channels to channels."""
    activation: Annotated[str, ACTIVATION] = "relu"
    """Activation between the convolutions."""
    eps: Annotated[float, Positive()] = 1e-5
    """Number added to the variance in batch norms."""

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        channels = shape.channels
        layers = basic_layers(
            channels,
            channels,
            self.inner(shape),
            self.kernel_size,
            act=self.activation,
            eps=self.eps,
        )
        return fan_out_start(nn.Sequential(layers), grouped=False)


@dataclass(frozen=True, kw_only=True)
class BottleneckConv(Squeezing, WidenedMixer):
    """1x1 convolution, convolution, 1x1 convolution, with batch norms.

    The branch of ResNet's bottleneck block (He et al., 2016, figure 5, right). ResNeXt (Xie et al.,
    2017, arXiv:1611.05431) has groups, RegNetY (Radosavovic et al., 2020, arXiv:2003.13678)
    squeeze-and-excitation too (then each position sees the whole map), Han et al., 2022, the
    maximum. The channel mixer ``inverted_residual`` is the widened, depthwise form. Initial norms
    are as in ``basic_conv``.
    """

    name = "bottleneck_conv"
    traits = Traits(
        catalogue=("M33",),
        paper="He et al., Deep Residual Learning for Image Recognition, 2016, arXiv:1512.03385; "
        "Han et al., Learning Features with Parameter-Free Layers, 2022, arXiv:2202.02777",
        code="pytorch/vision",
        reach="local",
        weights="static",
        cost="N k^2",
    )
    added = SQUEEZE_KNOBS

    kernel_size: Annotated[int, KERNEL] = 3
    """Side of the middle kernel in pixels, odd, 1 to 31."""
    expansion: Annotated[float, Positive()] = 0.25
    """Ratio of inner channels to channels."""
    operation: Annotated[str, OPERATION] = "conv"
    """Middle operation: a convolution, or the maximum, which has no norm."""
    groups: Annotated[int, GROUPS] = 1
    """Groups of the convolution, 1 to 64; must divide the inner channels."""
    activation: Annotated[str, ACTIVATION] = "relu"
    """Activation after the first convolution and the middle one."""

    def why_invalid(self, shape: Shape, width: int | None = None) -> str | None:
        """The groups must divide the inner channels."""
        return uneven_groups(self.operation, self.groups, self.inner(shape))

    def canonical(self, shape: Shape) -> Self:
        """Clip the kernel to taps that can reach the map; round the expansion to whole channels.

        With the maximum, ``groups`` has no effect.
        """
        groups = 1 if self.operation == "max" else self.groups
        return replace(super().canonical(shape), groups=groups)

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        layers = bottleneck_layers(
            shape.channels,
            shape.channels,
            self.inner(shape),
            self.kernel_size,
            operation=self.operation,
            groups=self.groups,
            act=self.activation,
            squeeze=self.squeezing(self.inner(shape), shape),
        )
        return fan_out_start(nn.Sequential(layers), grouped=False)
