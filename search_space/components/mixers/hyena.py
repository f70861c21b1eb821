"""Hyena: gates and long convolutions with implicit filters in turn.

Shape suffixes: B batch, C channels, H rows, W columns; O convolutions, I taps down, J taps across.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Self

import torch
from torch import Tensor, nn

from ...domains import Choice, IntRange, Positive
from ...shapes import Shape
from ..base import TokenMixer, Traits
from ..layers.kernel_clipping import KERNEL, depthwise, reaching_kernel
from .fourier import convolve
from .implicit_filter import WINDOW, ImplicitFilter
from .long_conv import on_torus

FLIPS: tuple[tuple[int, ...], ...] = ((), (-1, -2), (-1,), (-2,))
"""Axes that are turned round so that each quarter of the map in turn comes first."""


class GatedLongConvolutions(nn.Module):
    """Maps of the input gate one another between long convolutions."""

    no_weight_decay: ClassVar[frozenset[str]] = frozenset({"bias_OC"})

    def __init__(
        self,
        channels: int,
        *,
        order: int,
        flat: bool,
        directions: str,
        kernel_size: int,
        made: ImplicitFilter,
    ) -> None:
        super().__init__()
        inner = (order + 1) * channels
        self.order, self.flat, self.directions = order, flat, directions
        self.in_proj = nn.Conv2d(channels, inner, 1)
        self.short = depthwise(inner, (1 if flat else kernel_size, kernel_size))
        self.filter = made
        self.bias_OC = nn.Parameter(torch.randn(order - 1, channels))
        self.mix: nn.Module = nn.Identity()
        if directions == "four":
            self.mix = nn.Linear(4, 1)
        elif directions == "four_mixed":
            self.mix = nn.Conv2d(4 * channels, channels, 1)
        self.out_proj = nn.Conv2d(channels, channels, 1)

    def kernels(self, height: int, width: int) -> Tensor:
        """Return the kernels of all convolutions as they lie on a torus of twice the size."""
        both = self.directions == "both"
        down, across = (range(1 - n if both else 0, n) for n in (height, width))
        taps_FIJ = self.filter(down, across, (height - 1, width - 1))
        taps_OCIJ = taps_FIJ.unflatten(0, (self.order - 1, -1))
        return on_torus(taps_OCIJ, (2 * height, 2 * width)) if both else taps_OCIJ

    def chain(self, maps: Sequence[Tensor], kernels_OCIJ: Tensor) -> Tensor:
        """Return what comes of the maps: the last passes gate and convolution in turn."""
        *gates, x_BCHW = maps
        size = (2 * x_BCHW.shape[-2], 2 * x_BCHW.shape[-1])
        for number, gate_BCHW in enumerate(reversed(gates[1:])):
            x_BCHW = x_BCHW * gate_BCHW
            mixed_BCHW = convolve(x_BCHW, kernels_OCIJ[number], size, "fft")
            x_BCHW = mixed_BCHW + x_BCHW * self.bias_OC[number, :, None, None]
        return x_BCHW * gates[0]

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        given = x_BCHW.flatten(2)[:, :, None] if self.flat else x_BCHW
        maps = self.short(self.in_proj(given)).chunk(self.order + 1, dim=1)
        kernels_OCIJ = self.kernels(given.shape[-2], given.shape[-1])
        flips = {"one": FLIPS[:1], "reversed": FLIPS[1:2], "both": FLIPS[:1]}
        ways = [
            self.chain([each.flip(flip) for each in maps], kernels_OCIJ).flip(flip)
            for flip in flips.get(self.directions, FLIPS)
        ]
        if self.directions == "four":
            y_BCHW = self.mix(torch.stack(ways, dim=-1)).squeeze(-1)
        else:
            y_BCHW = self.mix(torch.cat(ways, dim=1))
        return self.out_proj(y_BCHW).view(x_BCHW.shape)


@dataclass(frozen=True, kw_only=True)
class Hyena(TokenMixer):
    """Gates and convolutions as large as the map in turn, kernels made by a small network.

    Zimerman and Wolf, Multi-Dimensional Hyena, 2023, section 4: over rows and columns, a filter is
    either one function of both offsets or a product of one along each axis, with several windows
    and ways to see all four sides. Kernels that reach both ways are those of HyenaPixel (Spravil et
    al., 2024, arXiv:2402.19305); over a sequence it is the first Hyena (Poli et al., 2023,
    arXiv:2302.10866). Where the reference code learns what describes an offset and is bound to one
    resolution, ours computes it. Its ``seq`` directions turn the first convolution alone, so that
    from order 3 on a place sees both ways; our ``reversed`` turns all. Its ``parallel`` directions,
    which turn nothing, and kernels learned tap by tap (``long_conv`` has them) are left out; its
    ``symmetric`` window counts pixels, ours shares of the map. Kernels without a fixed window are
    divided by the sum of their magnitudes where that is above 1, lest deep ones grow with the map.
    """

    name = "hyena"
    traits = Traits(
        catalogue=("M42",),
        paper="Zimerman and Wolf, Multi-Dimensional Hyena for Spatial Inductive Bias, 2023, "
        "arXiv:2309.13600",
        code="Itamarzimm/HyenaND",
        reach="global",
        weights="input-dependent",
        cost="N log N",
        any_size_program=False,
    )

    order: Annotated[int, IntRange(2, 5)] = 2
    """Gates, one more than there are long convolutions: 2 to 5."""
    layout: Annotated[str, Choice(("map", "sequence"))] = "map"
    """Whether convolutions run over rows and columns, or over the places row after row."""
    filter: Annotated[str, Choice(("implicit", "product"))] = "implicit"
    """Over a map: one function of both offsets, or the product of one along each axis."""
    directions: Annotated[str, Choice(("one", "reversed", "four", "four_mixed", "both"))] = "both"
    """What a place sees: the quarter above and to the left of it; that below and to the right; each
    quarter by the same filter, summed with learned weights or mixed by a linear map; everything."""
    kernel_size: Annotated[int, KERNEL] = 3
    """Side of the depthwise kernel before the gates in pixels, odd, 1 to 31."""
    bands: Annotated[int, IntRange(1, 64)] = 1
    """Waves that describe an offset to the network: 1 to 64."""
    filter_width: Annotated[int, Positive(whole=True)] = 64
    """Units of a layer of the network."""
    filter_layers: Annotated[int, IntRange(0, 4)] = 2
    """Layers of the network between the first and the last: 0 to 4."""
    frequency: Annotated[float, Positive()] = 1.0
    """Frequency of the network's sines at the start."""
    window: Annotated[str, WINDOW] = "fixed"
    """What filters are multiplied by: decays of fixed or learned rates, or of one for both axes."""
    decay_fast: Annotated[float, Positive()] = 0.3
    """Share of the map after which the fastest window has come to a hundredth."""
    decay_slow: Annotated[float, Positive()] = 1.5
    """The same of the slowest window."""

    def canonical(self, shape: Shape) -> Self:
        """Clip the short kernel; drop what has no effect."""
        flat = self.layout == "sequence"
        seen = Shape(shape.channels, 1, shape.tokens) if flat else shape
        still = self.window == "none" or shape.tokens == 1  # no place is far enough to decay
        straight = shape.tokens == 1 and not self.directions.startswith("four")
        return replace(
            self,
            kernel_size=reaching_kernel(self.kernel_size, seen),
            filter="implicit" if flat else self.filter,
            directions="both" if straight else self.directions,
            decay_fast=0.3 if still else self.decay_fast,
            decay_slow=1.5 if still else self.decay_slow,
        )

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        made = ImplicitFilter(
            (self.order - 1) * shape.channels,
            axes=1 if self.layout == "sequence" else 2,
            product=self.filter == "product",
            bands=self.bands,
            width=self.filter_width,
            layers=self.filter_layers,
            frequency=self.frequency,
            window=self.window,
            decay_fast=self.decay_fast,
            decay_slow=self.decay_slow,
        )
        return GatedLongConvolutions(
            shape.channels,
            order=self.order,
            flat=self.layout == "sequence",
            directions=self.directions,
            kernel_size=self.kernel_size,
            made=made,
        )
