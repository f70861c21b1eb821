"""Neighbourhood attention: each position attends to the window around it."""

from dataclasses import dataclass, replace
from typing import Annotated, Self

from torch import nn

from ...domains import Choice, IntRange
from ...shapes import Shape
from ..attention.neighbourhood import NeighbourhoodAttention, reach
from ..base import Traits
from ..initial import small_start
from ..layers.kernel_clipping import KERNEL
from .headed import HeadedAttention


@dataclass(frozen=True, kw_only=True)
class NeighbourhoodMixer(HeadedAttention):
    """Attention of each position to the window around it, dilated or not, with a bias per offset.

    Hassani et al., Neighborhood Attention Transformer, 2023 (windows of 7 x 7); the dilation is
    that of Hassani and Shi, Dilated Neighborhood Attention Transformer, 2022, arXiv:2209.15001. A
    window near the edge lies within the map, so all windows are equally large. With a window of one
    pixel the mixer is linear; with one as large as the map it is attention between all positions.
    On a map smaller than the window or its dilated form, the window, then the dilation, is what
    fits, where the reference code refuses.
    """

    name = "neighbourhood_attention"
    traits = Traits(
        catalogue=("M21",),
        paper="Hassani et al., Faster Neighborhood Attention: Reducing the O(n^2) Cost of Self "
        "Attention at the Threadblock Level, 2024, arXiv:2403.04690",
        code="SHI-Labs/NATTEN",
        reach="local",
        weights="input-dependent",
        cost="N k^2",
        any_size_program=False,
    )

    kernel_size: Annotated[int, KERNEL] = 7
    """Side of the window in positions, odd, 1 to 31."""
    dilation: Annotated[int, IntRange(1, 8)] = 1
    """Distance of the window's positions in pixels, 1 to 8."""
    position: Annotated[str, Choice(("none", "bias"))] = "bias"
    """What is added to the scores: nothing, or a learned number for each head and offset."""

    def canonical(self, shape: Shape) -> Self:
        """Clip the window and the dilation to the map."""
        fits = [reach(side, self.kernel_size, self.dilation) for side in shape[1:]]
        kernel = max(each for each, _ in fits) | 1
        dilation = max(step for each, step in fits if each > 1) if kernel > 1 else 1
        return replace(super().canonical(shape), kernel_size=kernel, dilation=dilation)

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        attention = NeighbourhoodAttention(
            projection=self.linear(shape),
            channels=shape.channels,
            values=self.inner(shape),
            proj_bias=self.proj_bias,
            heads=self.heads_on(shape),
            kernel_size=self.kernel_size,
            dilation=self.dilation,
            biased=self.position == "bias",
        )
        return small_start(attention)
