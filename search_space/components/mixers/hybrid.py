"""Attention inside windows beside convolutions with channel attention (HAT)."""

from dataclasses import dataclass, replace
from typing import Annotated, Self

from torch import Tensor, nn

from ...domains import Positive
from ...shapes import Shape
from ..base import Traits
from ..layers.conv_norm import SqueezeExcite
from .windowed import WindowAttention


class HybridBranches(nn.Module):
    """Attention, and a small share of two convolutions with a factor for each channel."""

    def __init__(
        self, attention: nn.Module, channels: int, *, hidden: int, squeezed: int, share: float
    ) -> None:
        super().__init__()
        self.share = share
        self.attention = attention
        self.conv = nn.Sequential(
            nn.Conv2d(channels, hidden, 3, padding=1),
            nn.GELU(),
            nn.Conv2d(hidden, channels, 3, padding=1),
            SqueezeExcite(channels, squeezed),
        )

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        return self.attention(x_BCHW) + self.share * self.conv(x_BCHW)


@dataclass(frozen=True, kw_only=True)
class HybridWindowAttention(WindowAttention):
    """Attention inside windows, and convolutions with channel attention beside it (HAT).

    Chen et al., HAT, 2023, section 3.2.2, the hybrid attention block: windows of 16 x 16, in every
    second block shifted; the output of the convolutions counts a hundredth. The overlapping
    attention of HAT is ``halo_attention`` with ``bias`` positions.
    """

    name = "hybrid_window_attention"
    traits = Traits(
        catalogue=("M27",),
        paper="Chen et al., HAT: Hybrid Attention Transformer for Image Restoration, 2023, "
        "arXiv:2309.05239",
        code="XPixelGroup/HAT",
        reach="global",
        weights="input-dependent",
        cost="N w^2",
        any_size_program=False,
    )

    compression: Annotated[int, Positive(whole=True)] = 3
    """Channels of the map for one channel between the convolutions, which have at least one."""
    squeeze: Annotated[int, Positive(whole=True)] = 30
    """Channels of the map for one hidden channel of the channel attention, at least one."""
    branch_share: Annotated[float, Positive()] = 0.01
    """Factor of the convolutions' output."""

    def fewer(self, shape: Shape) -> tuple[int, int]:
        """Return the channels between the convolutions, and hidden ones of the attention."""
        channels = shape.channels
        return max(1, channels // self.compression), max(1, channels // self.squeeze)

    def canonical(self, shape: Shape) -> Self:
        """Take the largest knobs with as many hidden channels."""
        hidden, squeezed = self.fewer(shape)
        return replace(
            super().canonical(shape),
            compression=shape.channels // hidden,
            squeeze=shape.channels // squeezed,
        )

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        hidden, squeezed = self.fewer(shape)
        return HybridBranches(
            super().build(shape),
            shape.channels,
            hidden=hidden,
            squeezed=squeezed,
            share=self.branch_share,
        )
