"""Kernels of several receptive fields in parallel.

Shape suffixes: B batch, C channels, H rows, W columns.
"""

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Annotated, Self

import torch
from torch import Tensor, nn

from ...domains import YES_NO, IntRange
from ...shapes import Shape, scaled
from ..activations import ACTIVATION
from ..base import TokenMixer, Traits
from ..initial import fan_out_start
from ..layers.conv_norm import SqueezeExcite, conv_norm
from ..layers.kernel_clipping import KERNEL, reaching_kernel


class MultiOrder(nn.Module):
    """A near and a far branch, each on half of the channels, concatenated."""

    def __init__(
        self, channels: int, *, side: int, dilation: int, depthwise: bool, act: str
    ) -> None:
        super().__init__()
        half = channels // 2
        groups = half if depthwise else 1
        padding = dilation * (side // 2)
        self.proj_in = nn.Conv2d(channels, half, 1)
        self.contrast = nn.Parameter(torch.full((half, 1, 1), 1e-5))
        self.near = nn.Sequential(
            OrderedDict(
                conv=conv_norm(half, half, side, groups=groups, act=act, eps=1e-6),
                squeeze=SqueezeExcite(half, scaled(half, 0.25)),
            )
        )
        self.far = nn.Sequential(
            OrderedDict(
                conv1=nn.Conv2d(half, half, side, 1, padding, dilation, groups, bias=False),
                conv2=conv_norm(
                    half, half, side, dilation=dilation, groups=groups, act=act, eps=1e-6
                ),
                squeeze=SqueezeExcite(half, scaled(half, 0.25)),
            )
        )
        self.proj_out = nn.Conv2d(channels, channels, 1)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        x_BCHW = self.proj_in(x_BCHW)
        x_BCHW = x_BCHW + self.contrast * (x_BCHW - x_BCHW.mean((2, 3), keepdim=True))
        return self.proj_out(torch.cat((self.near(x_BCHW), self.far(x_BCHW)), dim=1))


@dataclass(frozen=True, kw_only=True)
class MultiOrderConv(TokenMixer):
    """Multi-order spatial mixing: a plain and two dilated kernels on half the channels (SpaRTAN).

    Pay et al., 2025, section III-B. The low order is one kernel, the high order two dilated ones
    in sequence, each followed by squeeze-and-excitation. Before both, a learned factor per channel
    amplifies the difference from the mean.
    """

    name = "multi_order_conv"
    traits = Traits(
        catalogue=("M53",),
        paper="Pay et al., SpaRTAN: Spatial Reinforcement Token-based Aggregation Network for "
        "Visual Recognition, 2025, arXiv:2507.10999",
        code="henry-pay/SpaRTAN",
        reach="global",
        weights="input-dependent",
        cost="N k^2",
    )

    kernel_size: Annotated[int, KERNEL] = 3
    """Side of all kernels in pixels, odd, 1 to 31."""
    dilation: Annotated[int, IntRange(1, 8)] = 2
    """Dilation of the far kernels in pixels, 1 to 8."""
    depthwise: Annotated[bool, YES_NO] = True
    """Whether the kernels are depthwise (SpaRTAN's last two stages) or dense (its first two)."""
    activation: Annotated[str, ACTIVATION] = "gelu"
    """Activation after the norms."""

    def why_invalid(self, shape: Shape, width: int | None = None) -> str | None:
        """The number of channels must be even."""
        if shape.channels % 2 == 0:
            return None
        return f"the channels must be even, but got {shape.channels}"

    def canonical(self, shape: Shape) -> Self:
        """Clip the kernels to taps that can reach the map, and the dilation to one beyond the map.

        For a branch of one channel, ``depthwise`` has no effect.
        """
        kernel_size = reaching_kernel(self.kernel_size, shape)
        furthest = 1 if kernel_size == 1 else max(shape.height, shape.width)
        return replace(
            self,
            kernel_size=kernel_size,
            dilation=min(self.dilation, furthest),
            depthwise=self.depthwise or shape.channels == 2,
        )

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        mixing = MultiOrder(
            shape.channels,
            side=self.kernel_size,
            dilation=self.dilation,
            depthwise=self.depthwise,
            act=self.activation,
        )
        return fan_out_start(mixing)
