"""Convolution whose kernel entries are learned functions."""

from dataclasses import dataclass
from typing import Annotated

from torch import nn

from ...domains import YES_NO, IntRange, Positive
from ...shapes import Shape
from ..activations import ACTIVATION
from ..base import Traits
from ..layers.canonical_forms import ClippedDepthwiseMixer
from ..layers.kernel_clipping import KERNEL
from ..layers.spline_conv import SplineConv2d


@dataclass(frozen=True, kw_only=True)
class KanConv(ClippedDepthwiseMixer):
    """Kolmogorov-Arnold convolution: each entry of the kernel is a learned function of its pixel.

    Bodner et al., Convolutional Kolmogorov-Arnold Networks, 2024, section 3: a function is a
    B-spline and a scaled activation, grid_size + order + 2 weights. Padding contributes nothing; in
    the reference code it contributes each function's value at zero. The grid is not refitted to the
    data. The paper has no depthwise form.
    """

    name = "kan_conv"
    traits = Traits(
        catalogue=("M13",),
        paper="Bodner et al., Convolutional Kolmogorov-Arnold Networks, 2024, arXiv:2406.13155",
        reach="local",
        weights="static",
        cost="N k^2",
        code="AntonioTepsich/Convolutional-KANs",
    )

    kernel_size: Annotated[int, KERNEL] = 3
    """Side of the kernel in pixels, odd, 1 to 31."""
    grid_size: Annotated[int, IntRange(1, 32)] = 5
    """Cells of the splines' grid, 1 to 32."""
    spline_order: Annotated[int, IntRange(1, 5)] = 3
    """Degree of the splines' pieces, 1 to 5."""
    span: Annotated[float, Positive()] = 1.0
    """The splines' grid is [-span, span]; outside it the splines are zero."""
    activation: Annotated[str, ACTIVATION] = "silu"
    """Activation of the term beside the spline."""
    depthwise: Annotated[bool, YES_NO] = True
    """Whether the convolution is depthwise; the paper's is dense."""

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        return SplineConv2d(
            channels=shape.channels,
            width=shape.channels,
            kernel_size=self.kernel_size,
            grid_size=self.grid_size,
            order=self.spline_order,
            span=self.span,
            act=self.activation,
            groups=shape.channels if self.depthwise else 1,
        )
