"""Downsampling by patches of several sizes."""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Annotated

from torch import nn

from ..domains import IntRange
from ..shapes import Shape
from .base import Downsampling, Norm
from .layers.cross_scale import CrossScalePatches, why_narrow
from .norms import LayerNorm


@dataclass(frozen=True, kw_only=True)
class CrossScaleDownsampling(Downsampling):
    """A norm and patches of several sizes around the same places (Wang et al., CrossFormer, 2021).

    arXiv:2108.00154, section 3.1: 2x2 and 4x4 pixels, each with half of the channels. Initial
    weights are torch's, as in the reference code.
    """

    name = "cross_scale"

    scales: Annotated[int, IntRange(1, 5)] = 2
    """Number of sizes, the first 2 pixels and each twice the one before, 1 to 5."""
    norm: Norm = field(default_factory=LayerNorm)
    """Norm before the patches."""

    def why_invalid(self, shape: Shape, width: int | None = None) -> str | None:
        """Each size must have a channel."""
        return super().why_invalid(shape, width) or why_narrow(width, self.scales)

    def out_size(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width of the output."""
        return height // 2, width // 2

    def build(self, shape: Shape, width: int) -> nn.Module:
        """Build the module."""
        patches = CrossScalePatches(shape.channels, width, patch_size=2, scales=self.scales)
        return nn.Sequential(OrderedDict(norm=self.norm.build(shape), patches=patches))
