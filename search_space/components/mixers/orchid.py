"""Orchid: global convolution with a kernel that depends on the input.

Shape suffixes: B batch, C channels, H rows, W columns, V frequencies of the columns.
"""

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Annotated, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...domains import YES_NO, Choice, IntRange, Positive
from ...shapes import Shape
from ..activations import ACTIVATION, activation
from ..base import TokenMixer, Traits
from ..layers.kernel_clipping import KERNEL, reaching_kernel
from ..layers.portable import circular_pad
from ..norms import ChannelLayerNorm
from .fourier import (
    Spectrum,
    at_least_float32,
    from_spectrum,
    full_precision,
    spectrum,
    spectrum_of,
    times,
)
from .fourier_matrices import Size
from .implicit_filter import ImplicitFilter
from .long_conv import on_torus

NORM = Choice(("layer", "batch", "none"))
"""Norm after a conditioning convolution."""


class CircularConv(nn.Conv2d):
    """A convolution of a torus."""

    def forward(self, input: Tensor) -> Tensor:
        """Map (B, C, H, W) to a map of the same size."""
        rows, columns = (int(side) // 2 for side in self.kernel_size)
        padded = circular_pad(input, rows, columns)
        return F.conv2d(padded, self.weight, self.bias, groups=self.groups)


def grouped(inputs: int, outputs: int, groups: int, side: int, *, circular: bool) -> nn.Module:
    """Return a convolution that keeps the map's size, with circular or zero padding."""
    conv = CircularConv if circular else nn.Conv2d
    return conv(inputs, outputs, side, padding=side // 2, groups=groups)


class ConditionedKernel(nn.Module):
    """Computes the spectrum of a kernel from a map; shifting the map does not change it."""

    def __init__(
        self, *, query: nn.Module | None, places: nn.Module, frequencies: nn.Module | None
    ) -> None:
        super().__init__()
        self.query = query
        self.places = places
        self.frequencies = frequencies

    def forward(self, x_BCHW: Tensor) -> Spectrum:
        """Return the spectrum of one kernel per channel, complex (B, C, H, V)."""
        size = (x_BCHW.shape[-2], x_BCHW.shape[-1])
        count = size[0] * size[1]  # divisor that keeps kernels from growing with the map
        given_BCHV = spectrum(_applied(self.places, x_BCHW), size, "fft") / count
        re, im = given_BCHV.real, given_BCHV.imag
        if self.query is None:
            parts = [re.square() + im.square()]
        else:
            query_BCHV = spectrum(_applied(self.query, x_BCHW), size, "fft") / count
            other_re, other_im = query_BCHV.real, query_BCHV.imag
            parts = [re * other_re + im * other_im, re * other_im - im * other_re]
        if self.frequencies is None:
            return spectrum_of(parts[0], parts[-1] if len(parts) == 2 else torch.zeros_like(re))
        # Real and imaginary part of a channel are adjacent and form one group.
        given = torch.stack(parts, dim=2).flatten(1, 2)
        mixed = at_least_float32(_applied(self.frequencies, given)).unflatten(1, (-1, 2))
        return spectrum_of(mixed[:, :, 0], mixed[:, :, 1])


def _applied(module: nn.Module, x: Tensor) -> Tensor:
    """Return a module's output for a map, computed in the precision of its weights."""
    return module(x.to(next(module.parameters(), x).dtype))


class DynamicConvolution(nn.Module):
    """A gate, a circular convolution with a fixed plus a conditioned kernel, and another gate."""

    def __init__(
        self,
        channels: int,
        *,
        short: nn.Module,
        conditioned: ConditionedKernel,
        fixed: list[ImplicitFilter],
    ) -> None:
        """Combine the modules.

        Args:
            channels: Channels of the map.
            short: Module on three times the channels, before the gates.
            conditioned: Computes the input-dependent kernel.
            fixed: Filters of the kernel added to it and, if there is one, of the static branch.
        """
        super().__init__()
        self.in_proj = nn.Conv2d(channels, 3 * channels, 1)
        self.short = short
        self.conditioned = conditioned
        self.fixed = nn.ModuleList(fixed)
        self.bias_C11 = nn.ParameterList(torch.randn(channels, 1, 1) for _ in fixed)
        self.out_proj = nn.Conv2d(channels, channels, 1)

    def fixed_spectrum(self, branch: int, size: Size) -> Spectrum:
        """Return the spectrum of the fixed kernels of a branch, bias included."""
        down, across = (range(-(side // 2), side - side // 2) for side in size)
        taps_CIJ = self.fixed[branch](down, across, (size[0] // 2, size[1] // 2))
        bias_C11 = at_least_float32(self.bias_C11[branch])
        return spectrum(on_torus(taps_CIJ, size), size, "fft") + bias_C11

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        size = (x_BCHW.shape[-2], x_BCHW.shape[-1])
        projected = self.in_proj(x_BCHW)
        outer, inner, y_BCHW = self.short(projected).chunk(3, dim=1)
        with full_precision(x_BCHW):
            last_BCHW = at_least_float32(projected.chunk(3, dim=1)[-1])
            kernel_BCHV = self.conditioned(last_BCHW) + self.fixed_spectrum(0, size)
            y_BCHW = self.filtered(y_BCHW * inner, kernel_BCHV)
            y_BCHW = y_BCHW * outer
            if len(self.fixed) == 2:
                y_BCHW = y_BCHW + self.filtered(x_BCHW, self.fixed_spectrum(1, size))
        return self.out_proj(y_BCHW.to(x_BCHW.dtype))

    def filtered(self, x_BCHW: Tensor, kernel_BCHV: Spectrum) -> Tensor:
        """Return the circular convolution with the kernel of the given spectrum."""
        size = (x_BCHW.shape[-2], x_BCHW.shape[-1])
        product_BCHV = times(spectrum(x_BCHW, size, "fft"), kernel_BCHV)
        return from_spectrum(product_BCHV, size, "fft", size)


@dataclass(frozen=True, kw_only=True)
class Orchid(TokenMixer):
    """A circular convolution as large as the map, with a kernel computed from the input.

    Karami and Ghodsi, Orchid, 2024, section 3, over rows and columns instead of a sequence. The
    kernel is invariant to circular shifts of the map, so the convolution is equivariant to them: it
    comes from the magnitudes of the spectrum (section 3.2.I) or from the map's autocorrelation
    (section 3.2.II). A fixed kernel is added. Three linear maps of the input, with short
    convolutions, give the two gates and the value; the reference code adds another long convolution
    of the input. Short convolutions are circular by default; the reference code's zero padding
    breaks the equivariance near the edges. Groups of a correlation's convolution hold both parts
    (real, imaginary) of one channel, in the reference code the same part of two channels. Left out:
    causal and cosine transforms, orthonormal scale, kernels of unsquared spectra, dense
    conditioning, activations of a correlation's query, heads, orders above 2, reflected edges.
    """

    name = "orchid"
    traits = Traits(
        catalogue=("Q09",),
        paper="Karami and Ghodsi, Orchid: Flexible and Data-Dependent Convolution for Sequence "
        "Modeling, 2024, arXiv:2402.18508",
        code="Karami-m/orchid",
        reach="global",
        weights="input-dependent",
        cost="N log N",
        any_size_program=False,
    )
    renamed = (("conditioning_norm", "norm"),)

    kernel: Annotated[str, Choice(("magnitude", "correlation"))] = "magnitude"
    """Source of the kernel: squared magnitudes of the spectrum, or an autocorrelation."""
    network: Annotated[str, Choice(("both", "places", "frequencies"))] = "both"
    """Domain of the conditioning convolutions: the map, the spectrum, or both. A correlation is
    always that of two convolved maps."""
    conditioning_size: Annotated[int, KERNEL] = 3
    """Side of the conditioning convolutions' depthwise kernels, odd, 1 to 31."""
    conditioning_layers: Annotated[int, IntRange(1, 4)] = 1
    """Number of conditioning convolutions in sequence, 1 to 4."""
    activation: Annotated[str, ACTIVATION] = "gelu"
    """Activation between conditioning convolutions."""
    conditioning_norm: Annotated[str, NORM] = "layer"
    """Norm after each conditioning convolution."""
    padding: Annotated[str, Choice(("circular", "zeros"))] = "circular"
    """Padding of the short and conditioning convolutions."""
    kernel_size: Annotated[int, KERNEL] = 3
    """Side of the depthwise kernel before the gates in pixels, odd, 1 to 31."""
    static_branch: Annotated[bool, YES_NO] = True
    """Whether a long convolution of the input with a fixed kernel is added."""
    bands: Annotated[int, IntRange(1, 64)] = 1
    """Frequencies in the encoding of an offset for the fixed kernels' network: 1 to 64."""
    filter_width: Annotated[int, Positive(whole=True)] = 64
    """Units per layer of the network of the fixed kernels."""
    filter_layers: Annotated[int, IntRange(0, 4)] = 2
    """Hidden layers of the fixed kernels' network between the first and the last: 0 to 4."""

    def why_invalid(self, shape: Shape, width: int | None = None) -> str | None:
        """Circular kernels must not be larger than the map they wrap around."""
        larger = max(self.kernel_size, self.conditioning_size)
        if self.padding == "circular" and larger // 2 > min(shape.height, shape.width):
            return (
                f"circular kernels must not reach further than the map's sides, but got kernels of "
                f"{self.kernel_size} and {self.conditioning_size} and {shape.height}x{shape.width}"
            )
        return None

    def canonical(self, shape: Shape) -> Self:
        """Clip kernels to taps that can reach the map; reset knobs without effect."""
        changed = self
        if self.kernel == "correlation" and self.network == "frequencies":
            changed = replace(changed, network="both")
        if self.conditioning_layers == 1:
            changed = replace(changed, activation="gelu")
        if self.padding == "zeros":
            changed = replace(
                changed,
                kernel_size=reaching_kernel(self.kernel_size, shape),
                conditioning_size=reaching_kernel(self.conditioning_size, shape),
            )
        return changed

    def conditioning(self, inputs: int, outputs: int, groups: int, *, circular: bool) -> nn.Module:
        """Return layers of a grouped convolution and a norm, with activations between."""
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        for number in range(self.conditioning_layers):
            given = outputs if number else inputs
            layers[f"conv{number}"] = grouped(
                given, outputs, groups, self.conditioning_size, circular=circular
            )
            if number < self.conditioning_layers - 1:
                layers[f"act{number}"] = activation(self.activation)
            if self.conditioning_norm == "layer":
                layers[f"norm{number}"] = ChannelLayerNorm(outputs, eps=1e-5, bias=True)
            elif self.conditioning_norm == "batch":
                layers[f"norm{number}"] = nn.BatchNorm2d(outputs)
        return nn.Sequential(layers)

    def conditioned(self, channels: int) -> ConditionedKernel:
        """Return the module that computes the input-dependent kernel."""
        circular = self.padding == "circular"
        query, places, frequencies = None, nn.Identity(), None
        correlation = self.kernel == "correlation"
        if correlation:
            query = self.conditioning(channels, channels, channels, circular=circular)
        if correlation or self.network != "frequencies":
            places = self.conditioning(channels, channels, channels, circular=circular)
        if self.network != "places":
            parts = 2 if correlation else 1
            frequencies = self.conditioning(
                parts * channels, 2 * channels, channels, circular=False
            )
        return ConditionedKernel(query=query, places=places, frequencies=frequencies)

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        inner = 3 * shape.channels
        circular = self.padding == "circular"
        short = grouped(inner, inner, inner, self.kernel_size, circular=circular)
        conditioned = self.conditioned(shape.channels)
        fixed = [
            ImplicitFilter(
                shape.channels,
                axes=2,
                product=False,
                bands=self.bands,
                width=self.filter_width,
                layers=self.filter_layers,
                frequency=1.0,
                window="fixed",
                decay_fast=0.3,
                decay_slow=1.5,
            )
            for _ in range(2 if self.static_branch else 1)
        ]
        return DynamicConvolution(shape.channels, short=short, conditioned=conditioned, fixed=fixed)
