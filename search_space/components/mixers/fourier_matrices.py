"""Fourier transforms of maps as products with real matrices, for exported graphs.

Few runtimes have a Fourier transform or complex numbers, and none of them has a fast transform of
the sides of small maps. A spectrum is a pair of real tensors here; the matrices are constants of
the size. Shape suffixes: B batch, C channels, H rows, W columns, S row frequencies, V column
frequencies, K real and imaginary parts of all channels.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

Size = tuple[int, int]
"""Rows and columns."""


@dataclass(frozen=True)
class RealPair:
    """A complex tensor as two real ones."""

    real: Tensor
    """The real part."""
    imag: Tensor
    """The imaginary part."""

    def __mul__(self, other: "RealPair") -> "RealPair":
        return RealPair(
            self.real * other.real - self.imag * other.imag,
            self.real * other.imag + self.imag * other.real,
        )

    def __add__(self, other: "RealPair | Tensor") -> "RealPair":
        if isinstance(other, Tensor):
            return RealPair(self.real + other, self.imag)
        return RealPair(self.real + other.real, self.imag + other.imag)

    def __truediv__(self, divisor: float) -> "RealPair":
        return RealPair(self.real / divisor, self.imag / divisor)


def waves(
    rows: Sequence[int], columns: Sequence[int], period: int, like: Tensor
) -> tuple[Tensor, Tensor]:
    """Return cosine and sine of 2 pi j k / period, j in rows, k in columns, as constants."""
    angles = [[2 * math.pi * (j * k % period) / period for k in columns] for j in rows]
    cos, sin = (
        torch.tensor([[of(each) for each in row] for row in angles], dtype=torch.float64)
        for of in (math.cos, math.sin)
    )
    return cos.to(like), sin.to(like)


def rows_of(size: Size, band: Size | None) -> range:
    """Return the row frequencies of a spectrum; see ``spectrum``."""
    return range(size[0]) if band is None else range(-band[0], band[0] + 1)


def real_spectrum(x_BCHW: Tensor, size: Size, band: Size | None) -> RealPair:
    """Return the spectrum of ``spectrum`` as a pair."""
    columns = size[1] // 2 + 1 if band is None else band[1] + 1
    return _spectrum(x_BCHW, size, rows_of(size, band), range(columns))


def real_part(x_BCHW: Tensor, *, over_channels: bool) -> Tensor:
    """Return the real part of the transform of a map over rows and columns, and over channels."""
    C, H, W = x_BCHW.shape[1:]
    pair = _spectrum(x_BCHW, (H, W), range(H), range(W))
    if not over_channels:
        return pair.real
    both_BKHW = torch.cat((pair.real, pair.imag), 1)
    weight_CK = torch.cat(waves(range(C), range(C), C, x_BCHW), 1)
    return F.conv2d(both_BKHW, weight_CK[..., None, None])


def _spectrum(x_BCHW: Tensor, size: Size, rows: range, columns: range) -> RealPair:
    """Return the given row and column frequencies of the transform on a torus of ``size``."""
    H, W = x_BCHW.shape[-2:]
    S, V = len(rows), len(columns)
    cos, sin = waves(range(W), columns, size[1], x_BCHW)
    halves_BCVH = (x_BCHW @ torch.cat((cos, -sin), 1)).transpose(-1, -2)
    cos, sin = waves(range(H), rows, size[0], x_BCHW)
    both_BCVS = halves_BCVH @ torch.cat((cos, sin), 1)
    real, imag = both_BCVS[..., :V, :], both_BCVS[..., V:, :]
    real_BCVS = real[..., :S] + imag[..., S:]
    imag_BCVS = imag[..., :S] - real[..., S:]
    return RealPair(real_BCVS.transpose(-1, -2), imag_BCVS.transpose(-1, -2))


def from_real_spectrum(
    x_BCSV: RealPair, size: Size, cropped: Size, band: Size | None = None
) -> Tensor:
    """Return the map of ``from_spectrum``."""
    H, W = cropped
    V = x_BCSV.real.shape[-1]
    cos, sin = waves(rows_of(size, band), range(H), size[0], x_BCSV.real)
    halves_BCVS = torch.cat((x_BCSV.real, x_BCSV.imag), -1).transpose(-1, -2)
    both_BCVH = halves_BCVS @ torch.cat((cos, sin), 1)
    real, imag = both_BCVH[..., :V, :], both_BCVH[..., V:, :]
    real_BCVH = real[..., :H] - imag[..., H:]
    imag_BCVH = real[..., H:] + imag[..., :H]
    cos, sin = waves(range(V), range(W), size[1], x_BCSV.real)
    # Frequencies without a mirror image count once.
    count = [1.0 if 2 * v % size[1] == 0 else 2.0 for v in range(V)]
    scale_V1 = (torch.tensor(count, dtype=torch.float64) / math.prod(size)).to(cos)[:, None]
    last = torch.cat((scale_V1 * cos, -scale_V1 * sin))
    return torch.cat((real_BCVH, imag_BCVH), -2).transpose(-1, -2) @ last
