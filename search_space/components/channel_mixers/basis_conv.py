"""Linear maps of learned or fixed functions of each channel (variants of Kolmogorov-Arnold layers).

Shape suffixes: B batch, C channels, D output channels, G functions of a channel, H rows, W columns.
"""

import math

import torch
from torch import Tensor, nn

from ..norms import ChannelLayerNorm

_SPAN = 2.0
"""Half of the interval on which bumps lie, for normed channels."""


class GaussianBasis(nn.Module):
    """Bumps at equal distances of the channels, normed over channels at each position."""

    centre_G: Tensor

    def __init__(self, channels: int, functions: int) -> None:
        super().__init__()
        self.norm = ChannelLayerNorm(channels, 1e-5, bias=True)
        self.register_buffer("centre_G", torch.linspace(-_SPAN, _SPAN, functions), persistent=False)
        self.width = 2 * _SPAN / (functions - 1)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C, G, H, W)."""
        apart = self.norm(x_BCHW)[:, :, None] - self.centre_G[:, None, None].to(x_BCHW.dtype)
        return (-((apart / self.width) ** 2)).exp()


class FourierBasis(nn.Module):
    """Cosines and sines of whole frequencies, each half of the functions."""

    frequency_G: Tensor

    def __init__(self, functions: int) -> None:
        super().__init__()
        frequency_G = torch.arange(1.0, functions // 2 + 1)
        self.register_buffer("frequency_G", frequency_G, persistent=False)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C, G, H, W)."""
        turned = x_BCHW[:, :, None] * self.frequency_G[:, None, None].to(x_BCHW.dtype)
        return torch.cat((turned.cos(), turned.sin()), dim=2)


class SineBasis(nn.Module):
    """Sines of learned frequencies, with fixed phases that differ by function and channel."""

    phase_CG: Tensor

    def __init__(self, channels: int, functions: int) -> None:
        super().__init__()
        self.frequency_G = nn.Parameter(torch.arange(1.0, functions + 1) / functions)
        places = torch.arange(channels)[:, None] / channels + torch.arange(functions)
        self.register_buffer("phase_CG", math.pi * places / functions, persistent=False)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C, G, H, W)."""
        turned = x_BCHW[:, :, None] * self.frequency_G[:, None, None]
        return (turned + self.phase_CG[:, :, None, None].to(turned.dtype)).sin()


class BasisConv(nn.Module):
    """A linear map at each position of functions of each channel, and of the activated channels."""

    def __init__(self, *, channels: int, width: int, basis: str, functions: int) -> None:
        """Prepare the weights.

        Args:
            channels: Channels of the input.
            width: Channels of the output.
            basis: The functions: ``gaussian``, ``fourier`` or ``sine``.
            functions: Functions of each channel, even for ``fourier``.
        """
        super().__init__()
        if basis == "gaussian":
            self.basis: nn.Module = GaussianBasis(channels, functions)
        elif basis == "fourier":
            self.basis = FourierBasis(functions)
        else:
            self.basis = SineBasis(channels, functions)
        bumps = basis == "gaussian"
        self.weigh = nn.Conv2d(channels * functions, width, 1, bias=not bumps)
        self.base = nn.Sequential(nn.SiLU(), nn.Conv2d(channels, width, 1)) if bumps else None
        nn.init.normal_(self.weigh.weight, std=1 / math.sqrt(channels * functions))
        if self.weigh.bias is not None:
            nn.init.zeros_(self.weigh.bias)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, D, H, W)."""
        y_BDHW = self.weigh(self.basis(x_BCHW).flatten(1, 2))
        return y_BDHW if self.base is None else y_BDHW + self.base(x_BCHW)
