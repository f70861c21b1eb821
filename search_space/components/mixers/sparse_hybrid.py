"""A gated convolution with attention of a few chosen positions.

Shape suffixes: B batch, C channels, H rows, W columns, N positions (H x W), P chosen positions, h
heads, d channels of a head.
"""

from dataclasses import dataclass, replace
from typing import Annotated, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...domains import IntRange
from ...shapes import Shape
from ..base import TokenMixer, Traits
from ..initial import small_start
from ..layers.canonical_forms import ClippedKernel
from ..layers.kernel_clipping import KERNEL, depthwise
from .headed import WIDTH, whole_heads


class ChosenAttention(nn.Module):
    """A gated convolution, to which attention is added at the positions with the largest scores."""

    def __init__(self, channels: int, *, head_dim: int, chosen: int, kernel_size: int) -> None:
        super().__init__()
        self.heads, self.chosen = channels // head_dim, chosen
        self.gate = nn.Conv2d(channels, channels, 1)
        self.conv = depthwise(channels, (kernel_size, kernel_size))
        self.score = nn.Conv2d(channels, 1, 1)
        self.query = nn.Linear(channels, channels)
        self.key_value = nn.Conv2d(channels, 2 * channels, 1)
        self.proj = nn.Conv2d(channels, channels, 1)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        C, H, W = x_BCHW.shape[1:]
        score_B1N = self.score(x_BCHW).flatten(2)
        best_B1P, places_B1P = score_B1N.topk(min(self.chosen, H * W), dim=2)
        places_BCP = places_B1P.expand(-1, C, -1)
        asking_BPC = x_BCHW.flatten(2).gather(2, places_BCP).transpose(1, 2)
        q = self.query(asking_BPC).unflatten(2, (self.heads, -1)).transpose(1, 2)
        both_BCN = self.key_value(x_BCHW).flatten(2)
        k, v = (each.unflatten(1, (self.heads, -1)) for each in both_BCN.chunk(2, 1))
        mixed_BhPd = F.scaled_dot_product_attention(q, k.transpose(2, 3), v.transpose(2, 3))
        mixed_BCP = mixed_BhPd.transpose(2, 3).flatten(1, 2) * best_B1P.sigmoid()
        base_BCN = (self.gate(x_BCHW) * self.conv(x_BCHW)).flatten(2)
        added_BCN = torch.zeros_like(base_BCN).scatter(2, places_BCP, mixed_BCP.to(base_BCN.dtype))
        return self.proj((base_BCN + added_BCN).unflatten(2, (H, W)))


@dataclass(frozen=True, kw_only=True)
class SparseHybrid(ClippedKernel, TokenMixer):
    """A gated convolution with input-dependent sparse attention (Zoology's hybrid).

    Arora et al., Zoology, 2023, section 5: a gated convolution (their BaseConv) cannot recall what
    attention can; attention only for the positions that a learned score selects closes most of the
    gap. Here the convolution is a depthwise kernel on the map, the selected positions ask all
    others, and the sigmoid of the score weighs the result, so that the score is learned. In the
    reference code the convolution is as long as the sequence, and an additional loss makes scores
    sparse.
    """

    name = "sparse_hybrid"
    traits = Traits(
        catalogue=("Q16",),
        paper="Arora et al., Zoology: Measuring and Improving Recall in Efficient Language Models, "
        "2023, arXiv:2312.04927",
        code="HazyResearch/zoology",
        reach="regional",
        weights="input-dependent",
        cost="N",
    )

    head_dim: Annotated[int, WIDTH] = 16
    """Channels of one head; must divide the channels."""
    chosen: Annotated[int, IntRange(1, 1024)] = 16
    """The most positions that attend, 1 to 1024."""
    kernel_size: Annotated[int, KERNEL] = 9
    """Side of the depthwise kernel in pixels, odd, 1 to 31."""

    def why_invalid(self, shape: Shape, width: int | None = None) -> str | None:
        """The size of a head must divide the channels."""
        return whole_heads(self.head_dim, shape)

    def canonical(self, shape: Shape) -> Self:
        """Clip the kernel to taps that can reach the map, and the choice to its positions."""
        return replace(super().canonical(shape), chosen=min(self.chosen, shape.tokens))

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        module = ChosenAttention(
            shape.channels,
            head_dim=self.head_dim,
            chosen=self.chosen,
            kernel_size=self.kernel_size,
        )
        return small_start(module)
