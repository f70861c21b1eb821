"""A group of layers that read each channel at predicted distances along both axes (ActiveMLP).

Shape suffixes: B batch, C channels, H rows, W columns, O offsets of a position, 3 sources.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..domains import YES_NO, Choice, IntRange
from ..shapes import Shape
from .base import ChannelMixer, Component, Layer, Norm
from .channel_mixers.mlp import Mlp
from .initial import fan_out_start, small_start
from .norms import LayerNorm
from .residuals import PlainResidual
from .wired import Block, Residual

if TYPE_CHECKING:
    from .parts import PartList

_SHARE = Choice((1, 2, 4, 8, 16))
"""Channels that share an offset."""


def displaced(x_BCHW: Tensor, offset_BCHW: Tensor, axis: int) -> Tensor:
    """Return each element's map at a distance along an axis, by linear interpolation.

    Beyond the map are zeros.

    Args:
        x_BCHW: The map.
        offset_BCHW: The distance of each element, in pixels.
        axis: 2 for rows, 3 for columns.
    """
    size = x_BCHW.shape[axis]
    place = torch.arange(size, device=x_BCHW.device)
    # Coordinates need float32 at least, whatever the precision of the map.
    offset_BCHW = offset_BCHW.to(torch.promote_types(offset_BCHW.dtype, torch.float32))
    at_BCHW = offset_BCHW + (place[:, None] if axis == 2 else place)
    low_BCHW = at_BCHW.floor()
    rest_BCHW = at_BCHW - low_BCHW
    total_BCHW = torch.zeros_like(x_BCHW)
    for near_BCHW, weight_BCHW in ((low_BCHW, 1 - rest_BCHW), (low_BCHW + 1, rest_BCHW)):
        inside = (near_BCHW >= 0) & (near_BCHW < size)
        index_BCHW = near_BCHW.long().clamp(0, size - 1)  # in this order, for NaN
        weight_BCHW = (weight_BCHW * inside).to(x_BCHW.dtype)
        total_BCHW = total_BCHW + x_BCHW.gather(axis, index_BCHW) * weight_BCHW
    return total_BCHW


class ActiveMixing(nn.Module):
    """Sums of displaced rows, displaced columns and channels, weighted by channel."""

    def __init__(self, channels: int, share: int) -> None:
        """Build the module.

        Args:
            channels: Channels of the map.
            share: Channels that share an offset.
        """
        super().__init__()
        self.share = share
        self.rows = nn.Conv2d(channels, channels, 1)
        self.columns = nn.Conv2d(channels, channels, 1)
        self.place = nn.Conv2d(channels, channels, 1, bias=False)
        hidden = channels // 4
        self.weigh = nn.Sequential(
            nn.Linear(channels, hidden), nn.GELU(), nn.Linear(hidden, 3 * channels)
        )
        self.project = nn.Conv2d(channels, channels, 1)

    def forward(self, x_BCHW: Tensor, offset_BOHW: Tensor) -> Tensor:
        """Map (B, C, H, W) and offsets (B, 2 C / share, H, W), columns first, to (B, C, H, W)."""
        across_BCHW, down_BCHW = offset_BOHW.repeat_interleave(self.share, 1).chunk(2, 1)
        sources = (
            self.columns(displaced(x_BCHW, across_BCHW, 3)),
            self.rows(displaced(x_BCHW, down_BCHW, 2)),
            self.place(x_BCHW),
        )
        mean_BC = (sources[0] + sources[1] + sources[2]).mean((2, 3))
        weight_BC3 = self.weigh(mean_BC).unflatten(1, (-1, 3)).softmax(2)
        weights = weight_BC3[:, :, :, None, None].unbind(2)
        return self.project(
            sources[0] * weights[0] + sources[1] * weights[1] + sources[2] * weights[2]
        )


@dataclass(frozen=True, kw_only=True)
class ActiveLayer(Component):
    """Mixing of a map, the first input, at the offsets of the second."""

    name = "active_mixing"
    kind = "joint"

    share: Annotated[int, _SHARE] = 1
    """Channels that share an offset."""

    def module(self, shape: Shape, width: int | None) -> nn.Module:
        """Build the module."""
        return small_start(ActiveMixing(shape.channels, self.share))


@dataclass(frozen=True, kw_only=True)
class Offsets(Component):
    """A linear map to the offsets of each position along rows and columns."""

    name = "offsets"
    kind = "joint"

    share: Annotated[int, _SHARE] = 1
    """Channels that share an offset."""

    def out_shape(self, shape: Shape, width: int | None) -> Shape:
        """Return the shape of the offsets."""
        return shape._replace(channels=2 * shape.channels // self.share)

    def module(self, shape: Shape, width: int | None) -> nn.Module:
        """Build the module."""
        return small_start(nn.Conv2d(shape.channels, self.out_shape(shape, width).channels, 1))


class AddConv(nn.Conv2d):
    """A depthwise 3x3 convolution that is added to its input."""

    def __init__(self, channels: int) -> None:
        """Build the module for maps of ``channels``."""
        super().__init__(channels, channels, 3, padding=1, groups=channels)

    def forward(self, x_BCHW: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Map (B, C, H, W) to (B, C, H, W)."""
        return F.conv2d(x_BCHW, self.weight, self.bias, 1, 1, 1, self.groups) + x_BCHW


@dataclass(frozen=True, kw_only=True)
class PositionConv(Layer):
    """A depthwise 3x3 convolution with a residual, which the groups of a tied stage share."""

    name = "position_conv"
    kind = "joint"
    ties = ("weight", "bias")

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        return fan_out_start(AddConv(shape.channels))


@dataclass(frozen=True, kw_only=True)
class ActiveBlock(Block):
    """Layers that read each channel at predicted distances, which they share.

    Wei et al., Active Token Mixer, 2022, arXiv:2203.06108, section 3 and figure 2. Each position
    predicts, for each group of channels, how far along its row and along its column to read. A
    layer reads the displaced columns, the displaced rows and the position itself, each through a
    linear map, and adds them, weighted by channel, as in ViP. The offsets are computed once for all
    layers of the group. In the reference code, a depthwise convolution that encodes positions comes
    before each group, the same one for all groups of a stage: tie the stage for that.
    """

    name = "active"
    ties = PositionConv.ties

    layers: Annotated[int, IntRange(1, 12)] = 2
    """Layers that share offsets, 1 to 12."""
    share: Annotated[int, _SHARE] = 2
    """Channels that share an offset: 1, 2, 4, 8 or 16; must divide the channels."""
    position: Annotated[bool, YES_NO] = True
    """Whether a depthwise convolution comes before the layers."""
    channel_mixer: ChannelMixer = field(default_factory=Mlp)
    """Channel mixer."""
    norm: Norm = field(default_factory=LayerNorm)
    """Norm before offsets, mixing and channel mixer."""
    residual: Residual = field(default_factory=PlainResidual)
    """Residual around mixing and channel mixer."""

    def why_knobs_invalid(self, shape: Shape) -> str | None:
        """Whole groups of channels share offsets, and the weights need four channels."""
        if shape.channels % self.share:
            return f"share must divide the channels, but got {self.share} and {shape.channels}"
        if shape.channels < 4:
            return f"the channels must be 4 or more, but got {shape.channels}"
        return None

    def wire(self, parts: "PartList", stream: str) -> str:
        """Add the convolution, the offsets and the layers."""
        if self.position:
            stream = parts.add("position", PositionConv(), stream)
        offsets = parts.add("offset_norm", self.norm, stream)
        offsets = parts.add("offsets", Offsets(share=self.share), offsets)
        mixer = ActiveLayer(share=self.share)
        for number in range(self.layers):
            with parts.within(f"layers.{number}"):
                branch = parts.add("norm1", self.norm, stream)
                branch = parts.add("mixer", mixer, branch, offsets)
                stream = self.residual.wire(parts, "residual1", stream, branch)
                if not self.channel_mixer.is_identity:
                    branch = parts.add("norm2", self.norm, stream)
                    branch = parts.add("channel_mixer", self.channel_mixer, branch)
                    stream = self.residual.wire(parts, "residual2", stream, branch)
        return stream
