"""CoAtNet, MaxViT, EfficientViT, EfficientFormerV2 and MobileNetV4's hybrids, and their components.

Narrow networks give timm's scores and input gradients; costs are worked by hand.
``benchmarks/zoo_timm.py`` compares the published networks.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import timm
import torch
from nas_explorer.evaluators.cost.analysis import count_module
from nas_explorer.search_space.architecture.architecture import Architecture
from nas_explorer.search_space.components.base import Head, Layer, Resampler
from nas_explorer.search_space.components.blocks import ResidualBlock
from nas_explorer.search_space.components.channel_mixers.normed import NormedMlp
from nas_explorer.search_space.components.cross_scale_downsampling import (
    CrossScaleDownsampling,
)
from nas_explorer.search_space.components.mixers.attention import Attention
from nas_explorer.search_space.components.mixers.halo_bottleneck import (
    HaloBottleneck,
    HaloDownsampling,
)
from nas_explorer.search_space.components.mixers.length_scaled import LengthScaledAttention
from nas_explorer.search_space.components.mixers.levit import LevitAttention, LevitDownsampling
from nas_explorer.search_space.components.mixers.mb_conv import PARTS, MbConv, MbConvDownsampling
from nas_explorer.search_space.components.mixers.multi_query import MultiQueryAttention
from nas_explorer.search_space.components.mixers.multi_scale_linear import (
    MultiScaleLinearAttention,
)
from nas_explorer.search_space.components.mixers.pooled import PooledAttention
from nas_explorer.search_space.components.mixers.stride_attention import (
    StrideAttention,
    StrideAttentionDownsampling,
)
from nas_explorer.search_space.components.mixers.trivial import IdentityMixer
from nas_explorer.search_space.components.norms import LayerNorm
from nas_explorer.search_space.components.parts import IMAGE, PartList
from nas_explorer.search_space.components.placed_convs import (
    PlacedConvDownsampling,
    PlacedConvStem,
)
from nas_explorer.search_space.components.pooled_shortcut import (
    PooledMbConvDownsampling,
    RelativeAttentionDownsampling,
)
from nas_explorer.search_space.components.residuals import Add, NormedResidual
from nas_explorer.search_space.components.stems import TieredStem
from nas_explorer.search_space.components.wide_heads import TanhHead, WideMlpHead
from nas_explorer.search_space.shapes import Shape
from nas_explorer.search_space.zoo import zoo_entry
from nas_explorer.search_space.zoo.coatnet import coatnet
from nas_explorer.search_space.zoo.efficientformer_v2 import efficientformer_v2
from nas_explorer.search_space.zoo.efficientvit_mit import base, large
from nas_explorer.search_space.zoo.maxvit import maxvit
from timm.layers.attention2d import MultiQueryAttention2d
from timm.layers.halo_attn import HaloAttn

from ..benchmark_runs import load_benchmark

SCRIPT = load_benchmark("zoo_timm.py")
SIDE = 64
NARROW = (32, 32, 64, 64)

Case = tuple[str, Callable[[Any], Architecture], dict[str, Any]]
"""timm's name; the function from the published network's options to a narrow one; timm's
options."""


def narrow_coatnet(options: Any) -> Architecture:
    _, _, _, convs, attentive, features, _ = options.args
    sizes = NARROW, (2, 2, 2, 2), (16, 32)
    return coatnet(*sizes, convs, attentive, 24 * bool(features), SIDE, **options.keywords)


def narrow_maxvit(options: Any) -> Architecture:
    _, _, _, kind, features, _ = options.args
    return maxvit(32, (1, 1, 2, 1), (16, 32), kind, 24 * bool(features), SIDE)


COATNET = {"embed_dim": NARROW, "depths": (2, 2, 2, 2), "stem_width": (16, 32)}
MAXVIT = {"embed_dim": (32, 64, 128, 256), "depths": (1, 1, 2, 1), "stem_width": (16, 32)}

CASES: tuple[Case, ...] = (
    ("coatnet_0_224", narrow_coatnet, COATNET | {"head_hidden_size": 24}),
    ("coatnet_0_rw_224", narrow_coatnet, COATNET),  # early squeezing, means before the branch
    ("coatnet_3_rw_224", narrow_coatnet, COATNET),  # a layer scale
    ("coatnet_bn_0_rw_224", narrow_coatnet, COATNET),
    ("coatnet_nano_cc_224", narrow_coatnet, COATNET),
    ("coatnet_rmlp_0_rw_224", narrow_coatnet, COATNET),
    ("maxvit_tiny_tf_224", narrow_maxvit, MAXVIT | {"head_hidden_size": 24, "conv_padding": ""}),
    ("maxvit_tiny_rw_224", narrow_maxvit, MAXVIT),
    ("maxvit_rmlp_small_rw_224", narrow_maxvit, MAXVIT),
    (
        "efficientvit_b0",
        lambda _: base(4, (1, 2, 2, 1, 1), 16, (32, 40)),
        {"widths": (4, 8, 16, 32, 64), "depths": (1, 2, 2, 1, 1), "head_widths": (32, 40)},
    ),
    (
        "efficientvit_l1",
        lambda _: large(4, (1, 1, 1, 1, 1), (32, 40)),
        {"widths": (4, 8, 16, 32, 64), "depths": (1, 1, 1, 1, 1), "head_widths": (32, 40)},
    ),
    (
        "efficientformerv2_s0",
        lambda _: efficientformer_v2((16, 24, 32, 48), (1, 1, 2, 2), "34", "43", 1),
        {
            "depths": (1, 1, 2, 2),
            "embed_dims": (16, 24, 32, 48),
            "mlp_ratios": (4, 4, (3, 4), (4, 3)),
            "num_vit": 1,
        },
    ),
)


@pytest.mark.parametrize(("name", "make", "options"), CASES, ids=[case[0] for case in CASES])
def test_narrow_networks_are_timms(
    name: str, make: Callable[[Any], Architecture], options: dict[str, Any]
) -> None:
    torch.manual_seed(0)
    architecture = replace(make(zoo_entry(name).make), input=Shape(3, SIDE, SIDE))
    sized = {} if name.startswith("efficientvit") else {"img_size": SIDE}
    model = SCRIPT.drawn(timm.create_model(name, num_classes=1000, **sized, **options))
    found = SCRIPT.differences(architecture, model, name)
    assert found.close, found
    assert (found.folded is not None) == name.startswith("efficientformer")


@pytest.mark.parametrize("stride", [1, 2])
def test_shared_keys_are_timms(stride: int) -> None:
    theirs = MultiQueryAttention2d(24, num_heads=3, key_dim=8, value_dim=8, kv_stride=stride)
    mixer = MultiQueryAttention(heads=3, head_dim=8, stride=stride)
    ours = mixer.build(Shape(24, 6, 6)).eval()
    drawn = SCRIPT.drawn(theirs).state_dict()
    state = ours.state_dict()
    for mine, value in zip(state.values(), drawn.values(), strict=True):
        mine.copy_(value)
    x = torch.randn(2, 24, 6, 6)
    assert torch.allclose(ours(x), theirs(x), atol=1e-5)


MAP = Shape(16, 4, 4)

MIXERS: tuple[tuple[Layer, int, int], ...] = (
    # Maps of 16 to 16 and back, and of kernels and values behind depthwise convolutions; 32
    # queries, 4 keys.
    (
        MultiQueryAttention(heads=2, head_dim=8, stride=2),
        2 * 256 + 2 * (144 + 32 + 128),
        16 * 2 * 256 + 4 * 2 * (144 + 128) + 2 * 32 * 4 * 8,
    ),
    # 4 heads at both scales: the states, their products with queries, and with sums.
    (
        MultiScaleLinearAttention(head_dim=8, kernel_size=3),
        768 + 432 + 384 + 512 + 32,
        16 * (768 + 432 + 384 + 512) + 4 * 16 * (64 + 64 + 8),
    ),
    # On 4 positions: a kernel, a map to 8, 8 and 16, local values, heads mixed twice, a map.
    (
        StrideAttention(heads=2, key_dim=4, value_expansion=2, strided=True),
        8 + (144 + 16 + 32) + (512 + 32 + 64) + (144 + 16 + 32) + 2 * 6 + (256 + 16 + 32),
        4 * (144 + 512 + 144) + 2 * 64 + 128 + 256 + 16 * 256,
    ),
    # A map to 48, one to 2 heads of 512 hidden channels of 7 x 7 offsets, and a map back.
    (
        LengthScaledAttention(head_dim=8),
        (768 + 48) + (1024 + 512 + 1024 + 2) + (256 + 16) + 2 + 16,
        16 * (768 + 256) + 2 * 2 * 16 * 16 * 8 + 49 * 512 * 2,
    ),
    # 8 inner channels, 4 blocks of 2 x 2 queries with windows of 4 x 4, 2 heads, 5 + 5 vectors.
    (
        HaloBottleneck(expansion=0.5, heads=2, block_size=2, halo=1),
        (128 + 16) + (64 + 128) + 10 * 4 + 16 + (128 + 32),
        16 * (128 + 64 + 128 + 128) + 2 * 16 * 16 * 4 * 2 + 2 * 16 * 10 * 4,
    ),
    # Biases in place of norms, before and after the projection.
    (
        MbConv(ratio=2, squeeze=False, inner_norms=False, after_projection="bias"),
        512 + 32 + 288 + 32 + 512 + 16,
        16 * (512 + 288 + 512),
    ),
    # A depthwise kernel and a norm between the maps.
    (
        NormedMlp(ratio=2, last_norm=True, bias=True, kernel_size=3),
        (512 + 32 + 64) + (288 + 32 + 64) + (512 + 16 + 32),
        16 * (512 + 288 + 512),
    ),
)

RESAMPLERS: tuple[tuple[Resampler, int, int], ...] = (
    # A convolution; queries of 4 positions, keys and values of 16.
    (
        StrideAttentionDownsampling(heads=2, key_dim=4, value_expansion=2),
        *(
            32 + (3456 + 24 + 48) + 160 + (128 + 8 + 16) + (384 + 24 + 48) + 192 + (384 + 24 + 48),
            4 * (3456 + 144 + 128 + 144 + 384) + 16 * 384 + 2 * 4 * 16 * (4 + 8),
        ),
    ),
    # A shortcut; a norm, 128 channels inside, squeezed to 4, and a biased projection.
    (
        PooledMbConvDownsampling(),
        (384 + 24) + 32 + (2048 + 256) + (1152 + 256) + (512 + 4 + 512 + 128) + (3072 + 24),
        4 * 384 + 16 * 2048 + 4 * 1152 + 1024 + 4 * 3072,
    ),
    # Patches of 2 and 4 pixels, each to 12 channels.
    (CrossScaleDownsampling(), 32 + 768 + 12 + 3072 + 12, 4 * (768 + 3072)),
    # To 9, 12 and 24 channels on 4 positions, and a maximum.
    (TieredStem(), 1296 + 18 + 972 + 24 + 2592 + 48, 4 * (1296 + 972 + 2592)),
    (PlacedConvDownsampling(), 3456 + 24 + 48 + 24 * 4, 4 * 3456),
    # From 4 positions to 4 and to 1.
    (PlacedConvStem(hidden=8), 1152 + 24 + 576 + 24 + 1728 + 72 + 24, 4 * (1152 + 576) + 1728),
    # 4 queries of 16 keys, one to each window of 4 x 4.
    (
        HaloDownsampling(heads=2, block_size=2, halo=1),
        (128 + 16) + (64 + 128) + 10 * 4 + 16 + (192 + 48) + (384 + 48),
        16 * (128 + 128) + 4 * (64 + 192 + 384) + 2 * 4 * 16 * 4 * 2 + 2 * 4 * 10 * 4,
    ),
    # All of the branch on 4 positions.
    (
        RelativeAttentionDownsampling(heads=2, head_dim=8),
        (384 + 24) + 32 + (768 + 48) + 2 * 9 + (384 + 24),
        4 * (384 + 768 + 384) + 2 * 2 * 4 * 4 * 8,
    ),
)

HEADS: tuple[tuple[Head, int, int], ...] = (
    (TanhHead(features=8), 32 + (128 + 8) + (192 + 24), 128 + 192),
    (
        WideMlpHead(features=32, hidden=24),
        (512 + 64) + 768 + 48 + (576 + 24),
        16 * 512 + 768 + 576,
    ),
)


@pytest.mark.parametrize(
    ("component", "params", "macs"),
    (*MIXERS, *RESAMPLERS, *HEADS),
    ids=lambda value: "" if isinstance(value, int) else value.name,
)
def test_counts_by_hand(component: Layer | Resampler | Head, params: int, macs: int) -> None:
    module = component.module(MAP, None if isinstance(component, Layer) else 24).eval()
    cost = count_module(module, MAP)
    assert (cost.params, cost.macs) == (params, macs)


def test_forms_without_norms_exclude_experts() -> None:
    """The reason names the knob that must change, with its value."""
    rival = "with inner_norms False, but got 2"
    for name, least in (("experts", 0), *((part, 1) for part in PARTS)):
        down = MbConvDownsampling(inner_norms=False, **{name: 2})
        assert down.why_invalid(MAP, 24) == f"{name} must be {least} {rival}"
        assert replace(down, inner_norms=True).why_invalid(MAP, 24) is None
    mixed = MbConv(experts=2, mixed_kernels=3)
    assert mixed.why_invalid(MAP) == "mixed_kernels must be 1 with experts 2, but got 3"


@pytest.mark.parametrize(
    "knobs",
    [
        {"squeeze": False, "squeeze_early": True},
        {"fused": True, "ratio": 1, "after_projection": "bias"},
    ],
)
def test_forms_without_effect_exclude_nothing(knobs: dict[str, Any]) -> None:
    mixer = MbConv(experts=2, **knobs)
    assert mixer.canonical(MAP).why_invalid(MAP) is None
    assert mixer.why_invalid(MAP) is None
    mixer.build(MAP)(torch.randn(2, *MAP))


@pytest.mark.parametrize("cls", [MbConv, PooledMbConvDownsampling])
def test_without_batch_norms_their_epsilon_has_no_effect(
    cls: type[MbConv | PooledMbConvDownsampling],
) -> None:
    plain = cls(inner_norms=False, after_projection="bias")
    assert replace(plain, eps=1e-3).canonical(MAP) == plain.canonical(MAP)
    single = cls(inner_norms=False, fused=True, ratio=1)  # without a projection
    assert replace(single, eps=1e-3).canonical(MAP) == single.canonical(MAP)
    for normed in (
        replace(plain, inner_norms=True),
        replace(plain, after_projection="norm"),
        replace(single, inner_norms=True),
    ):
        assert replace(normed, eps=1e-3).canonical(MAP) != normed.canonical(MAP)


@pytest.mark.parametrize(
    "component",
    [
        StrideAttention(heads=64, key_dim=256, value_expansion=1e6),
        StrideAttentionDownsampling(heads=64, key_dim=256, value_expansion=1e6),
        LevitAttention(heads=64, key_dim=256, value_expansion=1e6),
        LevitDownsampling(heads=64, key_dim=256, value_expansion=1e6),
        MultiScaleLinearAttention(heads=64, head_dim=10**6),
        MultiQueryAttention(heads=64, head_dim=10**6),
        Attention(heads=64, head_dim=10**6),
    ],
    ids=lambda each: f"{each.kind} {each.name}",
)
def test_channels_of_all_heads_have_a_limit(component: Layer | Resampler) -> None:
    reason = component.why_invalid(MAP, 24)
    assert reason is not None and "must have at most 16000000 channels, but got" in reason
    assert type(component)().why_invalid(Shape(32, 4, 4), 24) is None


def test_scales_start_at_zero_only_without_a_layer_scale() -> None:
    """The reference code of EfficientFormer and EfficientFormerV2 starts all norms at one."""
    folded = NormedMlp(last_norm=True, folds=True)
    assert [starts_at_zero(each) for each in (folded, replace(folded, zero_start=False))] == [1, 0]
    for knobs in ({"last_norm": False}, {"folds": False}):
        assert replace(folded, zero_start=False, **knobs).canonical(MAP).zero_start
    scaled = [
        part.component
        for name in ("efficientformerv2_s0", "efficientformer_l1")
        for part in zoo_entry(name).architecture.parts()
        if isinstance(part.component, NormedMlp)
    ]
    assert scaled and not any(map(starts_at_zero, set(scaled)))


def starts_at_zero(mlp: NormedMlp) -> int:
    """Return the number of norms whose scale starts at zero."""
    norms = (each for each in mlp.build(MAP).modules() if isinstance(each, torch.nn.BatchNorm2d))
    return sum(not each.weight.any() for each in norms)


def test_multi_scale_attention_starts_as_in_the_reference_code() -> None:
    """Weights are small, and the last norm's scale is zero."""
    module: Any = MultiScaleLinearAttention(head_dim=8).build(Shape(64, 4, 4))
    assert 0.018 < module.qkv.weight.std() < 0.022
    assert not module.proj.conv.weight.eq(0).all() and not module.proj.norm.weight.any()
    head: Any = WideMlpHead(features=64, hidden=64).build(Shape(64, 4, 4), 10)
    assert 0.018 < head.after.map.weight.std() < 0.022 and not head.classifier.bias.any()


def test_a_token_joins_convolutional_projections() -> None:
    """The map of 3 x 3 has 4 keys; the token is a query and a key too."""
    column = Shape(16, 10, 1)
    mixer = PooledAttention(head_dim=8, score_scale="channels", token=True)
    assert mixer.why_invalid(column) is None
    cost = count_module(mixer.build(column).eval(), column)
    linear = 256 * (10 + 5 + 5 + 10)
    assert cost.params == 3 * (144 + 32) + 4 * (256 + 16)
    assert cost.macs == 144 * (9 + 4 + 4) + linear + 2 * 10 * 5 * 16
    for other in (Shape(16, 9, 1), Shape(16, 5, 2), Shape(16, 1, 1)):
        assert "column of a token and a square map" in (mixer.why_invalid(other) or "")


def test_the_norm_follows_the_sum() -> None:
    parts = PartList.start(MAP)
    block = ResidualBlock(mixer=IdentityMixer(), residual=NormedResidual(eps=1e-3))
    block.wire(parts, IMAGE)
    assert [(part.component, part.inputs) for part in parts.parts] == [
        (Add(), (IMAGE, IMAGE)),
        (LayerNorm(eps=1e-3), ("residual.add",)),
    ]


@pytest.mark.parametrize("stride", [1, 2])
def test_attention_with_halos_and_a_stride_is_timms(stride: int) -> None:
    theirs = HaloAttn(8, stride=stride, num_heads=2, block_size=4, halo_size=1)
    component = HaloDownsampling(expansion=1, heads=2, block_size=4, halo=1, stride=stride)
    branch: Any = component.build(Shape(8, 8, 8), 8).get_submodule("branch")
    ours, position = branch.attention, branch.attention.positions[0]
    kv = theirs.kv.weight.detach().unflatten(0, (2, 2, 4)).transpose(0, 1)
    for mine, value in (
        (ours.projection.q.weight, theirs.q.weight),
        (ours.projection.kv.weight, kv),
        # Of a window of 6, the offsets of blocks of 4, from the last key to the first.
        (position.rows_Rd, theirs.pos_embed.height_rel.flip(0)[:9]),
        (position.columns_Sd, theirs.pos_embed.width_rel.flip(0)[:9]),
    ):
        mine.data.copy_(value.detach().reshape(mine.shape))
    x = torch.randn(2, 8, 8, 8)
    assert torch.allclose(ours(x), theirs(x), atol=1e-5)
