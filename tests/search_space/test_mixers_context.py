"""Kernels from the context of a position, against slow references."""

import math

import torch
from nas_explorer.search_space.components.mixers.context_mixing import (
    ContextMixing,
    ContMix,
    RegionKernels,
    relative_bias,
)
from nas_explorer.search_space.components.mixers.dynamic_kernels import mix_windows
from nas_explorer.search_space.components.mixers.large_small import LsConv
from nas_explorer.search_space.components.mixers.light import DynamicConv, LightConv
from nas_explorer.search_space.shapes import Shape
from torch import Tensor, nn
from torch.nn import functional as F

from .test_mixers_dynamic import SHAPE, built, close, image


def test_large_perception_small_aggregation() -> None:
    """Kernels depend only on the large window; channel c has kernel c modulo their number."""
    module = built(LsConv(group_channels=4))
    x = image(SHAPE, 1).requires_grad_()
    perception = module.get_submodule("perception")
    assert isinstance(perception, nn.Sequential)
    perception[:-1](x)[0, :, 4, 4].sum().backward()
    assert x.grad is not None
    assert x.grad[0].abs().amax(0).nonzero().aminmax(dim=0).min.tolist() == [1, 1]
    kernels = perception(x).view(1, 8, 3, 3, 8, 8)
    alike = torch.stack([kernels[:, channel % 8] for channel in range(32)], 1)
    expected = mix_windows(x, alike)
    assert close(module(x), module.get_submodule("norm")(expected))


def test_context_reaches_the_kernels_from_everywhere_and_values_stay_near() -> None:
    torch.manual_seed(5)
    mixing = ContextMixing(16, 16, heads=2, sides=(3, 5), regions=4).eval()
    nn.init.normal_(mixing.kernels.mix.weight)
    maps = [torch.randn(1, 16, 12, 12, requires_grad=True) for _ in range(3)]
    mixing(*maps)[0, :, 6, 6].sum().backward()
    value, query, context = ((each.grad != 0)[0].any(0) for each in maps if each.grad is not None)
    assert value.nonzero().tolist() == [[row, col] for row in range(4, 9) for col in range(4, 9)]
    assert query.nonzero().tolist() == [[6, 6]]
    assert context.all()
    # kernels sum to one and stay within the map, so a constant map is unchanged
    constant = torch.ones(1, 16, 12, 12)
    assert close(mixing(constant, maps[1], maps[2]), constant)


def test_a_window_at_the_edge_has_the_biases_of_its_offsets() -> None:
    bias = torch.arange(25.0).view(1, 5, 5)  # offsets -2 to 2 of a kernel of 3
    found = relative_bias(bias, 4, 5, 3)
    assert found.shape == (1, 4, 5, 3, 3)
    inside = [[6, 7, 8], [11, 12, 13], [16, 17, 18]]
    assert found[0, 1, 2].tolist() == inside
    corner = [[12, 13, 14], [17, 18, 19], [22, 23, 24]]
    assert found[0, 0, 0].tolist() == corner
    assert found[0, 3, 4].tolist() == [[0, 1, 2], [5, 6, 7], [10, 11, 12]]


def test_a_small_map_is_enlarged_for_its_kernels() -> None:
    shape = Shape(32, 3, 5)
    module = built(ContMix(gated=False), shape)
    mixing = module.get_submodule("mixing")
    maps = [image(shape) for _ in range(3)]
    larger = [F.interpolate(each, size=(7, 11), mode="bilinear") for each in maps]
    assert close(mixing(*maps), F.adaptive_avg_pool2d(mixing(*larger), (3, 5)))


def at(x_CHW: Tensor, row: int, column: int) -> Tensor:
    """Return the 3 x 3 window around a position, with zeros outside."""
    return F.pad(x_CHW, (1, 1, 1, 1))[:, row : row + 3, column : column + 3]


def test_light_kernels_are_normalised_and_shared_by_the_channels_of_a_head() -> None:
    """Wu et al., 2019, equation 5, channel by channel."""
    shape = Shape(8, 4, 5)
    module, x = built(LightConv(heads=2), shape), image(shape, 1)
    logits = module.get_parameter("conv.weight_h1kl")
    first, gate = module.get_submodule("proj_in")(x)[0].chunk(2)
    gated = first * gate.sigmoid()
    expected = torch.zeros_like(gated)
    for channel in range(8):
        kernel = logits[channel // 4].flatten().softmax(0).view(3, 3)
        for row in range(4):
            for column in range(5):
                expected[channel, row, column] = (at(gated, row, column)[channel] * kernel).sum()
    assert close(module(x), module.get_submodule("proj_out")(expected[None]))


def test_dynamic_kernels_are_predicted_from_their_place_alone() -> None:
    """Wu et al., 2019, equation 6, position by position."""
    shape = Shape(8, 4, 5)
    module, x = built(DynamicConv(heads=2, glu=False), shape), image(shape, 1)
    weight = module.get_parameter("conv.weight_hklC")
    inner = module.get_submodule("proj_in")(x)[0]
    expected = torch.zeros_like(inner)
    for row in range(4):
        for column in range(5):
            logits = weight @ inner[:, row, column]
            kernels = logits.flatten(1).softmax(1).view(2, 3, 3).repeat_interleave(4, 0)
            expected[:, row, column] = (at(inner, row, column) * kernels).sum((1, 2))
    assert close(module(x), module.get_submodule("proj_out")(expected[None]))


def test_mixed_kernels_are_affinities_to_regions() -> None:
    """Lou and Yu, 2025, equations 1 to 3, at one position away from the edge."""
    torch.manual_seed(5)
    kernels = RegionKernels(16, 16, heads=2, sides=(3, 5), regions=2).eval()
    nn.init.normal_(kernels.bias[0])
    x, context = torch.randn(1, 16, 8, 8), torch.randn(1, 16, 8, 8)
    regions = [
        context[..., r : r + 4, c : c + 4].mean((2, 3), True) for r in (0, 4) for c in (0, 4)
    ]
    query = kernels.query(x)[0, :, 4, 3].view(2, 4)
    keys = torch.stack([kernels.key(region).view(2, 4) for region in regions])
    affinities = (query * keys).sum(-1).T / math.sqrt(8)
    logits = kernels.mix(affinities)[:, :9] + kernels.bias[0][:, 1:4, 1:4].flatten(1)
    found = kernels(x, context)[0][0, :, :, :, 4, 3]
    assert close(found.flatten(1), logits.softmax(1))
