"""A group of layers that attend to tokens of earlier layers too (FcaFormer).

Shape suffixes: B batch, C channels, H rows, W columns, R and S rows and columns of merged tokens, N
positions (H x W), T merged tokens of all earlier layers read, h heads, d channels of a head.
"""

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..domains import Choice, IntRange
from ..shapes import Shape
from .base import ChannelMixer, Component, Layer, Norm
from .channel_mixers.mlp import Mlp
from .initial import small_start
from .layers.conv_norm import conv_norm
from .mixers.headed import WIDTH, whole_heads
from .mixers.levit import BiasedAttention
from .norms import LayerNorm
from .residuals import LayerScaleResidual
from .wired import Block, Residual

if TYPE_CHECKING:
    from .parts import PartList

_STRIDE = Choice((2, 4))
"""Distances of merged tokens in pixels."""


def merged(shape: Shape, stride: int) -> Shape:
    """Return the shape of the merged tokens of a map."""
    return Shape(shape.channels, -(-shape.height // stride), -(-shape.width // stride))


class ForwardCross(BiasedAttention):
    """Attention of all positions to the map and to merged tokens of earlier layers."""

    no_weight_decay: ClassVar[frozenset[str]] = frozenset({"bias_hD", "scale_T1", "cross_bias_h1T"})

    def __init__(self, shape: Shape, *, head_dim: int, tokens: int) -> None:
        """Build the module.

        Args:
            shape: Shape of the map.
            head_dim: Channels of a head, which divide the channels.
            tokens: Merged tokens of all earlier layers read.
        """
        super().__init__(shape, heads=shape.channels // head_dim, stride=1)
        channels = shape.channels
        self.tokens = tokens
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)
        if tokens:
            self.scale_T1 = nn.Parameter(torch.ones(tokens, 1))
            self.cross_norm = nn.LayerNorm(channels)
            self.cross_bias_h1T = nn.Parameter(torch.zeros(self.heads, 1, tokens))

    def forward(self, x_BCHW: Tensor, *earlier_BCRS: Tensor) -> Tensor:
        """Map (B, C, H, W) and the merged tokens of earlier layers to (B, C, H, W)."""
        N, C = x_BCHW.shape[2] * x_BCHW.shape[3], x_BCHW.shape[1]
        q, k, v = self.qkv(x_BCHW.flatten(2).transpose(1, 2)).chunk(3, 2)
        bias_hNM = self.bias_hD[:, self.distance_MN]
        if earlier_BCRS:
            tokens_BCT = torch.cat([each.flatten(2) for each in earlier_BCRS], 2)
            tokens_BTC = self.cross_norm(tokens_BCT.transpose(1, 2) * self.scale_T1)
            more = F.linear(tokens_BTC, self.qkv.weight[C:], self.qkv.bias[C:]).chunk(2, 2)
            k, v = torch.cat((k, more[0]), 1), torch.cat((v, more[1]), 1)
            bias_hNM = torch.cat((bias_hNM, self.cross_bias_h1T.expand(-1, N, -1)), 2)
        q, k, v = (each.unflatten(2, (self.heads, -1)).transpose(1, 2) for each in (q, k, v))
        mixed_BhNd = F.scaled_dot_product_attention(q, k, v, bias_hNM.to(q.dtype))
        y_BCN = self.proj(mixed_BhNd.transpose(1, 2).flatten(2)).transpose(1, 2)
        return y_BCN.unflatten(2, x_BCHW.shape[2:])


@dataclass(frozen=True, kw_only=True)
class CrossLayer(Component):
    """Attention to the map, the first input, and to merged tokens of earlier layers, the others."""

    name = "forward_cross_attention"
    kind = "joint"
    one_size = True

    head_dim: Annotated[int, WIDTH] = 32
    """Channels of one head; must divide the channels."""
    earlier: Annotated[int, IntRange(0, 12)] = 0
    """Earlier layers read."""
    stride: Annotated[int, _STRIDE] = 4
    """Distance of merged tokens in pixels."""

    def module(self, shape: Shape, width: int | None) -> nn.Module:
        """Build the module."""
        tokens = self.earlier * merged(shape, self.stride).tokens
        return small_start(ForwardCross(shape, head_dim=self.head_dim, tokens=tokens))


@dataclass(frozen=True, kw_only=True)
class MergeTokens(Component):
    """A strided depthwise convolution whose kernels overlap."""

    name = "merge_tokens"
    kind = "joint"

    stride: Annotated[int, _STRIDE] = 4
    """Step in pixels; the kernel has twice as many, less one."""

    def out_shape(self, shape: Shape, width: int | None) -> Shape:
        """Return the shape of the merged tokens."""
        return merged(shape, self.stride)

    def module(self, shape: Shape, width: int | None) -> nn.Module:
        """Build the module."""
        C, step = shape.channels, self.stride
        return small_start(nn.Conv2d(C, C, 2 * step - 1, step, step - 1, groups=C, bias=False))


@dataclass(frozen=True, kw_only=True)
class Enhance(Layer):
    """A depthwise 3x3 convolution and a batch norm, which fold into one convolution."""

    name = "enhance"
    kind = "joint"

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        C = shape.channels
        return small_start(conv_norm(C, C, 3, groups=C, folds=True))


@dataclass(frozen=True, kw_only=True)
class ForwardCrossBlock(Block):
    """Layers whose attention also reads merged tokens of the layers before.

    Zhang et al., FcaFormer: Forward Cross Attention in Hybrid Vision Transformer, 2022,
    arXiv:2211.07198, section 3 and figure 1. After its attention each layer merges its positions
    into fewer tokens by a strided convolution, and filters the map. Later layers scale these
    tokens by learned factors, norm them, and attend to them beside the map; the scores have a
    learned number for each token, and for each distance on the map, as in LeViT. As the norm
    follows the factors, their size alone matters little, as in the reference code, which also norms
    twice before the perceptron.
    """

    name = "forward_cross"
    catalogue = ("M22",)
    one_size = True

    layers: Annotated[int, IntRange(1, 12)] = 2
    """Layers, 1 to 12."""
    reach: Annotated[int, IntRange(1, 12)] = 12
    """Earlier layers whose tokens a layer reads, at most, 1 to 12."""
    stride: Annotated[int, _STRIDE] = 4
    """Positions along each side for one merged token: 2 or 4."""
    head_dim: Annotated[int, WIDTH] = 32
    """Channels of one head; must divide the channels."""
    channel_mixer: ChannelMixer = field(default_factory=Mlp)
    """Channel mixer."""
    norm: Norm = field(default_factory=LayerNorm)
    """Norm before attention and channel mixer."""
    residual: Residual = field(default_factory=LayerScaleResidual)
    """Residual around each of both, with its norm."""

    def why_knobs_invalid(self, shape: Shape) -> str | None:
        """The size of a head must divide the channels."""
        return whole_heads(self.head_dim, shape)

    def canonical(self, shape: Shape) -> Self:
        """A layer reads no more than the layers before; one layer alone reads no tokens."""
        stride = self.stride if self.layers > 1 else 4
        return replace(self, reach=max(1, min(self.reach, self.layers - 1)), stride=stride)

    def wire(self, parts: "PartList", stream: str) -> str:
        """Add the layers; the last one merges no tokens."""
        earlier: list[str] = []
        for number in range(self.layers):
            read = tuple(earlier[-self.reach :])
            with parts.within(f"layers.{number}"):
                mixer = CrossLayer(head_dim=self.head_dim, earlier=len(read), stride=self.stride)
                branch = parts.add("norm1", self.norm, stream)
                branch = parts.add("mixer", mixer, branch, *read)
                stream = self.residual.wire(parts, "residual1", stream, branch)
                if number < self.layers - 1:
                    earlier.append(parts.add("merge", MergeTokens(stride=self.stride), stream))
                stream = parts.add("enhance", Enhance(), stream)
                if not self.channel_mixer.is_identity:
                    branch = parts.add("norm2", self.norm, stream)
                    branch = parts.add("channel_mixer", self.channel_mixer, branch)
                    stream = self.residual.wire(parts, "residual2", stream, branch)
        return stream
