"""Inverted residuals in blocks and between stages; blocks with one residual; fused stages."""

import torch
from nas_explorer.evaluators.cost.analysis import count_module
from nas_explorer.search_space.components.blocks import FusionBlock, SingleResidualBlock
from nas_explorer.search_space.components.channel_mixers.inverted import InvertedResidual
from nas_explorer.search_space.components.layers.conv_norm import divisible
from nas_explorer.search_space.components.layers.inverted_bottleneck import (
    InvertedResidualDownsampling,
)
from nas_explorer.search_space.components.parts import IMAGE, PartList
from nas_explorer.search_space.components.stems import PositionStem
from nas_explorer.search_space.shapes import Shape


def test_channels_are_multiples_of_eight() -> None:
    """The rounded number is at least 0.9 of the given one."""
    counts = (1, 11, 12, 16, 19, 20, 33, 44, 60)
    assert [divisible(each) for each in counts] == [8, 16, 16, 16, 24, 24, 32, 48, 64]


def test_an_inverted_residual_by_hand() -> None:
    """20 channels, 80 inner channels: three convolutions, each with a norm."""
    shape = Shape(20, 4, 4)
    cost = count_module(InvertedResidual(ratio=4).build(shape), shape)
    assert cost.params == 20 * 80 + 9 * 80 + 80 * 20 + 2 * (80 + 80 + 20)
    assert cost.macs == 16 * (20 * 80 + 9 * 80 + 80 * 20)
    narrow = count_module(InvertedResidual(ratio=1).build(Shape(16, 4, 4)), (16, 4, 4))
    assert narrow.macs == 16 * (9 * 16 + 16 * 16)  # no expansion
    assert InvertedResidual(ratio=1.1).canonical(shape).ratio == 24 / 20


def test_the_shortcut_adds_the_input() -> None:
    shape = Shape(8, 4, 4)
    x = torch.randn(2, *shape)
    plain, added = (InvertedResidual(shortcut=each).build(shape).eval() for each in (False, True))
    for one, other in zip(added.parameters(), plain.parameters(), strict=True):
        one.data.copy_(other.data)
    assert torch.allclose(added(x), x + plain(x))


def test_downsampling_by_hand() -> None:
    """48 -> 64 channels by ratio 2, 4 x 4 -> 2 x 2."""
    down = InvertedResidualDownsampling(ratio=2)
    assert down.out_size(5, 4) == (3, 2)
    assert InvertedResidualDownsampling(stride=1).out_size(5, 4) == (5, 4)
    cost = count_module(down.build(Shape(48, 4, 4), 64), (48, 4, 4))
    assert cost.macs == 16 * 48 * 96 + 4 * (9 * 96 + 96 * 64)


def test_positions_by_hand() -> None:
    stem = PositionStem(patch_size=4).build(Shape(3, 16, 8), 10)
    plain = 48 * 10 + 10 + 20
    assert sum(each.numel() for each in stem.parameters()) == plain + 10 * 4 * 2


def wired(block: SingleResidualBlock) -> list[tuple[str, tuple[str, ...]]]:
    parts = PartList.start(Shape(16, 4, 4))
    block.wire(parts, IMAGE)
    return [(part.name, part.inputs) for part in parts.parts]


def test_one_residual_around_both_mixers() -> None:
    assert wired(SingleResidualBlock()) == [
        ("norm1", (IMAGE,)),
        ("mixer", ("norm1",)),
        ("norm2", ("mixer",)),
        ("channel_mixer", ("norm2",)),
        ("residual.add", (IMAGE, "channel_mixer")),
    ]
    names = [name for name, _ in wired(SingleResidualBlock(channels_first=True))]
    assert names == ["norm1", "channel_mixer", "norm2", "mixer", "residual.add"]


def test_what_came_in_is_fused_with_what_comes_out() -> None:
    found = wired(FusionBlock(depth=3))
    assert len(found) == 3 * 5 + 3
    assert found[5] == ("inner.1.norm1", ("inner.0.residual.add",))
    assert found[-3:] == [
        ("norm", ("inner.2.residual.add",)),
        ("project", ("norm",)),
        ("fuse", (IMAGE, "project")),
    ]
    assert wired(FusionBlock(depth=3, fuse=False)) == found[:-1]
