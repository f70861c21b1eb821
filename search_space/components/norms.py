"""Normalisation over the channels of a feature map.

Shape suffixes: B batch, C channels, H rows, W columns.
"""

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..domains import YES_NO, Positive
from ..shapes import Shape
from .base import Norm, table_of


class ChannelLayerNorm(nn.Module):
    """Layer normalisation of the channel vector at each position."""

    def __init__(self, channels: int, eps: float, bias: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels)) if bias else None
        self.eps = eps

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        x_BHWC = x_BCHW.permute(0, 2, 3, 1)
        y_BHWC = F.layer_norm(x_BHWC, self.weight.shape, self.weight, self.bias, self.eps)
        return y_BHWC.permute(0, 3, 1, 2)


class ChannelRMSNorm(nn.Module):
    """Root-mean-square normalisation of the channel vector at each position."""

    def __init__(self, channels: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.eps = eps

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        x_BHWC = x_BCHW.permute(0, 2, 3, 1)
        y_BHWC = F.rms_norm(x_BHWC, self.weight.shape, self.weight, self.eps)
        return y_BHWC.permute(0, 3, 1, 2)


@dataclass(frozen=True, kw_only=True)
class LayerNorm(Norm):
    """Layer normalisation over channels (Ba et al., 2016), as in ConvNeXt (Liu et al., 2022)."""

    name = "layer_norm"

    bias: Annotated[bool, YES_NO] = True
    """Whether a bias is learned beside the scale."""
    eps: Annotated[float, Positive()] = 1e-6
    """Number added to the variance."""

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        return ChannelLayerNorm(shape.channels, self.eps, self.bias)


@dataclass(frozen=True, kw_only=True)
class BatchNorm(Norm):
    """Batch normalisation (Ioffe and Szegedy, 2015)."""

    name = "batch_norm"
    added = ("eps",)

    eps: Annotated[float, Positive()] = 1e-5
    """Number added to the variance."""

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        return nn.BatchNorm2d(shape.channels, eps=self.eps)


@dataclass(frozen=True, kw_only=True)
class RMSNorm(Norm):
    """Root-mean-square normalisation over channels (Zhang and Sennrich, 2019)."""

    name = "rms_norm"

    eps: Annotated[float, Positive()] = 1e-6
    """Added to the mean square."""

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        return ChannelRMSNorm(shape.channels, self.eps)


class WholeNorm(nn.GroupNorm):
    """Group normalisation that also accepts a map of one value, as layer normalisation does.

    torch's module rejects one value. Here the normalised value is then zero, and the output is the
    bias.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        return torch.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)


@dataclass(frozen=True, kw_only=True)
class GroupNorm(Norm):
    """Group normalisation (Wu and He, 2018) with one group: over all positions and channels.

    The "modified layer norm" of PoolFormer (Yu et al., MetaFormer, 2022).
    """

    name = "group_norm"

    bias: Annotated[bool, YES_NO] = True
    """Whether a bias is learned beside the scale."""
    eps: Annotated[float, Positive()] = 1e-6
    """Number added to the variance."""

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        norm = WholeNorm(1, shape.channels, eps=self.eps)
        if not self.bias:
            norm.register_parameter("bias", None)
        return norm


class ChannelAffine(nn.Module):
    """A learned factor and a learned bias per channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        return x_BCHW * self.weight[:, None, None] + self.bias[:, None, None]


@dataclass(frozen=True, kw_only=True)
class Affine(Norm):
    """A factor and a bias per channel in place of a norm (Touvron et al., ResMLP, 2021)."""

    name = "affine"

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        return ChannelAffine(shape.channels)


@dataclass(frozen=True, kw_only=True)
class NoNorm(Norm):
    """No normalisation."""

    name = "none"
    is_identity = True

    def build(self, shape: Shape) -> nn.Module:
        """Build a module that does nothing."""
        return nn.Identity()


NORMS = table_of(LayerNorm, BatchNorm, RMSNorm, GroupNorm, Affine, NoNorm)
