"""Parts that join a network with the overview that guides it.

Shape suffixes: B batch, C channels, G channels of the guide, H rows, W columns.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..domains import Positive
from ..shapes import Shape
from .base import Component, Downsampling, Layer
from .initial import small_start
from .layers.conv_norm import conv_norm


class ResidualDepthwise(nn.Conv2d):
    """A map plus a depthwise convolution of it."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, channels, 3, padding=1, groups=channels)

    def forward(self, input: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        return input + super().forward(input)


class SplitConv(nn.Module):
    """Two strided convolutions with batch norms, of the first channels and of the others."""

    def __init__(self, channels: int, width: int, guide: int) -> None:
        super().__init__()
        self.sizes = [channels, guide]
        self.map = conv_norm(channels, width, 3, stride=2, folds=True)
        self.guide = conv_norm(guide, guide, 3, stride=2, folds=True)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to half the size."""
        map_BCHW, guide_BGHW = x_BCHW.split(self.sizes, 1)
        return torch.cat((self.map(map_BCHW), self.guide(guide_BGHW)), 1)


class Concatenation(nn.Module):
    """The concatenation of two maps."""

    def forward(self, x_BCHW: Tensor, guide_BGHW: Tensor) -> Tensor:
        """Map (B, C, H, W) and (B, G, H, W) to (B, C + G, H, W)."""
        return torch.cat((x_BCHW, guide_BGHW), 1)


class ScaledSum(nn.Module):
    """Adds a guide to the last channels of a map, both with a factor and a bias per channel."""

    no_weight_decay: ClassVar[frozenset[str]] = frozenset({"weight", "bias"})

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2, width, 1, 1))
        self.bias = nn.Parameter(torch.zeros(2, width, 1, 1))

    def forward(self, x_BCHW: Tensor, guide_BGHW: Tensor) -> Tensor:
        """Map (B, C, H, W) and (B, G, H, W) to (B, C, H, W)."""
        kept = x_BCHW[:, : -guide_BGHW.shape[1]]
        last = x_BCHW[:, -guide_BGHW.shape[1] :] * self.weight[0] + self.bias[0]
        return torch.cat((kept, last + guide_BGHW * self.weight[1] + self.bias[1]), 1)


class Resizing(nn.Module):
    """A bilinear interpolation of a map to a fixed size."""

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        self.size = (height, width)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to the fixed size."""
        return F.interpolate(x_BCHW, self.size, mode="bilinear")


@dataclass(frozen=True, kw_only=True)
class LocalResidual(Layer):
    """A depthwise 3x3 convolution with a bias, added to the map."""

    name = "local_residual"
    kind = "joint"

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        return small_start(ResidualDepthwise(shape.channels))


@dataclass(frozen=True, kw_only=True)
class GuideMap(Component):
    """A linear map from the overview's channels to the guide's."""

    name = "guide_map"
    kind = "joint"

    def out_shape(self, shape: Shape, width: int | None) -> Shape:
        """Return ``shape`` with ``width`` channels."""
        assert width is not None
        return shape._replace(channels=width)

    def module(self, shape: Shape, width: int | None) -> nn.Module:
        """Build the module."""
        assert width is not None
        return small_start(nn.Conv2d(shape.channels, width, 1))


@dataclass(frozen=True, kw_only=True)
class Resize(Component):
    """An interpolation of a map to another size."""

    name = "resize"
    kind = "joint"

    height: Annotated[int, Positive(whole=True)]
    """Rows of the output."""
    width: Annotated[int, Positive(whole=True)]
    """Columns of the output."""

    def out_shape(self, shape: Shape, width: int | None) -> Shape:
        """Return ``shape`` with the output's rows and columns."""
        return Shape(shape.channels, self.height, self.width)

    def module(self, shape: Shape, width: int | None) -> nn.Module:
        """Build the module."""
        return Resizing(self.height, self.width)


@dataclass(frozen=True, kw_only=True)
class Concat(Component):
    """The concatenation of a map and a guide to ``width`` channels."""

    name = "concat"
    kind = "joint"

    def out_shape(self, shape: Shape, width: int | None) -> Shape:
        """Return ``shape`` with ``width`` channels."""
        assert width is not None
        return shape._replace(channels=width)

    def module(self, shape: Shape, width: int | None) -> nn.Module:
        """Build the module."""
        return Concatenation()


@dataclass(frozen=True, kw_only=True)
class Refresh(Component):
    """Adds a guide of ``width`` channels to the last channels of a map."""

    name = "refresh"
    kind = "joint"

    def module(self, shape: Shape, width: int | None) -> nn.Module:
        """Build the module."""
        assert width is not None
        return ScaledSum(width)


@dataclass(frozen=True, kw_only=True)
class GuidedDownsampling(Downsampling):
    """3x3 convolutions of stride 2 with batch norms, one for the map and one for its guide.

    Lou and Yu, OverLoCK, 2025, arXiv:2502.20087, between the two stages of its Focus-Net. The
    number of the guide's channels, the last ones, does not change. The norms fold.
    """

    name = "guided"

    guide: Annotated[int, Positive(whole=True)] = 4
    """Channels of the guide: the last ones, before and after."""

    def why_invalid(self, shape: Shape, width: int | None = None) -> str | None:
        """There must be more channels than the guide's."""
        if min(shape.channels, width or shape.channels) <= self.guide:
            return (
                f"guide must be less than the channels before and after, but got guide "
                f"{self.guide}, {shape.channels} and {width} channels"
            )
        return super().why_invalid(shape, width)

    def out_size(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width of the output: halves, rounded up."""
        return -(-height // 2), -(-width // 2)

    def build(self, shape: Shape, width: int) -> nn.Module:
        """Build the module."""
        return small_start(SplitConv(shape.channels - self.guide, width - self.guide, self.guide))
