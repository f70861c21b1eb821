"""LeViT's attention: convolutions with batch norms, and a learned bias per distance.

Shape suffixes: B batch, C channels, H rows, W columns, N tokens (H x W), M query positions, h
heads, d channels of a query, e channels of a value, D distances.
"""

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...domains import YES_NO, Choice, IntRange, Positive
from ...shapes import Shape, scaled
from ..activations import ACTIVATION, activation
from ..base import Component, Downsampling, TokenMixer, Traits
from ..initial import small_start
from ..layers.conv_norm import conv_norm
from ..layers.kernel_clipping import depthwise, reaching_kernel
from .headed import too_wide
from .positions import distances


class BiasedAttention(nn.Module):
    """Attention with a bias per head and distance, queries from every ``stride``-th row and
    column."""

    no_weight_decay: ClassVar[frozenset[str]] = frozenset({"bias_hD"})

    distance_MN: Tensor

    def __init__(self, shape: Shape, *, heads: int, stride: int) -> None:
        super().__init__()
        self.heads, self.stride = heads, stride
        self.bias_hD = nn.Parameter(torch.zeros(heads, shape.tokens))
        distance_HWN = distances(*shape[1:]).unflatten(0, shape[1:])
        asked_MN = distance_HWN[::stride, ::stride].flatten(0, 1)
        self.register_buffer("distance_MN", asked_MN, persistent=False)

    def attend(self, query_BCHW: Tensor, key_BCHW: Tensor, value_BCHW: Tensor) -> Tensor:
        """Return the attended values: channels of the values, size of the queries."""
        H, W = query_BCHW.shape[2:]
        q_BhMd, k_BhNd, v_BhNe = (
            each.unflatten(1, (self.heads, -1)).flatten(3).transpose(2, 3)
            for each in (query_BCHW, key_BCHW, value_BCHW)
        )
        bias_hMN = self.bias_hD[:, self.distance_MN]
        mixed_BhMe = F.scaled_dot_product_attention(q_BhMd, k_BhNd, v_BhNe, bias_hMN)
        return mixed_BhMe.transpose(2, 3).flatten(1, 2).unflatten(2, (H, W))


def last_map(values: int, width: int, act: str, *, zero: bool, bias: bool = False) -> nn.Sequential:
    """Return an activation, a 1x1 convolution and its norm, whose initial scale may be zero."""
    conv = conv_norm(values, width, folds=True, zero=zero, bias=bias)
    return nn.Sequential(OrderedDict(act=activation(act), conv=conv))


class DistanceAttention(BiasedAttention):
    """Attention of every position to all positions, with batch norms or plain linear maps."""

    def __init__(
        self,
        shape: Shape,
        *,
        heads: int,
        key_dim: int,
        value_dim: int,
        kernel: int,
        act: str,
        normed: bool,
    ) -> None:
        super().__init__(shape, heads=heads, stride=1)
        channels, keys, values = shape.channels, heads * key_dim, heads * value_dim
        self.sizes = [keys, keys, values]
        self.qkv: nn.Module = conv_norm(channels, 2 * keys + values, folds=True)
        self.query: nn.Module = nn.Identity()
        if normed:
            if kernel > 1:
                self.query = conv_norm(keys, keys, kernel, groups=keys, folds=True)
            self.proj = last_map(values, channels, act, zero=True)
        else:
            self.qkv = nn.Conv2d(channels, 2 * keys + values, 1)
            if kernel > 1:
                self.query = depthwise(keys, (kernel, kernel))
            self.proj = nn.Conv2d(values, channels, 1)
            small_start(self)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        query, key, value = self.qkv(x_BCHW).split(self.sizes, 1)
        return self.proj(self.attend(self.query(query), key, value))


class ShrinkingAttention(BiasedAttention):
    """Attention with queries from every second row and column to all positions."""

    def __init__(
        self, shape: Shape, width: int, *, heads: int, key_dim: int, value_dim: int, act: str
    ) -> None:
        super().__init__(shape, heads=heads, stride=2)
        keys, values = heads * key_dim, heads * value_dim
        self.sizes = [keys, values]
        self.kv = conv_norm(shape.channels, keys + values, folds=True)
        self.query = conv_norm(shape.channels, keys, folds=True)
        self.proj = last_map(values, width, act, zero=False)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, width, H / 2, W / 2), rounded up."""
        key, value = self.kv(x_BCHW).split(self.sizes, 1)
        query = self.query(x_BCHW[:, :, :: self.stride, :: self.stride])
        return self.proj(self.attend(query, key, value))


@dataclass(frozen=True, kw_only=True)
class LevitAttention(TokenMixer):
    """Attention with a bias per distance, batch norms, and an activation before the last
    projection.

    Graham et al., LeViT, 2021, section 4.2. LSNet (Wang et al., 2025) has a depthwise convolution
    of the queries, and values with as many channels as the map. EfficientFormer (Li et al., 2022,
    arXiv:2206.01191) has plain linear maps. The norms fold into the convolutions; the last norm's
    initial scale is zero.
    """

    name = "levit_attention"
    traits = Traits(
        catalogue=("M35",),
        paper="Graham et al., LeViT: a Vision Transformer in ConvNet's Clothing for Faster "
        "Inference, 2021, arXiv:2104.01136",
        code="facebookresearch/LeViT",
        reach="global",
        weights="input-dependent",
        cost="N^2",
        resolution_bound=True,
    )
    renamed = (("value_expansion", "value_ratio"),)
    added = ("value_base", "normed")
    before = (("value_base", "channels"),)
    revision = 2

    heads: Annotated[int, IntRange(1, 64)] = 4
    """Number of heads, 1 to 64."""
    key_dim: Annotated[int, IntRange(1, 256)] = 16
    """Channels of one head's query and key, 1 to 256."""
    value_expansion: Annotated[float, Positive()] = 2.0
    """Ratio of the channels of all heads' values to those of ``value_base``."""
    value_base: Annotated[str, Choice(("keys", "channels"))] = "keys"
    """``keys``: channels of all heads' keys, as in LeViT; ``channels``: channels of the map."""
    query_kernel: Annotated[int, IntRange(1, 7, 2)] = 1
    """Side of the depthwise kernel on the queries in pixels, odd, 1 to 7; 1: none."""
    activation: Annotated[str, ACTIVATION] = "hard_swish"
    """Activation before the last linear map: hard swish in LeViT, ReLU in LSNet."""
    normed: Annotated[bool, YES_NO] = True
    """Whether linear maps have batch norms, and an activation precedes the last one; else they have
    biases, and nothing precedes it, as in EfficientFormer."""

    def value_dim(self, shape: Shape) -> int:
        """Return the channels of a value of one head, at least 1."""
        if self.value_base == "keys":
            return scaled(self.key_dim, self.value_expansion)
        return scaled(shape.channels, self.value_expansion / self.heads)

    def why_invalid(self, shape: Shape, width: int | None = None) -> str | None:
        """The values must not exceed the largest legal number of channels."""
        return too_wide("values", self.value_dim(shape) * self.heads, shape)

    def canonical(self, shape: Shape) -> Self:
        """Round the expansion to whole channels; clip the kernel to taps that can reach the map."""
        return replace(
            self,
            value_expansion=self.value_dim(shape) * self.heads / shape.channels,
            value_base="channels",
            query_kernel=max(min(self.query_kernel, 3), reaching_kernel(self.query_kernel, shape)),
            activation=self.activation if self.normed else "hard_swish",
        )

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        return DistanceAttention(
            shape,
            heads=self.heads,
            key_dim=self.key_dim,
            value_dim=self.value_dim(shape),
            kernel=self.query_kernel,
            act=self.activation,
            normed=self.normed,
        )


@dataclass(frozen=True, kw_only=True)
class ValueKnobs(Component):
    """Base of attention whose values may be wider than its keys."""

    heads: Annotated[int, IntRange(1, 64)] = 8
    """Number of heads, 1 to 64."""
    key_dim: Annotated[int, IntRange(1, 256)] = 16
    """Channels of one head's query and key, 1 to 256."""
    value_expansion: Annotated[float, Positive()] = 4.0
    """Ratio of a value's channels to a key's."""
    activation: Annotated[str, ACTIVATION] = "gelu"
    """Activation before the last linear map."""

    def value_dim(self) -> int:
        """Return the channels of a value of one head, at least 1."""
        return scaled(self.key_dim, self.value_expansion)

    def why_invalid(self, shape: Shape, width: int | None = None) -> str | None:
        """The values must not exceed the largest legal number of channels."""
        wide = too_wide("values", self.value_dim() * self.heads, shape)
        return super().why_invalid(shape, width) or wide

    def canonical(self, shape: Shape) -> Self:
        """Round the expansion to whole channels."""
        return replace(self, value_expansion=self.value_dim() / self.key_dim)


@dataclass(frozen=True, kw_only=True)
class LevitDownsampling(ValueKnobs, Downsampling):
    """LeViT's attention with queries only from every second row and column.

    Graham et al., LeViT, 2021, arXiv:2104.01136, section 4.2 (attention to shrink activation maps):
    there one head per ``key_dim`` input channels, and values four times as wide as keys.
    """

    name = "levit_attention"
    one_size = True

    activation: Annotated[str, ACTIVATION] = "hard_swish"
    """Activation before the last linear map."""

    def out_size(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width of the output: halves, rounded up."""
        return -(-height // 2), -(-width // 2)

    def build(self, shape: Shape, width: int) -> nn.Module:
        """Build the module."""
        return ShrinkingAttention(
            shape,
            width,
            heads=self.heads,
            key_dim=self.key_dim,
            value_dim=self.value_dim(),
            act=self.activation,
        )
