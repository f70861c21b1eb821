"""Reused weights: parameters count once, multiply-adds each time."""

from typing import Any

import pytest
import torch
from nas_explorer.evaluators.cost.analysis import count_module
from nas_explorer.search_space.components.downsampling import RecursiveDownsampling
from nas_explorer.search_space.components.mixers.recursive import RecursiveConv
from nas_explorer.search_space.shapes import Shape
from torch.nn import functional as F

from .tensors import seen

SHAPE = Shape(6, 9, 8)


def built(**knobs: Any) -> torch.nn.Module:
    torch.manual_seed(1)
    return RecursiveConv(**knobs).build(SHAPE)


def test_applied_once_it_is_a_plain_convolution() -> None:
    x = torch.randn(2, *SHAPE)
    for depthwise, groups in ((True, 6), (False, 1)):
        module = built(recursions=1, depthwise=depthwise, residual=False)
        weight, bias = (module.get_parameter(f"convs.0.{name}") for name in ("weight", "bias"))
        assert torch.equal(module(x), F.conv2d(x, weight, bias, padding=1, groups=groups).relu())


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("layers", [1, 3])
def test_applied_often_it_is_itself_of_itself(residual: bool, layers: int) -> None:
    once = built(recursions=1, residual=residual, layers=layers, activation="gelu")
    thrice = built(recursions=3, residual=residual, layers=layers, activation="gelu")
    thrice.load_state_dict(once.state_dict())
    x = torch.randn(2, *SHAPE)
    assert torch.equal(thrice(x), once(once(once(x))))


@pytest.mark.parametrize("recursions", [1, 2, 5])
def test_weights_are_counted_once_and_work_each_time(recursions: int) -> None:
    full = count_module(built(recursions=recursions, layers=2, depthwise=False), SHAPE)
    assert full.params == 2 * (36 * 9 + 6)
    assert full.macs == recursions * 2 * 36 * 9 * 72
    assert full.activations == recursions * 2 * 6 * 72
    depthwise = count_module(built(recursions=recursions, kernel_size=5, bias=False), SHAPE)
    assert (depthwise.params, depthwise.macs) == (6 * 25, recursions * 6 * 25 * 72)


@pytest.mark.parametrize(("recursions", "reach"), [(1, 1), (3, 3), (4, 4)])
def test_the_reach_grows_with_the_recursions(recursions: int, reach: int) -> None:
    shape = Shape(2, 11, 11)
    module = RecursiveConv(recursions=recursions, activation="silu").build(shape).double()
    places = seen(module, shape, 0, 5, 5).any(0).nonzero() - 5
    assert [places.min(), places.max()] == [-reach, reach]


def test_downsampling_halves_the_map_with_one_set_of_weights() -> None:
    shape = Shape(4, 20, 13)
    for recursions, side in ((1, (10, 6)), (2, (5, 3)), (3, (2, 1))):
        down = RecursiveDownsampling(recursions=recursions)
        assert down.out_shape(shape, 6) == (6, *side)
        cost = count_module(down.build(shape, 6), shape)
        # scale and bias of the norm, 1x1 to 6 channels, two kernels of 3x3
        assert cost.params == 8 + (4 * 6 + 6) + 2 * (36 * 9 + 6)
        places = sum([260, 60, 15][:recursions])
        assert cost.macs == 24 * 260 + 2 * 36 * 9 * places
    assert RecursiveDownsampling(recursions=4).why_invalid(shape, 6) is not None
