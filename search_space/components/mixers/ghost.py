"""GhostNet's bottleneck, half of whose features are cheap functions of the other half.

Shape suffixes: B batch, C channels, H rows, W columns.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn

from ...domains import Choice, Positive
from ...shapes import Shape
from ..activations import ACTIVATION
from ..base import Downsampling, TokenMixer, Traits
from ..layers.canonical_forms import RoundedRatio
from ..layers.conv_norm import conv_norm
from ..layers.gate_and_shortcut import StridedResidual
from ..layers.squeezing import Squeezing


class GhostConv(nn.Module):
    """A 1x1 convolution to half of the channels, and a depthwise 3x3 one from these to the rest."""

    def __init__(self, channels: int, width: int, *, act: str) -> None:
        super().__init__()
        half = -(-width // 2)
        self.primary = conv_norm(channels, half, act=act)
        self.cheap = conv_norm(half, half, 3, groups=half, act=act)
        self.width = width

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, width, H, W)."""
        first_BCHW = self.primary(x_BCHW)
        return torch.cat((first_BCHW, self.cheap(first_BCHW)), dim=1)[:, : self.width]


@dataclass(frozen=True, kw_only=True)
class GhostKnobs(RoundedRatio, Squeezing):
    """Base of GhostNet's bottleneck as a mixer and as downsampling."""

    ratio: Annotated[float, Positive()] = 3.0
    """Ratio of hidden to input channels."""
    activation: Annotated[str, ACTIVATION] = "relu"
    """Activation after both convolutions of the expansion."""

    def branch(self, shape: Shape, width: int, kernel_size: int = 1, stride: int = 1) -> nn.Module:
        """Build the branch; without a stride it has no convolution between expansion and
        projection.
        """
        hidden = self.hidden(shape)
        layers = OrderedDict[str, nn.Module](
            expand=GhostConv(shape.channels, hidden, act=self.activation)
        )
        if stride > 1:
            layers["dwconv"] = conv_norm(hidden, hidden, kernel_size, stride=stride, groups=hidden)
        if squeeze := self.squeezing(hidden, shape):
            layers["squeeze"] = squeeze
        layers["project"] = GhostConv(hidden, width, act="none")
        return nn.Sequential(layers)


@dataclass(frozen=True, kw_only=True)
class GhostMixer(GhostKnobs, TokenMixer):
    """The bottleneck of two ghost modules, without its residual (GhostNet).

    Han et al., GhostNet, 2020, section 3.2 and figure 3, left. With ``squeeze`` each position
    sees the whole map. Initial weights are torch's, as in the reference code.
    """

    name = "ghost"
    traits = Traits(
        paper="Han et al., GhostNet: More Features from Cheap Operations, 2020, arXiv:1911.11907",
        code="huawei-noah/Efficient-AI-Backbones",
        reach="local",
        weights="static",
        cost="N k^2",
    )

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        return self.branch(shape, shape.channels)


@dataclass(frozen=True, kw_only=True)
class GhostDownsampling(GhostKnobs, Downsampling):
    """GhostNet's bottleneck with a stride or other channels (Han et al., 2020, figure 3, right).

    arXiv:1911.11907; the shortcut is a depthwise and a 1x1 convolution.
    """

    name = "ghost"

    kernel_size: Annotated[int, Choice((3, 5, 7))] = 3
    """Side of the depthwise kernels in pixels: 3, 5 or 7."""
    stride: Annotated[int, Choice((1, 2))] = 2
    """Step in pixels; at 1 only the shortcut has a k x k convolution."""

    def out_size(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width of the output: halves, rounded up."""
        return -(-height // self.stride), -(-width // self.stride)

    def build(self, shape: Shape, width: int) -> nn.Module:
        """Build the module."""
        channels, kernel, stride = shape.channels, self.kernel_size, self.stride
        shortcut = nn.Sequential(
            OrderedDict(
                dwconv=conv_norm(channels, channels, kernel, stride=stride, groups=channels),
                pwconv=conv_norm(channels, width),
            )
        )
        return StridedResidual(self.branch(shape, width, kernel, stride), shortcut, "none")
