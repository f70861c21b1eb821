"""Learnable spacings: the dense kernel of weights and positions."""

import math
from typing import Any

import pytest
import torch
from nas_explorer.evaluators.cost.analysis import count_module
from nas_explorer.evaluators.cost.cost import architecture_cost
from nas_explorer.search_space.components.mixers.convolution import LargeKernelConv
from nas_explorer.search_space.components.mixers.learnable_spacing import (
    LearnableSpacing,
    LearnableSpacingConv,
)
from nas_explorer.search_space.shapes import Shape
from nas_explorer.search_space.zoo import zoo_entry
from torch import Tensor
from torch.nn import functional as F

from .tensors import seen

SHAPE = Shape(4, 9, 8)


def built(**knobs: Any) -> LearnableSpacing:
    torch.manual_seed(1)
    module = LearnableSpacingConv(**knobs).build(SHAPE)
    assert isinstance(module, LearnableSpacing)
    return module.double()


def dense_by_hand(module: LearnableSpacing) -> Tensor:
    """Return the dense kernel: each weight divided among the four pixels around its position."""
    half = module.radius
    channels, count = module.weight_CK.shape
    kernel = torch.zeros(channels, 2 * half + 2, 2 * half + 2, dtype=torch.float64)
    for channel in range(channels):
        for index in range(count):
            row, column = (
                min(max(position, -half), half) + half
                for position in module.position_2CK[:, channel, index].tolist()
            )
            top, left = math.floor(row), math.floor(column)
            for down in (0, 1):
                for right in (0, 1):
                    share = (1 - abs(row - top - down)) * (1 - abs(column - left - right))
                    weight = module.weight_CK[channel, index]
                    kernel[channel, top + down, left + right] += share * weight.detach()
    return kernel[:, None, :-1, :-1]


@pytest.mark.parametrize("place", [-3.0, 1.0, 3.0, 3.5])
def test_gradients_of_positions_are_those_to_the_right(place: float) -> None:
    """A weight exactly on a pixel has a gradient of its position, as in the reference code, also at
    and beyond both edges."""
    module = built(kernel_count=1, dilated_size=7)
    with torch.no_grad():
        module.position_2CK.fill_(place)
        module.weight_CK.fill_(2.0)
    pixel = min(int(place), 3) + 3
    module.kernel()[0, 0, pixel, pixel].backward()
    assert module.position_2CK.grad is not None
    assert module.position_2CK.grad[:, 0, 0].tolist() == [-2.0, -2.0]


def test_is_a_dense_depthwise_convolution_with_the_constructed_kernel() -> None:
    module = built(kernel_count=5, dilated_size=7)
    with torch.no_grad():
        module.position_2CK.mul_(4)  # some positions are clipped to the edge
    assert (module.position_2CK.abs() > 3).any()
    kernel = dense_by_hand(module)
    assert torch.allclose(module.kernel(), kernel, atol=1e-12)
    x = torch.randn(2, *SHAPE, dtype=torch.float64)
    expected = F.conv2d(x, kernel, module.bias, padding=3, groups=4)
    assert torch.allclose(module(x), expected)


def test_channels_may_be_mixed_by_a_kernel_for_each_two() -> None:
    module = built(kernel_count=5, dilated_size=7, depthwise=False)
    kernel = dense_by_hand(module).view(4, 4, 7, 7)
    x = torch.randn(2, *SHAPE, dtype=torch.float64)
    assert torch.allclose(module(x), F.conv2d(x, kernel, module.bias, padding=3))
    cost = count_module(module, SHAPE)
    assert (cost.params, cost.macs) == (4 * 4 * 5 * 3 + 4, 4 * 4 * 7**2 * 72)


@pytest.mark.parametrize("interpolation", ["triangle", "gaussian"])
def test_learned_spreads_share_a_weight_by_their_function(interpolation: str) -> None:
    module = built(kernel_count=3, dilated_size=5, interpolation=interpolation)
    assert module.spread_2CK is not None
    with torch.no_grad():
        module.spread_2CK.normal_()
    row, column = module.position_2CK[:, 2, 1].tolist()
    spreads = module.spread_2CK[:, 2, 1].abs().tolist()
    weights = torch.zeros(4, 3, dtype=torch.float64)
    weights[2, 1] = 2.0
    with torch.no_grad():
        module.weight_CK.copy_(weights)
    expected = torch.zeros(5, 5, dtype=torch.float64)
    for down in range(5):
        for right in range(5):
            away = down - 2 - row, right - 2 - column
            if interpolation == "triangle":
                sides = [max(0, s + 1 - abs(d)) for d, s in zip(away, spreads, strict=True)]
                expected[down, right] = sides[0] * sides[1]
            else:
                squares = [(d / (s + 0.27)) ** 2 for d, s in zip(away, spreads, strict=True)]
                expected[down, right] = math.exp(-sum(squares) / 2)
    kernel = module.kernel()
    assert torch.allclose(kernel[2, 0], 2 * expected / expected.sum(), atol=1e-6)
    assert not kernel[[0, 1, 3]].any()


@pytest.mark.parametrize("interpolation", ["bilinear", "triangle", "gaussian"])
def test_positions_learn_and_come_back_from_the_edge(interpolation: str) -> None:
    module = built(kernel_count=3, dilated_size=7, interpolation=interpolation)
    with torch.no_grad():
        module.position_2CK[:, 0] = torch.tensor([-9.0, 0.0, 3.0])[None]
    x = torch.randn(1, *SHAPE, dtype=torch.float64)
    (module(x) * torch.randn_like(x)).sum().backward()
    assert module.position_2CK.grad is not None
    assert (module.position_2CK.grad.abs() > 0)[:, 1:].all()
    if interpolation == "bilinear":
        assert (module.position_2CK.grad.abs() > 0).all()


@pytest.mark.parametrize("side", [7, 17, 31])
def test_a_map_is_seen_as_far_as_the_weights_can_stand(side: int) -> None:
    """One weight in each corner of the dense kernel, for one output in the middle of the map."""
    radius = side // 2
    shape = Shape(2, side + 4, side + 4)
    module = LearnableSpacingConv(kernel_count=4, dilated_size=side).build(shape).double()
    corners = torch.cartesian_prod(*2 * [torch.tensor([-radius, radius])]).T
    with torch.no_grad():
        module.get_parameter("position_2CK").copy_(corners[:, None].expand(2, 2, 4))
    places = seen(module, shape, 1, radius + 2, radius + 2).nonzero()
    assert (places[:, 1:] - radius - 2).tolist() == corners.T.tolist()
    assert places[:, 0].tolist() == [1] * 4


def test_a_wider_reach_costs_no_weights() -> None:
    counts: dict[int, int] = {}
    for side in (7, 17, 31):
        shape = Shape(6, 40, 40)
        cost = count_module(LearnableSpacingConv(dilated_size=side).build(shape), shape)
        counts[side] = cost.params
        # multiply-adds are those of the dense kernel
        assert cost.macs == cost.macs_by_kind["conv"] == 6 * side**2 * 1600
    # 16 weights, each with a row and a column, and a bias
    assert set(counts.values()) == {6 * 16 * 3 + 6}
    assert counts[31] < count_module(LargeKernelConv().build(SHAPE), SHAPE).params / 4 * 6
    spread = LearnableSpacingConv(kernel_count=3, interpolation="gaussian", bias=False)
    assert count_module(spread.build(SHAPE), SHAPE).params == 4 * 3 * 5


def test_weights_on_whole_pixels_are_a_dilated_convolution() -> None:
    module = built(kernel_count=9, dilated_size=9, bias=False)
    grid = torch.cartesian_prod(*2 * [torch.tensor([-4.0, 0.0, 4.0])]).T
    with torch.no_grad():
        module.position_2CK.copy_(grid[:, None].expand(2, 4, 9))
    x = torch.randn(1, *SHAPE, dtype=torch.float64)
    weight = module.weight_CK.view(4, 1, 3, 3)
    assert torch.allclose(module(x), F.conv2d(x, weight, padding=4, dilation=4, groups=4))


@pytest.mark.parametrize(("size", "count"), [("T", 34), ("S", 40), ("B", 40)])
def test_convnext_has_fewer_weights_a_block_and_positions_once_a_stage(
    size: str, count: int
) -> None:
    """The published networks, compared with those with kernels of 7 x 7."""
    ours, plain = (zoo_entry(f"ConvNeXt-{size}{end}").architecture for end in ("-dcls", ""))
    blocks = sum(each.depth * each.width for each in ours.stages)
    once = sum(each.width for each in ours.stages)
    expected = architecture_cost(plain).params - (49 - count) * blocks + 2 * count * once
    assert architecture_cost(ours).params == expected
