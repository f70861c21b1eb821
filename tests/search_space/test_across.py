"""Blocks that work across layers, branches and scales, and attention to tokens of the map."""

import json
from dataclasses import replace
from typing import Any

import pytest
import torch
import yaml
from nas_explorer.evaluators.cost.analysis import count_module
from nas_explorer.evaluators.cost.cost import architecture_cost, part_cost
from nas_explorer.evaluators.cost.reference import fvcore_counts
from nas_explorer.search_space.architecture.architecture import Architecture
from nas_explorer.search_space.architecture.stages import Stage
from nas_explorer.search_space.components.active import ActiveBlock, displaced
from nas_explorer.search_space.components.base import TOKENS
from nas_explorer.search_space.components.blocks import MetaFormerBlock
from nas_explorer.search_space.components.branch_ends import BranchHead, BranchStem
from nas_explorer.search_space.components.channel_mixers import CHANNEL_MIXERS
from nas_explorer.search_space.components.cross_scale import (
    ClassFusion,
    CrossBranchBlock,
    CrossScaleBlock,
    PackedBranches,
)
from nas_explorer.search_space.components.forward_cross import ForwardCross, ForwardCrossBlock
from nas_explorer.search_space.components.heads import TokenHead
from nas_explorer.search_space.components.layers.folding import fold
from nas_explorer.search_space.components.lookup import LookupBlock
from nas_explorer.search_space.components.mixers import MIXERS
from nas_explorer.search_space.components.mixers.attention import Attention
from nas_explorer.search_space.components.mixers.gathering import (
    GatheringScattering,
    SemanticGathering,
)
from nas_explorer.search_space.components.mixers.windowed import WindowAttention
from nas_explorer.search_space.components.norms import NORMS
from nas_explorer.search_space.components.parts import IMAGE, Part, PartList
from nas_explorer.search_space.components.scale_attention import DuoBlock
from nas_explorer.search_space.components.stems import PatchStem, TokenStem
from nas_explorer.search_space.components.wired import Block
from nas_explorer.search_space.errors import InputError
from nas_explorer.search_space.files import space_from_data
from nas_explorer.search_space.shapes import Shape
from nas_explorer.search_space.space import SearchSpace
from nas_explorer.search_space.walk.choosers import RandomChooser
from nas_explorer.search_space.zoo import ZOO
from torch import nn
from torchvision.ops import deform_conv2d

from ..knobs import opposites
from .tensors import random, seen

BLOCKS: dict[str, Block] = {
    "lookup": LookupBlock(side=2, head_dim=4),
    "forward_cross": ForwardCrossBlock(layers=3, reach=1, stride=2, head_dim=4),
    "cross_scale": CrossScaleBlock(heads=2, encoders=2),
    "duo": DuoBlock(scales=3, head_dim=4),
    "active": ActiveBlock(share=4),
}


def parts_of(block: Block, shape: Shape) -> list[Part]:
    """Return the parts that a block adds on a map."""
    parts = PartList.start(shape)
    block.canonical(shape).wire(parts, IMAGE)
    return parts.parts


def macs(block: Block, side: int) -> int:
    """Return the MACs of a block on a square map of eight channels."""
    return sum(part_cost(part).macs for part in parts_of(block, Shape(8, side, side)))


@pytest.mark.parametrize("name", BLOCKS)
def test_each_part_costs_what_it_takes(name: str) -> None:
    for part in parts_of(BLOCKS[name], Shape(8, 7, 6)):
        images = [torch.zeros(1, *shape) for shape in part.in_shapes]
        module = fold(part.build().eval())
        counted = fvcore_counts(module, *images)
        cost = part_cost(part)
        kinds = {**cost.macs_by_kind, **cost.other_by_kind, "activations": cost.activations}
        assert {kind: count for kind, count in counted.items() if count} == {
            kind: count for kind, count in kinds.items() if count
        }, part.name
        assert module(*images).shape[1:] == part.out_shape


def test_the_macs_of_lookup_by_hand() -> None:
    """Eight channels in two heads, four tokens, a map of 16 positions, and one layer.

    Queries, keys and products: 4*64 + 16*64 + 4*16*8; gathering: 16*64 + 4*16*8 + 4*64;
    attention of the tokens: 4*4*64 + 2*4*4*8; perceptron: 4*2*4*64; infusion: 4*64 + 4*16*8 +
    16*64; perceptron of the map: 16*2*8*4.
    """
    block = LookupBlock(layers=1, side=2, head_dim=4)
    assert macs(block, 4) == 1792 + 1792 + 1280 + 2048 + 1792 + 1024


def test_the_macs_of_active_by_hand() -> None:
    """Eight channels, 16 positions, two layers.

    Convolution: 16*8*9; offsets: 16*8*4; in each layer four linear maps, 4*16*64, the weights of
    the sources, 8*2 + 2*24, and the perceptron, 2*16*8*32.
    """
    assert macs(ActiveBlock(share=4), 4) == 1152 + 512 + 2 * (4096 + 64 + 8192)


@pytest.mark.parametrize("axis", [2, 3])
def test_displaced_reads_as_a_deformable_convolution(axis: int) -> None:
    x_BCHW, offset_BCHW = random(2, 3, 5, 6), 4 * random(2, 3, 5, 6)
    both = torch.zeros(2, 6, 5, 6, dtype=x_BCHW.dtype)
    both[:, axis - 2 :: 2] = offset_BCHW
    wanted = deform_conv2d(x_BCHW, both, torch.eye(3, dtype=x_BCHW.dtype)[:, :, None, None])
    assert torch.allclose(displaced(x_BCHW, offset_BCHW, axis), wanted)


def test_groups_of_a_tied_stage_share_the_convolution_of_positions() -> None:
    architecture = ZOO["active_xtiny"].make()
    stages = list(architecture.stages)
    stages[2] = replace(stages[2], tied=False)
    untied = replace(architecture, stages=tuple(stages))
    counts = [architecture_cost(each).params for each in (untied, architecture)]
    assert counts[0] - counts[1] == 320 * 9 + 320  # two groups


def test_lookup_is_linear_in_the_positions_of_the_map() -> None:
    block = LookupBlock(side=3, head_dim=4)
    four, eight, twelve = (macs(block, side) for side in (4, 8, 12))
    assert (eight - four) * (144 - 64) == (twelve - eight) * (64 - 16) > 0


def test_both_ways_of_lookup_use_the_same_products() -> None:
    """What position n takes of token m is, before norming, what m takes of n."""
    by_name = {part.name: part for part in parts_of(LookupBlock(side=2, head_dim=4), MAP)}
    gather, infuse = by_name["layers.1.gather"], by_name["layers.1.infuse"]
    assert gather.inputs[1] == infuse.inputs[1] == "layers.1.products"
    taken = {name: part.build().double() for name, part in by_name.items()}
    products, tokens, positions = random(1, 2, 4, 64), random(1, 8, 2, 2), random(1, 8, 8, 8)
    shifted = products + random(1, 2, 4, 1)  # the same for all positions
    args = [taken["layers.1.gather"](tokens, each, positions) for each in (products, shifted)]
    assert torch.allclose(*args)
    shifted = products + random(1, 2, 1, 64)  # the same for all tokens
    args = [taken["layers.1.infuse"](positions, each, tokens) for each in (products, shifted)]
    assert torch.allclose(*args)


MAP = Shape(8, 8, 8)


@pytest.fixture
def crossing() -> ForwardCross:
    torch.manual_seed(2)
    module = ForwardCross(MAP, head_dim=4, tokens=4).double()
    for each in module.parameters():
        each.data.normal_(0, 0.3)
    return module


def test_with_factors_of_zero_earlier_layers_are_not_read(crossing: ForwardCross) -> None:
    x, earlier = random(2, *MAP), [random(2, 8, 2, 2), random(3, 8, 2, 2)[:2]]
    assert not torch.allclose(*(crossing(x, each) for each in earlier))
    crossing.scale_T1.data.zero_()
    assert torch.equal(*(crossing(x, each) for each in earlier))


def test_without_weight_on_earlier_layers_attention_is_plain(crossing: ForwardCross) -> None:
    plain = ForwardCross(MAP, head_dim=4, tokens=0).double()
    plain.load_state_dict(crossing.state_dict(), strict=False)
    x, earlier = random(2, *MAP), random(2, 8, 2, 2)
    assert not torch.allclose(crossing(x, earlier), plain(x))
    crossing.cross_bias_h1T.data.fill_(-1e4)
    assert torch.allclose(crossing(x, earlier), plain(x))


def test_layers_read_as_many_layers_before_as_they_reach() -> None:
    parts = {
        part.name: part
        for part in parts_of(ForwardCrossBlock(layers=4, reach=2, head_dim=4, stride=2), MAP)
    }
    read = [parts[f"layers.{number}.mixer"].inputs[1:] for number in range(4)]
    merged = [f"layers.{number}.merge" for number in range(3)]
    assert read == [(), (merged[0],), (merged[0], merged[1]), (merged[1], merged[2])]
    assert parts[merged[0]].out_shape == (8, 4, 4) and "layers.3.merge" not in parts


def test_a_class_token_costs_operations_linear_in_the_patches() -> None:
    """One query: by each further patch a key, a value, and its part of score and sum."""
    fusion = ClassFusion(8, 2)
    costs = [count_module(fusion, (8, 1, 1), (8, patches, 1)).macs for patches in (4, 5, 9)]
    assert costs[1] - costs[0] == 2 * 64 + 2 * 8 and costs[2] - costs[1] == 4 * (2 * 64 + 2 * 8)


def test_packed_branches_are_the_two_branches() -> None:
    encoder = CrossBranchBlock(heads=2, ratio=2).encoder(4).double().eval()
    small, large = random(2, 4, 7, 1), random(2, 8, 3, 1)
    rows = large[..., 0].transpose(1, 2).reshape(2, 6, 4).transpose(1, 2)
    column = torch.cat((small[..., 0], rows), 2)[..., None]
    packed = PackedBranches(encoder, large=3, widen=2)(column)
    one, other = encoder(small, large)
    assert torch.equal(packed[:, :, :7], one)
    found = packed[:, :, 7:, 0].transpose(1, 2).reshape(2, 3, 8).transpose(1, 2)
    assert torch.equal(found, other[..., 0])


def test_scales_are_mixed_in_each_patch_and_patches_afterwards() -> None:
    (part,) = parts_of(DuoBlock(scales=2, head_dim=4), MAP)
    module = part.build().double()
    assert seen(module, MAP, 0, 0, 0).any(0).all()
    for layer in module.patch_layers:
        nn.init.zeros_(layer.proj.weight)
    # Its own patch of 2x2, and a strided 3x3 convolution, which reaches one pixel before it.
    assert seen(module, MAP, 0, 4, 4).any(0).nonzero().tolist() == [
        [row, column] for row in (3, 4, 5) for column in (3, 4, 5)
    ]


def test_tokens_of_patches_ignore_the_padding() -> None:
    """The largest of numbers below zero is below zero too, also beside a padding of zeros."""
    (part,) = parts_of(DuoBlock(scales=2, head_dim=4), Shape(8, 5, 4))
    module = part.build()
    for conv in module.reduce:
        nn.init.constant_(conv.weight, 0.01)
    heard: list[torch.Tensor] = []
    module.token.register_forward_pre_hook(lambda _, given: heard.append(given[0]))
    module(torch.full((1, 8, 5, 4), -1.0))
    assert (heard[0] < 0).all()


def test_padding_of_scales_takes_no_part() -> None:
    """Positions of the padding are hidden in each patch."""
    (part,) = parts_of(DuoBlock(scales=3, head_dim=4), Shape(8, 5, 4))
    module = part.build()
    hidden = module.seen(5, 4, torch.device("cpu"))
    assert hidden is not None
    # Of the second patch the first of four rows, then the first of two, then its only one; the
    # token of all scales is always seen.
    finest, next_finest = 4 * [True] + 12 * [False], 2 * [True] + 2 * [False]
    assert hidden.tolist() == [22 * [True], [True, *finest, *next_finest, True]]


def test_groups_are_soft_and_sum_to_one() -> None:
    module = SemanticGathering(groups=3, tokens=2, head_dim=4).build(MAP).double()
    assert isinstance(module, GatheringScattering)
    shares = module.shares(random(2, *MAP))
    assert shares.shape == (2, 3, 8, 8) and (shares > 0).all()
    assert torch.allclose(shares.sum(1), torch.ones(2, 8, 8, dtype=torch.float64))


def test_sure_groups_take_from_their_own_tokens_alone() -> None:
    module = SemanticGathering(tokens=3, head_dim=4).build(MAP).double()
    assert isinstance(module, GatheringScattering)
    nn.init.normal_(module.assign.weight)
    module.assign.weight.data *= 1e6
    x = random(2, *MAP)
    front = module.shares(x)[:, :1]
    assert ((front == 0) | (front == 1)).all() and 0 < front.mean() < 1
    apart = [
        group(x, share) for group, share in zip(module.groups, (front, 1 - front), strict=True)
    ]
    chosen = torch.where(front.flatten(2).transpose(1, 2) > 0, *apart)
    assert torch.allclose(module(x).flatten(2).transpose(1, 2), chosen)


@pytest.mark.parametrize("more", [{"slots": 2}, {"head_tokens": True}])
def test_tokens_of_the_map_let_windows_see_all(more: dict[str, Any]) -> None:
    mixer = WindowAttention(head_dim=4, window_height=2, window_width=2, position="none")
    torch.manual_seed(1)
    assert seen(mixer.build(MAP).double(), MAP, 0, 0, 0).any(0).sum() == 4
    assert seen(replace(mixer, **more).build(MAP).double(), MAP, 0, 0, 0).any(0).all()


def test_all_extra_tokens_together_are_one_key_each() -> None:
    """Two heads of four channels on 64 positions; memory 3, slots 2, head tokens 2.

    Besides attention to 7 more keys, slots score and weigh the positions, and head tokens are
    mapped from 4 to 8 channels; slots and head tokens pass through keys and values.
    """
    plain = Attention(head_dim=4, qkv_bias=True, memory=3)
    rich = replace(plain, slots=2, head_tokens=True)
    counts = [count_module(each.build(MAP).eval(), MAP).macs for each in (plain, rich)]
    slots, heads, both = 2 * 64 * 8 * 2, 2 * 4 * 8, 4 * 8 * 16
    assert counts[1] - counts[0] == slots + heads + both + 2 * 64 * 4 * 8


SPACE = """
input: {channels: 3, resolution: 16, classes: 2}
stem: {patch: {patch_size: 2}}
every_stage:
  depth: [1, 2]
  block:
    lookup: {layers: [1, 2], side: 2, head_dim: [4, 6], norm: [layer_norm, batch_norm]}
    forward_cross: {layers: [1, 3], reach: [1, 2], stride: [2, 4], head_dim: [4, 6]}
    cross_scale: {heads: [2, 5], widen: [1, 2]}
    duo: {scales: [2, 3], head_dim: 4}
stages: [{width: 8}, {width: 12, downsampling: pool}]
head: pooled
"""


@pytest.fixture(scope="module")
def space() -> SearchSpace:
    return space_from_data(yaml.safe_load(SPACE), "across")


def test_spaces_offer_the_knobs_that_fit_the_channels(space: SearchSpace) -> None:
    """Heads of 6 channels fit 12, not 8; five heads fit neither. One layer alone is one network.

    A block of 8 channels: lookup 2*2, forward cross 2*2*2, cross scale 2, duo 2; of 12 channels
    twice as many of the first two. With one layer, reach and stride change nothing.
    """
    assert space.walks == 2 * (4 + 8 + 2 + 2) * 2 * (8 + 16 + 2 + 2)
    different = 2 * (4 + 1 + 4 + 2 + 2) * 2 * (8 + 2 + 8 + 2 + 2)
    assert space.size().architectures == different
    with pytest.raises(InputError, match=r"must hold a network.*heads must divide the channels"):
        data = yaml.safe_load(SPACE)
        data["every_stage"]["block"] = {"cross_scale": {"heads": 5}}
        space_from_data(data, "none")


@pytest.mark.parametrize("seed", range(4))
def test_networks_of_such_blocks_are_found_kept_and_costed(space: SearchSpace, seed: int) -> None:
    walk = space.walk(RandomChooser(seed))
    architecture = walk.architecture
    found = space.find(architecture)
    assert found is not None and found.architecture.digest == architecture.digest
    assert space.replay(dict(walk.decisions)) == walk
    read = Architecture.from_json(json.loads(json.dumps(architecture.to_json())))
    assert read == architecture and read.digest == architecture.digest
    network = architecture.build().eval().folded()
    counted = fvcore_counts(network, torch.zeros(1, *architecture.input))
    cost = architecture_cost(architecture)
    kinds = {**cost.macs_by_kind, **cost.other_by_kind, "activations": cost.activations}
    assert {kind: count for kind, count in counted.items() if count} == {
        kind: count for kind, count in kinds.items() if count
    }
    assert cost.params == sum(each.numel() for each in network.parameters())


def test_what_takes_class_tokens_treats_all_positions_alike() -> None:
    met = 0
    for cls in (*MIXERS.values(), *CHANNEL_MIXERS.values(), *NORMS.values()):
        for component in (cls(), *opposites(cls)):
            shape = Shape(32, 6, 1)
            if component.arranged(TOKENS, shape) is None or component.why_invalid(shape):
                continue
            met += 1
            module = component.module(shape, None).eval().double()
            x, order = random(2, *shape), torch.randperm(6)
            assert torch.allclose(module(x[:, :, order]), module(x)[:, :, order]), component
    assert met >= 12


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"stages": (Stage(width=8, depth=1, blocks=(MetaFormerBlock(),)),)},
            r"stages\.0\.blocks\.0\.mixer must take class tokens and patches in one column, which "
            r"stem \(class_tokens\) gives, but got separable_conv",
        ),
        (
            {"stem": PatchStem()},
            r"head must take a grid of positions, which stem \(patch\) gives, but got class_tokens",
        ),
        (
            {"stem": BranchStem(), "head": BranchHead(large=3)},
            r"stages\.0\.blocks\.0\.norm1 must take two branches in one column, the large one of 5 "
            r"tokens of 2 rows, which stem \(cross_patches\) gives, but got layer_norm",
        ),
        (
            {
                "stem": BranchStem(),
                "head": BranchHead(large=3),
                "stages": (Stage(width=8, depth=1, blocks=(CrossBranchBlock(large=5),)),),
            },
            r"head must take two branches .* of 5 tokens .*, but got cross_tokens",
        ),
    ],
)
def test_parts_take_the_layout_of_positions_before_them(
    change: dict[str, Any], message: str
) -> None:
    block = MetaFormerBlock(mixer=Attention(head_dim=4, slots=2))
    network = Architecture(
        input=Shape(3, 8, 8),
        classes=2,
        stem=TokenStem(patch_size=4),
        stages=(Stage(width=8, depth=1, blocks=(block,)),),
        head=TokenHead(),
    )
    with pytest.raises(InputError, match=message):
        replace(network, **change)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, None),
        ({"head": "pooled"}, None),
        (
            {"stem": {"patch": {"patch_size": 4}}},
            r"head must take a grid of positions, which stem \(patch\) gives, but got class_tokens",
        ),
        (
            {"block": {"metaformer": {"mixer": {"attention": {"head_dim": 4}, "pooling": None}}}},
            r"stages\.0\.block\.metaformer\.mixer must take class tokens and patches .*, which "
            r"stem \(class_tokens\) gives, but got pooling",
        ),
        (
            {"block": {"lookup": {"head_dim": 4, "side": 2}}},
            r"stages\.0\.block\.lookup\.resize must take class tokens .*, but got resize",
        ),
    ],
)
def test_spaces_hold_no_part_that_cannot_take_the_layout(
    changes: dict[str, Any], message: str | None
) -> None:
    data = {
        "input": {"channels": 3, "resolution": 8, "classes": 2},
        "stem": {"class_tokens": {"patch_size": 4}},
        "head": changes.get("head", "class_tokens"),
        "stages": [
            {
                "width": 8,
                "depth": [1, 2],
                "block": changes.get(
                    "block", {"metaformer": {"mixer": {"attention": {"head_dim": [4, 8]}}}}
                ),
            }
        ],
    }
    data["stem"] = changes.get("stem", data["stem"])
    if message is None:
        assert space_from_data(data, "tokens").walks == 4
        return
    with pytest.raises(InputError, match=message):
        space_from_data(data, "tokens")
