"""Residuals: how a branch is joined to its input, the stream.

Shape suffixes: B batch, C channels, H rows, W columns.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Self

import torch
from torch import Tensor, nn

from ..domains import YES_NO, Choice, IntRange, Positive
from ..shapes import Shape
from .activations import ACTIVATION, activation
from .base import Component, Layer, table_of
from .layers.conv_norm import SqueezeExcite
from .layers.recalibration import BothExcite, EfficientChannelAttention, SpatialExcite
from .norms import LayerNorm
from .wired import Residual

if TYPE_CHECKING:
    from .parts import PartList


class ChannelScale(nn.Module):
    """One learned factor per channel, and optionally a bias."""

    def __init__(self, channels: int, init: float, bias: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((channels,), init))
        self.bias = nn.Parameter(torch.zeros(channels)) if bias else None

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        y_BCHW = x_BCHW * self.weight[:, None, None]
        return y_BCHW if self.bias is None else y_BCHW + self.bias[:, None, None]


class Sum(nn.Module):
    """The sum of two maps."""

    def forward(self, left_BCHW: Tensor, right_BCHW: Tensor) -> Tensor:
        """Map two (B, C, H, W) to one."""
        return left_BCHW + right_BCHW


@dataclass(frozen=True, kw_only=True)
class Scale(Layer):
    """One learned factor per channel."""

    name = "scale"
    kind = "joint"
    order_free = True
    added = ("bias",)

    init: Annotated[float, Positive()] = 1.0
    """The factor at the start of training."""
    bias: Annotated[bool, YES_NO] = False
    """Whether a bias follows."""

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        return ChannelScale(shape.channels, self.init, self.bias)


@dataclass(frozen=True, kw_only=True)
class Add(Component):
    """The sum of two maps of one shape."""

    name = "add"
    kind = "joint"
    order_free = True

    def module(self, shape: Shape, width: int | None) -> nn.Module:
        """Build the module."""
        return Sum()


@dataclass(frozen=True, kw_only=True)
class PlainResidual(Residual):
    """The branch is added to the stream (He et al., 2016)."""

    name = "plain"
    catalogue = ("B11",)

    def wire(self, parts: "PartList", name: str, stream: str, branch: str) -> str:
        """Add one part: the sum."""
        return parts.add(f"{name}.add", Add(), stream, branch)


@dataclass(frozen=True, kw_only=True)
class Activated(Layer):
    """An activation as a part of its own."""

    name = "activation"
    kind = "joint"
    order_free = True

    activation: Annotated[str, ACTIVATION] = "relu"
    """Name of the activation."""

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        return activation(self.activation)


@dataclass(frozen=True, kw_only=True)
class ActivatedResidual(Residual):
    """An activation follows the sum, as in the first residual networks (He et al., 2016)."""

    name = "activated"

    activation: Annotated[str, ACTIVATION] = "relu"
    """Activation after the sum."""

    def wire(self, parts: "PartList", name: str, stream: str, branch: str) -> str:
        """Add two parts: the sum, then the activation."""
        total = parts.add(f"{name}.add", Add(), stream, branch)
        return parts.add(f"{name}.act", Activated(activation=self.activation), total)


@dataclass(frozen=True, kw_only=True)
class NormedResidual(Residual):
    """A layer norm follows the sum, as in the first transformers (Vaswani et al., 2017).

    Also in SOFT (Lu et al., 2021), whose blocks have no norm before their mixers.
    """

    name = "normed"

    eps: Annotated[float, Positive()] = 1e-5
    """Number added to the variance."""

    def wire(self, parts: "PartList", name: str, stream: str, branch: str) -> str:
        """Add two parts: the sum, then the norm."""
        total = parts.add(f"{name}.add", Add(), stream, branch)
        return parts.add(f"{name}.norm", LayerNorm(eps=self.eps), total)


@dataclass(frozen=True, kw_only=True)
class LayerScaleResidual(Residual):
    """The branch is scaled by a small learned factor per channel (Touvron et al., CaiT, 2021)."""

    name = "layer_scale"

    init: Annotated[float, Positive()] = 1e-5
    """The factor at the start of training."""

    def wire(self, parts: "PartList", name: str, stream: str, branch: str) -> str:
        """Add two parts: the factor on the branch, then the sum."""
        scaled = parts.add(f"{name}.scale", Scale(init=self.init), branch)
        return parts.add(f"{name}.add", Add(), stream, scaled)


@dataclass(frozen=True, kw_only=True)
class ResScaleResidual(Residual):
    """The branch is added to the stream times a learned factor (Shleifer et al., NormFormer, 2021).

    Used in the last two stages of the MetaFormer baselines (Yu et al., 2022), and, with a bias, of
    OverLoCK (Lou and Yu, 2025).
    """

    name = "res_scale"
    added = ("bias",)

    init: Annotated[float, Positive()] = 1.0
    """The factor at the start of training."""
    bias: Annotated[bool, YES_NO] = False
    """Whether the scaled stream has a learned bias."""

    def wire(self, parts: "PartList", name: str, stream: str, branch: str) -> str:
        """Add two parts: the factor on the stream, then the sum."""
        scaled = parts.add(f"{name}.scale", Scale(init=self.init, bias=self.bias), stream)
        return parts.add(f"{name}.add", Add(), scaled, branch)


_ATTENTION = Choice(("channel", "efficient", "spatial", "both"))
"""Attention to channels by a perceptron or a convolution, to positions, or to both."""
_REDUCTION = IntRange(1, 64)
"""Channels for each hidden unit of a perceptron."""


@dataclass(frozen=True, kw_only=True)
class Recalibration(Layer):
    """A map scaled by attention to its channels or positions."""

    name = "recalibration"
    kind = "joint"
    order_free = True

    attention: Annotated[str, _ATTENTION] = "channel"
    """What scales the map."""
    reduction: Annotated[int, _REDUCTION] = 16
    """Channels for each hidden unit."""

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        channels, hidden = shape.channels, max(1, shape.channels // self.reduction)
        if self.attention == "efficient":
            return EfficientChannelAttention(channels)
        if self.attention == "spatial":
            return SpatialExcite(channels)
        kind = SqueezeExcite if self.attention == "channel" else BothExcite
        return kind(channels, hidden)


@dataclass(frozen=True, kw_only=True)
class RecalibratedResidual(Residual):
    """The branch is scaled by attention to its channels or positions, then added.

    Hu et al., Squeeze-and-Excitation Networks, 2017, arXiv:1709.01507, figure 3; Wang et al.,
    ECA-Net, 2019, arXiv:1910.03151; Roy et al., Recalibrating Fully Convolutional Networks, 2018,
    arXiv:1808.08127 (``spatial`` and ``both``, of which the larger one is taken).
    """

    name = "recalibrated"
    catalogue = ("B20", "B41")

    attention: Annotated[str, _ATTENTION] = "channel"
    """What scales the branch: ``channel`` is squeeze and excitation, ``efficient`` is ECA's
    convolution over channels, ``spatial`` scales positions, ``both`` channels and positions."""
    reduction: Annotated[int, _REDUCTION] = 16
    """Channels for each hidden unit of squeeze and excitation, 1 to 64."""

    def canonical(self, shape: Shape) -> Self:
        """Without a perceptron, the reduction has no effect."""
        used = self.attention in ("channel", "both")
        return self if used else replace(self, reduction=16)

    def wire(self, parts: "PartList", name: str, stream: str, branch: str) -> str:
        """Add two parts: the attention on the branch, then the sum."""
        layer = Recalibration(attention=self.attention, reduction=self.reduction)
        scaled = parts.add(f"{name}.recalibrate", layer, branch)
        return parts.add(f"{name}.add", Add(), stream, scaled)


@dataclass(frozen=True, kw_only=True)
class NoResidual(Residual):
    """The branch replaces the stream."""

    name = "none"

    def wire(self, parts: "PartList", name: str, stream: str, branch: str) -> str:
        """Add nothing."""
        return branch


RESIDUALS = table_of(
    PlainResidual,
    ActivatedResidual,
    NormedResidual,
    LayerScaleResidual,
    ResScaleResidual,
    RecalibratedResidual,
    NoResidual,
)
