"""Foveal attention: a small window around each position, and pooled keys of the whole map.

Shape suffixes: B batch, C channels, H rows, W columns, P pooled positions, h heads, d channels of a
head, k and l sides of a window, f hidden channels of the positions' perceptron, R and S offsets of
rows and columns, i and j rows and columns of pooled positions.
"""

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...domains import YES_NO, IntRange
from ...shapes import Shape
from ..attention.zero_windows import window_products, window_sums
from ..base import TokenMixer, Traits
from ..initial import fan_out_start, small_start
from ..layers.portable import unit
from .headed import WIDTH, whole_heads

_HIDDEN = 512
"""Hidden channels of the perceptron of positions."""

TEMPERATURE = 1 / 0.24
"""Initial factor of the scores."""


TRANSNEXT = Traits(
    catalogue=("M56",),
    paper="Shi, TransNeXt: Robust Foveal Visual Perception for Vision Transformers, 2024, "
    "arXiv:2311.17132",
    code="DaiShiResearch/TransNeXt",
    reach="global",
    weights="input-dependent",
    cost="N^2",
    any_size_program=False,
)
"""The traits of TransNeXt's two mixers."""


class PooledBias(nn.Module):
    """A perceptron from the offsets of positions and pooled positions to a bias of each head.

    Offsets are in eighths of the map that the module was built for, on a logarithmic scale (Liu et
    al., Swin Transformer V2, 2022, arXiv:2111.09883, equation 4).
    """

    def __init__(self, heads: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.size = size
        self.offset = nn.Linear(2, _HIDDEN)
        self.out = nn.Linear(_HIDDEN, heads)

    def forward(self, sides: tuple[int, int], pooled: tuple[int, int]) -> Tensor:
        """Return the biases, (h, H, W, i, j)."""
        weights_f2 = self.offset.weight
        indices: list[Tensor] = []
        shares: list[Tensor] = []
        for axis, (side, fewer) in enumerate(zip(sides, pooled, strict=True)):
            # Twice the centres of the pooled regions, which may lie between two positions.
            bins = [(n * side // fewer, -(-(n + 1) * side // fewer)) for n in range(fewer)]
            offsets = [[2 * place - (a + b - 1) for a, b in bins] for place in range(side)]
            known = sorted({each for row in offsets for each in row})
            number = {each: index for index, each in enumerate(known)}
            index = [[number[each] for each in row] for row in offsets]
            indices.append(torch.tensor(index, device=weights_f2.device))
            unit = 4 / max(1, self.size[axis] - 1)
            logs = [math.copysign(math.log2(abs(each * unit) + 1) / 3, each) for each in known]
            shares.append(torch.tensor(logs, device=weights_f2.device, dtype=weights_f2.dtype))
        of_row_f, of_column_f = weights_f2.unbind(1)
        rows_Rf, columns_Sf = shares[0][:, None] * of_row_f, shares[1][:, None] * of_column_f
        hidden_RSf = (rows_Rf[:, None] + (columns_Sf + self.offset.bias)).relu()
        table_hRS = self.out(hidden_RSf).permute(2, 0, 1)
        return table_hRS[:, indices[0][:, None, :, None], indices[1][:, None]]


class Aggregated(nn.Module):
    """Attention with one softmax over a window and pooled positions, and learned tokens."""

    no_weight_decay: ClassVar[frozenset[str]] = frozenset(
        {"temperature_h1", "query_hd", "window_hkl", "tokens_hdkl", "bias_hkl"}
    )

    def __init__(
        self, shape: Shape, *, head_dim: int, window: int, ratio: int, qkv_bias: bool
    ) -> None:
        """Build the module.

        Args:
            shape: Shape of the map; other sizes are taken too.
            head_dim: Channels of a head, which divide the channels.
            window: Side of the window, odd.
            ratio: Positions along each side for one pooled position.
            qkv_bias: Whether queries, keys and values have a bias.
        """
        super().__init__()
        channels = shape.channels
        self.heads, self.window, self.ratio = channels // head_dim, window, ratio
        sides = window, window
        self.q = nn.Linear(channels, channels, bias=qkv_bias)
        self.kv = nn.Linear(channels, 2 * channels, bias=qkv_bias)
        self.reduce = nn.Conv2d(channels, channels, 1)
        self.norm = nn.LayerNorm(channels)
        self.position = PooledBias(self.heads, (shape.height, shape.width))
        self.proj = nn.Linear(channels, channels)
        start = math.log(math.exp(TEMPERATURE) - 1)  # a softplus follows
        self.temperature_h1 = nn.Parameter(torch.full((self.heads, 1), start))
        self.query_hd = nn.Parameter(torch.empty(self.heads, head_dim))
        self.window_hkl = nn.Parameter(torch.empty(self.heads, *sides))
        self.tokens_hdkl = nn.Parameter(torch.empty(self.heads, head_dim, *sides))
        self.bias_hkl = nn.Parameter(torch.zeros(self.heads, *sides))
        for each, deviation in (
            (self.query_hd, 0.02),
            (self.window_hkl, 0.0004),
            (self.tokens_hdkl, 0.02),
        ):
            nn.init.trunc_normal_(each, std=deviation)

    def outside(self, height: int, width: int, device: torch.device) -> Tensor:
        """Return which elements of the windows lie outside the map, (H, W, k l)."""
        tap = torch.arange(self.window, device=device) - self.window // 2
        rows_Hk = torch.arange(height, device=device)[:, None] + tap
        columns_Wl = torch.arange(width, device=device)[:, None] + tap
        no_row, no_column = (
            (each < 0) | (each >= side) for each, side in ((rows_Hk, height), (columns_Wl, width))
        )
        return (no_row[:, None, :, None] | no_column[:, None]).flatten(2)

    def pooled(self, x_BCHW: Tensor) -> tuple[Tensor, Tensor, tuple[int, int]]:
        """Return keys and values of the pooled map, (B, P, h, d) each, and its sides."""
        H, W = x_BCHW.shape[2:]
        sides = max(1, int(H) // self.ratio), max(1, int(W) // self.ratio)
        fewer = F.adaptive_avg_pool2d(F.gelu(self.reduce(x_BCHW)), sides)
        kv_BPC = self.kv(self.norm(fewer.flatten(2).transpose(1, 2)))
        k_BPhd, v_BPhd = (each.unflatten(2, (self.heads, -1)) for each in kv_BPC.chunk(2, 2))
        return unit(k_BPhd, 3), v_BPhd, sides

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        H, W = (int(side) for side in x_BCHW.shape[2:])
        x_BHWC = x_BCHW.permute(0, 2, 3, 1)
        q = unit(self.q(x_BHWC).unflatten(3, (self.heads, -1)), 4)
        k, v = (each.unflatten(3, (self.heads, -1)) for each in self.kv(x_BHWC).chunk(2, 3))
        k_BPhd, v_BPhd, sides = self.pooled(x_BCHW)

        outside_HWp = self.outside(H, W, x_BCHW.device)
        keys_HW11 = (~outside_HWp).sum(2)[:, :, None, None] + sides[0] * sides[1]
        scale_HWh1 = F.softplus(self.temperature_h1) * keys_HW11.to(q.dtype).log()
        query = (q + self.query_hd) * scale_HWh1.to(q.dtype)
        near = window_products(query, unit(k, 4), self.window)
        near = near + self.window_hkl.flatten(1)
        near = near.masked_fill(outside_HWp[:, :, None], float("-inf"))
        far = torch.einsum("bhwnd,bpnd->bhwnp", query, k_BPhd)
        far = far + self.position((H, W), sides).flatten(3).permute(1, 2, 0, 3).to(far.dtype)
        weights = torch.cat((near, far), 4).softmax(4).to(v.dtype)
        near, far = weights.split((self.window**2, sides[0] * sides[1]), 4)

        tokens = torch.einsum("bhwnd,ndp->bhwnp", q, self.tokens_hdkl.flatten(2))
        near = near + tokens + self.bias_hkl.flatten(1)
        mixed = window_sums(near, v, self.window) + torch.einsum("bhwnp,bpnd->bhwnd", far, v_BPhd)
        return self.proj(mixed.flatten(3)).permute(0, 3, 1, 2)


@dataclass(frozen=True, kw_only=True)
class AggregatedAttention(TokenMixer):
    """Attention to a window around each position and to the pooled map at once (TransNeXt).

    Shi, TransNeXt, 2024, sections 3.1 to 3.3: one softmax over both; queries and keys of unit
    length, with a learned temperature that grows with the logarithm of the number of keys; a
    learned query added to all queries; and learned tokens, whose products with the queries are
    added to the weights of the window. The channel mixer that goes with it is ``conv_glu``. The
    reference code computes positions for maps of the training size and interpolates them, or, as
    here, for any map in units of the training size.
    """

    name = "aggregated_attention"
    traits = TRANSNEXT

    head_dim: Annotated[int, WIDTH] = 16
    """Channels of one head; must divide the channels."""
    window: Annotated[int, IntRange(1, 7, 2)] = 3
    """Side of the window in pixels, odd, 1 to 7."""
    pool_ratio: Annotated[int, IntRange(1, 16)] = 2
    """Positions along each side of the map for one pooled position, 1 to 16."""
    qkv_bias: Annotated[bool, YES_NO] = True
    """Whether queries, keys and values have a bias."""

    def why_invalid(self, shape: Shape, width: int | None = None) -> str | None:
        """The size of a head must divide the channels."""
        return whole_heads(self.head_dim, shape)

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        module = Aggregated(
            shape,
            head_dim=self.head_dim,
            window=self.window,
            ratio=self.pool_ratio,
            qkv_bias=self.qkv_bias,
        )
        return fan_out_start(small_start(module))
