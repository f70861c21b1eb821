"""Deformable convolution: positions of its taps, and costs."""

from itertools import product
from typing import Any

import pytest
import torch
from nas_explorer.evaluators.cost.analysis import count_module
from nas_explorer.search_space.components.downsampling import (
    ConvDownsampling,
    DeformableDownsampling,
)
from nas_explorer.search_space.components.layers.deformable_conv import DeformableConv2d
from nas_explorer.search_space.components.mixers.deformable import DeformableConv
from nas_explorer.search_space.components.norms import NoNorm
from nas_explorer.search_space.shapes import Shape
from torch import Tensor
from torch.nn import functional as F
from torchvision.ops import deform_conv2d

SHAPE = Shape(6, 7, 5)


def built(*, spread: float = 1.0, **knobs: Any) -> DeformableConv2d:
    """Return a double-precision mixer with predicted offsets of about ``spread``."""
    torch.manual_seed(3)
    module = DeformableConv(**knobs).build(SHAPE)
    assert isinstance(module, DeformableConv2d)
    with torch.no_grad():
        module.predictor.weight.mul_(10 * spread)
        module.predictor.bias.normal_(std=spread)  # type: ignore[union-attr]
    return module.double()


def image(batch: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(4)
    return torch.randn(batch, *SHAPE, dtype=torch.float64, generator=generator)


def at(x_CHW: Tensor, row: float, column: float) -> Tensor:
    """Return a map's bilinear interpolation, with zeros outside."""
    value = torch.zeros(x_CHW.shape[0], dtype=x_CHW.dtype)
    top, left = int(row // 1), int(column // 1)
    for down, right in product((0, 1), (0, 1)):
        y, x = top + down, left + right
        if 0 <= y < x_CHW.shape[1] and 0 <= x < x_CHW.shape[2]:
            value += (1 - abs(row - y)) * (1 - abs(column - x)) * x_CHW[:, y, x]
    return value


def test_is_the_sum_over_displaced_taps() -> None:
    """Dai et al., 2017, equation 2, position by position."""
    module = built(depthwise=False, modulation=True)
    x = image(1)
    expected = torch.zeros_like(x)
    with torch.no_grad():
        predicted = module.predictor(x)[0]
        for row, column in product(range(7), range(5)):
            total = torch.zeros(6, dtype=torch.float64)
            for tap, (up, left) in enumerate(product((-1, 0, 1), (-1, 0, 1))):
                down, right = predicted[2 * tap : 2 * tap + 2, row, column].tolist()
                value = at(x[0], row + up + down, column + left + right)
                scale = predicted[18 + tap, row, column].sigmoid()
                total += module.weight[:, :, up + 1, left + 1] @ value * scale
            assert module.bias is not None
            expected[0, :, row, column] = total + module.bias
        assert torch.allclose(module(x), expected)


@pytest.mark.parametrize("depthwise", [False, True])
@pytest.mark.parametrize("offsets", ["free", "limited", "square"])
@pytest.mark.parametrize("modulation", [False, True])
def test_every_form_is_that_of_torchvision(depthwise: bool, offsets: str, modulation: bool) -> None:
    module = built(
        spread=3,
        depthwise=depthwise,
        offsets=offsets,
        max_offset=2.5,
        modulation=modulation,
        kernel_size=3,
        offset_kernel_size=5,
    )
    x = image()
    with torch.no_grad():
        predicted = module.predictor(x)
        if offsets == "square":
            grid = torch.cartesian_prod(*2 * [torch.tensor([-1.0, 0.0, 1.0])]).double().flatten()
            shift = predicted[:, :1].clamp(0, 2.5) * grid[:, None, None]
            assert (shift.abs() == 2.5).any() and (shift != 0).any()
        else:
            shift = predicted[:, :18]
            if offsets == "limited":
                shift = shift.clamp(-2.5, 2.5)
            assert shift.abs().max() == 2.5 or offsets == "free"
        mask = predicted[:, -9:].sigmoid() if modulation else None
        expected = deform_conv2d(x, shift, module.weight, module.bias, padding=1, mask=mask)
        assert torch.allclose(module(x), expected)


@pytest.mark.parametrize("offsets", ["free", "limited", "square"])
def test_without_offsets_it_is_a_plain_convolution(offsets: str) -> None:
    module = built(spread=0, offsets=offsets, kernel_size=5)
    x = image()
    expected = F.conv2d(x, module.weight, module.bias, padding=2, groups=6)
    assert torch.allclose(module(x), expected)


def test_a_constant_square_is_a_dilated_convolution() -> None:
    module = built(spread=0, offsets="square", depthwise=False)
    with torch.no_grad():
        module.predictor.bias.fill_(2)  # type: ignore[union-attr]
    x = image()
    expected = F.conv2d(x, module.weight, module.bias, padding=3, dilation=3)
    assert torch.allclose(module(x), expected)


def furthest(module: torch.nn.Module, shape: Shape, row: int) -> int:
    """Return the last row that the output at ``row`` depends on."""
    x = torch.randn(1, *shape, dtype=torch.float64, requires_grad=True)
    module(x)[0, :, row, 1].sum().backward()
    assert x.grad is not None
    return int((x.grad[0].abs().amax((0, 2)) > 1e-9).nonzero().max())


@pytest.mark.parametrize(("offsets", "last"), [("free", 8), ("limited", 4), ("square", 4)])
def test_a_limit_bounds_how_far_taps_fall(offsets: str, last: int) -> None:
    """Shifted down by six, the lower tap of row 1 is row 2."""
    shape = Shape(2, 12, 12)
    module = DeformableConv(offsets=offsets, max_offset=2).build(shape).double()
    torch.nn.init.zeros_(module.get_parameter("predictor.weight"))
    torch.nn.init.constant_(module.get_parameter("predictor.bias"), 6.0)
    assert furthest(module, shape, 1) == last


@pytest.mark.parametrize(
    ("knobs", "weights", "macs"),
    [
        # one kernel of 9 and a bias a channel; 18 offsets, each from 6 x 9
        ({}, 6 * 9 + 6 + 18 * 54 + 18, 6 * 9 + 18 * 54),
        ({"depthwise": False}, 36 * 9 + 6 + 18 * 54 + 18, 36 * 9 + 18 * 54),
        ({"offsets": "square"}, 6 * 9 + 6 + 54 + 1, 6 * 9 + 54),
        ({"offsets": "square", "offset_kernel_size": 1}, 6 * 9 + 6 + 6 + 1, 6 * 9 + 6),
        ({"modulation": True}, 6 * 9 + 6 + 27 * 54 + 27, 6 * 9 + 27 * 54),
        ({"kernel_size": 5, "bias": False}, 6 * 25 + 50 * 54 + 50, 6 * 25 + 50 * 54),
    ],
    ids=str,
)
def test_costs_by_hand(knobs: dict[str, Any], weights: int, macs: int) -> None:
    """The multiply-adds of both convolutions, and four operations for each sample of a channel."""
    cost = count_module(DeformableConv(**knobs).build(SHAPE), SHAPE)
    assert (cost.params, cost.macs) == (weights, 35 * macs)
    taps = knobs.get("kernel_size", 3) ** 2
    assert cost.other_by_kind["interpolation"] == 4 * 6 * taps * 35


def test_merging_tokens_by_hand() -> None:
    """LIT's convolution: 2 x 2 with stride 2, eight offsets per position from the same window."""
    module = DeformableDownsampling().build(Shape(8, 6, 4), 16)
    cost = count_module(module, Shape(8, 6, 4))
    assert cost.params == 16 * 8 * 4 + 16 + 8 * 8 * 4 + 8 + 2 * 16
    assert cost.macs == 6 * (16 * 8 * 4 + 8 * 8 * 4)


def test_merging_tokens_without_offsets_is_a_strided_convolution() -> None:
    shape = Shape(8, 7, 4)
    for kernel in (2, 3):
        torch.manual_seed(6)
        down = DeformableDownsampling(kernel_size=kernel, norm=NoNorm(), activation="relu")
        module = down.build(shape, 5)
        plain = ConvDownsampling(kernel_size=kernel, norm=NoNorm()).build(shape, 5)
        torch.nn.init.zeros_(module.get_parameter("conv.predictor.weight"))
        state = {
            f"conv.{name}": module.get_parameter(f"conv.{name}") for name in ("weight", "bias")
        }
        plain.load_state_dict(state)
        x = torch.randn(2, *shape)
        assert torch.allclose(module(x), plain(x).relu(), atol=1e-5)
        assert down.out_shape(shape, 5) == ConvDownsampling(kernel_size=kernel).out_shape(shape, 5)


def test_merging_tokens_moves_with_its_offsets() -> None:
    shape = Shape(2, 8, 8)
    module = DeformableDownsampling().build(shape, 3).eval().double()
    torch.nn.init.zeros_(module.get_parameter("conv.predictor.weight"))
    assert furthest(module, shape, 1) == 3  # rows 2 and 3
    torch.nn.init.constant_(module.get_parameter("conv.predictor.bias"), 2.0)
    assert furthest(module, shape, 1) == 5


def test_the_square_of_one_tap_is_refused() -> None:
    mixer = DeformableConv(kernel_size=1, offsets="square")
    reason = mixer.why_invalid(Shape(4, 4, 4))
    assert reason is not None and reason.endswith("where offsets is square, but got 1")
    assert DeformableConv(kernel_size=1).why_invalid(Shape(4, 4, 4)) is None
