"""Convolutional mixers with static kernels.

Shape suffixes: B batch, C channels, H rows, W columns.
"""

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Annotated, Self

import torch
from torch import Tensor, nn

from ...domains import YES_NO, Positive
from ...shapes import Shape, scaled
from ..activations import ACTIVATION, activation
from ..base import TokenMixer, Traits
from ..initial import small_start
from ..layers.canonical_forms import ClippedKernel, WidenedMixer
from ..layers.conv_norm import conv_norm
from ..layers.kernel_clipping import KERNEL, depthwise, reaching_kernel


@dataclass(frozen=True, kw_only=True)
class SeparableConv(WidenedMixer):
    """Inverted separable convolution: 1x1, activation, depthwise, 1x1 (ConvFormer).

    Sandler et al., MobileNetV2, 2018, as used by Yu et al., MetaFormer Baselines, 2022: without
    norms inside and without an activation after the depthwise convolution.
    """

    name = "separable_conv"
    traits = Traits(
        catalogue=("M39",),
        paper="Yu et al., MetaFormer Baselines for Vision, 2022, arXiv:2210.13452",
        reach="local",
        weights="static",
        cost="N k^2",
        code="sail-sg/metaformer",
    )

    kernel_size: Annotated[int, KERNEL] = 7
    """Side of the depthwise kernel in pixels, odd, 1 to 31."""
    expansion: Annotated[float, Positive()] = 2.0
    """Ratio of inner channels to channels."""
    activation: Annotated[str, ACTIVATION] = "star_relu"
    """Activation after the first 1x1 convolution."""
    bias: Annotated[bool, YES_NO] = False
    """Whether the three convolutions have a bias."""

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        channels, inner = shape.channels, self.inner(shape)
        layers = OrderedDict(
            pwconv1=nn.Conv2d(channels, inner, 1, bias=self.bias),
            act=activation(self.activation),
            dwconv=depthwise(inner, (self.kernel_size, self.kernel_size), bias=self.bias),
            pwconv2=nn.Conv2d(inner, channels, 1, bias=self.bias),
        )
        return small_start(nn.Sequential(layers))


@dataclass(frozen=True, kw_only=True)
class LargeKernelConv(ClippedKernel, TokenMixer):
    """One depthwise convolution: 7x7 in ConvNeXt, up to 31x31 in RepLKNet (both 2022).

    EfficientViT (Liu et al., 2023) and SHViT (Yun and Ro, 2024) have 3x3 with a batch norm.
    """

    name = "large_kernel_conv"
    added = ("normed",)
    traits = Traits(
        paper="Liu et al., A ConvNet for the 2020s, 2022, arXiv:2201.03545; "
        "Ding et al., Scaling Up Your Kernels to 31x31, 2022, arXiv:2203.06717",
        reach="local",
        weights="static",
        cost="N k^2",
        code="facebookresearch/ConvNeXt",
    )

    kernel_size: Annotated[int, KERNEL] = 7
    """Side of the kernel in pixels, odd, 1 to 31."""
    bias: Annotated[bool, YES_NO] = True
    """Whether the convolution has a bias."""
    normed: Annotated[bool, YES_NO] = False
    """Whether a batch norm takes the place of the bias; it folds for inference."""

    def canonical(self, shape: Shape) -> Self:
        """Clip the kernel; with a norm the bias is no choice."""
        return replace(super().canonical(shape), bias=self.bias or self.normed)

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        sides = (self.kernel_size, self.kernel_size)
        if self.normed:
            channels, side = shape.channels, self.kernel_size
            return conv_norm(channels, channels, side, groups=channels, folds=True, zero=True)
        return small_start(depthwise(shape.channels, sides, bias=self.bias))


class InceptionDepthwise(nn.Module):
    """Three depthwise branches of ``branch`` channels each; the other channels pass unchanged."""

    def __init__(self, *, channels: int, branch: int, square: int, band: int) -> None:
        super().__init__()
        self.sizes = [channels - 3 * branch, branch, branch, branch]
        self.square = depthwise(branch, (square, square))
        self.band_w = depthwise(branch, (1, band))
        self.band_h = depthwise(branch, (band, 1))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        passed, square, wide, high = x_BCHW.split(self.sizes, dim=1)
        branches = (passed, self.square(square), self.band_w(wide), self.band_h(high))
        return torch.cat(branches, dim=1)


@dataclass(frozen=True, kw_only=True)
class InceptionConv(TokenMixer):
    """Square, row and column depthwise kernels, each on a share of the channels.

    Yu et al., InceptionNeXt, 2023, equation 5.
    """

    name = "inception_conv"
    traits = Traits(
        catalogue=("M30",),
        paper="Yu et al., InceptionNeXt: When Inception Meets ConvNeXt, 2023, arXiv:2303.16900",
        reach="regional",
        weights="static",
        cost="N (k^2 + 2 K)",
        code="sail-sg/inceptionnext",
    )

    kernel_size: Annotated[int, KERNEL] = 3
    """Side of the square kernel in pixels, odd, 1 to 31."""
    band_size: Annotated[int, KERNEL] = 11
    """Length of the row and column kernels in pixels, odd, 1 to 31."""
    branch_ratio: Annotated[float, Positive()] = 0.125
    """Share of the channels in each of the three branches, at most a third."""

    def branch(self, shape: Shape) -> int:
        """Return the channels of one branch."""
        return scaled(shape.channels, self.branch_ratio)

    def why_invalid(self, shape: Shape, width: int | None = None) -> str | None:
        """The three branches together must not exceed the channels."""
        if 3 * self.branch(shape) <= shape.channels:
            return None
        return (
            f"branch_ratio must leave room for three branches of at least one channel, but got "
            f"branch_ratio {self.branch_ratio} and {shape.channels} channels"
        )

    def canonical(self, shape: Shape) -> Self:
        """Clip the kernels to taps that can reach the map; round the ratio to whole channels."""
        return replace(
            self,
            kernel_size=reaching_kernel(self.kernel_size, shape),
            band_size=reaching_kernel(self.band_size, shape),
            branch_ratio=self.branch(shape) / shape.channels,
        )

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        branches = InceptionDepthwise(
            channels=shape.channels,
            branch=self.branch(shape),
            square=self.kernel_size,
            band=self.band_size,
        )
        return small_start(branches)


@dataclass(frozen=True, kw_only=True)
class LocalPatchInteraction(ClippedKernel, TokenMixer):
    """Two depthwise convolutions with an activation and a batch norm between (XCiT's LPI).

    El-Nouby et al., XCiT, 2021, section 3.3.
    """

    name = "local_patch_interaction"
    traits = Traits(
        paper="El-Nouby et al., XCiT: Cross-Covariance Image Transformers, 2021, arXiv:2106.09681",
        reach="local",
        weights="static",
        cost="N k^2",
        code="facebookresearch/xcit",
    )

    kernel_size: Annotated[int, KERNEL] = 3
    """Side of both kernels in pixels, odd, 1 to 31."""
    activation: Annotated[str, ACTIVATION] = "gelu"
    """Activation after the first convolution."""

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        sides = (self.kernel_size, self.kernel_size)
        layers = OrderedDict(
            conv1=depthwise(shape.channels, sides),
            act=activation(self.activation),
            norm=nn.BatchNorm2d(shape.channels),
            conv2=depthwise(shape.channels, sides),
        )
        return nn.Sequential(layers)
