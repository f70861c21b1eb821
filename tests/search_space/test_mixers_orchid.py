"""Orchid: a global convolution with a conditioned kernel."""

import math
from dataclasses import replace

import pytest
import torch
from nas_explorer.evaluators.cost.analysis import count_module
from nas_explorer.search_space.components.mixers.orchid import DynamicConvolution, Orchid
from nas_explorer.search_space.shapes import Shape
from torch import nn

from .tensors import random

SMALL = Orchid(filter_width=8, filter_layers=1)
MOVES = [(1, 0), (0, 2), (3, -1)]

every_kernel = pytest.mark.parametrize("kernel", ["magnitude", "correlation"])
every_network = pytest.mark.parametrize("network", ["both", "places", "frequencies"])


def built(mixer: Orchid, shape: Shape) -> DynamicConvolution:
    torch.manual_seed(4)
    module = mixer.build(shape).double().eval()
    assert isinstance(module, DynamicConvolution)
    return module


@every_kernel
@every_network
@pytest.mark.parametrize("size", [(6, 6), (5, 4)])
def test_the_layer_moves_with_the_map(size: tuple[int, int], network: str, kernel: str) -> None:
    """A circularly shifted map gives the same kernel, so the output is shifted too."""
    module = built(replace(SMALL, kernel=kernel, network=network), Shape(4, *size))
    x = random(2, 4, *size)
    spectrum, y = module.conditioned(x), module(x)
    for move in MOVES:
        moved = x.roll(move, (-2, -1))
        assert torch.allclose(module.conditioned(moved), spectrum)
        assert torch.allclose(module(moved), y.roll(move, (-2, -1)))


@every_kernel
def test_the_kernel_depends_on_the_input(kernel: str) -> None:
    module = built(replace(SMALL, kernel=kernel), Shape(4, 6, 6))
    x = random(2, 4, 6, 6)
    first, second = module.conditioned(x)
    assert not torch.allclose(first, second)


def test_zeros_outside_tell_where_the_map_lies() -> None:
    module = built(replace(SMALL, padding="zeros"), Shape(4, 6, 6))
    x = random(2, 4, 6, 6)
    assert not torch.allclose(module(x.roll(1, -1)), module(x).roll(1, -1))


@every_kernel
def test_the_kernel_by_definition(kernel: str) -> None:
    """Return the kernel's spectrum: squared magnitudes, or a correlation, followed by the mix of
    its parts.
    """
    mixer = replace(SMALL, kernel=kernel, conditioning_norm="none", conditioning_size=1)
    module = built(mixer, Shape(4, 5, 6)).conditioned
    x = random(2, 4, 5, 6)
    first = torch.fft.rfft2(module.places(x)) / 30
    if module.query is None:
        parts = [(first.abs() ** 2)]
    else:
        product = first.conj() * torch.fft.rfft2(module.query(x)) / 30
        parts = [product.real, product.imag]
    assert isinstance(module.frequencies, nn.Sequential)
    conv = module.frequencies[0]
    assert isinstance(conv, nn.Conv2d) and conv.bias is not None
    expected = torch.empty_like(first)
    for channel in range(4):
        rows = slice(2 * channel, 2 * channel + 2)
        weight, bias = conv.weight[rows, :, 0, 0], conv.bias[rows]
        pair = torch.stack([part[:, channel] for part in parts], dim=-1) @ weight.T + bias
        expected[:, channel] = torch.complex(pair[..., 0], pair[..., 1])
    assert torch.allclose(module(x), expected)


@every_kernel
@every_network
@pytest.mark.parametrize("norm", ["layer", "batch", "none"])
def test_outputs_do_not_grow_with_the_map(norm: str, network: str, kernel: str) -> None:
    mixer = replace(SMALL, kernel=kernel, network=network, conditioning_norm=norm)
    for side in (4, 32):
        torch.manual_seed(4)
        module = mixer.build(Shape(8, side, side))
        y = module(random(2, 8, side, side).float())
        assert 0.05 < y.std().item() < 5


def test_gates_around_the_convolution() -> None:
    """The circular convolution of the product of the last two maps, times the first map."""
    module = built(replace(SMALL, static_branch=False), Shape(4, 4, 5))
    x = random(2, 4, 4, 5)
    projected = module.in_proj(x)
    first, second, last = module.short(projected).chunk(3, dim=1)
    fixed = module.fixed_spectrum(0, (4, 5))
    kernel = torch.fft.irfft2(module.conditioned(projected[:, 8:]) + fixed, s=(4, 5))
    y = torch.zeros_like(last)
    for row in range(4):
        for column in range(5):
            moved = (last * second).roll((row, column), (-2, -1))
            y = y + kernel[..., row, column, None, None] * moved
    assert torch.allclose(module(x), module.out_proj(y * first))


def test_the_fixed_branch_is_added() -> None:
    module = built(SMALL, Shape(4, 4, 4))
    x = random(1, 4, 4, 4)
    for name, parameter in module.named_parameters():
        if name.startswith("in_proj") or name == "short.bias":
            nn.init.zeros_(parameter)  # no gates, no last map
    kernel = torch.fft.irfft2(module.fixed_spectrum(1, (4, 4)), s=(4, 4))
    spectrum = torch.fft.rfft2(x) * torch.fft.rfft2(kernel)
    assert torch.allclose(module(x), module.out_proj(torch.fft.irfft2(spectrum, s=(4, 4))))


def test_by_hand() -> None:
    """16 channels on 8 x 8, one fixed kernel of 8 units."""
    mixer = Orchid(filter_width=8, filter_layers=1, static_branch=False)
    cost = count_module(mixer.build(Shape(16, 8, 8)), (16, 8, 8))
    projections = 16 * 48 + 48 + 9 * 48 + 48 + 16 * 16 + 16
    places = 9 * 16 + 16 + 2 * 16
    frequencies = 9 * 32 + 32 + 2 * 32
    fixed = 6 * 8 + 8 + 8 * 8 + 8 + 8 * 16 + 8
    assert cost.params == projections + places + frequencies + fixed + 16
    pixels, halves = 64, 8 * 5
    conv = pixels * (16 * 48 + 9 * 48 + 9 * 16 + 16 * 16) + halves * 9 * 32
    assert cost.macs_by_kind["conv"] == conv
    assert cost.macs_by_kind["linear"] == pixels * (6 * 8 + 8 * 8 + 8 * 16)
    assert cost.macs_by_kind["fft"] == 4 * round(16 * 1.25 * 64 * math.log2(64))


def test_what_makes_no_difference_is_one_value() -> None:
    shape = Shape(4, 5, 5)
    correlation = Orchid(kernel="correlation")
    assert replace(correlation, network="frequencies").canonical(shape) == correlation
    assert Orchid(activation="relu").canonical(shape) == Orchid()
    zeros = Orchid(padding="zeros", kernel_size=31, conditioning_size=31).canonical(shape)
    assert (zeros.kernel_size, zeros.conditioning_size) == (9, 9)
    reason = Orchid(kernel_size=13).why_invalid(shape)
    assert reason is not None and "kernels of 13 and 3 and 5x5" in reason
