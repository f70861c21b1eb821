"""Normalisation over the channels of a feature map.

Shape suffixes: B batch, C channels, H rows, W columns.
"""

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..domains import YES_NO, IntRange, Positive
from ..shapes import Shape
from .base import Norm, table_of
from .layers.folding import Foldable


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


class ScaledTanh(ChannelAffine):
    """A learned factor and bias per channel behind the hyperbolic tangent of a scaled map."""

    def __init__(self, channels: int, init: float) -> None:
        super().__init__(channels)
        self.slope = nn.Parameter(torch.full((1,), init))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        return super().forward((self.slope * x_BCHW).tanh())


@dataclass(frozen=True, kw_only=True)
class DynamicTanh(Norm):
    """A hyperbolic tangent with a learned slope in place of a norm.

    Zhu et al., Transformers without Normalization, 2025, arXiv:2503.10622, equation 3.
    """

    name = "dynamic_tanh"

    init: Annotated[float, Positive()] = 0.5
    """Slope at the start of training."""

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        return ScaledTanh(shape.channels, self.init)


class SkippedBatchNorm(Foldable):
    """A batch norm plus its input times a learned number, after a time with a layer norm."""

    step: Tensor

    def __init__(self, channels: int, eps: float, steps: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, eps=eps)
        self.skip = nn.Parameter(torch.ones(1))
        self.steps = steps
        if steps:
            self.early = ChannelLayerNorm(channels, eps, bias=True)
            self.register_buffer("step", torch.zeros((), dtype=torch.long))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        y_BCHW = self.norm(x_BCHW) + self.skip * x_BCHW
        if not (self.steps and self.training):
            return y_BCHW
        self.step += 1
        part = (self.step.float() / (self.steps + 1)).clamp(max=1.0).to(y_BCHW.dtype)
        return (1 - part) * self.early(x_BCHW) + part * y_BCHW

    def folded(self) -> nn.Module:
        """Return a factor and a bias per channel."""
        mean, var = self.norm.running_mean, self.norm.running_var
        assert mean is not None and var is not None
        scale = self.norm.weight / (var + self.norm.eps).sqrt()
        affine = ChannelAffine(len(scale))
        affine.weight = nn.Parameter(scale + self.skip)
        affine.bias = nn.Parameter(self.norm.bias - mean * scale)
        return affine


@dataclass(frozen=True, kw_only=True)
class RepBatchNorm(Norm):
    """A batch norm plus its scaled input, which becomes one factor and bias per channel.

    Guo et al., SLAB: Efficient Transformers with Simplified Linear Attention and Progressive
    Re-parameterized Batch Normalization, 2024, arXiv:2405.11582, equations 2 to 4. In the first
    ``steps`` training steps, a layer norm's weight falls linearly to zero, and the batch norm's
    rises to one; each pass in training mode is a step. In eval mode the batch norm alone is used,
    from the start.
    """

    name = "rep_batch_norm"
    catalogue = ("B46",)

    steps: Annotated[int, IntRange(0, 1_000_000)] = 0
    """Training steps in which the norm replaces a layer norm, 0 to a million."""
    eps: Annotated[float, Positive()] = 1e-5
    """Number added to the variance."""

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        return SkippedBatchNorm(shape.channels, self.eps, self.steps)


@dataclass(frozen=True, kw_only=True)
class NoNorm(Norm):
    """No normalisation."""

    name = "none"
    is_identity = True

    def build(self, shape: Shape) -> nn.Module:
        """Build a module that does nothing."""
        return nn.Identity()


NORMS = table_of(
    LayerNorm, BatchNorm, RMSNorm, GroupNorm, Affine, DynamicTanh, RepBatchNorm, NoNorm
)
