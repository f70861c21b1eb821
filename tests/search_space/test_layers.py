"""Channel mixers, norms, stems, downsampling and heads: weights counted by hand, and outputs."""

from dataclasses import replace

import pytest
import torch
from nas_explorer.search_space.components.activations import ACTIVATIONS, activation
from nas_explorer.search_space.components.base import Component, Layer
from nas_explorer.search_space.components.channel_mixers import CHANNEL_MIXERS
from nas_explorer.search_space.components.channel_mixers.conv_first import ConvFirstMlp
from nas_explorer.search_space.components.channel_mixers.glu import ConvGlu, Glu
from nas_explorer.search_space.components.channel_mixers.mlp import (
    ConvMlp,
    Mlp,
    NoChannelMixer,
    ShortcutConvMlp,
)
from nas_explorer.search_space.components.downsampling import (
    ConvDownsampling,
    DepthwiseDownsampling,
    MultiScaleDownsampling,
    NoDownsampling,
    PatchMerging,
    PoolDownsampling,
)
from nas_explorer.search_space.components.heads import DistilledHead, MlpHead, PooledHead, WideHead
from nas_explorer.search_space.components.norms import (
    Affine,
    BatchNorm,
    GroupNorm,
    LayerNorm,
    NoNorm,
    RMSNorm,
)
from nas_explorer.search_space.components.stems import (
    ConvStem,
    MultiScaleStem,
    PatchStem,
    ThreeConvStem,
    TwoConvStem,
)
from nas_explorer.search_space.shapes import Shape, conv_size, scaled
from torch import nn
from torch.nn import functional as F

MAP = Shape(48, 8, 6)


# On 48 channels; resamplers and heads give 20.
@pytest.mark.parametrize(
    ("component", "count"),
    [
        (Mlp(), 48 * 192 + 192 + 192 * 48 + 48),
        (Mlp(ratio=2.5, bias=False), 2 * 48 * 120),
        (Mlp(activation="star_relu", bias=False), 2 * 48 * 192 + 2),
        # two thirds of 192 are 128 hidden channels; gate and value come from one map
        (Glu(), 48 * 256 + 256 + 128 * 48 + 48),
        (Glu(ratio=2, bias=False), 48 * 128 + 64 * 48),
        # and nine weights and a bias for each gate
        (ConvGlu(), 48 * 256 + 256 + 128 * 48 + 48 + 128 * 10),
        (ConvMlp(ratio=2, kernel_size=5), 48 * 96 + 96 + 96 * 26 + 96 * 48 + 48),
        (ShortcutConvMlp(ratio=2, kernel_size=5), 48 * 96 + 96 + 96 * 26 + 96 * 48 + 48),
        (ConvFirstMlp(ratio=2), 48 * 9 + 96 + 48 * 96 + 96 + 96 * 48 + 48),
        (NoChannelMixer(), 0),
        (LayerNorm(), 96),
        (LayerNorm(bias=False), 48),
        (BatchNorm(), 96),
        (RMSNorm(), 48),
        (GroupNorm(), 96),
        (GroupNorm(bias=False), 48),
        (Affine(), 96),
        (NoNorm(), 0),
        (ConvStem(kernel_size=3, stride=2), 48 * 9 * 20 + 20 + 40),
        (ConvStem(kernel_size=7, stride=4, norm=NoNorm()), 48 * 49 * 20 + 20),
        (ThreeConvStem(hidden=10), 48 * 90 + 20 + 10 * 90 + 20 + 10 * 4 * 20),
        (TwoConvStem(hidden=10), 48 * 9 * 10 + 20 + 10 * 9 * 20 + 40),
        (TwoConvStem(hidden=10, bias=True, norm=NoNorm()), 48 * 90 + 10 + 10 * 180 + 20),
        (PatchStem(patch_size=4, norm=RMSNorm()), 48 * 16 * 20 + 20 + 20),
        (MultiScaleStem(patch_size=2, scales=3), 48 * (4 + 16 + 64) * 20 + 20),
        (PatchMerging(), 192 * 20 + 2 * 192),
        (MultiScaleDownsampling(scales=1), 48 * 4 * 20 + 20),
        (MultiScaleDownsampling(norm=LayerNorm()), 48 * (4 + 16) * 20 + 20 + 96),
        (ConvDownsampling(kernel_size=3), 48 * 9 * 20 + 20 + 96),
        (ConvDownsampling(kernel_size=2, norm=NoNorm()), 48 * 4 * 20 + 20),
        (ConvDownsampling(norm=NoNorm(), norm_after=LayerNorm()), 48 * 9 * 20 + 20 + 40),
        (PoolDownsampling(), 48 * 20 + 20 + 96),
        # 4 groups of 12 to 5 channels; a batch norm each, a norm, a 1x1 convolution
        (DepthwiseDownsampling(), 12 * 20 * (49 + 9) + 3 * 40 + 20 * 20),
        (PooledHead(), 48 * 20 + 20 + 96),
        (PooledHead(norm=NoNorm()), 48 * 20 + 20),
        (WideHead(features=64, bias=True, norm_last=True), 48 * 64 + 64 + 128 + 64 * 20 + 20),
        (DistilledHead(), 2 * (48 * 20 + 20) + 96),
        # 192 hidden channels, a layer norm of them
        (MlpHead(), 96 + 48 * 192 + 192 + 2 * 192 + 192 * 20 + 20),
    ],
    ids=lambda value: value.label() if isinstance(value, Component) else "",
)
def test_trained_weights(component: Component, count: int) -> None:
    module = component.module(MAP, None if isinstance(component, Layer) else 20)
    assert sum(each.numel() for each in module.parameters()) == count


@pytest.mark.parametrize(
    "name", [name for name, cls in CHANNEL_MIXERS.items() if not cls.is_identity]
)
def test_channel_mixers_work_place_by_place(name: str) -> None:
    """Channel mixers that see one position: all but convolutional and pooling ones."""
    torch.manual_seed(0)
    module = CHANNEL_MIXERS[name]().module(MAP, None).eval()
    x = torch.randn(1, *MAP, requires_grad=True)
    module(x)[0, :, 4, 3].square().sum().backward()
    assert x.grad is not None
    kernels = [each.kernel_size for each in module.modules() if isinstance(each, nn.Conv2d)]
    expected = 1 if set(kernels) <= {(1, 1)} else 9
    seen = int((x.grad[0].abs().amax(0) > 0).sum())
    assert seen == (MAP.tokens if name == "wave" else expected)


def test_glu_is_the_formula() -> None:
    torch.manual_seed(0)
    module = Glu(ratio=3, bias=False).build(Shape(4, 1, 1))
    x = torch.randn(5, 4)
    both = x @ module.get_parameter("fc1.weight").flatten(1).T
    gate, value = both[:, :8], both[:, 8:]
    expected = (F.silu(gate) * value) @ module.get_parameter("fc2.weight").flatten(1).T
    assert torch.allclose(module(x[:, :, None, None]).flatten(1), expected, atol=1e-6)


def test_norms_are_the_formulas() -> None:
    torch.manual_seed(0)
    x = torch.randn(3, *MAP) * 5 + 2
    centred = x - x.mean(1, keepdim=True)
    expected = centred / (centred.square().mean(1, keepdim=True) + 1e-6).sqrt()
    assert torch.allclose(LayerNorm().build(MAP)(x), expected, atol=1e-5)
    expected = x / (x.square().mean(1, keepdim=True) + 1e-6).sqrt()
    assert torch.allclose(RMSNorm().build(MAP)(x), expected, atol=1e-5)
    centred = x - x.mean((1, 2, 3), keepdim=True)
    expected = centred / (centred.square().mean((1, 2, 3), keepdim=True) + 1e-6).sqrt()
    for bias in (True, False):
        assert torch.allclose(GroupNorm(bias=bias).build(MAP)(x), expected, atol=1e-5)


def test_affine_is_a_factor_and_a_summand_a_channel() -> None:
    module = Affine().build(Shape(2, 1, 3))
    module.get_parameter("weight").data.copy_(torch.tensor([2.0, -1.0]))
    module.get_parameter("bias").data.copy_(torch.tensor([0.5, 3.0]))
    x = torch.tensor([[[[1.0, 2.0, 3.0]], [[4.0, 5.0, 6.0]]]])
    assert module(x).flatten().tolist() == [2.5, 4.5, 6.5, -1.0, -2.0, -3.0]


def test_star_relu_by_hand() -> None:
    given = torch.tensor([-1.0, 0.0, 1.0, 2.0])
    expected = torch.tensor([-0.4472, -0.4472, 0.4472, 3.1304])
    assert torch.allclose(activation("star_relu")(given), expected)
    standard = torch.randn(200_000, generator=torch.Generator().manual_seed(0))
    shaped = activation("star_relu")(standard)
    assert abs(shaped.mean()) < 0.01 and abs(shaped.std() - 1) < 0.02


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_are_new_each_time(name: str) -> None:
    first, second = activation(name), activation(name)
    assert first is not second
    assert first(torch.zeros(3)).shape == (3,)
    shared = {id(each) for each in first.parameters()} & {id(each) for each in second.parameters()}
    assert not shared


@pytest.mark.parametrize(
    ("kernel", "stride", "size", "out"),
    [(7, 4, 224, 56), (3, 2, 32, 16), (3, 2, 8, 4), (3, 1, 9, 9), (5, 2, 7, 4), (9, 4, 1, 0)],
)
def test_stem_sizes(kernel: int, stride: int, size: int, out: int) -> None:
    stem = ConvStem(kernel_size=kernel, stride=stride)
    assert stem.out_size(size, size) == (out, out)
    assert (stem.why_invalid(Shape(3, size, size), 16) is None) == (out > 0)


def test_stem_padding_has_one_name_where_the_rules_agree() -> None:
    half = ConvStem(kernel_size=7, stride=4, padding="half")
    assert half.geometry == (7, 4, 3) and ConvStem(kernel_size=7, stride=4).geometry == (7, 4, 2)
    assert half.canonical(MAP) == half
    assert ConvStem(padding="half").canonical(MAP) == ConvStem()


def test_a_stem_without_norms_has_one_name() -> None:
    bare = TwoConvStem(first_norm=False, last_norm=False)
    assert bare.canonical(MAP) == TwoConvStem(norm=NoNorm()).canonical(MAP)
    assert replace(bare, norm=LayerNorm()).canonical(MAP) == bare.canonical(MAP)
    for normed in (replace(bare, first_norm=True), replace(bare, last_norm=True)):
        assert replace(normed, norm=LayerNorm()).canonical(MAP) != normed.canonical(MAP)


def test_the_start_of_a_stem_is_a_knob() -> None:
    """Deviations of 3 x 3 weights from and to 48 channels, whatever the stride."""
    torch.manual_seed(0)
    deviations = {"small": 0.02, "fan_out": (2 / 432) ** 0.5, "torch": (1 / (3 * 432)) ** 0.5}
    for start, deviation in deviations.items():
        for stride in (1, 2):
            stem = TwoConvStem(hidden=48, start=start, second_stride=stride)
            weight = stem.build(MAP, 48).get_submodule("conv2").weight
            assert isinstance(weight, torch.Tensor)
            assert abs(weight.std().item() / deviation - 1) < 0.05
    for stride, usual in ((1, "fan_out"), (2, "small")):
        stem = TwoConvStem(second_stride=stride)
        named = [start for start in deviations if replace(stem, start=start).canonical(MAP) == stem]
        assert named == [usual]


def test_patches_at_several_scales_are_one_linear_map_of_all_their_pixels() -> None:
    """Tatsunami and Taki: windows of every scale are concatenated, followed by one linear map."""
    torch.manual_seed(0)
    shape = Shape(3, 13, 8)
    module = MultiScaleStem(patch_size=4, scales=2).build(shape, 5)
    patch, wide = (module.get_submodule(f"patches.scales.{scale}") for scale in range(2))
    x = torch.randn(2, *shape)
    rows = [F.unfold(x, 4, stride=4), F.unfold(x, 8, stride=4, padding=2)]
    matrix = torch.cat([each.get_parameter("weight").flatten(1) for each in (patch, wide)], dim=1)
    expected = matrix @ torch.cat(rows, dim=1) + patch.get_parameter("bias")[:, None]
    assert torch.allclose(module(x), expected.view(2, 5, 3, 2), rtol=1e-4, atol=1e-5)


def test_patch_merging_takes_windows_apart() -> None:
    """Liu et al., 2021: the corners of each window by columns; odd rows and columns are dropped."""
    shape = Shape(2, 5, 4)
    module = PatchMerging(norm=NoNorm()).build(shape, 8)
    nn.init.dirac_(module.get_parameter("reduction.weight"))
    x = torch.arange(40.0).view(1, 2, 5, 4)
    # the second window of the second row; channel after channel, corner after corner
    assert module(x)[0, :, 1, 1].tolist() == [10.0, 30.0, 14.0, 34.0, 11.0, 31.0, 15.0, 35.0]


def test_a_map_that_would_vanish_is_refused() -> None:
    rule = "the map must not shrink below 1x1, but is 2x9 before"
    assert PatchStem(patch_size=4).why_invalid(Shape(3, 2, 9), 8) == rule
    assert PoolDownsampling().why_invalid(Shape(3, 1, 9), 8) is not None
    assert ConvDownsampling(kernel_size=2).why_invalid(Shape(3, 1, 1), 8) is not None
    assert ConvDownsampling(kernel_size=3).why_invalid(Shape(3, 1, 1), 8) is None


def test_downsampling_never_grows_the_map() -> None:
    for kernel in (2, 3, 5, 7):
        for stride in (1, 2):
            down = ConvDownsampling(kernel_size=kernel, stride=stride)
            if down.why_invalid(Shape(8, 9, 6), 8) is None:
                assert down.out_size(9, 6) <= (-(-9 // stride), -(-6 // stride))
    even = ConvDownsampling(kernel_size=2, stride=1)
    assert even.why_invalid(Shape(8, 9, 6), 8) == "kernel_size must be odd for stride 1, but got 2"


def test_no_downsampling_needs_the_same_width() -> None:
    same = NoDownsampling()
    assert same.why_invalid(MAP, 48) is None
    assert same.why_invalid(MAP, 64) == "width must stay 48 without downsampling, but got 64"


def test_pool_downsampling_takes_the_mean_or_the_maximum() -> None:
    x = torch.arange(8.0).view(1, 1, 2, 4)
    for pooling, expected in (("mean", [2.5, 4.5]), ("max", [5.0, 7.0])):
        module = PoolDownsampling(pooling=pooling, norm=NoNorm()).build(Shape(1, 2, 4), 1)
        pooled = module.get_submodule("pool")(x)
        assert pooled.flatten().tolist() == expected


def test_the_head_norm_comes_before_or_after_the_mean() -> None:
    torch.manual_seed(0)
    shape = Shape(4, 3, 3)
    x = torch.randn(2, *shape)
    norm = LayerNorm().build(shape)
    for first in (False, True):
        head = PooledHead(norm_first=first).build(shape, 5)
        pooled = norm(x).mean((2, 3)) if first else norm(x.mean((2, 3), keepdim=True)).flatten(1)
        expected = pooled @ head.get_parameter("classifier.weight").T
        expected = expected + head.get_parameter("classifier.bias")
        assert torch.allclose(head(x), expected, atol=1e-6)
    assert PooledHead(norm_first=True).canonical(Shape(4, 1, 1)) == PooledHead()
    assert PooledHead(norm_first=True).canonical(shape) != PooledHead()


def test_a_distilled_head_is_the_mean_of_two() -> None:
    torch.manual_seed(0)
    head = DistilledHead(norm=NoNorm()).build(Shape(4, 2, 2), 5)
    x = torch.randn(3, 4, 2, 2)
    both = head.get_submodule("classifier")
    scores = [both.get_submodule(name)(x.mean((2, 3))) for name in ("labels", "teacher")]
    assert torch.allclose(head(x), (scores[0] + scores[1]) / 2, atol=1e-6)


@pytest.mark.parametrize(
    ("count", "ratio", "expected"),
    [(96, 4, 384), (10, 1 / 3, 3), (9, 1 / 3, 3), (3, 0.1, 1), (7, 3 / 7, 3), (48, 2.999, 143)],
)
def test_scaled(count: int, ratio: float, expected: int) -> None:
    assert scaled(count, ratio) == expected


def test_scaled_undoes_its_own_ratio() -> None:
    for count in range(1, 200):
        for target in range(1, 400, 7):
            assert scaled(count, target / count) == target


def test_conv_size_by_hand() -> None:
    assert conv_size(5, 3, 2, 1) == 3
    assert conv_size(5, 3, 2, 0) == 2
    assert conv_size(2, 3, 1, 0) == 0
    assert conv_size(1, 9, 4, 0) == 0
