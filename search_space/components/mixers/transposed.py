"""Attention between channels, behind a cascade of depthwise convolutions (EdgeNeXt).

Shape suffixes: B batch, C channels, H rows, W columns, N positions (H x W), h heads, d channels of
a head, F numbers that describe a position.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor, nn

from ...domains import YES_NO, IntRange
from ...shapes import Shape
from ..base import TokenMixer, Traits
from ..initial import small_start
from ..layers.kernel_clipping import depthwise
from ..layers.portable import unit
from ..layers.wave_places import WavePlaces
from ..norms import ChannelLayerNorm


class ChannelAttention(nn.Module):
    """Attention whose tokens are channels: cosines of channels over all positions."""

    no_weight_decay: ClassVar[frozenset[str]] = frozenset({"temperature_h11"})

    def __init__(self, channels: int, *, heads: int, qkv_bias: bool) -> None:
        super().__init__()
        self.heads = heads
        self.temperature_h11 = nn.Parameter(torch.ones(heads, 1, 1))
        self.qkv = nn.Linear(channels, 3 * channels, bias=qkv_bias)
        self.proj = nn.Linear(channels, channels)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        H, W = x_BCHW.shape[2:]
        q, k, v_BhdN = (
            each.unflatten(2, (self.heads, -1)).permute(0, 2, 3, 1)
            for each in self.qkv(x_BCHW.flatten(2).transpose(1, 2)).chunk(3, 2)
        )
        scores_Bhdd = unit(q, 3) @ unit(k, 3).transpose(2, 3)
        weights_Bhdd = (scores_Bhdd * self.temperature_h11).softmax(3).to(v_BhdN.dtype)
        mixed_BNC = (weights_Bhdd @ v_BhdN).flatten(1, 2).transpose(1, 2)
        return self.proj(mixed_BNC).transpose(1, 2).unflatten(2, (H, W))


class SplitTranspose(nn.Module):
    """Convolutions of groups of channels, each added to the next, then attention of channels."""

    no_weight_decay: ClassVar[frozenset[str]] = frozenset({"scale_C11"})

    def __init__(
        self, channels: int, *, scales: int, heads: int, qkv_bias: bool, placed: bool
    ) -> None:
        """Build the module.

        Args:
            channels: Channels of the map.
            scales: Groups of channels; the last one is not convolved.
            heads: Heads of the attention, which divide the channels.
            qkv_bias: Whether queries, keys and values have a bias.
            placed: Whether a description of the position is added before the attention.
        """
        super().__init__()
        width = -(-channels // scales)
        groups = len(torch.empty(channels, device="meta").split(width))
        self.width = width
        self.convs = nn.ModuleList(depthwise(width, (3, 3)) for _ in range(groups - 1))
        self.place = WavePlaces(channels) if placed else None
        self.norm = ChannelLayerNorm(channels, eps=1e-6, bias=True)
        self.scale_C11 = nn.Parameter(torch.full((channels, 1, 1), 1e-6))
        self.attention = ChannelAttention(channels, heads=heads, qkv_bias=qkv_bias)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        groups = x_BCHW.split(self.width, 1)
        done: list[Tensor] = []
        for number, (group, conv) in enumerate(zip(groups, self.convs, strict=False)):
            done.append(conv(done[-1] + group if number else group))
        x_BCHW = torch.cat((*done, groups[-1]), 1)
        if self.place is not None:
            x_BCHW = x_BCHW + self.place(x_BCHW).to(x_BCHW.dtype)
        return x_BCHW + self.scale_C11 * self.attention(self.norm(x_BCHW))


@dataclass(frozen=True, kw_only=True)
class CrossCovarianceAttention(TokenMixer):
    """Attention between channels: cosines of channels over all positions (XCiT's XCA).

    El-Nouby et al., XCiT, 2021, section 3.2: each head has a learned temperature. The attention
    inside ``transposed_attention``, without its norm, scale and convolutions.
    """

    name = "cross_covariance_attention"
    traits = Traits(
        catalogue=("M20",),
        paper="El-Nouby et al., XCiT: Cross-Covariance Image Transformers, 2021, arXiv:2106.09681",
        code="facebookresearch/xcit",
        reach="global",
        weights="input-dependent",
        cost="N",
    )

    heads: Annotated[int, IntRange(1, 64)] = 4
    """Heads of the attention, 1 to 64; must divide the channels."""
    qkv_bias: Annotated[bool, YES_NO] = True
    """Whether queries, keys and values have a bias."""

    def why_invalid(self, shape: Shape, width: int | None = None) -> str | None:
        """The heads must divide the channels."""
        return divided_heads(self.heads, shape)

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        module = ChannelAttention(shape.channels, heads=self.heads, qkv_bias=self.qkv_bias)
        return small_start(module)


def divided_heads(heads: int, shape: Shape) -> str | None:
    """Return the rule that the heads must divide the channels if they do not, or None."""
    if shape.channels % heads:
        return (
            f"heads must divide the channels, but got heads {heads} and {shape.channels} channels"
        )
    return None


@dataclass(frozen=True, kw_only=True)
class TransposedAttention(TokenMixer):
    """A cascade of depthwise convolutions, then attention between channels (EdgeNeXt's STDA).

    Maaz et al., EdgeNeXt, 2022, section 3.2: each group of channels is added to the output of the
    one before and convolved; the attention is that of XCiT (El-Nouby et al., 2021, equation 2),
    with a norm before and a layer scale behind. The block around is ``convnext``. Groups have equal
    width but the last, which has the channels that are left and is not convolved; with one group
    the attention stands alone, where the reference code fails.
    """

    name = "transposed_attention"
    traits = Traits(
        catalogue=("M20",),
        paper="Maaz et al., EdgeNeXt: Efficiently Amalgamated CNN-Transformer Architecture for "
        "Mobile Vision Applications, 2022, arXiv:2206.10589",
        code="mmaaz60/EdgeNeXt",
        reach="global",
        weights="input-dependent",
        cost="N",
    )

    scales: Annotated[int, IntRange(1, 8)] = 2
    """Groups of channels, 1 to 8; at most the channels."""
    heads: Annotated[int, IntRange(1, 64)] = 4
    """Heads of the attention, 1 to 64; must divide the channels."""
    qkv_bias: Annotated[bool, YES_NO] = True
    """Whether queries, keys and values have a bias."""
    placed: Annotated[bool, YES_NO] = False
    """Whether a map of sines and cosines of the position is added before the attention."""

    def why_invalid(self, shape: Shape, width: int | None = None) -> str | None:
        """The heads must divide the channels, and the groups must each have a channel."""
        channels = shape.channels
        if reason := divided_heads(self.heads, shape):
            return reason
        if -(-channels // -(-channels // self.scales)) != self.scales:
            return (
                f"scales must give each group a channel, but got scales {self.scales} "
                f"and {channels} channels"
            )
        return None

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        module = SplitTranspose(
            shape.channels,
            scales=self.scales,
            heads=self.heads,
            qkv_bias=self.qkv_bias,
            placed=self.placed,
        )
        return small_start(module)
