"""Projections of attention: from a map to the maps of queries, keys and values.

Shape suffixes: B batch, C channels, H rows, W columns, h and w rows and columns of keys and values,
N places, T learned tokens, d channels of all queries, e channels of all values.
"""

import math
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..layers.conv_norm import conv_norm
from ..layers.folding import Foldable


class Projected(NamedTuple):
    """The maps of queries, keys and values, channels last."""

    q_BHWd: Tensor
    """Queries."""
    k_Bhwd: Tensor
    """Keys."""
    v_Bhwe: Tensor
    """Values."""
    extra: tuple[Tensor, Tensor] | None = None
    """Keys (B, T, d) and values (B, T, e) of further tokens that all queries see."""


class LinearProjection(nn.Module):
    """One linear map to queries, keys and values."""

    def __init__(self, channels: int, keys: int, values: int, *, bias: bool) -> None:
        super().__init__()
        self.sizes = keys, keys, values
        self.qkv = nn.Linear(channels, 2 * keys + values, bias=bias)

    def forward(self, x_BCHW: Tensor) -> Projected:
        """Return queries, keys and values of a map."""
        return Projected(*self.qkv(x_BCHW.permute(0, 2, 3, 1)).split(self.sizes, 3))


class UnbiasedKeysProjection(nn.Module):
    """One linear map to queries, keys and values; keys have no bias (Swin V2, Liu et al., 2021)."""

    def __init__(self, channels: int, keys: int, values: int) -> None:
        super().__init__()
        self.sizes = keys, keys, values
        self.q_bias = nn.Parameter(torch.zeros(keys))
        self.v_bias = nn.Parameter(torch.zeros(values))
        self.qkv = nn.Linear(channels, 2 * keys + values, bias=False)

    def forward(self, x_BCHW: Tensor) -> Projected:
        """Return queries, keys and values of a map."""
        bias = torch.cat((self.q_bias, torch.zeros_like(self.q_bias), self.v_bias))
        qkv = F.linear(x_BCHW.permute(0, 2, 3, 1), self.qkv.weight, bias)
        q_BHWd, k_BHWd, v_BHWe = qkv.split(self.sizes, 3)
        return Projected(q_BHWd, k_BHWd, v_BHWe)


class MemoryProjection(LinearProjection, Foldable):
    """A linear projection with learned tokens, which also pass through its keys and values."""

    no_weight_decay: ClassVar[frozenset[str]] = frozenset({"memory_TC"})

    def __init__(self, channels: int, keys: int, values: int, *, bias: bool, tokens: int) -> None:
        super().__init__(channels, keys, values, bias=bias)
        self.biased = bias
        self.memory_TC = nn.Parameter(torch.empty(tokens, channels))
        nn.init.normal_(self.memory_TC, std=0.02)

    def remembered(self) -> tuple[Tensor, Tensor]:
        """Return the keys (T, d) and the values (T, e) of the tokens."""
        keys, _, values = self.sizes
        bias = self.qkv.bias[keys:] if self.biased else None
        both_TC = F.linear(self.memory_TC, self.qkv.weight[keys:], bias)
        of_keys, of_values = both_TC.split((keys, values), 1)
        return of_keys, of_values

    def folded(self) -> nn.Module:
        """Return the projection with the keys and values of the tokens as its parameters."""
        return RememberedProjection(self.qkv, *self.remembered())


class RememberedProjection(nn.Module):
    """A linear projection with learned keys and values."""

    def __init__(self, qkv: nn.Linear, keys_Td: Tensor, values_Te: Tensor) -> None:
        super().__init__()
        self.sizes = keys_Td.shape[1], keys_Td.shape[1], values_Te.shape[1]
        self.qkv = qkv
        self.keys_Td = nn.Parameter(keys_Td.clone())
        self.values_Te = nn.Parameter(values_Te.clone())

    def remembered(self) -> tuple[Tensor, Tensor]:
        """Return the learned keys and values."""
        return self.keys_Td, self.values_Te

    def forward(self, x_BCHW: Tensor) -> Projected:
        """Return queries, keys and values of a map."""
        return Projected(*self.qkv(x_BCHW.permute(0, 2, 3, 1)).split(self.sizes, 3))


class ConvProjection(nn.Module):
    """A depthwise convolution, a batch norm and a linear map for each of queries, keys and values.

    Wu et al., CvT, 2021, section 3.2 (convolutional projection).
    """

    def __init__(
        self, channels: int, keys: int, values: int, *, kernel: int, stride: int, bias: bool
    ) -> None:
        super().__init__()
        self.q_conv, self.k_conv, self.v_conv = (
            conv_norm(channels, channels, kernel, stride=step, groups=channels, folds=True)
            for step in (1, stride, stride)
        )
        self.q, self.k, self.v = (
            nn.Linear(channels, out, bias=bias) for out in (keys, keys, values)
        )

    def forward(self, x_BCHW: Tensor) -> Projected:
        """Return queries, keys and values of a map."""
        return Projected(
            self.q(self.q_conv(x_BCHW).permute(0, 2, 3, 1)),
            self.k(self.k_conv(x_BCHW).permute(0, 2, 3, 1)),
            self.v(self.v_conv(x_BCHW).permute(0, 2, 3, 1)),
        )


class TokenProjection(ConvProjection):
    """The same of a column: a learned token, which convolutions leave out, and a square map."""

    def forward(self, x_BCHW: Tensor) -> Projected:
        """Return queries, keys and values of a column, each a column."""
        token_BC11, map_BCN1 = x_BCHW[:, :, :1], x_BCHW[:, :, 1:]
        side = math.isqrt(int(map_BCN1.shape[2]))
        map_BCHW = map_BCN1.reshape(*x_BCHW.shape[:2], side, side)
        made: list[Tensor] = []
        for conv, linear in (
            (self.q_conv, self.q),
            (self.k_conv, self.k),
            (self.v_conv, self.v),
        ):
            column_BCM1 = torch.cat((token_BC11, conv(map_BCHW).flatten(2)[..., None]), 2)
            made.append(linear(column_BCM1.permute(0, 2, 3, 1)))
        q_BHWd, k_Bhwd, v_Bhwe = made
        return Projected(q_BHWd, k_Bhwd, v_Bhwe)


class StridedProjection(nn.Module):
    """Linear maps to queries, and from patches of the map to keys and values.

    A convolution makes one token of each patch, then a layer norm follows (Wang et al., Pyramid
    Vision Transformer, 2021, arXiv:2102.12122, equation 4; Twins' global attention).
    """

    def __init__(self, channels: int, keys: int, values: int, *, stride: int, bias: bool) -> None:
        super().__init__()
        self.sizes = keys, values
        self.q = nn.Linear(channels, keys, bias=bias)
        self.reduce = nn.Conv2d(channels, channels, stride, stride)
        self.norm = nn.LayerNorm(channels)
        self.kv = nn.Linear(channels, keys + values, bias=bias)

    def forward(self, x_BCHW: Tensor) -> Projected:
        """Return queries, keys and values of a map."""
        q_BHWd = self.q(x_BCHW.permute(0, 2, 3, 1))
        fewer_BhwC = self.norm(self.reduce(x_BCHW).permute(0, 2, 3, 1))
        return Projected(q_BHWd, *self.kv(fewer_BhwC).split(self.sizes, 3))
