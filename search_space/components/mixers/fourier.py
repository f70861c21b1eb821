"""Fourier transforms of real maps over rows and columns, and convolution by Fourier transform.

Two routes give the same numbers. ``fft`` is torch's. ``monarch`` writes a transform of N = P Q
points as products with a P x P and a Q x Q matrix and twiddle factors between (order-2 Monarch
decomposition: Fu et al., FlashFFTConv, 2023, arXiv:2311.05908, section 3.1). It suits matrix units,
and skips blocks that meet only padding and frequencies that are not needed (section 3.3).

Exported graphs have products with whole matrices for both (``fourier_matrices``), since few
runtimes have complex numbers.

A spectrum is complex, (..., H, V). Of a real map only V = W // 2 + 1 column frequencies are kept;
the others follow by symmetry. Shape suffixes: B batch, C channels, H rows, W columns, V frequencies
of the columns.
"""

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor
from torch.nn import functional as F

from ...domains import Choice
from ..layers.portable import exporting
from .fourier_matrices import RealPair, Size, from_real_spectrum, real_spectrum

TRANSFORM = Choice(("fft", "monarch"))
"""How Fourier transforms are computed."""

Spectrum = Tensor | RealPair
"""A complex tensor, or in exported graphs a pair of real ones."""


def full_precision(x: Tensor) -> AbstractContextManager[object]:
    """Return a context in which products have the precision of their operands, without autocast."""
    device = x.device.type
    if torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device):
        return torch.autocast(device, enabled=False)
    return nullcontext()


def require_size(x_BCHW: Tensor, size: Size) -> None:
    """Raise ``ValueError`` for a map of another size than the weights were built for."""
    given = (x_BCHW.shape[-2], x_BCHW.shape[-1])
    if given != size:
        sides = f"{given[0]}x{given[1]}"
        raise ValueError(f"the map must be {size[0]}x{size[1]} pixels, but got {sides}")


def at_least_float32(x: Tensor) -> Tensor:
    """Return ``x`` in a precision that Fourier transforms support."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def spectrum(
    x_BCHW: Tensor,
    size: Size,
    transform: str,
    band: Size | None = None,
    changes: Sequence[Tensor] | None = None,
) -> Spectrum:
    """Return the unscaled spectrum of a map, zero-padded at its end to ``size``.

    Args:
        x_BCHW: Map, no larger than ``size``.
        size: Rows and columns.
        transform: One of ``TRANSFORM``.
        band: The highest row and column frequencies that are kept, below half of ``size``; row
        frequencies then run from the most negative to the highest. None: all.
        changes: Tensors added to the matrices of ``monarch``, as ``matrix_changes`` lists them.
    """
    x_BCHW = at_least_float32(x_BCHW)
    if exporting() and changes is None:
        return real_spectrum(x_BCHW, size, band)
    columns = size[1] // 2 + 1 if band is None else band[1] + 1
    if transform == "fft":
        whole_BCHV = torch.fft.rfft2(x_BCHW, s=size)
        return whole_BCHV if band is None else _each_part(whole_BCHV, _within, band)
    start, rows = (0, size[0]) if band is None else (-band[0], 2 * band[0] + 1)
    with full_precision(x_BCHW):
        down, across = (None, None) if changes is None else (changes[:2], changes[2:])
        across_BCHV = _transformed([x_BCHW], size[1], range(columns), inverse=False, changes=across)
        down_BCVH = [part.transpose(-1, -2) for part in across_BCHV]
        real_BCVH, imag_BCVH = _transformed(
            down_BCVH, size[0], range(start, start + rows), inverse=False, changes=down
        )
        return spectrum_of(real_BCVH.transpose(-1, -2), imag_BCVH.transpose(-1, -2))


def spectrum_of(real: Tensor, imag: Tensor) -> Spectrum:
    """Return the spectrum with the given parts."""
    return RealPair(real, imag) if exporting() else torch.complex(real, imag)


def times(one: Spectrum, other: Spectrum) -> Spectrum:
    """Return the product of two spectra of one kind."""
    if isinstance(one, RealPair):
        assert isinstance(other, RealPair)
        return one * other
    assert isinstance(other, Tensor)
    return one * other


def from_spectrum(
    x_BCHV: Spectrum, size: Size, transform: str, cropped: Size, band: Size | None = None
) -> Tensor:
    """Return the first rows and columns of the map of ``size`` that has the given spectrum.

    Args:
        x_BCHV: Spectrum, in the order of ``spectrum``.
        size: Rows and columns of the whole map.
        transform: One of ``TRANSFORM``.
        cropped: Number of rows and columns returned.
        band: As in ``spectrum``; all other frequencies are zero.
    """
    if isinstance(x_BCHV, RealPair):
        return from_real_spectrum(x_BCHV, size, cropped, band)
    if transform == "fft":
        if band is not None:
            x_BCHV = _each_part(x_BCHV, _widened, size)
        map_BCHW = torch.fft.irfft2(x_BCHV, s=size)[..., : cropped[0], : cropped[1]]
        return map_BCHW.contiguous()  # a view would keep the padding in memory
    start = 0 if band is None else -band[0]
    twice = torch.full(x_BCHV.shape[-1:], 2.0, dtype=x_BCHV.real.dtype, device=x_BCHV.device)
    twice[0] = 1  # frequencies without a mirror image count once
    if band is None and size[1] % 2 == 0:
        twice[-1] = 1
    with full_precision(twice):
        parts_BCVH = [part.transpose(-1, -2) for part in (x_BCHV.real, x_BCHV.imag)]
        down_BCVH = _transformed(parts_BCVH, size[0], range(cropped[0]), inverse=True, start=start)
        across_BCHV = [part.transpose(-1, -2) * twice for part in down_BCVH]
        map_BCHW, _ = _transformed(across_BCHV, size[1], range(cropped[1]), inverse=True, real=True)
        return map_BCHW / math.prod(size)


def convolve(
    x_BCHW: Tensor,
    kernel_CHW: Tensor,
    size: Size,
    transform: str,
    band: Size | None = None,
    changes: Sequence[Tensor] | None = None,
) -> Tensor:
    """Return the circular convolution of a map with one kernel per channel on a torus of ``size``.

    Element (0, 0) of the kernel is the offset zero; offsets wrap around the torus. Where ``size``
    is large enough, the result is the zero-padded convolution.

    Args:
        x_BCHW: Map, no larger than ``size``.
        kernel_CHW: Kernels, no larger than ``size``.
        size: Rows and columns of the torus.
        transform: One of ``TRANSFORM``, for the map.
        band: The highest row and column frequencies of the kernel that are used; None: all.
        changes: Changes of the map's transform, see ``spectrum``.
    """
    kernel_CHV = spectrum(kernel_CHW, size, "fft", band)  # cheap: one kernel serves all images
    product = times(spectrum(x_BCHW, size, transform, band, changes), kernel_CHV)
    cropped = (x_BCHW.shape[-2], x_BCHW.shape[-1])
    return from_spectrum(product, size, transform, cropped, band).to(x_BCHW.dtype)


def _each_part(x: Tensor, change: Callable[[Tensor, Size], Tensor], size: Size) -> Tensor:
    """Apply ``change`` to real and imaginary part separately, as ONNX requires."""
    return torch.complex(change(x.real, size), change(x.imag, size))


def _within(x_BCHV: Tensor, band: Size) -> Tensor:
    """Return the frequencies of a band out of all frequencies, from the most negative row on."""
    rows = x_BCHV.roll(band[0], dims=-2)
    return rows[..., : 2 * band[0] + 1, : band[1] + 1]


def _widened(x_BCHV: Tensor, size: Size) -> Tensor:
    """Return all frequencies from those of a band; the others are zero."""
    rows, columns = x_BCHV.shape[-2:]
    padded = F.pad(x_BCHV, (0, size[1] // 2 + 1 - columns, 0, size[0] - rows))
    return padded.roll(-(rows // 2), dims=-2)


def factors(count: int) -> tuple[int, int]:
    """Return P and Q with P Q = ``count``, P <= Q, as close to each other as possible."""
    small = next(p for p in range(math.isqrt(count), 0, -1) if count % p == 0)
    return small, count // small


def matrix_changes(size: Size) -> list[Tensor]:
    """Return small random changes of a transform's matrices, real and imaginary parts.

    For rows, then for columns: one of shape (2, P, P), one of (2, Q, Q).
    """
    sides = [side for count in size for side in factors(count)]
    return [0.01 * torch.randn(2, side, side) for side in sides]


def _waves(
    rows: range, columns: range, period: int, turn: int, like: Tensor
) -> tuple[Tensor, Tensor]:
    """Return real and imaginary part of exp(turn 2 pi i j k / period), j in rows, k in columns."""
    j, k = (torch.arange(each.start, each.stop, device=like.device) for each in (rows, columns))
    angle = (j[:, None] * k % period).to(like.dtype) * (2 * math.pi / period)
    return angle.cos(), turn * angle.sin()


def _transformed(
    parts: Sequence[Tensor],
    count: int,
    wanted: range,
    *,
    inverse: bool,
    start: int = 0,
    real: bool = False,
    changes: Sequence[Tensor] | None = None,
) -> tuple[Tensor, Tensor]:
    """Return real and imaginary part of an unscaled transform over the last axis.

    Input Q a + b is element (a, b) of a matrix; output c + P d is element (c, d) of another one,
    the result of a product over a and then one over b.

    Args:
        parts: The real part, or real and imaginary part.
        count: Points of the transform; ``parts`` is zero-padded to them.
        wanted: Indices of the outputs to compute.
        inverse: Whether the exponents have the sign of the inverse transform.
        start: Index of the first input, which may be negative.
        real: Whether only the real part is needed; it is then returned twice.
        changes: Tensors added to the two matrices.
    """
    P, Q = factors(count)
    turn = 1 if inverse else -1
    given = range(start // Q, -(-(start + parts[0].shape[-1]) // Q))
    padding = (start - Q * given.start, Q * given.stop - start - parts[0].shape[-1])
    blocks = [F.pad(part, padding).unflatten(-1, (len(given), Q)) for part in parts]
    wave = _waves(range(P), given, P, turn, parts[0])
    if changes is not None:
        wave = _changed(wave, changes[0], given)
    first = _rotation(*wave)[:, : len(parts) * len(given)]
    re, im = (first @ torch.cat(blocks, dim=-2)).chunk(2, dim=-2)

    cos, sin = _waves(range(P), range(Q), count, turn, parts[0])
    twiddled = torch.cat((re * cos - im * sin, im * cos + re * sin), dim=-1)

    columns = range(wanted.start // P, -(-wanted.stop // P))
    cos, sin = _waves(range(Q), columns, Q, turn, parts[0])
    if changes is not None:
        cos, sin = _changed((cos, sin), changes[1], columns)
    second = _rotation(cos, -sin)[:, : len(columns) if real else None]
    out = (twiddled @ second).unflatten(-1, (-1, len(columns)))
    skipped = wanted.start - P * columns.start
    ordered = out.movedim(-1, -3).flatten(-3, -2)[..., skipped : skipped + len(wanted), :]
    return ordered[..., 0], ordered[..., -1]


def _changed(wave: tuple[Tensor, Tensor], change: Tensor, columns: range) -> tuple[Tensor, Tensor]:
    """Return real and imaginary part with the columns of ``change`` added."""
    real, imag = change.to(wave[0].dtype)[:, :, [each % change.shape[-1] for each in columns]]
    return wave[0] + real, wave[1] + imag


def _rotation(cos: Tensor, sin: Tensor) -> Tensor:
    """Return the real matrix that multiplies stacked real and imaginary parts by cos + i sin."""
    return torch.cat((torch.cat((cos, -sin), dim=1), torch.cat((sin, cos), dim=1)))
