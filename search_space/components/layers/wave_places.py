"""A linear map of sines and cosines of the position.

Shape suffixes: B batch, C channels, H rows, W columns, N positions of an axis, F numbers that
describe a position.
"""

import math

import torch
from torch import Tensor, nn

_WAVES = 16
"""Number of wavelengths of each axis in the description of positions."""

_LONGEST = 10000
"""Ratio of the longest wavelength to the shortest."""


def axis_waves(side: int, device: torch.device) -> Tensor:
    """Return sines and cosines of the positions of an axis, (side, F).

    The shortest wave is as long as the axis (El-Nouby et al., XCiT, 2021, arXiv:2106.09681).
    """
    lengths = _LONGEST ** (torch.arange(_WAVES, device=device).float() / _WAVES)
    place = torch.arange(1, side + 1, device=device) * (2 * math.pi / (side + 1e-6))
    angles = place[:, None] / lengths
    return torch.stack((angles.sin(), angles.cos()), 2).flatten(1)


class WavePlaces(nn.Conv2d):
    """A 1x1 convolution of the waves of rows and columns: a sum of a map of each.

    The products are written out, so that exporters, which evaluate constants, count alike.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(4 * _WAVES, channels, 1)

    def forward(self, input: Tensor) -> Tensor:
        """Return what is added to a map (B, C, H, W): (C, H, W)."""
        found: list[Tensor] = []
        halves = self.weight[:, None, :, 0, 0].chunk(2, 2)
        for side, weights_C1F in zip(input.shape[2:], halves, strict=True):
            waves_NF = axis_waves(int(side), input.device).to(self.weight.dtype)
            found.append((weights_C1F * waves_NF).sum(2))
        assert self.bias is not None
        return found[0][:, :, None] + found[1][:, None] + self.bias[:, None, None]
