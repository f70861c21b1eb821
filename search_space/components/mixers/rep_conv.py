"""Convolutions that are trained with parallel branches and run as one: RepVGG and MobileOne.

Shape suffixes: B batch, C channels, H rows, W columns.
"""

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Annotated, Self

import torch
from torch import Tensor, nn

from ...domains import YES_NO, Choice, IntRange
from ...shapes import Shape
from ..activations import ACTIVATION, activation
from ..base import Downsampling, Resampler, Stem, TokenMixer, Traits
from ..layers.depthwise_branches import DepthwiseBranches
from ..layers.folding import Foldable, with_kernel
from ..layers.kernel_clipping import KERNEL, reaching_wide
from ..layers.squeezing import Squeezing
from .bottleneck import GROUPS, uneven_groups


class RepBranches(Foldable):
    """The sum of k x k convolutions, a 1x1 one and, if shapes agree, the map, all with norms."""

    def __init__(
        self,
        channels: int,
        width: int,
        kernel_size: int,
        *,
        stride: int = 1,
        groups: int = 1,
        branches: int = 1,
    ) -> None:
        super().__init__()
        self.identity = nn.BatchNorm2d(width) if (stride, width) == (1, channels) else None
        sides = [(kernel_size, 1)] * branches + [(1, 1)] * (kernel_size > 1)
        self.branches = DepthwiseBranches(
            channels, sides, width=width, stride=stride, groups=groups
        )

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to the output, perhaps strided or with other channels."""
        sum_BCHW = self.branches(x_BCHW)
        return sum_BCHW if self.identity is None else self.identity(x_BCHW) + sum_BCHW

    def folded(self) -> nn.Module:
        """Return one convolution."""
        conv = self.branches.folded()
        assert isinstance(conv, nn.Conv2d) and conv.bias is not None
        if self.identity is None:
            return conv
        mean, var = self.identity.running_mean, self.identity.running_var
        assert mean is not None and var is not None
        scale = self.identity.weight / (var + self.identity.eps).sqrt()
        kernel, middle = conv.weight.clone(), conv.kernel_size[0] // 2
        outputs = torch.arange(len(kernel), device=kernel.device)
        kernel[outputs, outputs % kernel.shape[1], middle, middle] += scale
        return with_kernel(conv, kernel, conv.bias + self.identity.bias - mean * scale)


@dataclass(frozen=True, kw_only=True)
class RepConvKnobs(Squeezing):
    """Base of the convolution of RepVGG and MobileOne as a mixer, as downsampling and as a stem."""

    branches: Annotated[int, IntRange(1, 8)] = 1
    """Parallel k x k convolutions while training, 1 to 8: 1 in RepVGG, 4 in MobileOne-S0."""
    activation: Annotated[str, ACTIVATION] = "relu"
    """Activation after the sum of the branches, or after squeeze-and-excitation."""

    def layers(
        self, shape: Shape, width: int, kernel_size: int, groups: int, stride: int = 1
    ) -> nn.Module:
        """Build the module."""
        conv = RepBranches(
            shape.channels,
            width,
            kernel_size,
            stride=stride,
            groups=groups,
            branches=self.branches,
        )
        layers = OrderedDict[str, nn.Module](conv=conv)
        if squeeze := self.squeezing(width, shape):
            layers["squeeze"] = squeeze
        layers["act"] = activation(self.activation)
        return nn.Sequential(layers)


@dataclass(frozen=True, kw_only=True)
class RepConv(RepConvKnobs, TokenMixer):
    """A convolution trained in parallel with a 1x1 one and the identity, then an activation.

    Ding et al., RepVGG, 2021, figure 2; several equal branches: Vasu et al., MobileOne, 2022,
    figure 3. All branches have norms and fold into one convolution. It needs no residual. A kernel
    of 1 has no 1x1 branch beside it. With ``squeeze`` each position sees the whole map. Initial
    weights are torch's, as in the reference codes.
    """

    name = "rep_conv"
    traits = Traits(
        paper="Ding et al., RepVGG: Making VGG-style ConvNets Great Again, 2021, "
        "arXiv:2101.03697; Vasu et al., MobileOne: An Improved One Millisecond Mobile Backbone, "
        "2022, arXiv:2206.04040",
        code="DingXiaoH/RepVGG",
        reach="local",
        weights="static",
        cost="N k^2",
    )

    kernel_size: Annotated[int, KERNEL] = 3
    """Side of the kernel in pixels, odd, 1 to 31."""
    depthwise: Annotated[bool, YES_NO] = False
    """Whether each channel is convolved alone."""
    groups: Annotated[int, GROUPS] = 1
    """Groups of a convolution that is not depthwise, 1 to 64; must divide the channels."""

    def why_invalid(self, shape: Shape, width: int | None = None) -> str | None:
        """The groups must divide the channels."""
        return uneven_groups("conv", 1 if self.depthwise else self.groups, shape.channels)

    def canonical(self, shape: Shape) -> Self:
        """Clip a kernel to taps that can reach the map, but not to 1; unify depthwise forms."""
        clipped = reaching_wide(self.kernel_size, shape)
        depthwise = self.depthwise or self.groups == shape.channels
        return replace(
            super().canonical(shape),
            kernel_size=clipped,
            depthwise=depthwise,
            groups=1 if depthwise else self.groups,
        )

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        groups = shape.channels if self.depthwise else self.groups
        return self.layers(shape, shape.channels, self.kernel_size, groups)


@dataclass(frozen=True, kw_only=True)
class RepConvResampler(RepConvKnobs, Resampler):
    """Base of the convolution of RepVGG and MobileOne with a stride."""

    kernel_size: Annotated[int, Choice((1, 3, 5, 7))] = 3
    """Side of the kernel in pixels, odd, 1 to 7."""
    stride: Annotated[int, Choice((1, 2))] = 2
    """Step in pixels."""
    depthwise: Annotated[bool, YES_NO] = False
    """Whether each channel is convolved alone; the new channels must be a multiple."""

    def why_invalid(self, shape: Shape, width: int | None = None) -> str | None:
        """A depthwise convolution needs a multiple of the channels."""
        if self.depthwise and width is not None and width % shape.channels:
            return (
                f"width must be a multiple of the {shape.channels} channels of a depthwise "
                f"convolution, but got {width}"
            )
        return super().why_invalid(shape, width)

    def canonical(self, shape: Shape) -> Self:
        """With one channel, ``depthwise`` has no effect."""
        found = super().canonical(shape)
        return replace(found, depthwise=self.depthwise and shape.channels > 1)

    def out_size(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width of the output: halves, rounded up."""
        return -(-height // self.stride), -(-width // self.stride)

    def build(self, shape: Shape, width: int) -> nn.Module:
        """Build the module."""
        groups = shape.channels if self.depthwise else 1
        return self.layers(shape, width, self.kernel_size, groups, self.stride)


@dataclass(frozen=True, kw_only=True)
class RepConvDownsampling(RepConvResampler, Downsampling):
    """RepVGG's convolution with a stride or with other channels (Ding et al., 2021).

    arXiv:2101.03697; see the mixer ``rep_conv``. There is no identity where the shape changes.
    """

    name = "rep_conv"


@dataclass(frozen=True, kw_only=True)
class RepConvStem(RepConvResampler, Stem):
    """RepVGG's convolution as a stem (Ding et al., 2021, arXiv:2101.03697); see ``rep_conv``."""

    name = "rep_conv"
