"""Attention of a few slots, beside a convolution of the map (GLMix).

Shape suffixes: B batch, C channels, H rows, W columns, N positions (H x W), S slots, h heads, d
channels of a head.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...domains import IntRange
from ...shapes import Shape
from ..base import TokenMixer, Traits
from ..initial import small_start
from ..layers.canonical_forms import ClippedKernel
from ..layers.kernel_clipping import KERNEL, depthwise
from ..layers.portable import unit
from .headed import WIDTH, whole_heads


class SlotMixing(nn.Module):
    """Soft clusters of positions that attend to each other, and a convolution of the map."""

    no_weight_decay: ClassVar[frozenset[str]] = frozenset({"scale"})

    def __init__(self, channels: int, *, side: int, head_dim: int, kernel_size: int) -> None:
        super().__init__()
        self.side, self.heads = side, channels // head_dim
        self.scale = nn.Parameter(torch.tensor(channels**-0.5))
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)
        self.conv = nn.Sequential(
            OrderedDict(
                proj_in=nn.Conv2d(channels, channels, 1),
                local=depthwise(channels, (kernel_size, kernel_size)),
                proj_out=nn.Conv2d(channels, channels, 1),
            )
        )

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        H, W = x_BCHW.shape[2:]
        x_BCN = x_BCHW.flatten(2)
        start_BCS = F.adaptive_avg_pool2d(x_BCHW, self.side).flatten(2)
        near_BCS, far_BCN = unit(start_BCS, 1), unit(x_BCN, 1)
        logits_BSN = near_BCS.transpose(1, 2) @ (self.scale * far_BCN)
        slots_BSC = logits_BSN.softmax(2).to(x_BCN.dtype) @ x_BCN.transpose(1, 2)
        q, k, v = (
            each.unflatten(2, (self.heads, -1)).transpose(1, 2)
            for each in self.qkv(slots_BSC).chunk(3, 2)
        )
        mixed_BSC = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        sent_BCN = self.proj(mixed_BSC).transpose(1, 2) @ logits_BSN.softmax(1).to(q.dtype)
        return sent_BCN.unflatten(2, (H, W)) + self.conv(x_BCHW)


@dataclass(frozen=True, kw_only=True)
class SlotAttention(ClippedKernel, TokenMixer):
    """Attention between a few soft clusters of the map, in parallel with a convolution (GLMix).

    Zhu et al., Revisiting the Integration of Convolution and Attention, 2024, section 3: cosines
    between positions and the means of regions group the positions into slots, slots attend to each
    other, and the same cosines send them back. In the reference code the means are those of the
    block's input, here of the mixer's, which a norm precedes.
    """

    name = "slot_attention"
    traits = Traits(
        catalogue=("M48",),
        paper="Zhu et al., Revisiting the Integration of Convolution and Attention for Vision "
        "Backbone, 2024, arXiv:2411.14429",
        code="rayleizhu/GLMix",
        reach="global",
        weights="input-dependent",
        cost="N (R^2 + k^2)",
    )

    head_dim: Annotated[int, WIDTH] = 32
    """Channels of one head; must divide the channels."""
    regions: Annotated[int, IntRange(1, 16)] = 8
    """Slots along each side of the map, 1 to 16."""
    kernel_size: Annotated[int, KERNEL] = 5
    """Side of the kernel of the convolution in pixels, odd, 1 to 31."""

    def why_invalid(self, shape: Shape, width: int | None = None) -> str | None:
        """The size of a head must divide the channels."""
        return whole_heads(self.head_dim, shape)

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        module = SlotMixing(
            shape.channels,
            side=self.regions,
            head_dim=self.head_dim,
            kernel_size=self.kernel_size,
        )
        return small_start(module)
