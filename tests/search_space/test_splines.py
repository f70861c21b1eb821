"""Kernels of learned functions: their splines, sums and weights."""

from itertools import product
from math import comb, factorial

import pytest
import torch
from nas_explorer.evaluators.cost.analysis import count_module
from nas_explorer.search_space.components.channel_mixers.kan import Kan
from nas_explorer.search_space.components.layers.spline_conv import SplineConv2d, spline_basis
from nas_explorer.search_space.components.mixers.kan import KanConv
from nas_explorer.search_space.shapes import Shape
from torch.nn import functional as F

SHAPE = Shape(3, 5, 4)


def cardinal(u: float, order: int) -> float:
    """The B-spline on the knots 0, 1, ..., order + 1 in closed form, by truncated powers."""
    total = sum((-1) ** i * comb(order + 1, i) * max(u - i, 0) ** order for i in range(order + 2))
    return total / factorial(order) if 0 <= u <= order + 1 else 0.0


@pytest.mark.parametrize(("grid", "order", "span"), [(1, 1, 1.0), (4, 2, 0.5), (5, 3, 2.0)])
def test_the_basis_is_the_closed_form(grid: int, order: int, span: float) -> None:
    x = torch.linspace(-2 * span, 2 * span, 37, dtype=torch.float64).view(1, 1, 1, 37)
    basis = spline_basis(x, grid_size=grid, order=order, span=span)[0, 0, :, 0]
    assert basis.shape == (grid + order, 37)
    for index, place in product(range(grid + order), range(37)):
        start = -span + (index - order) * 2 * span / grid
        u = (float(x[0, 0, 0, place]) - start) * grid / (2 * span)
        assert float(basis[index, place]) == pytest.approx(cardinal(u, order), abs=1e-9)
    inside = (x.flatten() >= -span) & (x.flatten() < span)
    assert torch.allclose(basis.sum(0)[inside], torch.ones(()).double())


def test_each_entry_of_the_kernel_is_a_function_of_its_pixel() -> None:
    torch.manual_seed(2)
    module = KanConv(depthwise=False, kernel_size=3, grid_size=4, spline_order=2).build(SHAPE)
    assert isinstance(module, SplineConv2d)
    module = module.double()
    x = torch.randn(1, *SHAPE, dtype=torch.float64)
    basis = spline_basis(x, grid_size=4, order=2, span=1.0)[0]
    expected = torch.zeros(1, *SHAPE, dtype=torch.float64)
    spline = module.spline_DXKK.view(3, 3, 6, 3, 3)
    with torch.no_grad():
        for out, into, row, column in product(range(3), range(3), range(5), range(4)):
            for down, right in product(range(3), range(3)):
                y, z = row + down - 1, column + right - 1
                if not (0 <= y < 5 and 0 <= z < 4):
                    continue
                function = spline[out, into, :, down, right] @ basis[into, :, y, z]
                expected[0, out, row, column] += (
                    module.base_DIKK[out, into, down, right] * F.silu(x[0, into, y, z])
                    + module.scale_DIKK[out, into, down, right] * function
                )
        assert torch.allclose(module(x), expected)


def test_holds_every_plain_convolution() -> None:
    """A spline with the means of its knots as weights is the identity on the grid."""
    torch.manual_seed(3)
    module = KanConv(grid_size=5, spline_order=3, span=2.0).build(SHAPE)
    assert isinstance(module, SplineConv2d)
    knots = torch.arange(-3, 9) * 0.8 - 2
    means = torch.stack([knots[i + 1 : i + 4].mean() for i in range(8)])
    with torch.no_grad():
        module.base_DIKK.zero_()
        module.spline_DXKK.copy_(means[None, :, None, None].expand_as(module.spline_DXKK))
    x = 4 * torch.rand(2, *SHAPE) - 2
    expected = F.conv2d(x, module.scale_DIKK, padding=1, groups=3)
    assert torch.allclose(module(x), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("mixer", "weights", "macs"),
    [
        # the second layer of the paper's small network: 25 kernels of 9 functions of 15 weights
        (KanConv(depthwise=False, grid_size=10), 3375, 25 * 9 * 14),
        (KanConv(depthwise=False, grid_size=20), 5625, 25 * 9 * 24),
        (KanConv(grid_size=5, spline_order=2, kernel_size=5), 5 * 25 * 9, 5 * 25 * 8),
        # 5 to 10 channels and back, functions of 10 weights
        (Kan(ratio=2), 2 * 50 * 10, 2 * 50 * 9),
    ],
    ids=lambda value: value.label() if isinstance(value, KanConv | Kan) else "",
)
def test_costs_by_hand(mixer: KanConv | Kan, weights: int, macs: int) -> None:
    """All weights of a function but the scale take one multiply-add per position."""
    shape = Shape(5, 8, 6)
    cost = count_module(mixer.build(shape), shape)
    assert (cost.params, cost.macs) == (weights, 48 * macs)
