"""Mixers with kernels for each image or position: counts by hand, slow references."""

import math
from dataclasses import replace

import pytest
import torch
from nas_explorer.evaluators.cost.analysis import count_module
from nas_explorer.search_space.components.base import TokenMixer
from nas_explorer.search_space.components.layers.folding import fold
from nas_explorer.search_space.components.mixers.conditional import CondConv, TunableConv, tune
from nas_explorer.search_space.components.mixers.context_mixing import ContMix
from nas_explorer.search_space.components.mixers.dynamic_kernels import (
    convolve_each,
    inner_windows,
    mix_windows,
    windows,
)
from nas_explorer.search_space.components.mixers.hyper_kernel import GlobalBranch, HyperZzw
from nas_explorer.search_space.components.mixers.large_small import LsConv, RepDepthwiseConv
from nas_explorer.search_space.components.mixers.light import DynamicConv, LightConv
from nas_explorer.search_space.components.mixers.rotated import (
    RotatedConv,
    RotatedKernels,
    rotations,
)
from nas_explorer.search_space.components.mixers.translation_variant import TvConv
from nas_explorer.search_space.shapes import Shape
from torch import Tensor, nn
from torch.nn import functional as F

SHAPE = Shape(32, 8, 8)


def close(one: Tensor, other: Tensor) -> bool:
    return torch.allclose(one, other, rtol=1e-4, atol=1e-5)


def built(mixer: TokenMixer, shape: Shape = SHAPE) -> nn.Module:
    torch.manual_seed(3)
    return mixer.build(shape).eval()


def image(shape: Shape, batch: int = 2) -> Tensor:
    return torch.randn(batch, *shape, generator=torch.Generator().manual_seed(4))


# The map has 32 channels and 64 places.
@pytest.mark.parametrize(
    ("mixer", "params", "macs"),
    [
        # routing 32 x 4 + 4; 4 experts of 32 kernels of 9. Routing, combination, convolution
        (CondConv(), 132 + 4 * 288, 128 + 4 * 288 + 64 * 288),
        # twice the experts: the convolution costs the same
        (CondConv(experts=8), 264 + 8 * 288, 256 + 8 * 288 + 64 * 288),
        # all channels with all, with biases: experts of 32 x 32 x 25, combined 32 biases too
        (
            CondConv(depthwise=False, kernel_size=5, experts=2, bias=True),
            66 + 2 * 25_600 + 2 * 32,
            64 + 2 * 25_600 + 2 * 32 + 64 * 25_600,
        ),
        # routing: kernels of 9, norm, shares with bias, angles; 4 kernels of 32 x 32 x 9
        (
            RotatedConv(),
            288 + 64 + 132 + 128 + 4 * 9216,
            # routing; turning and adding: 4 x 9 x 9 x 1024; convolution
            64 * 288 + 2 * 128 + 36 * 9 * 1024 + 64 * 9216,
        ),
        # to 64 channels and, gated, 32 to 32; 8 kernels of 9
        (LightConv(), 32 * 64 + 64 + 72 + 1056, 64 * (2048 + 288 + 1024)),
        (LightConv(glu=False, heads=4, kernel_size=5), 1056 + 100 + 1056, 64 * (1024 + 800 + 1024)),
        # the kernels are predicted: 32 x 72
        (DynamicConv(), 32 * 64 + 64 + 2304 + 1056, 64 * (2048 + 2304 + 288 + 1024)),
        (
            DynamicConv(glu=False, bias=True),
            1056 + 2304 + 32 + 1056,
            64 * (1024 + 2304 + 288 + 1024),
        ),
        # slow networks of 144 + 544 + 544, with contexts 544 more; contexts of 528 + 272; a map
        # each of 1056; a bottleneck of 3104
        (
            HyperZzw(),
            1232 + 2 * (1776 + 528 + 272 + 1056) + 3104,
            # kernels of 64, 9 and 49 places; the matrix product; depthwise; maps; bottleneck
            64 * 1120 + 58 * 2400 + 32 * 8**3 + 64 * 58 * 32 + 2 * 64 * 1024 + 64 * 3072,
        ),
        # affinity maps; a generator of 3x3 kernels and norms of the map's size; its last layer
        (
            TvConv(),
            4 * 64 + (4 + 16) * 16 * 9 + 2 * 2048 + 16 * 288 * 9,
            64 * ((4 + 16) * 16 * 9 + 16 * 288 * 9 + 288),
        ),
        # values; queries and keys; 49 regions to 25 + 49 elements; 81 + 169 offsets; a map
        (
            ContMix(gated=False),
            1088 + 2 * 544 + 50 * 74 + 4 * 250 + 1088,
            # affinities and kernels of 4 heads; 16 channels of either size
            64 * (1024 + 512) + 49 * 512 + 4 * 64 * 49 * (4 + 74) + 64 * 16 * 74 + 64 * 1024,
        ),
    ],
    ids=lambda value: value.label() if isinstance(value, TokenMixer) else "",
)
def test_counts_by_hand(mixer: TokenMixer, params: int, macs: int) -> None:
    cost = count_module(built(mixer), SHAPE)
    assert (cost.params, cost.macs) == (params, macs)


@pytest.mark.parametrize(
    ("mixer", "params", "macs"),
    [
        # 16 channels inside, 4 kernels of 9; a norm a kernel, one behind
        (
            LsConv(),
            (512 + 16) + (784 + 16) + (256 + 16) + (576 + 36) + 72 + 64,
            64 * (512 + 784 + 256 + 576 + 288),
        ),
        (
            LsConv(large_kernel=3, small_kernel=5, group_channels=4),
            (512 + 16) + (144 + 16) + (256 + 16) + 17 * 200 + 400 + 64,
            64 * (512 + 144 + 256 + 3200 + 800),
        ),
        (RepDepthwiseConv(), 288 + 32, 64 * 288),
        # squeezed to 8 channels
        (RepDepthwiseConv(squeeze=True), 288 + 32 + 256 + 8 + 256 + 32, 64 * 288 + 512),
        # beside the kernels: a static one, squeezed to 16 channels, a gate, norm and map
        (
            ContMix(),
            7964 + (49 + 1) * 32 + 1072 + 1088 + 64 + 1056,
            (64 * 2560 + 49 * 512 + 4 * 64 * 49 * 78 + 64 * 16 * 74)
            + (64 * 32 * 49 + 1024 + 2 * 64 * 1024),
        ),
    ],
    ids=lambda value: value.label() if isinstance(value, TokenMixer) else "",
)
def test_folded_counts_by_hand(mixer: TokenMixer, params: int, macs: int) -> None:
    cost = count_module(fold(built(mixer)), SHAPE)
    assert (cost.params, cost.macs) == (params, macs)


def test_squeezed_channels_are_a_multiple_of_eight() -> None:
    """A quarter of 48 is 12, halfway between 8 and 16: halves are rounded up."""
    squeezed = RepDepthwiseConv(squeeze=True)
    assert [squeezed.inner(Shape(each, 8, 8)) for each in (8, 40, 48, 64)] == [8, 8, 16, 16]
    assert replace(squeezed, squeeze_step=1).inner(Shape(48, 8, 8)) == 12
    assert squeezed.canonical(Shape(64, 8, 8)).squeeze_step == 1  # the same network
    assert squeezed.canonical(Shape(48, 8, 8)).squeeze_step == 8


def test_a_norm_of_one_value_is_refused() -> None:
    one = LsConv(small_kernel=1)
    assert (
        one.why_invalid(Shape(8, 1, 1))
        == "small_kernel must be at least 3 on a map of 1x1, but got 1"
    )
    assert one.why_invalid(Shape(8, 1, 2)) is None and LsConv().why_invalid(Shape(8, 1, 1)) is None


def test_windows_of_a_small_map_by_hand() -> None:
    x = torch.arange(1.0, 13).view(1, 1, 3, 4)
    corner = windows(x, 3)[0, 0, 0, 0]
    assert corner.tolist() == [[0, 0, 0], [0, 1, 2], [0, 5, 6]]
    nearest = [[1, 2, 3], [5, 6, 7], [9, 10, 11]]
    assert inner_windows(x, 3)[0, 0, 0, 0].tolist() == nearest
    assert inner_windows(x, 3)[0, 0, 2, 1].tolist() == nearest
    assert inner_windows(x, 3)[0, 0, 1, 3].tolist() == [[2, 3, 4], [6, 7, 8], [10, 11, 12]]


def test_kernels_of_each_place_are_applied_there() -> None:
    """Position by position: every group of channels with the kernel of that position."""
    torch.manual_seed(1)
    x, kernels = torch.randn(2, 6, 4, 5), torch.randn(2, 3, 3, 3, 4, 5)
    padded = F.pad(x, (1, 1, 1, 1))
    expected = torch.zeros_like(x)
    for channel in range(6):
        for row in range(4):
            for column in range(5):
                window = padded[:, channel, row : row + 3, column : column + 3]
                kernel = kernels[:, channel // 2, :, :, row, column]
                expected[:, channel, row, column] = (window * kernel).sum((1, 2))
    assert close(mix_windows(x, kernels), expected)


@pytest.mark.parametrize("inputs", [1, 2, 6])
def test_each_image_has_its_kernels_also_in_what_is_exported(
    inputs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(1)
    x, kernels, bias = torch.randn(3, 6, 5, 4), torch.randn(3, 6, inputs, 3, 3), torch.randn(3, 6)
    expected = torch.cat(
        [
            F.conv2d(x[i : i + 1], kernels[i], bias[i], padding=1, groups=6 // inputs)
            for i in range(3)
        ]
    )
    assert close(convolve_each(x, kernels, bias), expected)
    monkeypatch.setattr(torch.compiler, "is_exporting", lambda: True)
    assert close(convolve_each(x, kernels, bias), expected)


@pytest.mark.parametrize("mixer", [CondConv(bias=True), CondConv(depthwise=False, experts=3)])
def test_experts_are_weighed_by_the_pooled_image(mixer: CondConv) -> None:
    """Yang et al., 2019, equation 1: one image after the other."""
    module, x = built(mixer), image(SHAPE)
    weight = module.get_parameter("experts.weight").unflatten(0, (mixer.experts, 32))
    routing = module.get_submodule("routing")
    for each, y in zip(x, module(x), strict=True):
        shares = torch.sigmoid(routing(each.mean((1, 2))))
        kernel = sum(share * kernel for share, kernel in zip(shares, weight, strict=True))
        expected = F.conv2d(each[None], kernel, padding=1, groups=32 if mixer.depthwise else 1)
        if mixer.bias:
            expected += (shares @ module.get_parameter("experts.bias_EO"))[:, None, None]
        assert close(y, expected[0])


def test_conditional_convolution_is_that_of_timm() -> None:
    timm = pytest.importorskip("timm.layers.cond_conv2d")
    module, x = built(CondConv(bias=True)), image(SHAPE)
    theirs = timm.CondConv2d(32, 32, 3, padding=1, groups=32, bias=True, num_experts=4)
    weight, bias = (module.get_parameter(f"experts.{name}") for name in ("weight", "bias_EO"))
    theirs.load_state_dict({"weight": weight.reshape(4, -1), "bias": bias})
    shares = torch.sigmoid(module.get_submodule("routing")(x.mean((2, 3))))
    assert close(module(x), theirs(x, shares))


@pytest.mark.parametrize("depthwise", [True, False])
def test_tuning_interpolates_between_the_kernels(depthwise: bool) -> None:
    """The output is linear between two settings; each corner has a single kernel."""
    module, x = built(TunableConv(depthwise=depthwise)), image(SHAPE)
    outputs: list[Tensor] = []
    for omega in ([1.0, 0.0], [0.0, 1.0], [0.3, 0.7]):
        tune(nn.Sequential(module), torch.tensor(omega))
        outputs.append(module(x))
        assert close(fold(module)(x), outputs[-1])
    weight = module.get_parameter("kernels.weight")[32:]
    bias = module.get_parameter("kernels.bias_EO")[1]
    groups = 32 if depthwise else 1
    assert close(outputs[1], F.conv2d(x, weight, bias, padding=1, groups=groups))
    assert close(outputs[2], 0.3 * outputs[0] + 0.7 * outputs[1])


def test_a_tuned_convolution_costs_what_a_plain_one_does() -> None:
    cost = count_module(fold(built(TunableConv(kernels=8, hidden=16))), SHAPE)
    assert (cost.params, cost.macs) == (288 + 32, 64 * 288)


def test_a_quarter_turn_of_a_kernel() -> None:
    kernel = torch.arange(9.0).view(3, 3)
    for quarters in (-1, 0, 1, 2):
        turn = rotations(torch.tensor([[quarters * math.pi / 2]]), 3)[0, 0]
        turned = (turn @ kernel.flatten()).view(3, 3)
        assert torch.allclose(turned, torch.rot90(kernel, quarters), atol=1e-5)


@pytest.mark.parametrize("side", [3, 5])
def test_a_turned_kernel_is_sampled_bilinearly(side: int) -> None:
    torch.manual_seed(2)
    theta, kernel = torch.tensor([[0.6, -0.3]]), torch.randn(side, side)
    for index, angle in enumerate(theta[0]):
        cos, sin = angle.cos(), angle.sin()
        matrix = torch.stack([torch.stack([cos, -sin]), torch.stack([sin, cos])])
        grid = F.affine_grid(
            F.pad(matrix, (0, 1))[None], [1, 1, side, side], align_corners=True
        ).clamp(-1, 1)
        expected = F.grid_sample(kernel[None, None], grid, align_corners=True)[0, 0]
        turn = rotations(theta, side)[0, index]
        assert torch.allclose((turn @ kernel.flatten()).view(side, side), expected, atol=1e-5)


@pytest.mark.parametrize("depthwise", [False, True])
def test_turned_kernels_are_weighed_and_added_for_each_image(depthwise: bool) -> None:
    shape = Shape(4, 6, 5)
    module = built(RotatedConv(kernels=3, depthwise=depthwise), shape)
    assert isinstance(module, RotatedKernels)
    nn.init.normal_(module.angle.weight)
    x = 3 * image(shape)
    seen = F.relu(module.routing_norm(module.routing_conv(x))).mean((2, 3))
    y = module(x)
    for number in range(2):
        shares = torch.sigmoid(module.share.weight @ seen[number] + module.share.bias)
        raw = module.angle.weight @ seen[number]
        total = torch.zeros(4, 1 if depthwise else 4, 3, 3)
        for kernel, weight in enumerate(module.weight.chunk(3)):
            angle = math.radians(40) * raw[kernel] / (1 + raw[kernel].abs())
            turn = rotations(angle.view(1, 1), 3)[0, 0]
            total = total + shares[kernel] * (weight.flatten(2) @ turn.T).view_as(total)
        groups = 4 if depthwise else 1
        assert close(y[number], F.conv2d(x[number], total, padding=1, groups=groups))


def test_turned_kernels_start_with_the_deviation_of_the_reference() -> None:
    """He's normal by fan-out: 4 kernels of 9 positions."""
    for depthwise, fan in ((True, 4 * 9), (False, 4 * 9 * 256)):
        module = built(RotatedConv(depthwise=depthwise), Shape(256, 4, 4))
        deviation = module.get_parameter("weight").std().item()
        assert deviation == pytest.approx(math.sqrt(2 / fan), rel=0.05)


def test_kernels_that_vary_from_place_to_place_become_weights() -> None:
    """Without the generator, 9 weights remain per channel and position, each used once."""
    module, x = built(TvConv(bias=True)), image(SHAPE)
    nn.init.normal_(module.get_parameter("affinity_1AHW"))
    folded = fold(module)
    assert close(folded(x), module(x))
    cost = count_module(fold(built(TvConv())), SHAPE)
    assert cost.params == cost.macs == 64 * 288
    kernels = folded.get_parameter("weight")
    assert not torch.isclose(kernels[:, :, 2, 3], kernels[:, :, 5, 4]).any()


def test_a_layout_convolution_is_its_kernels_place_by_place() -> None:
    shape = Shape(3, 4, 5)
    folded, x = fold(built(TvConv(kernel_size=5), shape)), image(shape)
    kernels = folded.get_parameter("weight").view(3, 5, 5, 4, 5)
    padded = F.pad(x, (2, 2, 2, 2))
    expected = torch.zeros_like(x)
    for row in range(4):
        for column in range(5):
            window = padded[:, :, row : row + 5, column : column + 5]
            expected[:, :, row, column] = (window * kernels[..., row, column]).sum((2, 3))
    assert close(folded(x), expected)


def test_the_global_hyper_kernel_is_multiplied_with_the_map_before_the_map() -> None:
    shape = Shape(4, 6, 6)
    module, x = built(HyperZzw(), shape), image(shape)
    branch = module.get_submodule("branches.0")
    assert isinstance(branch, GlobalBranch)
    kernel = branch.slow(6)[0]
    assert close(branch(x), torch.einsum("cij,bcij,bcjk->bcik", kernel, x, x))
    # a map that is not square is a part of a square one
    assert close(branch(x[:, :, :4]), branch(F.pad(x[:, :, :4], (0, 0, 0, 2)))[:, :, :4])


def test_hyper_kernels_have_as_many_weights_whatever_their_size() -> None:
    sizes = {
        count_module(built(HyperZzw(kernel_size=one, large_kernel_size=other)), SHAPE).params
        for one, other in ((1, 3), (3, 7), (5, 15))
    }
    assert len(sizes) == 1
