"""Mixers that convolve some channels and apply something cheaper to the others.

Shape suffixes: B batch, C channels, H rows, W columns, N tokens (H x W), h heads, D buckets of
distances.
"""

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...domains import Choice, Positive
from ...shapes import Shape, scaled
from ..base import TokenMixer, Traits
from ..initial import small_start
from ..layers.kernel_clipping import KERNEL, reaching_kernel
from ..norms import ChannelLayerNorm
from .attention import SelfAttention
from .positions import BUCKETS, distance_buckets


class PartialConvolution(nn.Module):
    """A convolution of the first channels; the others pass through ``rest`` or unchanged."""

    def __init__(self, *, convolved: int, others: int, kernel_size: int, rest: nn.Module) -> None:
        super().__init__()
        self.sizes = [convolved, others]
        padding = kernel_size // 2
        self.conv = nn.Conv2d(convolved, convolved, kernel_size, padding=padding, bias=False)
        self.rest = rest

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        first, others = x_BCHW.split(self.sizes, dim=1)
        return torch.cat((self.conv(first), self.rest(others)), dim=1)


@dataclass(frozen=True, kw_only=True)
class PartialConv(TokenMixer):
    """A dense convolution of a share of the channels; the others stay unchanged (Chen et al.,
    2023).

    Section 3.3: a quarter of the channels costs a sixteenth of the multiply-adds.
    """

    name = "partial_conv"
    traits = Traits(
        paper="Chen et al., Run, Don't Walk: Chasing Higher FLOPS for Faster Neural Networks, "
        "2023, arXiv:2303.03667",
        code="JierunChen/FasterNet",
        reach="local",
        weights="static",
        cost="N k^2",
    )

    kernel_size: Annotated[int, KERNEL] = 3
    """Side of the kernel in pixels, odd, 1 to 31."""
    ratio: Annotated[float, Positive()] = 0.25
    """Share of the channels that is convolved, at most 1."""

    def convolved(self, shape: Shape) -> int:
        """Return the channels that are convolved, at least 1."""
        return scaled(shape.channels, self.ratio)

    def why_invalid(self, shape: Shape, width: int | None = None) -> str | None:
        """The share must be at most 1."""
        if self.ratio <= 1:
            return None
        return f"ratio must be at most 1, but got {self.ratio}"

    def canonical(self, shape: Shape) -> Self:
        """Clip the kernel to taps that can reach the map; round the ratio to whole channels."""
        return replace(
            self,
            kernel_size=reaching_kernel(self.kernel_size, shape),
            ratio=self.convolved(shape) / shape.channels,
        )

    def rest(self, others: int) -> nn.Module:
        """Build the module that the other channels pass."""
        return nn.Identity()

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        convolved = self.convolved(shape)
        others = shape.channels - convolved
        module = PartialConvolution(
            convolved=convolved,
            others=others,
            kernel_size=self.kernel_size,
            rest=self.rest(others),
        )
        return small_start(module)


class GaussianAttention(nn.Module):
    """Each channel times a factor from 0 to 1, computed from all channels' means and deviations."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mix = nn.Conv2d(channels, channels, (1, 2), bias=False)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        x_BCN = x_BCHW.flatten(2)
        several = int(x_BCN.shape[2] > 1)  # the deviation of one position is 0
        deviation_BC1 = x_BCN.std(dim=2, correction=several, keepdim=True)
        moments_BC12 = torch.cat((x_BCN.mean(2, keepdim=True), deviation_BC1), dim=2)[:, :, None]
        return x_BCHW * F.hardsigmoid(self.norm(self.mix(moments_BC12)))


@dataclass(frozen=True, kw_only=True)
class PartialChannelAttention(PartialConv):
    """PAT_ch: partial convolution, and Gaussian channel attention on the other channels.

    Huang et al., 2025, section 3.2: a linear map of the means and standard deviations of all
    channels, batch norm and hard sigmoid give each channel its factor; a batch norm follows.
    """

    name = "partial_channel_attention"
    traits = Traits(
        catalogue=("M46",),
        paper="Huang et al., Partial Convolution Meets Visual Attention, 2025, arXiv:2503.03148",
        code="haiduo/PartialNet",
        reach="global",
        weights="input-dependent",
        cost="N k^2",
    )

    def why_invalid(self, shape: Shape, width: int | None = None) -> str | None:
        """Some channels must stay unconvolved."""
        return _leaves_channels(self, shape)

    def rest(self, others: int) -> nn.Module:
        """Build the attention and its norm."""
        return nn.Sequential(GaussianAttention(others), nn.BatchNorm2d(others))


def _leaves_channels(mixer: PartialConv, shape: Shape) -> str | None:
    if mixer.convolved(shape) < shape.channels:
        return None
    return (
        f"ratio must leave channels for the attention, but got ratio {mixer.ratio} "
        f"and {shape.channels} channels"
    )


class BucketAttention(SelfAttention):
    """Attention between all positions, with a learned bias per head and bucket of distances."""

    no_weight_decay: ClassVar[frozenset[str]] = frozenset({"bias_hD"})

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__(
            channels=channels,
            heads=heads,
            head_dim=channels // heads,
            qkv_bias=False,
            proj_bias=True,
        )
        self.bias_hD = nn.Parameter(torch.zeros(heads, BUCKETS))

    def place_bias(self, height: int, width: int) -> Tensor:
        """Return the bias of all pairs of positions of a map."""
        return self.bias_hD[:, distance_buckets(int(height), int(width), self.bias_hD.device)]


@dataclass(frozen=True, kw_only=True)
class PartialSelfAttention(PartialConv):
    """PAT_sf: partial convolution, and self-attention on the other channels (last stage).

    Huang et al., 2025, section 3.2, with a layer norm before the attention and a bias for each
    bucket of Euclidean distances (Wu et al., iRPE, 2021, arXiv:2107.14222, equation 18). The
    reference code also learns biases for negative distances, which do not occur.
    """

    name = "partial_self_attention"
    traits = Traits(
        catalogue=("M46",),
        paper="Huang et al., Partial Convolution Meets Visual Attention, 2025, arXiv:2503.03148",
        code="haiduo/PartialNet",
        reach="global",
        weights="input-dependent",
        cost="N^2",
        any_size_program=False,
    )

    heads: Annotated[int, Choice((1, 2, 3, 4, 6, 8, 12))] = 4
    """Heads of the attention, 1 to 12; must divide the channels that are not convolved."""

    def why_invalid(self, shape: Shape, width: int | None = None) -> str | None:
        """Some channels must stay unconvolved, and the heads must divide them."""
        others = shape.channels - self.convolved(shape)
        if reason := _leaves_channels(self, shape):
            return reason
        if others % self.heads:
            return (
                f"heads must divide the channels that are not convolved, but got heads "
                f"{self.heads} and {others} channels"
            )
        return None

    def rest(self, others: int) -> nn.Module:
        """Build the norm and the attention."""
        norm = ChannelLayerNorm(others, eps=1e-6, bias=True)
        return nn.Sequential(norm, BucketAttention(others, self.heads))
