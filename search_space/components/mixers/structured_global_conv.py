"""Convolutions as large as the map with few weights: coarser and weaker away from the centre.

Shape suffixes: B batch, C channels, H rows, W columns, L places in a row; K side of the grids.
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
    """Kernels of grids of weights, each stretched to twice the last one's side."""

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
            scales: How many grids there are.
            decays: What a grid is divided by for each scale, in the first and the last channel.
            combine: Whether a grid lies beyond the smaller ones (``cat``) or over them (``sum``).
            interpolation: How grids are stretched: ``linear`` or ``nearest``.
            flat: Whether kernels lie over the places row after row.
            skip: Whether the input by a factor a channel is added.
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
        """Return one grid, each of its cells over ``factor`` taps, weaker by its scale."""
        grid = self.weights[scale]
        if factor > 1:
            smooth = "linear" if self.flat else "bilinear"
            mode = smooth if self.interpolation == "linear" else "nearest"
            grid = F.interpolate(grid, scale_factor=float(factor), mode=mode)
        rate = self.rate_C.reshape(-1, *[1] * (grid.dim() - 2))
        return grid / rate**scale

    def taps(self) -> Tensor:
        """Return the kernels, not normalised.

        (2, C, L): of a sequence, both ways from the centre; or (1, C, K, K), the centre at K // 2.
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
        """Return the kernels as they lie on a torus of twice the size."""
        taps = self.taps() / self.norm
        height, width = self.size
        if self.flat:
            after_CL, before_CL = taps[..., : height * width]
            return torch.cat((after_CL, before_CL.flip(-1)), dim=-1)[:, None]
        middle = taps.shape[-1] // 2
        cropped = taps[0, :, middle - height : middle + height, middle - width : middle + width]
        return cropped.roll((-height, -width), dims=(-2, -1))


def _ring(inner: int, like: Tensor) -> Tensor:
    """Return ones around a square of zeros of side ``inner``, twice as large."""
    hole = torch.zeros(inner, inner, dtype=like.dtype, device=like.device)
    return F.pad(hole, (inner // 2,) * 4, value=1.0)


@dataclass(frozen=True, kw_only=True)
class StructuredGlobalConv(TokenMixer):
    """A depthwise convolution as large as the map with weights that grow with its logarithm.

    SGConv (Li et al., What Makes Convolutional Models Great on Long Sequence Modeling?, 2022,
    equation 1): grids of as many weights each are stretched by powers of two, weakened by the
    same, and put one beyond the other; the kernels are divided by the norm that they start with.
    The paper's have one axis, which images are flattened to; over ``map``, our generalisation, the
    grids are squares around the place, and one beyond the other means square rings.
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
    """Whether kernels lie over rows and columns, or over the places row after row."""
    grid: Annotated[int, Choice((2, 4, 8, 16, 32, 64))] = 4
    """Weights along the side of a grid: 2 to 64; of a sequence, each way."""
    decay_min: Annotated[float, Positive()] = 2.0
    """What a grid is divided by for each scale, in the first channel."""
    decay_max: Annotated[float, Positive()] = 2.0
    """The same in the last channel; between, evenly."""
    combine: Annotated[str, Choice(("cat", "sum"))] = "cat"
    """Whether a grid lies beyond the smaller ones, or over them."""
    interpolation: Annotated[str, Choice(("linear", "nearest"))] = "linear"
    """How grids are stretched."""
    skip: Annotated[bool, YES_NO] = True
    """Whether the input by a factor a channel is added."""
    projection: Annotated[str, PROJECTION] = "none"
    """What follows: nothing, or GELU and a linear map of the channels, perhaps gated."""
    transform: Annotated[str, TRANSFORM] = "fft"
    """How Fourier transforms are computed; both ways give the same numbers."""

    def span(self, shape: Shape) -> int:
        """Return the taps that the kernels need along a side; of a sequence, each way."""
        return shape.tokens if self.layout == "sequence" else 2 * max(shape.height, shape.width)

    def side(self, shape: Shape) -> int:
        """Return the weights along the side of a grid: no more than reach the map."""
        return max(2, min(self.grid, 1 << (self.span(shape) - 1).bit_length()))

    def scales(self, shape: Shape) -> int:
        """Return the number of grids: the last reaches as far as the map."""
        return 1 + (-(-self.span(shape) // self.side(shape)) - 1).bit_length()

    def canonical(self, shape: Shape) -> Self:
        """Clip the grid to what reaches the map; drop what has no effect on a single grid."""
        clipped = replace(self, grid=self.side(shape))
        if (self.layout, self.combine, self.scales(shape)) == ("sequence", "cat", 2):
            return replace(clipped, interpolation="linear")  # neither of the two is stretched
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
