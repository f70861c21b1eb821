"""Joining two maps by a convolution.

Shape suffixes: B batch, C channels, H rows, W columns.
"""

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn

from ..shapes import Shape
from .activations import ACTIVATION
from .base import Component
from .layers.conv_norm import conv_norm


class ConcatConv(nn.Module):
    """A 1x1 convolution of two concatenated maps."""

    def __init__(self, channels: int, act: str) -> None:
        super().__init__()
        self.conv = conv_norm(2 * channels, channels, act=act)

    def forward(self, left_BCHW: Tensor, right_BCHW: Tensor) -> Tensor:
        """Map two (B, C, H, W) to one."""
        return self.conv(torch.cat((left_BCHW, right_BCHW), dim=1))


@dataclass(frozen=True, kw_only=True)
class Fuse(Component):
    """Two maps of one shape, mixed by a 1x1 convolution with batch norm and activation."""

    name = "fuse"
    kind = "joint"

    activation: Annotated[str, ACTIVATION] = "silu"
    """Activation after the norm."""

    def module(self, shape: Shape, width: int | None) -> nn.Module:
        """Build the module."""
        return ConcatConv(shape.channels, self.activation)


@dataclass(frozen=True, kw_only=True)
class Project(Component):
    """A 1x1 convolution with batch norm."""

    name = "project"
    kind = "joint"

    def module(self, shape: Shape, width: int | None) -> nn.Module:
        """Build the module."""
        return conv_norm(shape.channels, shape.channels)
