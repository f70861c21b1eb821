"""Convolutional mixers and their channel mixers: counts by hand, properties, slow references."""

import math

import pytest
import torch
from nas_explorer.evaluators.cost.analysis import component_row
from nas_explorer.evaluators.cost.value import COLUMNS
from nas_explorer.search_space.components.base import ChannelMixer, Layer, TokenMixer
from nas_explorer.search_space.components.channel_mixers.edge import EdgeMlp
from nas_explorer.search_space.components.channel_mixers.normed import (
    NormedMlp,
    PartialAttentionMlp,
)
from nas_explorer.search_space.components.channel_mixers.response import GrnMlp
from nas_explorer.search_space.components.channel_mixers.wave import WaveMixer
from nas_explorer.search_space.components.layers.folding import fold
from nas_explorer.search_space.components.mixers.bottleneck import BasicConv, BottleneckConv
from nas_explorer.search_space.components.mixers.modulation import ConvModulation
from nas_explorer.search_space.components.mixers.multi_order import MultiOrderConv
from nas_explorer.search_space.components.mixers.one_way import OneWayConv
from nas_explorer.search_space.components.mixers.partial import (
    PartialChannelAttention,
    PartialConv,
    PartialSelfAttention,
)
from nas_explorer.search_space.components.mixers.positions import (
    BUCKETS,
    distance_bucket,
    distance_buckets,
)
from nas_explorer.search_space.components.mixers.reparam import (
    DilatedReparamConv,
    ReparamLargeKernel,
)
from nas_explorer.search_space.components.mixers.trivial import MaxPooling, Pooling
from nas_explorer.search_space.shapes import Shape
from torch import Tensor, nn
from torch.nn import functional as F

from .tensors import randomised

MAP = Shape(32, 8, 8)


def used(layer: Layer, shape: Shape) -> nn.Module:
    """Return the module in eval mode, with non-trivial norms and factors."""
    torch.manual_seed(0)
    return randomised(layer.build(shape))


# The map has 32 channels on 64 places. Layer: parameters, multiply-adds a place (but those that
# are not at every place), both of what is run.
SQUEEZE_16 = 16 * 4 + 4 + 4 * 16 + 16  # 16 channels to 4 and back
COUNTS = [
    (MaxPooling(kernel_size=5), 0, 0, 0),
    (OneWayConv(), 32 * 32 + 2 * 3 * 32 + 32, 32 * 32 + 2 * 3 * 32, 0),
    (OneWayConv(axes="height_width", kernel_size=7, bias=False), 2 * 7 * 32, 2 * 7 * 32, 0),
    (OneWayConv(axes="width", kernel_size=5), 5 * 32 + 32, 5 * 32, 0),
    (PartialConv(), 9 * 8 * 8, 9 * 8 * 8, 0),
    (PartialConv(ratio=0.5, kernel_size=5), 25 * 16 * 16, 25 * 16 * 16, 0),
    # 24 channels: a map of both moments, its norm, the norm of the result
    (PartialChannelAttention(), 576 + 24 * 48 + 48 + 48, 576, 24 * 48),
    # layer norm, queries to values, output with bias, 41 buckets a head; 64 x 64 scores
    (
        PartialSelfAttention(),
        576 + 48 + 3 * 576 + 576 + 24 + 4 * 41,
        576 + 4 * 576 + 2 * 64 * 24,
        0,
    ),
    # 1x1 with norm, one 13 x 13 kernel with bias, 1x1 with norm
    (ReparamLargeKernel(), 2 * (1024 + 64) + 32 * 169 + 32, 2048 + 32 * 169, 0),
    (DilatedReparamConv(), 32 * 169 + 32, 32 * 169, 0),
    (DilatedReparamConv(kernel_size=3), 32 * 9 + 32, 32 * 9, 0),
    (ConvModulation(), 3 * (1024 + 32) + 32 * 81 + 32, 3 * 1024 + 32 * 81, 0),
    # halves of 16 channels: 1x1 in, one kernel near, two far, two norms; 1x1 out
    (
        MultiOrderConv(),
        32 * 16 + 16 + 16 + 3 * 9 * 16 + 2 * 32 + 2 * SQUEEZE_16 + 1024 + 32,
        512 + 27 * 16 + 1024,
        2 * 2 * 16 * 4,
    ),
    (
        MultiOrderConv(depthwise=False),
        32 * 16 + 16 + 16 + 3 * 9 * 256 + 2 * 32 + 2 * SQUEEZE_16 + 1024 + 32,
        512 + 27 * 256 + 1024,
        2 * 2 * 16 * 4,
    ),
    (BasicConv(), 2 * (9 * 1024 + 64), 2 * 9 * 1024, 0),
    (BottleneckConv(), 2 * 256 + 9 * 64 + 16 + 16 + 64, 2 * 256 + 9 * 64, 0),
    (BottleneckConv(operation="max"), 2 * 256 + 16 + 64, 2 * 256, 0),
    (
        BottleneckConv(expansion=0.5, groups=4),
        2 * 512 + 9 * 16 * 4 + 32 + 32 + 64,
        2 * 512 + 9 * 16 * 4,
        0,
    ),
    (NormedMlp(), 2 * 2048 + 128, 2 * 2048, 0),
    (NormedMlp(ratio=4, last_norm=True), 2 * 4096 + 256 + 64, 2 * 4096, 0),
    # halves of 16: a map to one factor, two norms, a map
    (PartialAttentionMlp(), 2 * 2048 + 128 + 16 + 64 + 256, 2 * 2048 + 16 + 256, 0),
    (GrnMlp(), 2 * 4096 + 128 + 256 + 32, 2 * 4096, 0),
    (GrnMlp(squeeze=True), 2 * 4096 + 128 + 256 + 32 + 512 + 8 + 32, 2 * 4096, 2 * 32 * 8),
    # the bias of the response norm folds into the second map
    (GrnMlp(last_norm=True), 2 * 4096 + 128 + 128 + 32, 2 * 4096, 0),
    # phase, amplitude, 32 complex numbers, 3 x 3 with norm, squeeze 64 -> 8 -> 64, out
    (
        WaveMixer(),
        2 * (2048 + 64) + 64 + 9 * 64 + 128 + 2 * 512 + 8 + 64 + 2048 + 32,
        3 * 2048 + 9 * 64,
        2 * 512,
    ),
    (
        WaveMixer(depthwise=False),
        2 * (2048 + 64) + 64 + 9 * 64 * 2 + 128 + 2 * 512 + 8 + 64 + 2048 + 32,
        3 * 2048 + 9 * 64 * 2,
        2 * 512,
    ),
    (EdgeMlp(), 2 * 2048 + 64 + 32 + 10 * 64, 2 * 2048 + 9 * 64, 0),
]


@pytest.mark.parametrize(
    ("layer", "params", "at_each", "once"), COUNTS, ids=[each[0].label() for each in COUNTS]
)
def test_costs_by_hand(
    layer: TokenMixer | ChannelMixer, params: int, at_each: int, once: int
) -> None:
    row = dict(zip(COLUMNS, component_row(layer, (MAP,), None), strict=False))
    assert row["params"] == params
    assert row["conv"] + row["linear"] + row["attention"] == 64 * at_each + once


@pytest.mark.parametrize(
    ("layer", "more"),
    [
        # two norms of kernels without bias, and the small kernel; less one bias
        (ReparamLargeKernel(), 32 * 25 + 2 * 64 - 32),
        (ReparamLargeKernel(small_kernel=0), 64 - 32),
        # five branches of 25, 49, 9, 9, 9 taps, seven norms; less one bias
        (DilatedReparamConv(), 32 * (25 + 49 + 27) + 7 * 64 - 32),
        (DilatedReparamConv(kernel_size=7), 32 * (25 + 9 + 9) + 5 * 64 - 32),
        (DilatedReparamConv(kernel_size=5), 64 - 32),
        (GrnMlp(), 0),
        (GrnMlp(last_norm=True), 128 + 64 - 32),
        (EdgeMlp(), 3 * 2 * 64),
    ],
    ids=lambda value: value.label() if isinstance(value, Layer) else "",
)
def test_training_has_so_many_parameters_more(layer: TokenMixer | ChannelMixer, more: int) -> None:
    row = dict(zip(COLUMNS, component_row(layer, (MAP,), None), strict=False))
    assert row["training_params"] - row["params"] == more
    trained = [each for each in layer.build(MAP).parameters() if each.requires_grad]
    assert sum(each.numel() for each in trained) == row["training_params"]


def test_partial_convolution_passes_the_other_channels() -> None:
    x = torch.randn(2, *MAP)
    module = used(PartialConv(), MAP)
    y = module(x)
    assert torch.equal(y[:, 8:], x[:, 8:])
    kernel = module.get_parameter("conv.weight")
    assert torch.allclose(y[:, :8], F.conv2d(x[:, :8], kernel, padding=1), atol=1e-6)


def test_gaussian_attention_by_hand() -> None:
    x = torch.randn(2, 8, 3, 4)
    module = used(PartialChannelAttention(ratio=0.5), Shape(8, 3, 4))
    mix = module.get_parameter("rest.0.mix.weight").flatten(2)  # out, in, moment
    rest = x[:, 4:]
    mean, deviation = rest.mean((2, 3)), rest.flatten(2).std(2)
    z = mean @ mix[:, :, 0].T + deviation @ mix[:, :, 1].T
    gate = module.get_submodule("rest.0.norm")(z[:, :, None, None])
    factor = ((gate + 3) / 6).clamp(0, 1)
    expected = module.get_submodule("rest.1")(rest * factor)
    assert torch.allclose(module(x)[:, 4:], expected, atol=1e-5)


def test_buckets_are_exact_near_and_coarse_far() -> None:
    assert [distance_bucket(0, d) for d in (0, 1, 19, 20)] == [0, 1, 19, 20]
    assert distance_bucket(3, 4) == 5
    assert distance_bucket(1, 1) == 1
    # 20 + ln(40 / 20) / ln(8) x 20 = 26.7
    assert distance_bucket(40, 0) == 27
    assert distance_bucket(0, 160) == distance_bucket(500, 0) == BUCKETS - 1 == 40
    buckets = distance_buckets(3, 4, torch.device("cpu"))
    for one in range(12):
        for other in range(12):
            rows, columns = one // 4 - other // 4, one % 4 - other % 4
            assert buckets[one, other] == distance_bucket(rows, columns)


def test_attention_with_distances_by_hand() -> None:
    shape = Shape(16, 2, 3)
    module = used(PartialSelfAttention(ratio=0.5, heads=2), shape)
    with torch.no_grad():
        bias = module.get_parameter("rest.1.bias_hD").normal_()
    x = torch.randn(1, *shape)
    rest = module.get_submodule("rest.0")(x[:, 8:])
    tokens = rest.flatten(2)[0].T
    q, k, v = (tokens @ module.get_parameter("rest.1.qkv.weight").T).chunk(3, dim=1)
    heads: list[Tensor] = []
    for head in range(2):
        part = slice(4 * head, 4 * head + 4)
        scores = q[:, part] @ k[:, part].T / 2
        for one in range(6):
            for other in range(6):
                away = distance_bucket(one // 3 - other // 3, one % 3 - other % 3)
                scores[one, other] += bias[head, away]
        heads.append(scores.softmax(1) @ v[:, part])
    expected = module.get_submodule("rest.1.proj")(torch.cat(heads, dim=1))
    assert torch.allclose(module(x)[0, 8:].flatten(1).T, expected, atol=1e-5)


@pytest.mark.parametrize("axes", ["height", "width", "height_width"])
def test_one_way_filters_are_a_product(axes: str) -> None:
    module = used(OneWayConv(axes=axes, kernel_size=5, bias=False), MAP)
    with torch.no_grad():
        x = torch.zeros(1, 32, 11, 11)
        x[:, :, 5, 5] = 1
        response = module(x)[0, :, 3:8, 3:8]
    if axes == "height_width":
        assert (torch.linalg.matrix_rank(response, rtol=1e-4) == 1).all()
        assert (response != 0).all()
    else:
        other = response.transpose(1, 2) if axes == "width" else response
        assert (other[:, :, [0, 1, 3, 4]] == 0).all() and (other[:, :, 2] != 0).all()


def test_maximum_by_hand_and_beside_the_mean() -> None:
    x = torch.arange(9.0).view(1, 1, 3, 3)
    one = Shape(1, 3, 3)
    largest = MaxPooling().build(one)(x).flatten().tolist()
    assert largest == [4.0, 5.0, 5.0, 7.0, 8.0, 8.0, 7.0, 8.0, 8.0]
    assert (MaxPooling().build(one)(x) >= Pooling(subtract=False).build(one)(x)).all()


@pytest.mark.parametrize("kernel", [7, 9, 11, 13, 15, 17])
def test_dilated_branches_fold_into_the_large_kernel(kernel: int) -> None:
    shape = Shape(4, 19, 21)
    module = used(DilatedReparamConv(kernel_size=kernel), shape)
    folded = fold(module)
    assert isinstance(folded, nn.Conv2d) and folded.kernel_size == (kernel, kernel)
    x = torch.randn(2, *shape)
    assert torch.allclose(folded(x), module(x), atol=1e-4)


def test_a_small_kernel_folds_whichever_is_the_larger() -> None:
    for kernel, small in ((13, 5), (5, 13), (7, 7), (9, 0)):
        mixer = ReparamLargeKernel(kernel_size=kernel, small_kernel=small)
        module = used(mixer, MAP)
        folded = fold(module)
        x = torch.randn(1, *MAP)
        assert torch.allclose(folded(x), module(x), atol=1e-4)
        conv = folded.get_submodule("dwconv")
        assert isinstance(conv, nn.Conv2d) and conv.kernel_size[0] == max(kernel, small)
    swapped = ReparamLargeKernel(kernel_size=5, small_kernel=13).canonical(MAP)
    assert swapped == ReparamLargeKernel(kernel_size=13, small_kernel=5).canonical(MAP)


def test_edge_filters_answer_to_edges_alone() -> None:
    module = used(EdgeMlp(), MAP).get_submodule("edges")
    filters = module.get_buffer("filters")
    assert torch.equal(filters.sum((1, 2)), torch.zeros(3))
    assert torch.equal(filters[0], filters[1].T)
    ramp = torch.arange(5.0).expand(5, 5)[None, None]
    across, down, second = (F.conv2d(ramp, each[None, None]) for each in filters)
    assert (across == -8).all() and (down == 0).all() and (second == 0).all()


def test_modulation_is_a_product() -> None:
    module = used(ConvModulation(kernel_size=3), MAP)
    x = torch.randn(1, *MAP)
    context = module.get_submodule("context")(x)
    expected = module.get_submodule("proj")(context * module.get_submodule("value")(x))
    assert torch.allclose(module(x), expected, atol=1e-6)
    with torch.no_grad():
        for name in ("value.weight", "value.bias", "proj.bias"):
            module.get_parameter(name).zero_()
    assert torch.equal(module(x), torch.zeros_like(x))


def test_multi_order_reaches_further_with_dilation() -> None:
    module = used(MultiOrderConv(dilation=3), Shape(8, 21, 21))
    for branch, half in (("near", 1), ("far.conv1", 3), ("far.conv2", 3)):
        x = torch.randn(1, 4, 21, 21, requires_grad=True)
        convolved = module.get_submodule(branch if "." in branch else f"{branch}.conv")
        convolved(x)[0, :, 10, 10].sum().backward()
        assert x.grad is not None
        places = (x.grad[0].abs().amax(0) > 0).nonzero() - 10
        assert places.abs().amax() == half and len(places) == 9


def test_waves_turn_pairs_of_channels() -> None:
    shape = Shape(4, 3, 3)
    module = used(WaveMixer(), shape)
    x = torch.randn(2, 8, 3, 3)
    numbers = torch.complex(*(module.get_parameter(part) for part in ("real", "imaginary")))
    pairs = torch.complex(x[:, 0::2], x[:, 1::2]) * numbers
    expected = torch.stack((pairs.real, pairs.imag), dim=2).flatten(1, 2)
    assert torch.allclose(module._turned(x), expected, atol=1e-6)  # type: ignore[operator]


def test_spatial_attention_weighs_places_of_half_the_channels() -> None:
    module = used(PartialAttentionMlp(), MAP).get_submodule("attention")
    x = torch.randn(1, *MAP)
    weights = F.hardsigmoid(F.conv2d(x[:, :16], module.get_parameter("attention.weight")))
    assert weights.shape == (1, 1, 8, 8)
    expected = module.get_submodule("weighed_norm")(x[:, :16] * weights)
    assert torch.allclose(module(x)[:, :16], expected, atol=1e-6)


def test_response_norm_by_hand() -> None:
    module = used(GrnMlp(ratio=1), Shape(3, 2, 2))
    norm = module.get_submodule("response")
    with torch.no_grad():
        norm.get_parameter("weight").copy_(torch.tensor([1.0, 2.0, 3.0])[:, None, None])
        norm.get_parameter("bias").copy_(torch.tensor([0.5, 0.0, 0.0])[:, None, None])
    x = torch.tensor([[3.0, 4.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0], [0.0, 0.0, 0.0, 0.0]])
    sizes = [5.0, 1.0, 0.0]
    mean = sum(sizes) / 3 + 1e-6
    y = norm(x.view(1, 3, 2, 2)).view(3, 4)
    for channel, (size, bias) in enumerate(zip(sizes, (0.5, 0.0, 0.0), strict=True)):
        factor = (channel + 1) * size / mean + 1
        assert torch.allclose(y[channel], x[channel] * factor + bias, atol=1e-5)


def test_a_bottleneck_narrows() -> None:
    assert used(BottleneckConv(), MAP).get_parameter("conv2.conv.weight").shape == (8, 8, 3, 3)
    wider = used(BottleneckConv(expansion=2, activation="relu6"), MAP)
    inner = wider.get_submodule("conv1")(100 * torch.randn(1, *MAP)).detach()
    assert inner.shape[1] == 64 and inner.min() == 0 and math.isclose(float(inner.max()), 6)


def test_groups_must_share_the_inner_channels() -> None:
    assert BottleneckConv(groups=8).why_invalid(MAP) is None
    assert BottleneckConv(groups=16).why_invalid(MAP) == (
        "groups must divide the inner channels, but got groups 16 and 8 channels"
    )
    assert BottleneckConv(groups=16, operation="max").why_invalid(MAP) is None


def test_partial_attention_needs_other_channels() -> None:
    assert PartialConv(ratio=1).why_invalid(MAP) is None
    assert PartialConv(ratio=1.5).why_invalid(MAP) == "ratio must be at most 1, but got 1.5"
    for mixer in (PartialChannelAttention(ratio=1), PartialSelfAttention(ratio=1)):
        assert mixer.why_invalid(MAP) == (
            "ratio must leave channels for the attention, but got ratio 1.0 and 32 channels"
        )
    assert PartialSelfAttention(heads=12).why_invalid(Shape(24, 4, 4)) == (
        "heads must divide the channels that are not convolved, but got heads 12 and 18 channels"
    )
