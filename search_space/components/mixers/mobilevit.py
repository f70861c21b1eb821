"""MobileViT's block: a small transformer between convolutions.

Shape suffixes: B batch, C channels, D channels inside, H rows, W columns, s and t sides of a patch,
N patches.
"""

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Annotated, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...domains import YES_NO, IntRange, Positive
from ...shapes import Shape, scaled
from ..activations import ACTIVATION
from ..base import TokenMixer, Traits
from ..channel_mixers.mlp import Mlp
from ..initial import small_start
from ..layers.conv_norm import conv_norm
from ..layers.gate_and_shortcut import Shortcut
from ..norms import ChannelLayerNorm, WholeNorm
from .windowed import IntervalAttention

_PATCH = 2
"""Side of the patches, whose positions of one place attend to each other."""


class SeparableAttention(nn.Module):
    """One score for each position and a sum of keys that weighs all values, for each place."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.sizes = [1, channels, channels]
        self.qkv = nn.Conv2d(channels, 1 + 2 * channels, 1)
        self.proj = nn.Conv2d(channels, channels, 1)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        H, W = (int(side) for side in x_BCHW.shape[2:])
        s, t = min(_PATCH, H), min(_PATCH, W)
        score, key, value = self.qkv(x_BCHW).split(self.sizes, 1)
        fill = (0, -W % t, 0, -H % s)
        weights_B1stN = _places(F.pad(score, fill, value=float("-inf")), s, t).softmax(4)
        context_BCst = (_places(F.pad(key, fill), s, t) * weights_B1stN).sum(4)
        split = F.pad(value, fill).relu().unflatten(3, (-1, t)).unflatten(2, (-1, s))
        mixed = (split * context_BCst[:, :, None, :, None]).flatten(4).flatten(2, 3)
        return self.proj(mixed[:, :, :H, :W])


def _places(x_BCHW: Tensor, rows: int, columns: int) -> Tensor:
    """Return the positions of a map by their place in a patch: (B, C, s, t, N)."""
    split = x_BCHW.unflatten(3, (-1, columns)).unflatten(2, (-1, rows))
    return split.permute(0, 1, 3, 5, 2, 4).flatten(4)


class LocalGlobal(nn.Module):
    """Convolutions to more channels, a transformer, and convolutions back with the input."""

    def __init__(
        self, local: nn.Module, blocks: nn.Module, back: nn.Module, fuse: nn.Module | None
    ) -> None:
        super().__init__()
        self.local, self.blocks, self.back, self.fuse = local, blocks, back, fuse

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        y_BCHW = self.back(self.blocks(self.local(x_BCHW)))
        return y_BCHW if self.fuse is None else self.fuse(torch.cat((x_BCHW, y_BCHW), 1))


@dataclass(frozen=True, kw_only=True)
class MobileVitMixer(TokenMixer):
    """Convolutions, a small transformer on more or fewer channels, and convolutions (MobileViT).

    Mehta and Rastegari, MobileViT, 2021, figure 1: positions at one place of all 2x2 patches attend
    to each other, and the input joins the last convolution. In MobileViTv2 (2022, figure 4) the
    attention is linear, the first convolution depthwise, and nothing joins. Where patches do not
    fill the map, places outside it are left out; the reference codes resize the map instead.
    """

    name = "mobilevit"
    traits = Traits(
        paper="Mehta and Rastegari, MobileViT: Light-weight, General-purpose, and Mobile-friendly "
        "Vision Transformer, 2021, arXiv:2110.02178; Mehta and Rastegari, Separable Self-attention "
        "for Mobile Vision Transformers, 2022, arXiv:2206.02680",
        code="apple/ml-cvnets",
        reach="global",
        weights="input-dependent",
        cost="N^2",
        any_size_program=False,
    )

    ratio: Annotated[float, Positive()] = 1.5
    """Ratio of the channels of the transformer to those of the map."""
    depth: Annotated[int, IntRange(1, 12)] = 2
    """Blocks of the transformer, 1 to 12."""
    heads: Annotated[int, IntRange(1, 64)] = 4
    """Heads of the attention, 1 to 64, which divide the transformer's channels."""
    mlp_ratio: Annotated[float, Positive()] = 2.0
    """Ratio of hidden channels of a perceptron to the transformer's channels."""
    linear: Annotated[bool, YES_NO] = False
    """Whether the attention is linear, and the rest as in MobileViTv2."""
    activation: Annotated[str, ACTIVATION] = "silu"
    """Activation of convolutions and perceptrons."""

    def inner(self, shape: Shape) -> Shape:
        """Return the shape of the map inside."""
        return shape._replace(channels=scaled(shape.channels, self.ratio))

    def why_invalid(self, shape: Shape, width: int | None = None) -> str | None:
        """The heads must divide the channels inside."""
        inner = self.inner(shape).channels
        if self.linear or inner % self.heads == 0:
            return None
        return f"heads must divide the channels inside, but got heads {self.heads} and {inner}"

    def canonical(self, shape: Shape) -> Self:
        """Round the ratios to whole channels; linear attention has no heads."""
        inner = self.inner(shape)
        return replace(
            self,
            ratio=inner.channels / shape.channels,
            mlp_ratio=self.perceptron.hidden(inner) / inner.channels,
            heads=1 if self.linear else self.heads,
        )

    @property
    def perceptron(self) -> Mlp:
        """The perceptron of a block."""
        return Mlp(ratio=self.mlp_ratio, activation=self.activation)

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        channels, act = shape.channels, self.activation
        inner = self.inner(shape).channels
        groups = channels if self.linear else 1
        local = nn.Sequential(
            conv_norm(channels, channels, 3, groups=groups, act=act),
            nn.Conv2d(channels, inner, 1, bias=False),
        )
        blocks = nn.Sequential(
            *(self._half(shape, first) for _ in range(self.depth) for first in (True, False)),
            self._norm(inner),
        )
        back = conv_norm(inner, channels, act="none" if self.linear else act)
        fuse = None if self.linear else conv_norm(2 * channels, channels, 3, act=act)
        return LocalGlobal(local, blocks, back, fuse)

    def _norm(self, channels: int) -> nn.Module:
        return WholeNorm(1, channels) if self.linear else ChannelLayerNorm(channels, 1e-5, True)

    def _half(self, shape: Shape, first: bool) -> nn.Module:
        """Return attention or a perceptron, with a norm before and a residual."""
        inner = self.inner(shape)
        if not first:
            mixer = self.perceptron.build(inner)
        elif self.linear:
            mixer = small_start(SeparableAttention(inner.channels))
        else:
            width = inner.channels // self.heads
            mixer = IntervalAttention(head_dim=width, interval=_PATCH, position="none").build(inner)
        return Shortcut(nn.Sequential(OrderedDict(norm=self._norm(inner.channels), mixer=mixer)))
