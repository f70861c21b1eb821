"""Mixers without learned weights: identity, pooling, a fixed random matrix.

Shape suffixes: B batch, C channels, H rows, W columns, N tokens (H x W).
"""

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...domains import YES_NO
from ...shapes import Shape
from ..base import TokenMixer, Traits
from ..layers.canonical_forms import ClippedKernel
from ..layers.kernel_clipping import KERNEL


@dataclass(frozen=True, kw_only=True)
class IdentityMixer(TokenMixer):
    """No token mixing: a lower bound (Yu et al., MetaFormer Baselines for Vision, 2022)."""

    name = "identity"
    order_free = True
    is_identity = True
    traits = Traits(
        catalogue=("M39",),
        paper="Yu et al., MetaFormer Baselines for Vision, 2022, arXiv:2210.13452",
        reach="none",
        weights="none",
        cost="0",
        code="sail-sg/metaformer",
    )

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        return nn.Identity()


class MeanPool(nn.Module):
    """Mean over the part of a window inside the map, optionally minus the input."""

    def __init__(self, kernel_size: int, subtract: bool) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.subtract = subtract

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        y_BCHW = F.avg_pool2d(
            x_BCHW,
            self.kernel_size,
            stride=1,
            padding=self.kernel_size // 2,
            count_include_pad=False,
        )
        return y_BCHW - x_BCHW if self.subtract else y_BCHW


@dataclass(frozen=True, kw_only=True)
class Pooling(ClippedKernel, TokenMixer):
    """Average pooling minus the input (Yu et al., MetaFormer, 2022, equation 4)."""

    name = "pooling"
    traits = Traits(
        paper="Yu et al., MetaFormer Is Actually What You Need for Vision, 2022, arXiv:2111.11418",
        reach="local",
        weights="none",
        cost="N k^2",
        code="sail-sg/poolformer",
    )

    kernel_size: Annotated[int, KERNEL] = 3
    """Side of the window in pixels, odd, 1 to 31."""
    subtract: Annotated[bool, YES_NO] = True
    """Whether the input is subtracted, since the block adds it again."""

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        return MeanPool(self.kernel_size, self.subtract)


@dataclass(frozen=True, kw_only=True)
class MaxPooling(ClippedKernel, TokenMixer):
    """The largest value of a window: the parameter-free layer of Han et al., 2022, section 3.

    The paper's other layer, the mean, is ``pooling`` without subtraction.
    """

    name = "max_pooling"
    traits = Traits(
        catalogue=("M33",),
        paper="Han et al., Learning Features with Parameter-Free Layers, 2022, arXiv:2202.02777",
        code="naver-ai/PfLayer",
        reach="local",
        weights="none",
        cost="N k^2",
    )

    kernel_size: Annotated[int, KERNEL] = 3
    """Side of the window in pixels, odd, 1 to 31."""

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        return nn.MaxPool2d(self.kernel_size, stride=1, padding=self.kernel_size // 2)


class RandomMatrix(nn.Module):
    """A fixed row-stochastic matrix over positions; saved with the weights, never trained."""

    def __init__(self, tokens: int) -> None:
        super().__init__()
        self.matrix_NN: Tensor
        self.register_buffer("matrix_NN", torch.rand(tokens, tokens).softmax(dim=-1))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        mixed_BCN = x_BCHW.flatten(2) @ self.matrix_NN.T
        return mixed_BCN.view(x_BCHW.shape)


@dataclass(frozen=True, kw_only=True)
class RandomMixing(TokenMixer):
    """A fixed random matrix over positions, row-wise softmax of uniform numbers (RandFormer)."""

    name = "random"
    traits = Traits(
        catalogue=("M39",),
        paper="Yu et al., MetaFormer Baselines for Vision, 2022, arXiv:2210.13452",
        reach="global",
        weights="static",
        cost="N^2",
        resolution_bound=True,
        code="sail-sg/metaformer",
    )

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        return RandomMatrix(shape.tokens)
