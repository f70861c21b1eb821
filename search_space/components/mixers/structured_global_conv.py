"""Convolutions as large as the map whose weights are coarser and smaller away from the centre.

Shape suffixes: B batch, C channels, H rows, W columns, L positions of a sequence, K side of the
grids.
"""

from dataclasses import dataclass, replace
from typing import Annotated, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...domains import YES_NO, Choice, Positive
from ...shapes import Shape
from ..base import TokenMixer, Traits
from .fourier import TRANSFORM
from .long_conv import PROJECTION, GlobalConvolution


class MultiScaleConvolution(GlobalConvolution):
    """A convolution with kernels composed of grids, each twice as wide as the previous one."""

    def __init__(
        self,
        shape: Shape,
        *,
        side: int,
        scales: int,
        decays: tuple[float, float],
        combine: str,
        interpolation: str,
        flat: bool,
        skip: bool,
        project: str,
        transform: str,
    ) -> None:
        """Make the weights.

        Args:
            shape: Shape of the map.
            side: Weights along the side of a grid.
            scales: Number of grids.
            decays: Divisor of the weights per scale, in the first and in the last channel.
            combine: Whether a grid surrounds the smaller ones (``cat``) or is added (``sum``).
            interpolation: How grids are stretched: ``linear`` or ``nearest``.
            flat: Whether kernels run over the positions flattened row by row.
            skip: Whether the input, times one learned factor per channel, is added.
            project: One of ``PROJECTION``.
            transform: One of ``TRANSFORM``.
        """
        super().__init__(shape, flat=flat, skip=skip, project=project, transform=transform)
        self.combine, self.interpolation = combine, interpolation
        grid = (2, shape.channels, side) if self.flat else (1, shape.channels, side, side)
        self.weights = nn.ParameterList(torch.randn(grid) for _ in range(scales))
        rates = torch.linspace(*decays, shape.channels)
        self.register_buffer("rate_C", rates, persistent=False)
        self.rate_C: Tensor
        self.register_buffer("norm", torch.ones(()))
        self.norm: Tensor
        axes = -1 if self.flat else (-2, -1)
        self.norm = torch.linalg.vector_norm(self.taps().detach(), dim=axes, keepdim=True)

    def stretched(self, scale: int, factor: int) -> Tensor:
        """Return one grid, each weight stretched over ``factor`` taps and divided for its scale."""
        grid = self.weights[scale]
        if factor > 1:
            smooth = "linear" if self.flat else "bilinear"
            mode = smooth if self.interpolation == "linear" else "nearest"
            grid = F.interpolate(grid, scale_factor=float(factor), mode=mode)
        rate = self.rate_C.reshape(-1, *[1] * (grid.dim() - 2))
        return grid / rate**scale

    def taps(self) -> Tensor:
        """Return the kernels before normalisation.

        Of a sequence (2, C, L), one per direction from the centre; else (1, C, K, K), the centre at
        K // 2.
        """
        kernel = self.stretched(0, 1)
        for scale in range(1, len(self.weights)):
            inner = kernel.shape[-1]
            if self.combine == "sum":
                outer = self.stretched(scale, 2**scale)
            elif self.flat:
                kernel = torch.cat((kernel, self.stretched(scale, 2 ** (scale - 1))), dim=-1)
                continue
            else:
                outer = self.stretched(scale, 2**scale) * _ring(inner, kernel)
            around = (0, inner) if self.flat else (inner // 2,) * 4
            kernel = F.pad(kernel, around) + outer
        return kernel

    def kernel(self) -> Tensor:
        """Return the kernels laid out on a torus of twice the map's size."""
        taps = self.taps() / self.norm
        height, width = self.size
        if self.flat:
            after_CL, before_CL = taps[..., : height * width]
            return torch.cat((after_CL, before_CL.flip(-1)), dim=-1)[:, None]
        middle = taps.shape[-1] // 2
        cropped = taps[0, :, middle - height : middle + height, middle - width : middle + width]
        return cropped.roll((-height, -width), dims=(-2, -1))


def _ring(inner: int, like: Tensor) -> Tensor:
    """Return a mask of side 2 x ``inner``: ones around zeros of side ``inner``."""
    hole = torch.zeros(inner, inner, dtype=like.dtype, device=like.device)
    return F.pad(hole, (inner // 2,) * 4, value=1.0)


@dataclass(frozen=True, kw_only=True)
class StructuredGlobalConv(TokenMixer):
    """A depthwise convolution as large as the map, with log(size) weights.

    SGConv (Li et al., What Makes Convolutional Models Great on Long Sequence Modeling?, 2022,
    equation 1): equal grids of weights are stretched by powers of two, divided by the same powers,
    and concatenated outwards; kernels are divided by their initial norm. The paper flattens images
    to a sequence; with ``map``, a generalisation, the grids are squares around the centre and
    concatenate as square rings.
    """

    name = "structured_global_conv"
    traits = Traits(
        catalogue=("Q15",),
        paper="Li et al., What Makes Convolutional Models Great on Long Sequence Modeling?, 2022, "
        "arXiv:2210.09298",
        code="ctlllll/SGConv",
        reach="global",
        weights="static",
        cost="N log N (monarch: N^1.25)",
        resolution_bound=True,
    )

    layout: Annotated[str, Choice(("map", "sequence"))] = "map"
    """Whether kernels run over rows and columns, or over the positions flattened row by row."""
    grid: Annotated[int, Choice((2, 4, 8, 16, 32, 64))] = 4
    """Weights along the side of a grid, 2 to 64; for a sequence, in each direction."""
    decay_min: Annotated[float, Positive()] = 2.0
    """Divisor of the weights per scale in the first channel."""
    decay_max: Annotated[float, Positive()] = 2.0
    """Divisor of the weights per scale in the last channel; evenly spaced between."""
    combine: Annotated[str, Choice(("cat", "sum"))] = "cat"
    """Whether a grid surrounds the smaller ones (``cat``) or is added to them (``sum``)."""
    interpolation: Annotated[str, Choice(("linear", "nearest"))] = "linear"
    """Interpolation of stretched grids."""
    skip: Annotated[bool, YES_NO] = True
    """Whether the input, times one learned factor per channel, is added."""
    projection: Annotated[str, PROJECTION] = "none"
    """Layers after the convolution: none, GELU and a linear map of the channels, or this gated."""
    transform: Annotated[str, TRANSFORM] = "fft"
    """How Fourier transforms are computed; both give the same numbers."""

    def span(self, shape: Shape) -> int:
        """Return the taps needed along a side; for a sequence, in each direction."""
        return shape.tokens if self.layout == "sequence" else 2 * max(shape.height, shape.width)

    def side(self, shape: Shape) -> int:
        """Return the weights along the side of a grid, clipped to the map."""
        return max(2, min(self.grid, 1 << (self.span(shape) - 1).bit_length()))

    def scales(self, shape: Shape) -> int:
        """Return the number of grids; the last one covers the map."""
        return 1 + (-(-self.span(shape) // self.side(shape)) - 1).bit_length()

    def canonical(self, shape: Shape) -> Self:
        """Clip the grid to the map; reset knobs without effect on a single grid."""
        clipped = replace(self, grid=self.side(shape))
        if (self.layout, self.combine, self.scales(shape)) == ("sequence", "cat", 2):
            return replace(clipped, interpolation="linear")  # no grid is stretched
        if self.scales(shape) > 1:
            return clipped
        return replace(clipped, decay_min=2.0, decay_max=2.0, combine="cat", interpolation="linear")

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        return MultiScaleConvolution(
            shape,
            side=self.side(shape),
            scales=self.scales(shape),
            decays=(self.decay_min, self.decay_max),
            combine=self.combine,
            interpolation=self.interpolation,
            flat=self.layout == "sequence",
            skip=self.skip,
            project=self.projection,
            transform=self.transform,
        )
