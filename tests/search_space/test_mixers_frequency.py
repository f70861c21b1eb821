"""Fourier transforms, and the mixers that work on the spectrum."""

import math

import pytest
import torch
from nas_explorer.evaluators.cost.analysis import count_module
from nas_explorer.search_space.components.mixers.fourier import (
    convolve,
    factors,
    from_spectrum,
    spectrum,
)
from nas_explorer.search_space.components.mixers.frequency import (
    AdaptiveFrequencyFilter,
    FourierMixing,
    GlobalFilter,
)
from nas_explorer.search_space.shapes import Shape
from torch import Tensor

from .tensors import random

SIZES = [(8, 8), (7, 5), (1, 1), (1, 6), (12, 9), (13, 2), (14, 3)]
BANDS = [None, (0, 0), (1, 0), (2, 2)]

CASES = [
    (size, band)
    for size in SIZES
    for band in BANDS
    if band is None or (2 * band[0] < size[0] and 2 * band[1] < size[1])
]


def by_definition(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Return the spectrum as a sum over all positions."""
    height, width = size
    rows, columns = (torch.arange(count, dtype=x.dtype) for count in x.shape[-2:])
    out = torch.zeros(*x.shape[:-2], height, width // 2 + 1, dtype=torch.complex128)
    for k in range(height):
        for v in range(width // 2 + 1):
            angle = rows[:, None] * k / height + columns * v / width
            out[..., k, v] = (x * torch.exp(-2j * math.pi * angle)).sum((-2, -1))
    return out


def circular(x: Tensor, kernel: Tensor) -> Tensor:
    """Return the circular convolution of maps with kernels of their size, as a sum over shifts."""
    out = torch.zeros_like(x)
    for row in range(x.shape[-2]):
        for column in range(x.shape[-1]):
            shifted = x.roll((row, column), (-2, -1))
            out = out + kernel[..., row, column, None, None] * shifted
    return out


@pytest.mark.parametrize("transform", ["fft", "monarch"])
@pytest.mark.parametrize(("size", "band"), CASES)
def test_spectra_are_sums_of_waves(
    size: tuple[int, int], band: tuple[int, int] | None, transform: str
) -> None:
    for cut in (0, 1):
        cropped = (max(1, size[0] - cut), max(1, size[1] - cut))
        x = random(2, 3, *cropped)
        expected = by_definition(x, size)
        if band is not None:
            rows = torch.arange(-band[0], band[0] + 1) % size[0]
            expected = expected[..., rows, : band[1] + 1]
        found = spectrum(x, size, transform, band)
        assert torch.allclose(found, expected)
        if band is None:
            assert torch.allclose(from_spectrum(found, size, transform, cropped), x)


@pytest.mark.parametrize(("size", "band"), CASES)
def test_both_ways_back_give_the_same_map(
    size: tuple[int, int], band: tuple[int, int] | None
) -> None:
    rows, columns = size if band is None else (2 * band[0] + 1, 2 * band[1])
    parts = random(2, 3, rows, columns // 2 + 1), random(2, 3, rows, columns // 2 + 1)
    cropped = ((size[0] + 1) // 2, size[1])
    maps = [
        from_spectrum(torch.complex(*parts), size, transform, cropped, band)
        for transform in ("fft", "monarch")
    ]
    assert maps[0].shape[-2:] == cropped and torch.allclose(*maps)


@pytest.mark.parametrize("transform", ["fft", "monarch"])
def test_convolution_is_the_sum_over_shifts(transform: str) -> None:
    for size in SIZES:
        x, kernel = random(2, 3, *size), random(3, *size)
        assert torch.allclose(convolve(x, kernel, size, transform), circular(x, kernel))


def test_factors_are_near_each_other() -> None:
    assert [factors(count) for count in (1, 7, 12, 56, 112)] == [
        (1, 1),
        (1, 7),
        (3, 4),
        (7, 8),
        (8, 14),
    ]


def test_matrix_products_leave_out_padding_and_frequencies() -> None:
    """A row of 12 points, two channels: P = 3, Q = 4."""

    class Row(torch.nn.Module):
        def __init__(self, band: tuple[int, int] | None) -> None:
            super().__init__()
            self.band = band

        def forward(self, x: Tensor) -> Tensor:
            return spectrum(x, (1, 12), "monarch", self.band).real

    one_row = 4 + 4  # P = Q = 1, complex to complex, for each frequency of the columns
    whole = 2 * (6 * 3 * 4 + 3 * 8 * 6 + 7 * one_row)  # 7 frequencies lie in 3 columns of 3
    half = 2 * (6 * 2 * 4 + 3 * 8 * 6 + 7 * one_row)  # 6 points lie in 2 rows of 4
    low = 2 * (6 * 3 * 4 + 3 * 8 * 2 + 3 * one_row)  # 3 frequencies lie in 1 column of 3
    assert count_module(Row(None), (2, 1, 12)).macs == whole
    assert count_module(Row(None), (2, 1, 6)).macs == half
    assert count_module(Row((0, 2)), (2, 1, 12)).macs == low


def test_global_filter_is_a_circular_convolution_as_large_as_the_map() -> None:
    for size in ((6, 6), (5, 7), (4, 3)):
        module = GlobalFilter().build(Shape(4, *size)).double()
        (weight,) = module.parameters()
        kernel = torch.fft.irfft2(torch.complex(*weight), s=size)
        x = random(2, 4, *size)
        assert torch.allclose(module(x), circular(x, kernel))


def test_global_filter_by_hand() -> None:
    """14 x 14: 14 x 8 factors a channel; two real transforms of 196 points, 2.5 n log2 n / 2."""
    cost = count_module(GlobalFilter().build(Shape(8, 14, 14)), (8, 14, 14))
    assert cost.params == 2 * 8 * 14 * 8
    assert cost.macs == 2 * round(8 * 1.25 * 196 * math.log2(196))
    assert cost.other_by_kind["elementwise"] == 6 * 8 * 14 * 8


@pytest.mark.parametrize("shortcut", [False, True])
def test_adaptive_filter_is_a_dynamic_convolution_as_large_as_the_map(shortcut: bool) -> None:
    """The kernel is the inverse transform of the network's output for the spectrum."""
    for size in ((6, 6), (5, 7)):
        mixer = AdaptiveFrequencyFilter(blocks=2, shortcut=shortcut, threshold=0.001)
        module = mixer.build(Shape(8, *size)).double()
        x, y = random(2, 8, *size), random(1, 2, 8, *size)[0]
        given = torch.fft.rfft2(x, norm="ortho")
        kernel = torch.fft.irfft2(module.filter(given), s=size)
        expected = circular(x, kernel) + (x if shortcut else 0)
        assert kernel.abs().amin((0, 1)).max() > 0
        assert torch.allclose(module(x), expected)
        other = torch.fft.irfft2(module.filter(torch.fft.rfft2(y, norm="ortho")), s=size)
        assert not torch.allclose(kernel, other)


def test_adaptive_filter_maps_blocks_of_complex_channels() -> None:
    """Two complex linear maps in blocks, the activation on each part, soft shrinkage by 0.01."""
    module = AdaptiveFrequencyFilter(blocks=2, ratio=1.5).build(Shape(8, 4, 4)).double()
    first, second = module.fc1, module.fc2
    x = torch.complex(random(1, 8, 4, 3), random(2, 8, 4, 3)[:1])
    expected = []
    for block in range(2):
        weights = [torch.complex(*each.weight_2GED[:, block]) for each in (first, second)]
        biases = [torch.complex(*each.bias_2GE[:, block]) for each in (first, second)]
        z = x[:, 4 * block : 4 * block + 4].movedim(1, -1) @ weights[0].T + biases[0]
        z = torch.complex(z.real.relu(), z.imag.relu()) @ weights[1].T + biases[1]
        parts = [part.sign() * (part.abs() - 0.01).relu() for part in (z.real, z.imag)]
        expected.append(torch.complex(*parts).movedim(-1, 1))
    assert torch.allclose(module.filter(x), torch.cat(expected, dim=1))


def test_adaptive_filter_by_hand() -> None:
    """8 blocks of 4 channels, 8 x 5 frequencies; a complex product takes four real ones."""
    cost = count_module(AdaptiveFrequencyFilter().build(Shape(32, 8, 8)), (32, 8, 8))
    assert cost.params == 2 * 2 * (8 * 4 * 4 + 32)
    assert cost.macs_by_kind["conv"] == 2 * 4 * 32 * 4 * 8 * 5
    assert cost.macs_by_kind["fft"] == 2 * round(32 * 1.25 * 64 * 6)
    assert AdaptiveFrequencyFilter(ratio=0.51).canonical(Shape(32, 8, 8)).ratio == 0.5


def test_without_the_product_the_network_gives_the_new_spectrum() -> None:
    module = AdaptiveFrequencyFilter(multiply=False, shortcut=False).build(Shape(8, 4, 4)).double()
    x = random(1, 8, 4, 4)
    expected = torch.fft.irfft2(module.filter(torch.fft.rfft2(x, norm="ortho")), norm="ortho")
    assert torch.allclose(module(x), expected)


def test_fourier_mixing_is_a_sum_of_cosines() -> None:
    x = random(1, 2, 3, 4)
    expected = torch.zeros(1, 2, 3, 4, dtype=torch.float64)
    for c in range(2):
        for k in range(3):
            for v in range(4):
                turns = torch.arange(2)[:, None, None] * c / 2
                turns = turns + torch.arange(3)[:, None] * k / 3 + torch.arange(4) * v / 4
                expected[0, c, k, v] = (x[0] * (2 * math.pi * turns.double()).cos()).sum()
    plain = FourierMixing(orthonormal=False).build(Shape(2, 3, 4))
    assert torch.allclose(plain(x), expected, atol=1e-5)
    scaled = FourierMixing().build(Shape(2, 3, 4))
    assert torch.allclose(scaled(x), plain(x) / math.sqrt(24))
    apart = FourierMixing(over_channels=False, orthonormal=False).build(Shape(2, 3, 4))
    assert torch.allclose(apart(x), torch.fft.fft2(x).real)


def test_fourier_mixing_by_hand() -> None:
    cost = count_module(FourierMixing().build(Shape(8, 4, 4)), (8, 4, 4))
    assert (cost.params, cost.macs) == (0, 1.25 * 128 * 7 * 2)
