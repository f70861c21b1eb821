"""Attention to channels, norms without statistics, functions of channels, and learned pooling."""

import math

import pytest
import torch
from nas_explorer.evaluators.cost.cost import part_cost
from nas_explorer.search_space.components.channel_mixers.basis_conv import BasisConv
from nas_explorer.search_space.components.channel_mixers.kan import BasisKan
from nas_explorer.search_space.components.layers.folding import fold
from nas_explorer.search_space.components.layers.recalibration import (
    BothExcite,
    EfficientChannelAttention,
    channel_kernel,
)
from nas_explorer.search_space.components.learned_pooling import (
    LearnedPoolDownsampling,
    MixedPool,
    TreePool,
)
from nas_explorer.search_space.components.norms import (
    DynamicTanh,
    RepBatchNorm,
    SkippedBatchNorm,
)
from nas_explorer.search_space.components.parts import IMAGE, PartList
from nas_explorer.search_space.components.residuals import RecalibratedResidual
from nas_explorer.search_space.shapes import Shape
from torch import nn

from .tensors import random, randomised


@pytest.mark.parametrize(("channels", "side"), [(1, 1), (16, 3), (64, 3), (256, 5), (2048, 7)])
def test_the_kernel_over_channels_grows_with_their_logarithm(channels: int, side: int) -> None:
    """log2 of 16, 64, 256 and 2048 is 4, 6, 8 and 11: halves of 5, 7, 9 and 12, made odd."""
    assert channel_kernel(channels) == side
    (weight,) = EfficientChannelAttention(channels).parameters()
    assert weight.numel() == side


def test_efficient_attention_mixes_neighbouring_channels_only() -> None:
    module, x = EfficientChannelAttention(16).double(), random(1, 16, 3, 3)
    factors = (module(x) / x)[0, :, 0, 0]
    changed = x.clone()
    changed[:, 5] += 1
    moved = (module(changed) / changed)[0, :, 0, 0]
    assert [i for i in range(16) if not math.isclose(moved[i], factors[i])] == [4, 5, 6]


def test_both_takes_the_larger_of_channels_and_positions() -> None:
    module, x = randomised(BothExcite(8, 2)).double(), random(2, 8, 4, 3)
    by_channel, by_position = module.by_channel(x), module.by_position(x)
    assert (by_channel > by_position).any()
    assert (by_channel < by_position).any()
    assert torch.equal(module(x), torch.maximum(by_channel, by_position))


@pytest.mark.parametrize(
    ("attention", "params"),
    [("channel", 32 * 4 + 4 + 4 * 32 + 32), ("efficient", 3), ("spatial", 33), ("both", 325)],
)
def test_attention_adds_few_parameters(attention: str, params: int) -> None:
    parts = PartList.start(Shape(32, 4, 4))
    residual = RecalibratedResidual(attention=attention, reduction=8)
    residual.wire(parts, "residual", IMAGE, IMAGE)
    assert sum(part_cost(part).params for part in parts.parts) == params


def test_dynamic_tanh_by_hand() -> None:
    module = DynamicTanh(init=2.0).build(Shape(1, 1, 1))
    with torch.no_grad():
        module.weight.fill_(3.0)
        module.bias.fill_(0.5)
    x = torch.tensor([0.25]).reshape(1, 1, 1, 1)
    assert math.isclose(module(x).item(), 3 * math.tanh(0.5) + 0.5, rel_tol=1e-6)


def test_a_skipped_batch_norm_folds_into_factors() -> None:
    module = randomised(RepBatchNorm(steps=3).build(Shape(6, 5, 5))).double()
    x = random(2, 6, 5, 5)
    folded = fold(module)
    assert not any(isinstance(each, nn.BatchNorm2d) for each in folded.modules())
    assert torch.allclose(folded(x), module(x))


def test_a_batch_norm_replaces_the_layer_norm_step_by_step() -> None:
    module, x = SkippedBatchNorm(4, 1e-5, 3).double(), random(2, 4, 3, 3)
    batch = module.norm(x) + x
    for share in (0.25, 0.5, 0.75, 1.0, 1.0):
        wanted = (1 - share) * module.early(x) + share * batch
        assert torch.allclose(module(x), wanted)


def test_functions_of_channels_by_their_formulas() -> None:
    x = random(1, 2, 1, 1)
    values = x.flatten().tolist()
    fourier = BasisConv(channels=2, width=1, basis="fourier", functions=4).double()
    sine = BasisConv(channels=2, width=1, basis="sine", functions=2).double()
    gaussian = BasisConv(channels=2, width=1, basis="gaussian", functions=3).double()
    found = fourier.basis(x)[0, :, :, 0, 0]
    for channel, value in enumerate(values):
        wanted = [math.cos(value), math.cos(2 * value), math.sin(value), math.sin(2 * value)]
        assert found[channel].tolist() == pytest.approx(wanted)
        wanted = [
            math.sin(value / 2 + math.pi * channel / 4),
            math.sin(value + math.pi * (channel / 2 + 1) / 2),
        ]
        assert sine.basis(x)[0, channel, :, 0, 0].tolist() == pytest.approx(wanted)
    normed = gaussian.basis.norm(x).flatten().tolist()
    for channel, value in enumerate(normed):
        wanted = [math.exp(-(((value - centre) / 2) ** 2)) for centre in (-2, 0, 2)]
        assert gaussian.basis(x)[0, channel, :, 0, 0].tolist() == pytest.approx(wanted)


@pytest.mark.parametrize(("basis", "more"), [("fourier", 0), ("sine", 0), ("gaussian", 64)])
def test_the_macs_of_functions_by_hand(basis: str, more: int) -> None:
    """Two layers of 8 x 4 x 8 weights at six positions; bumps have a linear term beside them."""
    parts = PartList.start(Shape(8, 2, 3))
    parts.add("mixer", BasisKan(basis=basis, functions=4), IMAGE)
    (part,) = parts.parts
    assert part_cost(part).macs == 2 * 6 * (8 * 4 * 8 + more)


def test_pooling_lies_between_mean_and_maximum() -> None:
    x = random(2, 3, 4, 6)
    mean, largest = nn.functional.avg_pool2d(x, 2), nn.functional.max_pool2d(x, 2)
    module = MixedPool(gated=False).double()
    assert torch.allclose(module(x), (mean + largest) / 2)
    nn.init.constant_(module.share, 100.0)
    assert torch.allclose(module(x), largest)


def test_gates_of_pooling_see_their_window() -> None:
    module = MixedPool(gated=True).double()
    nn.init.constant_(module.share, 100.0)
    up = torch.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=torch.float64)[None, None]
    assert torch.allclose(module(up), torch.tensor(4.0, dtype=torch.float64))
    assert torch.allclose(module(-up), torch.tensor(-2.5, dtype=torch.float64))


def test_a_tree_takes_one_filter_or_the_other() -> None:
    module = TreePool().double()
    with torch.no_grad():
        module.gate_kk.fill_(100.0)
        module.leaves_2kk.copy_(torch.tensor([1.0, 2.0])[:, None, None].expand(2, 2, 2))
    up = torch.ones(1, 1, 2, 2, dtype=torch.float64)
    assert torch.allclose(module(up), torch.tensor(4.0, dtype=torch.float64))
    assert torch.allclose(module(-up), torch.tensor(-8.0, dtype=torch.float64))


@pytest.mark.parametrize(("combine", "params"), [("mixed", 1), ("gated", 4), ("tree", 12)])
def test_pooling_has_few_parameters(combine: str, params: int) -> None:
    module = LearnedPoolDownsampling(combine=combine).build(Shape(8, 4, 4), 16)
    pool = module.get_submodule("pool")
    assert sum(each.numel() for each in pool.parameters()) == params
