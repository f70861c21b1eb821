"""Residual blocks and downsamplings, stems and heads of convolutional networks."""

import pytest
import torch
from nas_explorer.search_space.architecture.architecture import Architecture
from nas_explorer.search_space.architecture.stages import Stage
from nas_explorer.search_space.components.base import Head, Resampler
from nas_explorer.search_space.components.blocks import MetaFormerBlock, NoBlock, ResidualBlock
from nas_explorer.search_space.components.channel_mixers.mlp import NoChannelMixer
from nas_explorer.search_space.components.downsampling import (
    ConvDownsampling,
    SeparableDownsampling,
)
from nas_explorer.search_space.components.heads import PooledHead, WideHead
from nas_explorer.search_space.components.mixers.bottleneck import BasicConv, BottleneckConv
from nas_explorer.search_space.components.norms import BatchNorm, NoNorm
from nas_explorer.search_space.components.residual_downsampling import (
    BasicDownsampling,
    BottleneckDownsampling,
)
from nas_explorer.search_space.components.residuals import ActivatedResidual, PlainResidual
from nas_explorer.search_space.components.stems import ConvStem, PatchStem, SeparableStem
from nas_explorer.search_space.shapes import Shape
from torch.nn import functional as F

MAP = Shape(16, 9, 8)


# From 16 channels to 20.
@pytest.mark.parametrize(
    ("component", "count"),
    [
        (BasicDownsampling(), 9 * 16 * 20 + 40 + 9 * 400 + 40 + 320 + 40),
        (BottleneckDownsampling(), 16 * 8 + 16 + 9 * 64 + 16 + 160 + 40 + 320 + 40),
        (
            BottleneckDownsampling(expansion=1, operation="max"),
            256 + 32 + 320 + 40 + 320 + 40,
        ),
        (
            BottleneckDownsampling(operation="mean_conv"),
            128 + 16 + 9 * 64 + 16 + 160 + 40 + 320 + 40,
        ),
        (BottleneckDownsampling(groups=4), 128 + 16 + 9 * 16 + 16 + 160 + 40 + 320 + 40),
        (SeparableDownsampling(), 320 + 40 + 180 + 40),
        (SeparableStem(), 9 * 16 * 20 + 40 + 180 + 40 + 400 + 40 + 180 + 40),
        (
            ConvStem(bias=False, norm=BatchNorm(), activation="relu", pool=True),
            9 * 16 * 20 + 40,
        ),
        (PatchStem(patch_size=2, bias=False, norm=NoNorm()), 4 * 320),
        (
            ConvDownsampling(kernel_size=2, bias=False, norm=NoNorm(), activation="silu"),
            4 * 320,
        ),
        (WideHead(features=30), 480 + 60 + 620),
        (WideHead(features=30, norm=NoNorm(), pool_first=True), 480 + 620),
    ],
    ids=lambda value: value.label() if isinstance(value, Resampler | Head) else "",
)
def test_weights_by_hand(component: Resampler | Head, count: int) -> None:
    module = component.module(MAP, 20)
    assert sum(each.numel() for each in module.parameters()) == count


@pytest.mark.parametrize(
    "down",
    [BasicDownsampling(), BottleneckDownsampling(), BottleneckDownsampling(operation="mean_conv")],
)
def test_a_strided_block_is_branch_and_shortcut(down: BasicDownsampling) -> None:
    torch.manual_seed(0)
    module = down.build(MAP, 20).eval()
    x = torch.randn(2, *MAP)
    branch, shortcut = module.get_submodule("branch"), module.get_submodule("shortcut")
    assert torch.equal(module(x), F.relu(branch(x) + shortcut(x)))
    assert module(x).shape == (2, 20, 5, 4)
    pixels = x[:, :, ::2, ::2].permute(0, 2, 3, 1)  # the shortcut reads every second place
    kernel = shortcut.get_parameter("conv.weight").flatten(1)
    expected = (pixels @ kernel.T).permute(0, 3, 1, 2)
    assert torch.allclose(shortcut.get_submodule("conv")(x), expected, atol=1e-5)


def test_what_a_strided_block_does_not_have_makes_no_difference() -> None:
    first = BottleneckDownsampling(operation="max")
    assert first.canonical(MAP) == BottleneckDownsampling(operation="max", groups=2).canonical(MAP)
    plain, mean = (
        BottleneckDownsampling(stride=1, operation=each) for each in ("conv", "mean_conv")
    )
    assert plain.canonical(MAP) == mean.canonical(MAP)
    assert BottleneckDownsampling(groups=3).why_invalid(MAP, 20) == (
        "groups must divide the inner channels, but got groups 3 and 8 channels"
    )


def network(*stages: Stage) -> Architecture:
    stem, head = ConvStem(norm=NoNorm()), PooledHead(norm=NoNorm())
    return Architecture(input=Shape(3, 8, 8), classes=3, stem=stem, stages=stages, head=head)


def test_a_stage_can_be_its_downsampling_alone() -> None:
    down = BasicDownsampling()
    nothing = (NoBlock(),)
    alone = network(
        Stage(width=8, depth=1, blocks=nothing),
        Stage(width=16, depth=2, blocks=nothing, downsampling=down),
    )
    assert [part.name for part in alone.parts()] == ["stem", "stages.1.downsampling", "head"]
    x = torch.randn(1, 3, 8, 8)
    built = alone.build()
    assert built(x).shape == (1, 3)
    assert [each.module for each in built.feature_info] == ["stages.1.downsampling"]
    assert [each.shape[1:] for each in built.forward_intermediates(x)] == [(16, 2, 2)]
    assert Architecture.from_json(alone.to_json()) == alone


def test_a_residual_block_is_its_mixer_with_a_sum() -> None:
    for mixer in (BasicConv(), BottleneckConv()):
        block = ResidualBlock(mixer=mixer)
        built = network(Stage(width=8, depth=1, blocks=(block,))).build().eval()
        x = torch.randn(1, 3, 8, 8)
        stream = built.get_submodule("stem")(x)
        branch = built.get_submodule("stages.0.blocks.0.mixer")(stream)
        assert torch.equal(built.forward_features(x), F.relu(stream + branch))


def test_the_same_block_in_other_words_has_the_same_digest() -> None:
    mixer = BottleneckConv(activation="relu6")
    one = ResidualBlock(mixer=mixer, residual=PlainResidual())
    other = MetaFormerBlock(
        mixer=mixer, norm=NoNorm(), channel_mixer=NoChannelMixer(), residual=PlainResidual()
    )
    digests = {network(Stage(width=8, depth=2, blocks=(block,))).digest for block in (one, other)}
    assert len(digests) == 1
    activated = ResidualBlock(mixer=mixer, residual=ActivatedResidual(activation="relu6"))
    assert network(Stage(width=8, depth=2, blocks=(activated,))).digest not in digests
