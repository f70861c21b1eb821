"""Mixers that work on the spectrum of the map.

Shape suffixes: B batch, C channels, H rows, W columns, V frequencies of the columns; G blocks of
channels, D and E channels of a block before and after a linear map, real parts above imaginary
ones.
"""

import math
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...domains import YES_NO, Positive
from ...shapes import Shape, scaled
from ..activations import ACTIVATION, activation
from ..base import TokenMixer, Traits
from ..layers.portable import exporting
from .fourier import (
    TRANSFORM,
    Spectrum,
    at_least_float32,
    from_spectrum,
    full_precision,
    require_size,
    spectrum,
    spectrum_of,
    times,
)
from .fourier_matrices import real_part


class FourierSum(nn.Module):
    """The real part of a Fourier transform over rows, columns and optionally channels."""

    def __init__(self, *, over_channels: bool, orthonormal: bool) -> None:
        super().__init__()
        self.axes = (1, 2, 3) if over_channels else (2, 3)
        self.scale = "ortho" if orthonormal else "backward"

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        sides = x_BCHW.shape[1:]
        if exporting() and all(type(side) is int for side in sides):  # not of any size
            y_BCHW = real_part(at_least_float32(x_BCHW), over_channels=len(self.axes) == 3)
            scale = math.prod(sides[axis - 1] for axis in self.axes) ** -0.5
            return (y_BCHW * scale if self.scale == "ortho" else y_BCHW).to(x_BCHW.dtype)
        y_BCHW = torch.fft.fftn(at_least_float32(x_BCHW), dim=self.axes, norm=self.scale).real
        return y_BCHW.to(
            x_BCHW.dtype
        ).contiguous()  # a view would keep the imaginary part in memory


@dataclass(frozen=True, kw_only=True)
class FourierMixing(TokenMixer):
    """The real part of the map's Fourier transform, also over channels, without weights.

    Lee-Thorp et al., FNet, 2021, equation 3; there the transform is not scaled, and a norm follows
    the residual.
    """

    name = "fourier"
    traits = Traits(
        paper="Lee-Thorp et al., FNet: Mixing Tokens with Fourier Transforms, 2021, "
        "arXiv:2105.03824",
        code="google-research/google-research",
        reach="global",
        weights="none",
        cost="N log N",
    )

    over_channels: Annotated[bool, YES_NO] = True
    """Whether channels are transformed too, as in FNet."""
    orthonormal: Annotated[bool, YES_NO] = True
    """Whether the transform is scaled to keep norms."""

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        return FourierSum(over_channels=self.over_channels, orthonormal=self.orthonormal)


class SpectralProduct(nn.Module):
    """One learned complex factor for each channel and frequency."""

    def __init__(self, shape: Shape, transform: str) -> None:
        super().__init__()
        sizes = (2, shape.channels, shape.height, shape.width // 2 + 1)
        self.weight_2CHV = nn.Parameter(0.02 * torch.randn(sizes))
        self.size = (shape.height, shape.width)
        self.transform = transform

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        size = self.size
        require_size(x_BCHW, size)
        weight_CHV = spectrum_of(*at_least_float32(self.weight_2CHV))
        product = times(spectrum(x_BCHW, size, self.transform), weight_CHV)
        return from_spectrum(product, size, self.transform, size).to(x_BCHW.dtype)


@dataclass(frozen=True, kw_only=True)
class GlobalFilter(TokenMixer):
    """A learned factor for every frequency: a circular convolution as large as the map.

    Rao et al., GFNet, 2021, section 3.2, equation 8. Initial factors have a deviation of 0.02.
    """

    name = "global_filter"
    traits = Traits(
        catalogue=("Q04",),
        paper="Rao et al., Global Filter Networks for Image Classification, 2021, arXiv:2107.00645",
        code="raoyongming/GFNet",
        reach="global",
        weights="static",
        cost="N log N (monarch: N^1.25)",
        resolution_bound=True,
    )

    transform: Annotated[str, TRANSFORM] = "fft"
    """How Fourier transforms are computed; both give the same numbers."""

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        return SpectralProduct(shape, self.transform)


class ComplexBlocks(nn.Module):
    """A linear map of complex channels, block by block, at each frequency.

    The module computes it as a grouped convolution of stacked real and imaginary parts.
    """

    no_weight_decay: ClassVar[frozenset[str]] = frozenset({"bias_2GE"})

    def __init__(self, blocks: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight_2GED = nn.Parameter(0.02 * torch.randn(2, blocks, outputs, inputs))
        self.bias_2GE = nn.Parameter(0.02 * torch.randn(2, blocks, outputs))

    def forward(self, x_BCHV: Tensor) -> Tensor:
        """Map (B, 2 G D, H, V) to (B, 2 G E, H, V)."""
        re_GED, im_GED = self.weight_2GED.to(x_BCHV.dtype)
        weight_GED = torch.cat(
            (torch.cat((re_GED, -im_GED), dim=2), torch.cat((im_GED, re_GED), dim=2)), dim=1
        )
        bias_GE = self.bias_2GE.to(x_BCHV.dtype).transpose(0, 1)
        weight = weight_GED.flatten(0, 1)[..., None, None]
        return F.conv2d(x_BCHV, weight, bias_GE.flatten(), groups=len(weight_GED))


class SpectralPerceptron(nn.Module):
    """A small network that maps the spectrum to a filter for it, or to a new spectrum."""

    def __init__(
        self,
        inputs: int,
        hidden: int,
        *,
        blocks: int,
        act: nn.Module,
        threshold: float,
        multiply: bool,
        shortcut: bool,
        transform: str,
    ) -> None:
        """Make the network.

        Args:
            inputs: Channels of a block.
            hidden: Hidden channels of a block.
            blocks: How many blocks there are.
            act: Activation between the two linear maps.
            threshold: Threshold of the soft shrinkage of the outputs.
            multiply: Whether the outputs are factors for the spectrum, else the new spectrum.
            shortcut: Whether the input is added.
            transform: One of ``TRANSFORM``.
        """
        super().__init__()
        self.fc1 = ComplexBlocks(blocks, inputs, hidden)
        self.act = act
        self.fc2 = ComplexBlocks(blocks, hidden, inputs)
        self.blocks, self.threshold = blocks, threshold
        self.multiply, self.shortcut = multiply, shortcut
        self.transform = transform

    def filter(self, x_BCHV: Spectrum) -> Spectrum:
        """Return the network's output for a spectrum, complex (B, C, H, V)."""
        halves = [part.unflatten(1, (self.blocks, -1)) for part in (x_BCHV.real, x_BCHV.imag)]
        out = self.fc2(self.act(self.fc1(torch.cat(halves, dim=2).flatten(1, 2))))
        shrunk = F.softshrink(out, self.threshold).unflatten(1, (self.blocks, -1))
        return spectrum_of(*(half.flatten(1, 2) for half in shrunk.chunk(2, 2)))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        size = (x_BCHW.shape[-2], x_BCHW.shape[-1])
        scale = 1 / math.sqrt(size[0] * size[1])  # of an orthonormal transform
        with full_precision(x_BCHW):
            given_BCHV = spectrum(scale * at_least_float32(x_BCHW), size, self.transform)
            new_BCHV = self.filter(given_BCHV)
            if self.multiply:
                new_BCHV = times(new_BCHV, given_BCHV)
            y_BCHW = from_spectrum(new_BCHV, size, self.transform, size) / scale
        y_BCHW = y_BCHW.to(x_BCHW.dtype)
        return y_BCHW + x_BCHW if self.shortcut else y_BCHW


@dataclass(frozen=True, kw_only=True)
class AdaptiveFrequencyFilter(TokenMixer):
    """Each frequency times a factor that a small network computes from the spectrum.

    Huang et al., AFF, 2023, section 3.2, equation 4: equal to a circular convolution with an
    input-dependent kernel as large as the map. The network has two complex linear maps in blocks of
    channels; activation and soft shrinkage act on real and imaginary part separately. The reference
    code adds the input again. In AFNO (Guibas et al., 2021, arXiv:2111.13587) the network outputs
    the new spectrum instead of a factor.
    """

    name = "adaptive_frequency_filter"
    traits = Traits(
        catalogue=("M04",),
        paper="Huang et al., Adaptive Frequency Filters As Efficient Global Token Mixers, 2023, "
        "arXiv:2307.14008",
        code="microsoft/TokenMixers",
        reach="global",
        weights="input-dependent",
        cost="N log N (monarch: N^1.25)",
        any_size_program=False,
    )

    blocks: Annotated[int, Positive(whole=True)] = 8
    """Blocks of channels that the network keeps apart; must divide the channels."""
    ratio: Annotated[float, Positive()] = 1.0
    """Hidden channels of a block over its channels."""
    activation: Annotated[str, ACTIVATION] = "relu"
    """Activation between the two maps."""
    threshold: Annotated[float, Positive()] = 0.01
    """Threshold of the soft shrinkage of the network's outputs."""
    multiply: Annotated[bool, YES_NO] = True
    """Whether the network outputs factors for the spectrum (AFF), else the new spectrum (AFNO)."""
    shortcut: Annotated[bool, YES_NO] = True
    """Whether the input is added."""
    transform: Annotated[str, TRANSFORM] = "fft"
    """How Fourier transforms are computed; both give the same numbers."""

    def hidden(self, shape: Shape) -> int:
        """Return the hidden channels of a block, at least 1."""
        return scaled(shape.channels // self.blocks, self.ratio)

    def why_invalid(self, shape: Shape, width: int | None = None) -> str | None:
        """The blocks must divide the channels."""
        if shape.channels % self.blocks:
            return (
                f"blocks must divide the channels, but got {self.blocks} blocks and "
                f"{shape.channels} channels"
            )
        return None

    def canonical(self, shape: Shape) -> Self:
        """Round the ratio to whole hidden channels."""
        return replace(self, ratio=self.hidden(shape) / (shape.channels // self.blocks))

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        return SpectralPerceptron(
            shape.channels // self.blocks,
            self.hidden(shape),
            blocks=self.blocks,
            act=activation(self.activation),
            threshold=self.threshold,
            multiply=self.multiply,
            shortcut=self.shortcut,
            transform=self.transform,
        )
