"""Convolutions with kernels as large as the map, computed by Fourier transforms.

Shape suffixes: B batch, C channels, H rows, W columns.
"""

import math
from abc import abstractmethod
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Annotated, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...domains import YES_NO, Choice, IntRange, Positive
from ...shapes import Shape
from ..base import TokenMixer, Traits
from .fourier import TRANSFORM, Size, convolve, matrix_changes, require_size

PROJECTION = Choice(("none", "linear", "glu"))
"""Layers after a global convolution: none, GELU and a 1x1 convolution, or the same gated."""

DEVIATION = {"normal": 0.002, "decaying": 0.02}
"""Initial distribution of the taps, with its deviation (at the centre for ``decaying``)."""

FAR = 1024
"""A number of pixels or frequencies that exceeds all maps in use."""


def projection(channels: int, kind: str) -> nn.Module:
    """Return the layers after a global convolution; ``kind`` is one of ``PROJECTION``."""
    if kind == "none":
        return nn.Identity()
    layers = OrderedDict[str, nn.Module](act=nn.GELU())
    layers["proj"] = nn.Conv2d(channels, channels * (2 if kind == "glu" else 1), 1)
    if kind == "glu":
        layers["gate"] = nn.GLU(dim=1)
    return nn.Sequential(layers)


def on_torus(kernel_CHW: Tensor, size: Size) -> Tensor:
    """Return kernels on a torus of ``size``, with their centre (side // 2) at element (0, 0)."""
    height, width = kernel_CHW.shape[-2:]
    padded = F.pad(kernel_CHW, (0, size[1] - width, 0, size[0] - height))
    return padded.roll((-(height // 2), -(width // 2)), dims=(-2, -1))


class GlobalConvolution(nn.Module):
    """A convolution with one large kernel per channel, plus the scaled input."""

    def __init__(
        self, shape: Shape, *, flat: bool, skip: bool, project: str, transform: str
    ) -> None:
        super().__init__()
        self.size = (shape.height, shape.width)
        self.flat = flat
        self.skip_C11 = nn.Parameter(torch.randn(shape.channels, 1, 1)) if skip else None
        self.project = projection(shape.channels, project)
        self.transform = transform
        self.band: Size | None = None
        self.changes: nn.ParameterList | None = None

    @abstractmethod
    def kernel(self) -> Tensor:
        """Return the kernels laid out on the torus, (C, rows, columns)."""

    def mixed(self, x_BCHW: Tensor) -> Tensor:
        """Return the convolution alone."""
        kernel_CHW = self.kernel()
        size = (kernel_CHW.shape[-2], kernel_CHW.shape[-1])
        given = x_BCHW.flatten(2)[:, :, None] if self.flat else x_BCHW
        changes = None if self.changes is None else [*self.changes]
        y = convolve(given, kernel_CHW, size, self.transform, self.band, changes)
        return y.view(x_BCHW.shape)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        require_size(x_BCHW, self.size)
        y_BCHW = self.mixed(x_BCHW)
        if self.skip_C11 is not None:
            y_BCHW = y_BCHW + self.skip_C11 * x_BCHW
        return self.project(y_BCHW)


class SquashedConvolution(GlobalConvolution):
    """A global convolution with one weight per tap, smoothed and soft-thresholded."""

    def __init__(
        self,
        shape: Shape,
        *,
        sides: Size,
        torus: Size,
        band: Size | None,
        squash: float,
        smoothing: str,
        smoothing_size: int,
        start: str,
        learned_transform: bool,
        flat: bool,
        skip: bool,
        project: str,
        transform: str,
    ) -> None:
        """Make the weights.

        Args:
            shape: Shape of the map.
            sides: Rows and columns of the kernels.
            torus: Rows and columns of the map with its padding.
            band: The highest frequencies that are used; None: all.
            squash: Threshold of the soft-thresholding of the taps.
            smoothing: Domain of the average over taps: ``none``, ``places`` or ``frequencies``.
            smoothing_size: Side of the window of the average over taps.
            start: Initial distribution, one of ``DEVIATION``.
            learned_transform: Whether the matrices of the map's transform are learned.
            flat: Whether kernels run over the positions flattened row by row.
            skip: Whether the input, times one learned factor per channel, is added.
            project: One of ``PROJECTION``.
            transform: One of ``TRANSFORM``.
        """
        super().__init__(shape, flat=flat, skip=skip, project=project, transform=transform)
        self.band = band
        self.torus = torus
        self.squash, self.smoothing, self.smoothing_size = squash, smoothing, smoothing_size
        if learned_transform:
            self.changes = nn.ParameterList(matrix_changes(torus))
        channels, (height, width) = shape.channels, sides
        kernel_CHW = torch.randn(channels, height, width) * DEVIATION[start]
        if start == "decaying":
            size = (1, shape.tokens) if flat else self.size
            rows = (torch.arange(height) - height // 2).abs() / size[0]
            columns = (torch.arange(width) - width // 2).abs() / size[1]
            distance_HW = torch.maximum(rows[:, None], columns)
            rate_C11 = (channels / 2) ** (torch.arange(channels)[:, None, None] / channels)
            kernel_CHW *= torch.exp(-distance_HW * rate_C11)
        self.kernel_CHW = nn.Parameter(kernel_CHW * self.lift(kernel_CHW))

    def lift(self, kernel_CHW: Tensor) -> float:
        """Return the factor on initial taps that makes up for the deviation lost by smoothing."""
        size, (_, height, width) = self.smoothing_size, kernel_CHW.shape
        if self.smoothing == "places":
            return size**2 / math.sqrt(min(size, height) * min(size, width))
        if self.smoothing == "frequencies":
            return 1 / self.window(kernel_CHW).square().mean().sqrt().item()
        return 1.0

    def window(self, like_CHW: Tensor) -> Tensor:
        """Return the window on the kernels, (H, W), that equals averaging their spectra."""
        down, across = (
            _window(side, period, self.smoothing_size, like_CHW)
            for side, period in zip(like_CHW.shape[-2:], self.torus, strict=True)
        )
        return down[:, None] * across

    def kernel(self) -> Tensor:
        """Return the kernels laid out on the torus."""
        kernel_CHW, size = self.kernel_CHW, self.smoothing_size
        if self.smoothing == "places":
            kernel_CHW = F.avg_pool2d(kernel_CHW, size, stride=1, padding=size // 2)
        elif self.smoothing == "frequencies":
            kernel_CHW = kernel_CHW * self.window(kernel_CHW)
        return on_torus(F.softshrink(kernel_CHW, self.squash), self.torus)


def _window(side: int, period: int, size: int, like: Tensor) -> Tensor:
    """Return the window on a kernel that equals averaging its spectrum over ``size``."""
    offsets = torch.arange(side, device=like.device) - side // 2
    shifts = torch.arange(size, device=like.device) - size // 2
    turns = (shifts[:, None] * offsets).to(like.dtype) * (2 * math.pi / period)
    return turns.cos().mean(0)


@dataclass(frozen=True, kw_only=True)
class LongConv(TokenMixer):
    """A depthwise convolution as large as the map, with kernels learned tap by tap.

    Fu et al., Simple Hardware-Efficient Long Convolutions, 2023, algorithm 1: taps are smoothed and
    then squashed (soft-thresholded); the input times a learned factor is added; the paper's layer
    ends with GELU and a gated linear map. Initial ``decaying`` kernels decay at another rate in
    each channel. The reference code has sequences, one axis, and a Gaussian for smoothing over
    frequencies. The paper's learned Butterfly coefficients are here changes added to the matrices
    of the map's transform. ``reach`` and ``frequencies`` give the partial and the frequency-sparse
    convolutions of FlashFFTConv (Fu et al., 2023, arXiv:2311.05908, section 3.3).
    """

    name = "long_conv"
    traits = Traits(
        catalogue=("Q13", "Q04"),
        paper="Fu et al., Simple Hardware-Efficient Long Convolutions for Sequence Modeling, 2023, "
        "arXiv:2302.06646",
        code="HazyResearch/safari",
        reach="global",
        weights="static",
        cost="N log N (monarch: N^1.25)",
        resolution_bound=True,
    )

    layout: Annotated[str, Choice(("map", "sequence"))] = "map"
    """Whether kernels run over rows and columns, or over the positions flattened row by row."""
    padding: Annotated[str, Choice(("zeros", "circular"))] = "zeros"
    """Padding: zeros, or the map repeated."""
    reach: Annotated[int, Positive(whole=True)] = FAR
    """Reach of the kernel in each direction in pixels, clipped to the map."""
    frequencies: Annotated[int, Positive(whole=True)] = FAR
    """The highest frequency that is used, in periods over the padded map; from half of its side on,
    all are. Below that, the highest frequency of an even side is never used."""
    squash: Annotated[float, Choice((0.0, 0.0003, 0.001, 0.003, 0.01))] = 0.003
    """Threshold of the soft-thresholding of the taps, 0 to 0.01."""
    smoothing: Annotated[str, Choice(("none", "places", "frequencies"))] = "none"
    """Domain of the average over taps."""
    smoothing_size: Annotated[int, IntRange(3, 31, 2)] = 7
    """Side of the window of the average over taps, odd, 3 to 31."""
    start: Annotated[str, Choice(tuple(DEVIATION))] = "decaying"
    """Initial taps after smoothing: deviation 0.002 everywhere, or 0.02 at the centre and less
    further out."""
    skip: Annotated[bool, YES_NO] = True
    """Whether the input, times one learned factor per channel, is added."""
    projection: Annotated[str, PROJECTION] = "none"
    """Layers after the convolution: none, GELU and a linear map of the channels, or this gated."""
    transform: Annotated[str, TRANSFORM] = "fft"
    """How Fourier transforms are computed; both give the same numbers."""
    learned_transform: Annotated[bool, YES_NO] = False
    """Whether the matrices of the map's transform are learned; needs ``monarch``."""

    def why_invalid(self, shape: Shape, width: int | None = None) -> str | None:
        """A learned transform needs ``monarch``; the threshold must leave taps to learn."""
        most, rule = 3 * DEVIATION[self.start], "3 times the deviation of taps at the start"
        if self.smoothing == "frequencies":  # most taps are smaller by this factor
            most *= 4 / (3 * self.smoothing_size)
            rule = "4 times the deviation of taps at the start over smoothing_size"
        if self.squash >= most:
            return f"squash must be below {rule}, {most:.4f}, but got {self.squash:g} on {shape}"
        if self.learned_transform and self.transform != "monarch":
            return (
                f"learned_transform must be False unless transform is monarch, but got True and "
                f"{self.transform} on {shape}"
            )
        return None

    def seen(self, shape: Shape) -> Shape:
        """Return the shape that the kernel runs over: the map, flattened for ``sequence``."""
        return Shape(shape.channels, 1, shape.tokens) if self.layout == "sequence" else shape

    def reaches(self, shape: Shape) -> Size:
        """Return the reach of the kernel upwards and to the left."""
        shape = self.seen(shape)
        if self.padding == "zeros":
            return min(self.reach, shape.height - 1), min(self.reach, shape.width - 1)
        return min(self.reach, shape.height // 2), min(self.reach, shape.width // 2)

    def sides(self, shape: Shape) -> Size:
        """Return rows and columns of the kernel."""
        height, width = (2 * reach + 1 for reach in self.reaches(shape))
        if self.padding == "zeros":
            return height, width
        shape = self.seen(shape)
        return min(height, shape.height), min(width, shape.width)

    def torus(self, shape: Shape) -> Size:
        """Return rows and columns of the padded map."""
        height, width = self.seen(shape)[1:]
        if self.padding == "circular":
            return height, width
        down, across = self.reaches(shape)
        return height + down + 1, width + across + 1

    def band(self, shape: Shape) -> Size | None:
        """Return the highest row and column frequencies that are used; None: all."""
        height, width = self.torus(shape)
        if self.frequencies >= max(height, width) // 2:
            return None
        return min(self.frequencies, (height - 1) // 2), min(self.frequencies, (width - 1) // 2)

    def canonical(self, shape: Shape) -> Self:
        """Clip reach and frequencies to the map; reset knobs without effect."""
        clipped = replace(
            self,
            layout="map" if shape.height == 1 else self.layout,
            padding="zeros" if shape.tokens == 1 else self.padding,
            reach=max(1, *self.reaches(shape)),
        )
        height, width = self.torus(shape)
        return replace(
            clipped,
            frequencies=max(1, min(self.frequencies, max(height, width) // 2)),
            smoothing_size=7 if self.smoothing == "none" else self.smoothing_size,
        )

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        return SquashedConvolution(
            shape,
            sides=self.sides(shape),
            torus=self.torus(shape),
            band=self.band(shape),
            squash=self.squash,
            smoothing=self.smoothing,
            smoothing_size=self.smoothing_size,
            start=self.start,
            learned_transform=self.learned_transform,
            flat=self.layout == "sequence",
            skip=self.skip,
            project=self.projection,
            transform=self.transform,
        )
