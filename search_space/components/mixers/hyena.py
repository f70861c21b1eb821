"""Hyena: gates alternating with long convolutions whose filters are implicit.

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
"""Axes to flip so that each quadrant of the map comes first in turn."""


class GatedLongConvolutions(nn.Module):
    """Linear maps of the input that gate each other between long convolutions."""

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
        """Return the kernels of all convolutions, laid out on a torus of twice the map's size."""
        both = self.directions == "both"
        down, across = (range(1 - n if both else 0, n) for n in (height, width))
        taps_FIJ = self.filter(down, across, (height - 1, width - 1))
        taps_OCIJ = taps_FIJ.unflatten(0, (self.order - 1, -1))
        return on_torus(taps_OCIJ, (2 * height, 2 * width)) if both else taps_OCIJ

    def chain(self, maps: Sequence[Tensor], kernels_OCIJ: Tensor) -> Tensor:
        """Return the last map after gating by each other map and convolution in turn."""
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
    """Gates alternating with convolutions as large as the map, with kernels from a small network.

    Zimerman and Wolf, Multi-Dimensional Hyena, 2023, section 4: over rows and columns, a filter is
    one function of both offsets or a product of one per axis, with a choice of windows and
    directions. Kernels in both directions are HyenaPixel's (Spravil et al., 2024,
    arXiv:2402.19305); over a sequence it is the first Hyena (Poli et al., 2023, arXiv:2302.10866).
    Differences from the reference code: it learns the encoding of offsets and is bound to one
    resolution, here the encoding is computed; its ``seq`` directions reverse only the first
    convolution, so from order 3 on a position sees both ways, while ``reversed`` here reverses all;
    its ``symmetric`` window counts pixels, here shares of the map. Left out: its ``parallel``
    directions, which reverse nothing, and kernels learned tap by tap (see ``long_conv``). Kernels
    without a fixed window are divided by the sum of their magnitudes where it exceeds 1, so that
    outputs of deep networks do not grow with the map.
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
    """Number of gates, one more than of long convolutions: 2 to 5."""
    layout: Annotated[str, Choice(("map", "sequence"))] = "map"
    """Whether kernels run over rows and columns, or over the positions flattened row by row."""
    filter: Annotated[str, Choice(("implicit", "product"))] = "implicit"
    """On a map: one function of both offsets, or the product of one function per axis."""
    directions: Annotated[str, Choice(("one", "reversed", "four", "four_mixed", "both"))] = "both"
    """Receptive field of a position: the quadrant above left (``one``); below right (``reversed``);
    each quadrant by the same filter, summed with learned weights (``four``) or mixed by a linear
    map (``four_mixed``); everything (``both``)."""
    kernel_size: Annotated[int, KERNEL] = 3
    """Side of the depthwise kernel before the gates in pixels, odd, 1 to 31."""
    bands: Annotated[int, IntRange(1, 64)] = 1
    """Frequencies in the network's encoding of an offset: 1 to 64."""
    filter_width: Annotated[int, Positive(whole=True)] = 64
    """Units per layer of the network."""
    filter_layers: Annotated[int, IntRange(0, 4)] = 2
    """Hidden layers of the network between the first and the last: 0 to 4."""
    frequency: Annotated[float, Positive()] = 1.0
    """Initial frequency of the network's sines."""
    window: Annotated[str, WINDOW] = "fixed"
    """Window of the filters: a decay with fixed rates, learned rates, or one rate for both axes."""
    decay_fast: Annotated[float, Positive()] = 0.3
    """Share of the map at which the fastest window has decayed to 0.01."""
    decay_slow: Annotated[float, Positive()] = 1.5
    """Share of the map at which the slowest window has decayed to 0.01."""

    def canonical(self, shape: Shape) -> Self:
        """Clip the short kernel; reset knobs without effect."""
        flat = self.layout == "sequence"
        seen = Shape(shape.channels, 1, shape.tokens) if flat else shape
        still = self.window == "none" or shape.tokens == 1  # no offset at which to decay
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
