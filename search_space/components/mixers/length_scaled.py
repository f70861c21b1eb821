"""Cosine attention whose scores grow with the number of keys (TransNeXt's last stage).

Shape suffixes: B batch, C channels, H rows, W columns, N positions (H x W), h heads, d channels
of a head.
"""

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...domains import YES_NO
from ...shapes import Shape
from ..base import TokenMixer
from ..initial import small_start
from ..layers.portable import unit
from .aggregated import TEMPERATURE, TRANSNEXT, PooledBias
from .headed import WIDTH, whole_heads


class LengthScaled(nn.Module):
    """Attention between all positions by cosines, with a learned query and biases of offsets."""

    no_weight_decay: ClassVar[frozenset[str]] = frozenset({"temperature_h1", "query_hd"})

    def __init__(self, shape: Shape, *, head_dim: int, qkv_bias: bool) -> None:
        super().__init__()
        channels = shape.channels
        self.heads = channels // head_dim
        self.qkv = nn.Linear(channels, 3 * channels, bias=qkv_bias)
        self.position = PooledBias(self.heads, (shape.height, shape.width))
        self.proj = nn.Linear(channels, channels)
        start = math.log(math.exp(TEMPERATURE) - 1)  # a softplus follows
        self.temperature_h1 = nn.Parameter(torch.full((self.heads, 1), start))
        self.query_hd = nn.Parameter(torch.empty(self.heads, head_dim))
        nn.init.trunc_normal_(self.query_hd, std=0.02)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        H, W = (int(side) for side in x_BCHW.shape[2:])
        q_BhNd, k_BhNd, v_BhNd = (
            each.unflatten(2, (self.heads, -1)).transpose(1, 2)
            for each in self.qkv(x_BCHW.flatten(2).transpose(1, 2)).chunk(3, 2)
        )
        scale_h1 = F.softplus(self.temperature_h1) * math.log(H * W)
        moved_BhNd = unit(q_BhNd, 3) + self.query_hd[:, None]
        query_BhNd = (moved_BhNd * scale_h1[:, None]).to(v_BhNd.dtype)
        unit_BhNd = unit(k_BhNd, 3)
        sides = H, W
        bias_hNN = self.position(sides, sides).flatten(3).flatten(1, 2).to(v_BhNd.dtype)
        mixed_BhNd = F.scaled_dot_product_attention(
            query_BhNd, unit_BhNd, v_BhNd, bias_hNN, scale=1.0
        )
        mixed_BNC = self.proj(mixed_BhNd.transpose(1, 2).flatten(2))
        return mixed_BNC.transpose(1, 2).unflatten(2, sides)


@dataclass(frozen=True, kw_only=True)
class LengthScaledAttention(TokenMixer):
    """Cosine attention whose scores grow with the logarithm of the number of keys (TransNeXt).

    Shi, TransNeXt, 2024, sections 3.2 and 3.3, in the last stage, where there are few positions:
    queries and keys of unit length, a learned temperature times that logarithm, a learned query
    added to all queries, and a perceptron from offsets to biases. ``aggregated_attention`` is the
    mixer of the other stages.
    """

    name = "length_scaled_attention"
    traits = TRANSNEXT

    head_dim: Annotated[int, WIDTH] = 16
    """Channels of one head; must divide the channels."""
    qkv_bias: Annotated[bool, YES_NO] = True
    """Whether queries, keys and values have a bias."""

    def why_invalid(self, shape: Shape, width: int | None = None) -> str | None:
        """The size of a head must divide the channels."""
        return whole_heads(self.head_dim, shape)

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        module = LengthScaled(shape, head_dim=self.head_dim, qkv_bias=self.qkv_bias)
        return small_start(module)
