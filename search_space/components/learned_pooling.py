"""Downsampling by learned combinations of the values of each window.

Shape suffixes: B batch, C channels, H rows, W columns (P, Q: of the output).
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..domains import Choice
from ..shapes import Shape
from .base import Downsampling, Norm
from .norms import LayerNorm


def weighed(x_BCHW: Tensor, filter_kk: Tensor) -> Tensor:
    """Return the sum of each 2x2 window of each channel, weighted: (B, C, P, Q)."""
    channels = x_BCHW.shape[1]
    return F.conv2d(x_BCHW, filter_kk.expand(channels, 1, 2, 2), stride=2, groups=channels)


class MixedPool(nn.Module):
    """Maximum and mean of each window, by one learned share or by a share of the window's own."""

    def __init__(self, gated: bool) -> None:
        super().__init__()
        self.share = nn.Parameter(0.02 * torch.randn(2, 2) if gated else torch.zeros(1))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C, P, Q)."""
        gated = self.share.dim() == 2
        share = (weighed(x_BCHW, self.share) if gated else self.share).sigmoid()
        return share * F.max_pool2d(x_BCHW, 2) + (1 - share) * F.avg_pool2d(x_BCHW, 2)


class TreePool(nn.Module):
    """Two learned filters of each window, by a share of the window's own."""

    def __init__(self) -> None:
        super().__init__()
        self.leaves_2kk = nn.Parameter(0.25 + 0.02 * torch.randn(2, 2, 2))
        self.gate_kk = nn.Parameter(0.02 * torch.randn(2, 2))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C, P, Q)."""
        share = weighed(x_BCHW, self.gate_kk).sigmoid()
        left, right = (weighed(x_BCHW, leaf) for leaf in self.leaves_2kk.unbind(0))
        return share * left + (1 - share) * right


@dataclass(frozen=True, kw_only=True)
class LearnedPoolDownsampling(Downsampling):
    """A learned combination of each 2x2 window, then a norm and a 1x1 convolution.

    Lee et al., Generalizing Pooling Functions in Convolutional Neural Networks: Mixed, Gated, and
    Tree, 2015, arXiv:1509.08985, equations 2, 3 and 6. Weights are those of a layer, shared by
    channels. The share of ``mixed`` is kept from 0 to 1 by a sigmoid; the tree has two leaves.
    """

    name = "learned_pool"
    catalogue = ("B23",)

    combine: Annotated[str, Choice(("mixed", "gated", "tree"))] = "gated"
    """``mixed``: one learned share of the maximum, the mean is the rest; ``gated``: a share that
    depends on the window; ``tree``: two learned filters with such a share."""
    norm: Norm = field(default_factory=LayerNorm)
    """Norm before the convolution."""

    def out_size(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width of the output."""
        return height // 2, width // 2

    def build(self, shape: Shape, width: int) -> nn.Module:
        """Build the module."""
        pool = TreePool() if self.combine == "tree" else MixedPool(self.combine == "gated")
        pooled = Shape(shape.channels, *self.out_size(shape.height, shape.width))
        conv = nn.Conv2d(shape.channels, width, 1)
        return nn.Sequential(OrderedDict(pool=pool, norm=self.norm.build(pooled), conv=conv))
