"""Large-small convolution: a large kernel predicts the small kernels that aggregate.

Shape suffixes: B batch, C channels, H rows, W columns, G groups of channels with one kernel each,
k and l sides of a kernel, p elements of all kernels of a position.
"""

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Annotated, Self

from torch import Tensor, nn

from ...domains import YES_NO, Choice, IntRange, Positive
from ...shapes import Shape, scaled
from ..base import TokenMixer, Traits
from ..layers.conv_norm import SqueezeExcite, conv_norm, divisible
from ..layers.depthwise_branches import Branch, DepthwiseBranches
from ..layers.folding import Foldable, normed_kernel, with_kernel
from ..layers.kernel_clipping import KERNEL, reaching_kernel
from ..layers.portable import exporting
from .dynamic_kernels import mix_windows


def large_kernel_perception(
    channels: int, *, large: int, small: int, kernels: int
) -> nn.Sequential:
    """Return the predictor of every position's small kernels: (B, C, H, W) to (B, p, H, W)."""
    half, elements = max(1, channels // 2), kernels * small**2
    layers = OrderedDict[str, nn.Module](
        reduce=conv_norm(channels, half, act="relu", folds=True),
        perceive=conv_norm(half, half, large, groups=half, folds=True),
        mix=conv_norm(half, half, act="relu", folds=True),
        predict=nn.Conv2d(half, elements, 1),
        norm=nn.GroupNorm(kernels, elements),
    )
    return nn.Sequential(layers)


class LargeSmallConv(nn.Module):
    """Small kernels at every position, predicted from a large window, and a batch norm."""

    def __init__(self, channels: int, *, large: int, small: int, kernels: int) -> None:
        super().__init__()
        self.perception = large_kernel_perception(
            channels, large=large, small=small, kernels=kernels
        )
        self.norm = nn.BatchNorm2d(channels)
        self.kernels, self.small = kernels, small

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        kernels_BpHW = self.perception(x_BCHW)
        kernels_BGklHW = kernels_BpHW.unflatten(1, (self.kernels, self.small, self.small))
        # Channels g, g + G, g + 2G, ... share kernel g; they are made adjacent for the product.
        together_BCHW = _turned(x_BCHW, -1, self.kernels)
        mixed_BCHW = mix_windows(together_BCHW, kernels_BGklHW)
        return self.norm(_turned(mixed_BCHW, self.kernels, -1))


def _turned(x_BCHW: Tensor, rows: int, columns: int) -> Tensor:
    """Return a map whose channels, as a matrix of rows and columns, are transposed."""
    if exporting():  # with four axes
        sides = x_BCHW.shape[2:]
        turned_BCN = x_BCHW.flatten(2).unflatten(1, (rows, columns)).transpose(1, 2).flatten(1, 2)
        return turned_BCN.unflatten(2, sides)
    return x_BCHW.unflatten(1, (rows, columns)).transpose(1, 2).flatten(1, 2)


@dataclass(frozen=True, kw_only=True)
class LsConv(TokenMixer):
    """Small kernels at every position, predicted by a large depthwise convolution; batch norm.

    Wang et al., LSNet, 2025, section 3.2 and figure 3. A position's kernels depend on its large
    window, and, by the group norm's statistics, on the whole map.
    """

    name = "ls_conv"
    traits = Traits(
        catalogue=("M37",),
        paper="Wang et al., LSNet: See Large, Focus Small, 2025, arXiv:2503.23135",
        code="jameslahm/lsnet",
        reach="global",
        weights="input-dependent",
        cost="N (K^2 + k^2)",
    )
    renamed = (("group_channels", "groups"),)

    large_kernel: Annotated[int, KERNEL] = 7
    """Side of the predicting kernel in pixels, odd, 1 to 31."""
    small_kernel: Annotated[int, IntRange(1, 9, 2)] = 3
    """Side of the predicted kernels in pixels, odd, 1 to 9."""
    group_channels: Annotated[int, Positive(whole=True)] = 8
    """Channels that share a predicted kernel; must divide the channels."""

    def why_invalid(self, shape: Shape, width: int | None = None) -> str | None:
        """``group_channels`` must divide the channels; a group norm needs two values."""
        if shape.channels % self.group_channels:
            return (
                f"group_channels must divide the channels, but got group_channels "
                f"{self.group_channels} and {shape.channels} channels"
            )
        if self.small_kernel**2 * shape.tokens == 1:
            return "small_kernel must be at least 3 on a map of 1x1, but got 1"
        return None

    def canonical(self, shape: Shape) -> Self:
        """Clip the large kernel to taps that can reach the map."""
        return replace(self, large_kernel=reaching_kernel(self.large_kernel, shape))

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        return LargeSmallConv(
            shape.channels,
            large=self.large_kernel,
            small=self.small_kernel,
            kernels=shape.channels // self.group_channels,
        )


class ResidualDepthwise(Foldable):
    """The sum of a map and depthwise convolutions of it, each with a batch norm."""

    def __init__(self, channels: int, kernel_size: int) -> None:
        super().__init__()
        self.branches = DepthwiseBranches(channels, [(kernel_size, 1), (1, 1)])

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        return x_BCHW + self.branches(x_BCHW)

    def folded(self) -> nn.Module:
        """Return one depthwise convolution."""
        conv = self.branches.folded()
        assert isinstance(conv, nn.Conv2d)
        return with_kernel(conv, with_map(conv.weight), conv.bias)


class NormedDepthwise(Foldable):
    """Sum of a map, a normed depthwise convolution and a 1x1 one of it; then a batch norm."""

    def __init__(self, channels: int, kernel_size: int) -> None:
        super().__init__()
        self.large = Branch(channels, kernel_size, 1, width=channels, stride=1)
        self.small = nn.Conv2d(channels, channels, 1, groups=channels)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        return self.norm(self.large(x_BCHW) + self.small(x_BCHW) + x_BCHW)

    def folded(self) -> nn.Module:
        """Return one depthwise convolution."""
        kernel, bias = normed_kernel(self.large.conv, self.large.norm)
        assert self.small.bias is not None
        whole = with_map(kernel, self.small.weight[:, :, 0, 0])
        conv = with_kernel(self.large.conv, whole, bias + self.small.bias)
        return with_kernel(conv, *normed_kernel(conv, self.norm))


def with_map(kernel: Tensor, more: Tensor | float = 0.0) -> Tensor:
    """Return a depthwise kernel that also adds 1 + ``more`` times its input."""
    whole, middle = kernel.clone(), kernel.shape[2] // 2
    whole[:, :, middle, middle] += 1 + more
    return whole


@dataclass(frozen=True, kw_only=True)
class RepDepthwiseConv(TokenMixer):
    """Depthwise convolution trained in parallel with a 1x1 one and identity; squeeze-excitation.

    The local mixer of RepViT (Wang et al., 2023, figure 3, as in its released code) and, without
    the norm of the sum, of LSNet (Wang et al., 2025, figure 4). It includes its residual. All but
    squeeze-and-excitation (with a quarter of the channels) folds into one convolution.
    """

    name = "rep_depthwise_conv"
    traits = Traits(
        paper="Wang et al., RepViT: Revisiting Mobile CNN From ViT Perspective, 2023, "
        "arXiv:2307.09283",
        code="THU-MIG/RepViT",
        reach="local",
        weights="static",
        cost="N k^2",
    )
    added = ("sum_norm", "squeeze_step")
    before = (("sum_norm", False), ("squeeze_step", 1))
    revision = 2

    kernel_size: Annotated[int, KERNEL] = 3
    """Side of the kernel in pixels, odd, 1 to 31."""
    sum_norm: Annotated[bool, YES_NO] = True
    """True, as in RepViT: a norm after the sum, a bias in the 1x1 convolution. False, as in LSNet:
    a norm after the 1x1 convolution, none after the sum."""
    squeeze: Annotated[bool, YES_NO] = False
    """Whether squeeze-and-excitation follows."""
    squeeze_step: Annotated[int, Choice((1, 8))] = 8
    """Divisor of the channels inside squeeze-and-excitation: 8 in RepViT and LSNet."""

    def inner(self, shape: Shape) -> int:
        """Return a quarter of the channels, rounded to multiples of ``squeeze_step``."""
        step = self.squeeze_step
        return scaled(shape.channels, 0.25) if step == 1 else divisible(shape.channels / 4, step, 0)

    def canonical(self, shape: Shape) -> Self:
        """Clip the kernel to taps that can reach the map; reset a step without effect."""
        exact = replace(self, squeeze_step=1)
        rounds = self.squeeze and self.inner(shape) != exact.inner(shape)
        kernel_size = reaching_kernel(self.kernel_size, shape)
        return replace(self if rounds else exact, kernel_size=kernel_size)

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        make = NormedDepthwise if self.sum_norm else ResidualDepthwise
        conv = make(shape.channels, self.kernel_size)
        if not self.squeeze:
            return conv
        squeeze = SqueezeExcite(shape.channels, self.inner(shape))
        return nn.Sequential(OrderedDict[str, nn.Module](conv=conv, squeeze=squeeze))
