"""Focal modulation.

Shape suffixes: B batch, C channels, H rows, W columns, L focal levels.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Self

from torch import Tensor, nn

from ...domains import YES_NO, IntRange
from ...shapes import Shape
from ..activations import ACTIVATION, activation
from ..base import TokenMixer, Traits
from ..initial import small_start
from ..layers.kernel_clipping import depthwise
from ..norms import ChannelLayerNorm


class Modulation(nn.Module):
    """A query times a linear map of local to global contexts, each gated at each position."""

    def __init__(
        self, *, channels: int, kernels: Sequence[int], act: str, mean: bool, norm: bool
    ) -> None:
        super().__init__()
        self.sizes = [channels, channels, len(kernels) + 1]
        self.mean = mean
        self.split = nn.Conv2d(channels, sum(self.sizes), 1)
        self.modulator = nn.Conv2d(channels, channels, 1)
        self.act = activation(act)
        self.proj = nn.Conv2d(channels, channels, 1)
        self.levels = nn.ModuleList(
            nn.Sequential(depthwise(channels, (side, side), bias=False), activation(act))
            for side in kernels
        )
        self.norm = ChannelLayerNorm(channels, eps=1e-5, bias=True) if norm else nn.Identity()

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        query, context, gates_BLHW = self.split(x_BCHW).split(self.sizes, dim=1)
        *near, everywhere = gates_BLHW.split(1, dim=1)
        total = 0
        for level, gate_B1HW in zip(self.levels, near, strict=True):
            context = level(context)
            total = total + context * gate_B1HW
        total = total + self.act(context.mean((2, 3), keepdim=True)) * everywhere
        if self.mean:
            total = total / self.sizes[2]
        return self.proj(self.norm(query * self.modulator(total)))


@dataclass(frozen=True, kw_only=True)
class FocalModulation(TokenMixer):
    """Contexts of growing reach, gated at each position and summed, modulate a query (FocalNet).

    Yang et al., 2022: each level convolves the one before, the last is the mean of the map. Kernels
    are not clipped to small maps.
    """

    name = "focal_modulation"
    traits = Traits(
        paper="Yang et al., Focal Modulation Networks, 2022, arXiv:2203.11926",
        code="microsoft/FocalNet",
        reach="global",
        weights="input-dependent",
        cost="N k^2",
    )
    renamed = (("normed", "norm"),)

    levels: Annotated[int, IntRange(1, 6)] = 2
    """Number of depthwise convolutions in sequence; the mean of the map is one more level."""
    kernel_size: Annotated[int, IntRange(1, 13, 2)] = 3
    """Side of the first kernel in pixels, odd, 1 to 13."""
    growth: Annotated[int, IntRange(0, 4, 2)] = 2
    """Growth of the kernel's side from level to level in pixels; even, 0 to 4."""
    activation: Annotated[str, ACTIVATION] = "gelu"
    """Activation after each convolution and on the mean."""
    mean: Annotated[bool, YES_NO] = False
    """Whether the sum of the contexts is divided by their number."""
    normed: Annotated[bool, YES_NO] = False
    """Whether the modulated query is layer-normalised."""

    def canonical(self, shape: Shape) -> Self:
        """With one level, ``growth`` has no effect."""
        return self if self.levels > 1 else replace(self, growth=2)

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        modulation = Modulation(
            channels=shape.channels,
            kernels=[self.kernel_size + self.growth * level for level in range(self.levels)],
            act=self.activation,
            mean=self.mean,
            norm=self.normed,
        )
        return small_start(modulation)
