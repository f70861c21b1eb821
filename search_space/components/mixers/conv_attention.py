"""Attention inside the window of a convolution, which then convolves the result (TiC).

Shape suffixes: B batch, C channels, H rows, W columns.
"""

from dataclasses import dataclass
from typing import Annotated

from torch import Tensor, nn

from ...domains import YES_NO, IntRange
from ...shapes import Shape
from ..attention.zero_windows import window_products, window_sums
from ..base import Traits
from ..layers.canonical_forms import DepthwiseMixer


class AttentiveConv(nn.Module):
    """Attention of each position to the window of a kernel, the input added, then a convolution."""

    def __init__(
        self, channels: int, *, heads: int, kernel_size: int, dilation: int, depthwise: bool
    ) -> None:
        super().__init__()
        self.heads, self.window, self.dilation = heads, kernel_size, dilation
        self.qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.conv = nn.Conv2d(
            channels,
            channels,
            kernel_size,
            padding=dilation * (kernel_size // 2),
            dilation=dilation,
            groups=channels if depthwise else 1,
            bias=False,
        )

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        qkv_BHWC = self.qkv(x_BCHW).permute(0, 2, 3, 1)
        q, k, v = (each.unflatten(3, (self.heads, -1)) for each in qkv_BHWC.chunk(3, 3))
        scores = window_products(q * q.shape[4] ** -0.5, k, self.window, self.dilation)
        mixed = window_sums(scores.softmax(4).to(v.dtype), v, self.window, self.dilation)
        return self.conv(x_BCHW + mixed.flatten(3).permute(0, 3, 1, 2)).relu()


@dataclass(frozen=True, kw_only=True)
class ConvAttention(DepthwiseMixer):
    """Attention inside the window of a convolution, whose kernel follows: MSA-Conv (TiC).

    Zhang et al., TiC, 2023: the window slides as that of a convolution, standard, dilated or
    depthwise, so a map of any size is taken. As in the reference code, places outside the map are
    keys and values of zeros that take part, the input is added, and ReLU follows; the code has one
    head. The cyclic shifts in several directions and the pooling between layers are not part of the
    published code, and not of this mixer.
    """

    name = "conv_attention"
    traits = Traits(
        catalogue=("M54",),
        paper="Zhang et al., TiC: Exploring Vision Transformer in Convolution, 2023, "
        "arXiv:2310.04134",
        code="zs670980918/MSA-Conv",
        reach="local",
        weights="input-dependent",
        cost="N k^2",
    )

    heads: Annotated[int, IntRange(1, 64)] = 1
    """Number of heads, 1 to 64; must divide the channels."""
    kernel_size: Annotated[int, IntRange(1, 15, 2)] = 3
    """Side of the window and of the kernel in pixels, odd, 1 to 15."""
    dilation: Annotated[int, IntRange(1, 8)] = 1
    """Distance of the window's positions and of the kernel's taps in pixels, 1 to 8."""
    depthwise: Annotated[bool, YES_NO] = False
    """Whether the kernel convolves each channel alone."""

    def why_invalid(self, shape: Shape, width: int | None = None) -> str | None:
        """The heads must divide the channels."""
        if shape.channels % self.heads:
            return (
                f"heads must divide the channels, but got heads {self.heads} "
                f"and {shape.channels} channels"
            )
        return None

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        return AttentiveConv(
            shape.channels,
            heads=self.heads,
            kernel_size=self.kernel_size,
            dilation=self.dilation,
            depthwise=self.depthwise,
        )
