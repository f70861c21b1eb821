"""Attention of one head at a time: in a cascade of heads, or on some channels alone.

Shape suffixes: B batch, C channels, H rows, W columns, N positions of a window, h heads, d channels
of a query, e channels of a value, X batch x windows.
"""

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...domains import Choice, IntRange, Positive
from ...shapes import Shape, scaled
from ..base import TokenMixer, Traits
from ..layers.conv_norm import conv_norm
from ..norms import WholeNorm
from .levit import last_map
from .transposed import divided_heads

KERNELS = {"equal": (5, 5, 5, 5), "falling": (7, 5, 3, 3)}
"""Sides of the depthwise kernels on the queries of the first heads; later heads repeat the last."""


def one_head(q_BdHW: Tensor, k_BdHW: Tensor, v_BeHW: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return the mixed values of attention with one head, (B, e, H, W)."""
    q, k, v = (each.flatten(2).transpose(1, 2) for each in (q_BdHW, k_BdHW, v_BeHW))
    mixed = F.scaled_dot_product_attention(q[:, None], k[:, None], v[:, None], bias)
    return mixed[:, 0].transpose(1, 2).unflatten(2, v_BeHW.shape[2:])


class CascadedGroups(nn.Module):
    """Heads in a row inside windows: each adds its output to the channels of the next."""

    no_weight_decay: ClassVar[frozenset[str]] = frozenset({"bias_hD"})

    def __init__(
        self, channels: int, *, heads: int, key_dim: int, window: int, kernels: tuple[int, ...]
    ) -> None:
        super().__init__()
        self.window = window
        values = channels // heads
        self.sizes = [key_dim, key_dim, values]
        self.bias_hD = nn.Parameter(torch.zeros(heads, window**2))
        sides = [kernels[min(number, len(kernels) - 1)] for number in range(heads)]
        self.qkvs = nn.ModuleList(
            conv_norm(values, 2 * key_dim + values, folds=True) for _ in sides
        )
        self.queries = nn.ModuleList(
            conv_norm(key_dim, key_dim, side, groups=key_dim, folds=True) for side in sides
        )
        self.proj = last_map(channels, channels, "relu", zero=True)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself; a map that windows do not fill is padded with zeros."""
        H, W = (int(side) for side in x_BCHW.shape[2:])
        n, m = min(H, self.window), min(W, self.window)
        if (n, m) == (H, W):
            return self._attend(x_BCHW)
        padded = F.pad(x_BCHW, (0, -W % m, 0, -H % n))
        split = padded.unflatten(3, (-1, m)).unflatten(2, (-1, n))
        windows = split.permute(0, 2, 4, 1, 3, 5)
        mixed = self._attend(windows.flatten(0, 2)).unflatten(0, windows.shape[:3])
        y_BCHW = mixed.permute(0, 3, 1, 4, 2, 5).flatten(4).flatten(2, 3)
        return y_BCHW[:, :, :H, :W].contiguous()

    def _attend(self, x_XCHW: Tensor) -> Tensor:
        """Return the output for windows."""
        H, W = (int(side) for side in x_XCHW.shape[2:])
        index_NN = self._distances(H, W, x_XCHW.device)
        shares = x_XCHW.chunk(len(self.qkvs), 1)
        mixed: list[Tensor] = []
        for number, (qkv, query) in enumerate(zip(self.qkvs, self.queries, strict=True)):
            share = shares[number] + mixed[-1] if mixed else shares[0]
            q, k, v = qkv(share).split(self.sizes, 1)
            bias_NN = self.bias_hD[number, index_NN].to(q.dtype)
            mixed.append(one_head(query(q), k, v, bias_NN))
        return self.proj(torch.cat(mixed, 1))

    def _distances(self, height: int, width: int, device: torch.device) -> Tensor:
        """Return the number of the distance of each pair of positions of a window, (N, N)."""
        place = torch.arange(height * width, device=device)
        rows = (place // width - (place // width)[:, None]).abs()
        return rows * self.window + (place % width - (place % width)[:, None]).abs()


@dataclass(frozen=True, kw_only=True)
class CascadedAttention(TokenMixer):
    """Cascaded group attention in windows: a head sees its channels and the head before.

    Liu et al., EfficientViT, 2023, section 3.2: queries pass a depthwise convolution, and each
    distance of two positions has a learned bias for each head. Norms fold. As in the reference
    code, places of padding take part.
    """

    name = "cascaded_attention"
    traits = Traits(
        paper="Liu et al., EfficientViT: Memory Efficient Vision Transformer with Cascaded Group "
        "Attention, 2023, arXiv:2305.07027",
        code="microsoft/Cream",
        reach="regional",
        weights="input-dependent",
        cost="N w^2",
        any_size_program=False,
    )

    heads: Annotated[int, IntRange(1, 64)] = 4
    """Number of heads, 1 to 64; must divide the channels."""
    key_dim: Annotated[int, IntRange(1, 256)] = 16
    """Channels of one head's query and key, 1 to 256."""
    window: Annotated[int, IntRange(1, 64)] = 8
    """Side of the windows in pixels, 1 to 64."""
    kernels: Annotated[str, Choice(tuple(KERNELS))] = "equal"
    """Sides of the kernels on the queries of the heads: 5 each; or 7, 5, and 3 for all others."""

    def why_invalid(self, shape: Shape, width: int | None = None) -> str | None:
        """The heads must divide the channels."""
        return divided_heads(self.heads, shape)

    def canonical(self, shape: Shape) -> Self:
        """Clip the window to the map."""
        window = min(self.window, max(shape.height, shape.width))
        return replace(super().canonical(shape), window=window)

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        return CascadedGroups(
            shape.channels,
            heads=self.heads,
            key_dim=self.key_dim,
            window=self.window,
            kernels=KERNELS[self.kernels],
        )


class SingleHead(nn.Module):
    """Attention with one head on the first channels, then a linear map of all."""

    def __init__(self, channels: int, *, inner: int, key_dim: int) -> None:
        super().__init__()
        self.parts = [inner, channels - inner]
        self.sizes = [key_dim, key_dim, inner]
        self.norm = WholeNorm(1, inner)
        self.qkv = conv_norm(inner, 2 * key_dim + inner, folds=True)
        self.proj = last_map(channels, channels, "relu", zero=True)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        first, others = x_BCHW.split(self.parts, 1)
        q, k, v = self.qkv(self.norm(first)).split(self.sizes, 1)
        return self.proj(torch.cat((one_head(q, k, v), others), 1))


@dataclass(frozen=True, kw_only=True)
class SingleHeadAttention(TokenMixer):
    """Attention with one head on a share of the channels, with a norm before (SHViT's SHSA).

    Yun and Ro, SHViT, 2024, section 3.2: the other channels only pass the last linear map. Norms
    but the first fold.
    """

    name = "single_head_attention"
    traits = Traits(
        paper="Yun and Ro, SHViT: Single-Head Vision Transformer with Memory Efficient Macro "
        "Design, 2024, arXiv:2401.16456",
        code="ysj9909/SHViT",
        reach="global",
        weights="input-dependent",
        cost="N^2",
    )

    key_dim: Annotated[int, IntRange(1, 256)] = 16
    """Channels of query and key, 1 to 256."""
    ratio: Annotated[float, Positive()] = 0.25
    """Share of the channels that attend, at most 1."""

    def inner(self, shape: Shape) -> int:
        """Return the channels that attend."""
        return scaled(shape.channels, self.ratio)

    def why_invalid(self, shape: Shape, width: int | None = None) -> str | None:
        """No more channels can attend than there are."""
        if self.inner(shape) <= shape.channels:
            return None
        return f"ratio must be at most 1, but got {self.ratio}"

    def canonical(self, shape: Shape) -> Self:
        """Round the ratio to whole channels."""
        return replace(self, ratio=self.inner(shape) / shape.channels)

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        return SingleHead(shape.channels, inner=self.inner(shape), key_dim=self.key_dim)
