"""g^n convolutions: spatial interactions of any order by repeated gating.

Shape suffixes: B batch, C channels, H rows, W columns.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated

import torch
from torch import Tensor, nn

from ...domains import IntRange, Positive
from ...shapes import Shape
from ..base import TokenMixer, Traits
from ..layers.canonical_forms import ClippedKernel
from ..layers.kernel_clipping import KERNEL, depthwise
from ..norms import ChannelLayerNorm
from .fourier import TRANSFORM
from .frequency import SpectralProduct


def rising_widths(channels: int, order: int) -> list[int]:
    """Return the channels of a g^n convolution's products, doubling up to all channels."""
    return [channels >> halvings for halvings in reversed(range(order))]


class RecursiveGate(nn.Module):
    """Products of rising width: each a linear map of the previous one times convolved channels."""

    def __init__(self, *, widths: Sequence[int], spatial: nn.Module, scale: float) -> None:
        super().__init__()
        channels = widths[-1]
        self.widths = list(widths)
        self.scale = scale
        self.proj_in = nn.Conv2d(channels, widths[0] + sum(widths), 1)
        self.spatial = spatial
        self.proj_out = nn.Conv2d(channels, channels, 1)
        self.steps = nn.ModuleList(nn.Conv2d(narrow, wide, 1) for narrow, wide in pairwise(widths))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        narrow, gates = self.proj_in(x_BCHW).split([self.widths[0], sum(self.widths)], dim=1)
        first, *later = (self.spatial(gates) * self.scale).split(self.widths, dim=1)
        product = narrow * first
        for step, gate in zip(self.steps, later, strict=True):
            product = step(product) * gate
        return self.proj_out(product)


@dataclass(frozen=True, kw_only=True)
class RecursiveGatedConv(ClippedKernel, TokenMixer):
    """g^n convolution: spatial interactions of order n by repeated gating (Rao et al., 2022).

    Section 3.1: the channels of the n products double from C / 2^(n-1) to C, and one depthwise
    convolution serves all gates. HorNet has n = 2, 3, 4, 5 in its four stages and divides the
    convolved channels by 3. Initial weights are torch's: with HorNet's deviation of 0.02 the
    products of narrow maps vanish.
    """

    name = "recursive_gated_conv"
    traits = Traits(
        catalogue=("M28",),
        paper="Rao et al., HorNet: Efficient High-Order Spatial Interactions with Recursive Gated "
        "Convolutions, 2022, arXiv:2207.14284",
        code="raoyongming/HorNet",
        reach="local",
        weights="input-dependent",
        cost="N k^2",
    )

    order: Annotated[int, IntRange(1, 6)] = 3
    """Number of products, n; 2^(n-1) must divide the channels."""
    kernel_size: Annotated[int, KERNEL] = 7
    """Side of the depthwise kernel in pixels, odd, 1 to 31."""
    scale: Annotated[float, Positive()] = 1 / 3
    """Fixed factor on the convolved channels (1 over the paper's alpha)."""

    def why_invalid(self, shape: Shape, width: int | None = None) -> str | None:
        """2^(order - 1) must divide the channels."""
        if shape.channels % 2 ** (self.order - 1) == 0:
            return None
        return (
            f"2^(order - 1) must divide the channels, but got order {self.order} and "
            f"{shape.channels} channels"
        )

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        widths = rising_widths(shape.channels, self.order)
        spatial = depthwise(sum(widths), (self.kernel_size, self.kernel_size))
        return RecursiveGate(widths=widths, spatial=spatial, scale=self.scale)


class LocalGlobalFilter(nn.Module):
    """3x3 kernels and a global filter on alternating channels, between two norms."""

    def __init__(self, shape: Shape, transform: str) -> None:
        super().__init__()
        half = shape._replace(channels=shape.channels // 2)
        self.pre_norm = ChannelLayerNorm(shape.channels, eps=1e-6, bias=True)
        self.local = depthwise(half.channels, (3, 3), bias=False)
        self.filter = SpectralProduct(half, transform)
        self.post_norm = ChannelLayerNorm(shape.channels, eps=1e-6, bias=True)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        local, everywhere = self.pre_norm(x_BCHW).chunk(2, dim=1)
        both = torch.stack((self.local(local), self.filter(everywhere)), dim=2)
        return self.post_norm(both.flatten(1, 2))


@dataclass(frozen=True, kw_only=True)
class RecursiveGatedFilter(TokenMixer):
    """g^n convolution by global filters, as in the last stages of HorNet-GF (Rao et al., 2022).

    Section 3.1: half of the gates come from 3x3 depthwise kernels, half from a learned factor for
    every frequency (GFNet), with layer norms before and after. The factors are built for the size
    of the map, where the paper resizes them. Initial weights are as in ``recursive_gated_conv``.
    """

    name = "recursive_gated_filter"
    traits = Traits(
        catalogue=("M28",),
        paper="Rao et al., HorNet: Efficient High-Order Spatial Interactions with Recursive Gated "
        "Convolutions, 2022, arXiv:2207.14284",
        code="raoyongming/HorNet",
        reach="global",
        weights="input-dependent",
        cost="N log N (monarch: N^1.25)",
        resolution_bound=True,
    )

    order: Annotated[int, IntRange(1, 5)] = 3
    """Number of products, n; 2^n must divide the channels."""
    scale: Annotated[float, Positive()] = 1 / 3
    """Fixed factor on the gates."""
    transform: Annotated[str, TRANSFORM] = "fft"
    """How Fourier transforms are computed; both give the same numbers."""

    def why_invalid(self, shape: Shape, width: int | None = None) -> str | None:
        """2^order must divide the channels, so that those of all gates are even."""
        if shape.channels % 2**self.order == 0:
            return None
        return (
            f"2^order must divide the channels, but got order {self.order} and "
            f"{shape.channels} channels"
        )

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        widths = rising_widths(shape.channels, self.order)
        spatial = LocalGlobalFilter(shape._replace(channels=sum(widths)), self.transform)
        return RecursiveGate(widths=widths, spatial=spatial, scale=self.scale)
