"""The fast layers have the outputs and gradients of the layers that they replace."""

import copy

import pytest
import torch
from nas_explorer.evaluators.accuracy.training.fast_layers import (
    FastConv2d,
    fast_layers,
)
from nas_explorer.search_space.components.activations import StarReLU
from nas_explorer.search_space.components.channel_mixers.glu import ConvGlu, Glu
from nas_explorer.search_space.components.norms import ChannelRMSNorm
from nas_explorer.search_space.shapes import Shape
from torch import Tensor, nn


def run(module: nn.Module, image: Tensor) -> dict[str, Tensor]:
    """Return output and gradients for one map."""
    module.zero_grad()
    image = image.clone().requires_grad_()
    out = module(image)
    torch.manual_seed(1)
    out.backward(torch.randn(out.shape))
    grads = {name: each.grad for name, each in module.named_parameters() if each.grad is not None}
    assert image.grad is not None
    return {"out": out.detach(), "map": image.grad, **grads}


def same(module: nn.Module, shape: tuple[int, ...], *, last: bool = True) -> None:
    """Assert that output and gradients are equal to rounding."""
    torch.manual_seed(0)
    image = torch.randn(shape)
    if last:
        image = image.contiguous(memory_format=torch.channels_last)
    fast = copy.deepcopy(module)
    plain = run(module, image)
    with fast_layers(fast):
        found = run(fast, image)
    assert found.keys() == plain.keys()
    for name, each in plain.items():
        assert found[name].shape == each.shape
        assert torch.allclose(found[name], each, rtol=1e-4, atol=1e-4), name


SIDES = ((1, 1), (2, 2), (1, 2), (3, 3), (4, 4), (5, 3), (3, 5), (8, 8), (9, 8), (16, 16), (3, 20))


@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("sides", SIDES)
def test_a_convolution_of_one_tap(sides: tuple[int, int], bias: bool, last: bool):
    same(nn.Conv2d(6, 10, 1, bias=bias), (3, 6, *sides), last=last)


@pytest.mark.parametrize(
    "kernel", [1, 3, 5, 7, 11, 15, (1, 11), (11, 1), (5, 9), (9, 5), (7, 15), (15, 7)]
)
@pytest.mark.parametrize("sides", SIDES)
def test_a_depthwise_convolution(sides: tuple[int, int], kernel: int | tuple[int, int]):
    high, wide = (kernel, kernel) if isinstance(kernel, int) else kernel
    conv = nn.Conv2d(5, 5, (high, wide), padding=(high // 2, wide // 2), groups=5)
    same(conv, (3, 5, *sides))


@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("kernel", [3, 7])
@pytest.mark.parametrize("dilation", [1, 2, (1, 3)])
@pytest.mark.parametrize("side", [1, 2, 4, 10])
def test_a_dilated_depthwise_convolution(
    side: int, dilation: int | tuple[int, int], kernel: int, last: bool
):
    down, right = (dilation, dilation) if isinstance(dilation, int) else dilation
    padding = (down * (kernel // 2), right * (kernel // 2))
    conv = nn.Conv2d(4, 4, kernel, padding=padding, dilation=dilation, groups=4, bias=False)
    same(conv, (2, 4, side, side), last=last)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("patch", [2, 4, (2, 3)])
@pytest.mark.parametrize("sides", [(4, 4), (5, 7), (8, 8), (20, 20)])
def test_a_convolution_of_patches(
    sides: tuple[int, int], patch: int | tuple[int, int], last: bool, bias: bool
):
    same(nn.Conv2d(3, 6, patch, patch, bias=bias), (2, 3, *sides), last=last)


def test_one_image_and_a_map_that_is_too_small():
    conv = nn.Conv2d(3, 6, 4, 4)
    with fast_layers(conv):
        assert conv(torch.ones(3, 4, 4)).shape == (6, 1, 1)
        with pytest.raises(RuntimeError, match="Kernel size"):
            conv(torch.ones(1, 3, 2, 8))


OTHERS = (
    nn.Conv2d(4, 8, 2, stride=2, groups=2),
    nn.Conv2d(4, 8, 2, stride=2, padding=1),
    nn.Conv2d(4, 8, 2, stride=2, dilation=2),
    nn.Conv2d(4, 8, 3, padding=1),
    nn.Conv2d(4, 8, 1, stride=2),
    nn.Conv2d(4, 8, 1, padding=1),
    nn.Conv2d(4, 8, 1, groups=2),
    nn.Conv2d(4, 4, 1, groups=4),
    nn.Conv2d(4, 8, 3, padding=1, groups=4),
    nn.Conv2d(4, 4, 3, padding=1, groups=2),
    nn.Conv2d(4, 4, 5, padding=2, stride=2, groups=4),
    nn.Conv2d(4, 4, 5, padding=1, groups=4),
    nn.Conv2d(4, 4, 5, padding=4, groups=4),
    nn.Conv2d(4, 4, 4, padding=2, groups=4),
    nn.Conv2d(4, 4, (5, 4), padding=(2, 2), groups=4),
    nn.Conv2d(4, 4, 5, padding="same", groups=4),
    nn.Conv2d(4, 8, 1, padding="valid"),
    nn.Conv2d(4, 4, 5, padding=2, groups=4, padding_mode="reflect"),
    nn.Conv2d(4, 4, 5, padding=2, groups=4, padding_mode="circular"),
    nn.Conv2d(4, 4, 5, padding=2, groups=4, padding_mode="replicate"),
    nn.Conv2d(1, 1, 5, padding=2),
    nn.Conv2d(1, 8, 1),
)


@pytest.mark.parametrize("conv", OTHERS, ids=str)
@pytest.mark.parametrize("side", [4, 8, 12])
def test_any_other_convolution(conv: nn.Conv2d, side: int):
    same(conv, (2, conv.in_channels, side, side))


@pytest.mark.parametrize("side", [1, 2, 4, 8, 10])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", [Glu, ConvGlu])
def test_a_gated_perceptron(kind: type[Glu], bias: bool, side: int):
    shape = Shape(6, side, side)
    same(kind(bias=bias).build(shape), (3, *shape))


@pytest.mark.parametrize("side", [1, 3, 12])
def test_a_star_relu_and_a_norm(side: int):
    star, norm = StarReLU(), ChannelRMSNorm(6, 1e-6)
    nn.init.normal_(norm.weight)
    nn.init.constant_(star.scale, -0.3)
    for last in (True, False):
        same(star, (3, 6, side, side), last=last)
        same(norm, (3, 6, side, side), last=last)


def test_only_known_classes_change_and_only_inside():
    class Own(nn.Conv2d):
        """A user's class."""

    model = nn.Sequential(nn.Conv2d(4, 4, 1), Own(4, 4, 1), nn.Linear(4, 4))
    names = list(model.state_dict())
    kinds = [type(each) for each in model]
    with pytest.raises(RuntimeError, match="inside"), fast_layers(model, model):
        assert [type(each) for each in model] == [FastConv2d, Own, nn.Linear]
        assert list(model.state_dict()) == names
        raise RuntimeError("inside")
    assert [type(each) for each in model] == kinds


def test_hooks_are_called():
    module = Glu().build(Shape(4, 12, 12))
    seen: list[str] = []
    module.get_submodule("fc1").register_forward_hook(lambda *_: seen.append("fc1"))
    with fast_layers(module):
        module(torch.ones(2, 4, 12, 12))
    assert seen == ["fc1"]


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_types_keep_their_function(dtype: torch.dtype):
    module = nn.Sequential(Glu().build(Shape(4, 9, 9)), StarReLU(), ChannelRMSNorm(4, 1e-6))
    module.to(dtype)
    image = torch.ones(2, 4, 9, 9, dtype=dtype)
    plain = module(image)
    with fast_layers(module):
        found = module(image)
    assert found.dtype == dtype and torch.equal(found, plain)


def test_autocast_keeps_its_type():
    conv = nn.Conv2d(4, 4, 1)
    with fast_layers(conv), torch.autocast("cpu", dtype=torch.bfloat16):
        assert conv(torch.ones(2, 4, 2, 2)).dtype == torch.bfloat16
