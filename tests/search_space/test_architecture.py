"""Architectures: identity, JSON, errors, parts."""

import copy
import json
import pickle
import random
from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest
from nas_explorer.search_space.architecture.architecture import Architecture
from nas_explorer.search_space.architecture.stages import Stage, shortest_pattern
from nas_explorer.search_space.components.base import TokenMixer
from nas_explorer.search_space.components.blocks import ConvNeXtBlock, MetaFormerBlock
from nas_explorer.search_space.components.canonical import component_text
from nas_explorer.search_space.components.channel_mixers.mlp import Mlp, NoChannelMixer
from nas_explorer.search_space.components.downsampling import (
    ConvDownsampling,
    NoDownsampling,
    PoolDownsampling,
)
from nas_explorer.search_space.components.heads import MlpHead, PooledHead
from nas_explorer.search_space.components.mixers.attention import Attention
from nas_explorer.search_space.components.mixers.convolution import LargeKernelConv, SeparableConv
from nas_explorer.search_space.components.mixers.focal import FocalModulation
from nas_explorer.search_space.components.mixers.trivial import IdentityMixer, Pooling
from nas_explorer.search_space.components.norms import BatchNorm, LayerNorm, NoNorm
from nas_explorer.search_space.components.parts import IMAGE
from nas_explorer.search_space.components.residuals import (
    NoResidual,
    PlainResidual,
    ResScaleResidual,
)
from nas_explorer.search_space.components.stems import ConvStem, PatchStem
from nas_explorer.search_space.components.tables import component_from_data
from nas_explorer.search_space.errors import InputError
from nas_explorer.search_space.files import load_space
from nas_explorer.search_space.shapes import Shape
from nas_explorer.search_space.walk.choosers import RandomChooser

POOL = MetaFormerBlock(mixer=Pooling())
LARGE = MetaFormerBlock(mixer=LargeKernelConv(kernel_size=31))
HALVE = ConvDownsampling(kernel_size=2)


def architecture(*stages: Stage, **changes: Any) -> Architecture:
    """A network on 3 x 16 x 16 images; after the stem the map is 8 x 8."""
    base = Architecture(
        input=Shape(3, 16, 16),
        classes=5,
        stem=PatchStem(patch_size=2),
        stages=stages or (Stage(width=16, depth=2, blocks=(POOL,)),),
        head=PooledHead(),
    )
    return replace(base, **changes)


def stage(depth: int = 1, *blocks: MetaFormerBlock | ConvNeXtBlock, **changes: Any) -> Stage:
    return replace(Stage(width=16, depth=depth, blocks=blocks or (POOL,)), **changes)


def mlp(ratio: float) -> Stage:
    return stage(1, MetaFormerBlock(channel_mixer=Mlp(ratio=ratio)))


def kernel(size: int) -> Stage:
    return stage(1, MetaFormerBlock(mixer=LargeKernelConv(kernel_size=size)))


BARE = {"norm": NoNorm(), "channel_mixer": NoChannelMixer()}
SAME = NoDownsampling()

EQUIVALENT: dict[str, tuple[Architecture, ...]] = {
    "a pattern of one block": (
        architecture(stage(3, POOL)),
        architecture(stage(3, POOL, POOL)),
        architecture(stage(3, POOL, POOL, POOL)),
        architecture(stage(3, POOL, POOL, POOL, LARGE)),
    ),
    "a pattern written out": (
        architecture(stage(4, POOL, LARGE)),
        architecture(stage(4, POOL, LARGE, POOL, LARGE)),
    ),
    "a stage cut in two": (
        architecture(stage(3)),
        architecture(stage(1), stage(2, downsampling=SAME)),
        architecture(stage(2), stage(1, downsampling=SAME)),
        architecture(stage(1), stage(1, downsampling=SAME), stage(1, downsampling=SAME)),
    ),
    "kernels beyond the map of 8 x 8": (
        architecture(kernel(31)),
        architecture(kernel(17)),
        architecture(kernel(15)),
    ),
    "ratios that give the same channels": (
        architecture(mlp(4)),
        architecture(mlp(4.0)),
        architecture(mlp(4.001)),
        architecture(mlp(4.06)),
    ),
    "a stage of depth zero": (
        architecture(stage(1)),
        architecture(stage(0), stage(1, downsampling=HALVE)),
        architecture(stage(1), stage(0, downsampling=HALVE, width=99)),
        architecture(stage(0, width=7), stage(1), stage(0)),
        architecture(Stage(width=3, depth=0, blocks=()), stage(1)),
    ),
    "a downsampling that the first stage does not use": (
        architecture(stage(1)),
        architecture(stage(1, downsampling=HALVE)),
    ),
    "a norm of the head that stands alone": (
        architecture(head=PooledHead(norm=NoNorm())),
        architecture(head=PooledHead(norm=NoNorm(), norm_first=True)),
    ),
    "a block of either kind that is its mixer alone": (
        architecture(stage(1, MetaFormerBlock(mixer=LargeKernelConv(), **BARE))),
        architecture(stage(1, ConvNeXtBlock(mixer=LargeKernelConv(), **BARE))),
    ),
    "a hidden layer of the head": (
        architecture(head=MlpHead(ratio=2)),
        architecture(head=MlpHead(ratio=2.01)),
    ),
}

DIFFERENT: tuple[Architecture, ...] = (
    architecture(),
    architecture(classes=6),
    architecture(input=Shape(1, 16, 16)),
    architecture(input=Shape(3, 16, 18)),
    architecture(input=Shape(3, 18, 16)),
    architecture(stem=PatchStem(patch_size=4)),
    architecture(stem=ConvStem()),
    architecture(stem=ConvStem(norm=NoNorm())),
    architecture(head=PooledHead(norm=LayerNorm(bias=False))),
    architecture(head=PooledHead(norm_first=True)),
    architecture(head=MlpHead()),
    architecture(stage(2, width=17)),
    architecture(stage(3)),
    architecture(stage(3, POOL, LARGE)),
    architecture(stage(3, LARGE, POOL)),
    architecture(stage(3, POOL, POOL, LARGE)),
    architecture(stage(1), stage(1, downsampling=HALVE)),
    architecture(stage(1), stage(1, downsampling=PoolDownsampling())),
    architecture(stage(1), stage(1, downsampling=ConvDownsampling(kernel_size=3))),
    architecture(kernel(13)),
    architecture(kernel(15)),
    architecture(mlp(4)),
    architecture(mlp(4.07)),  # 65 hidden channels
    architecture(stage(2, replace(POOL, residual=ResScaleResidual()))),
    architecture(stage(2, replace(POOL, residual=ResScaleResidual(init=0.5)))),
    architecture(stage(2, replace(POOL, norm=LayerNorm(eps=1e-5)))),
    architecture(stage(2, replace(POOL, mixer=Pooling(subtract=False)))),
    architecture(stage(2, replace(POOL, mixer=IdentityMixer()))),
    architecture(stage(2, replace(POOL, channel_mixer=NoChannelMixer()))),
    architecture(stage(2, ConvNeXtBlock(mixer=Pooling()))),
)


@pytest.mark.parametrize("alike", EQUIVALENT.values(), ids=list(EQUIVALENT))
def test_descriptions_of_one_network_have_one_digest(alike: tuple[Architecture, ...]) -> None:
    assert len({each.digest for each in alike}) == 1
    assert len({tuple(part.key for part in each.parts()) for each in alike}) == 1


def test_different_networks_have_different_digests() -> None:
    different = (*DIFFERENT, *(alike[0] for alike in EQUIVALENT.values()))
    known: dict[str, Architecture] = {}
    for each in different:
        assert known.setdefault(each.digest, each).canonical == each.canonical
    assert len(known) >= len(DIFFERENT) + 4


def test_the_digest_is_fixed_for_all_time() -> None:
    """Records store digests, so a change of this value is a change of the format."""
    assert architecture().digest.startswith("16e468d5be722e5b")
    normed = MetaFormerBlock(norm=BatchNorm())
    halved = stage(1, normed, downsampling=ConvDownsampling())
    other = architecture(stage(2, normed), halved, stem=ConvStem())
    assert other.digest.startswith("914d7883a3a7e256")


def test_a_knob_that_came_later_counts_where_it_is_used() -> None:
    usual = architecture(stage(1), stage(1, downsampling=HALVE))
    normed = replace(HALVE, norm_after=LayerNorm())
    assert architecture(stage(1), stage(1, downsampling=normed)).digest != usual.digest


def test_canonical_form() -> None:
    for alike in (*EQUIVALENT.values(), DIFFERENT):
        for each in alike:
            canonical = each.canonical
            assert canonical.canonical == canonical and canonical.digest == each.digest
            assert Architecture.from_json(canonical.to_json()) == canonical
            assert canonical.stages[0].downsampling is None
            assert all(stage.depth for stage in canonical.stages)
    long = architecture(stage(4, POOL, LARGE, POOL, LARGE)).canonical.stages[0]
    assert len(long.blocks) == 2


def test_shortest_pattern() -> None:
    a, b = POOL, LARGE
    assert shortest_pattern((a, b, a), 3) == (a, b)
    assert shortest_pattern((a, a, b), 3) == (a, a, b)
    assert shortest_pattern((a, b), 1) == (a,)
    assert shortest_pattern((a, b, a), 6) == (a, b, a)
    assert shortest_pattern((a, b, a, b), 4) == (a, b)


def test_values_are_frozen_and_travel() -> None:
    for each in DIFFERENT:
        assert pickle.loads(pickle.dumps(each)) == each
        assert json.loads(json.dumps(each.to_json())) == each.to_json()
        assert Architecture.from_json(json.loads(json.dumps(each.to_json()))) == each
        assert hash(each) == hash(copy.deepcopy(each))
        with pytest.raises(FrozenInstanceError):
            each.classes = 3  # type: ignore[misc]


def test_parts_are_in_running_order_and_their_shapes_meet() -> None:
    space = load_space("micro").bind(channels=3, resolution=9, classes=4)
    for seed in range(15):
        parts = space.walk(RandomChooser(seed)).architecture.parts()
        shapes = {IMAGE: Shape(3, 9, 9)}
        for part in parts:
            assert part.in_shapes == tuple(shapes[name] for name in part.inputs)
            assert part.name not in shapes
            shapes[part.name] = part.out_shape
        assert parts[0].name == "stem" and parts[-1].name == "head"
        assert parts[-1].out_shape == Shape(4, 1, 1)


def test_names_of_parts() -> None:
    block = MetaFormerBlock(mixer=SeparableConv(), residual=ResScaleResidual())
    parts = architecture(stage(1, block), stage(1, downsampling=HALVE)).parts()
    assert [part.name for part in parts][:10] == [
        "stem",
        "stages.0.blocks.0.norm1",
        "stages.0.blocks.0.mixer",
        "stages.0.blocks.0.residual1.scale",
        "stages.0.blocks.0.residual1.add",
        "stages.0.blocks.0.norm2",
        "stages.0.blocks.0.channel_mixer",
        "stages.0.blocks.0.residual2.scale",
        "stages.0.blocks.0.residual2.add",
        "stages.1.downsampling",
    ]


def test_summaries_are_one_line() -> None:
    each = architecture(stage(4, POOL, LARGE), stage(2, downsampling=HALVE))
    for text in (each.summary(), each.outline()):
        assert "16x4" in text and "pooling" in text and "\n" not in text
    assert each.outline() == "16x4 pooling+large_kernel_conv | 16x2 pooling"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: stage(-1), "depth must be an integer from 0 to 1000, but got -1"),
        (lambda: stage(10**6), "depth must be an integer from 0 to 1000, but got 1000000"),
        (lambda: stage(width=0), "width must be a positive integer up to 1000000, but got 0"),
        (lambda: stage(width=10**9), "but got 1000000000"),
        (lambda: stage(width=8.0), "but got 8.0"),
        (lambda: stage(True), "depth must be an integer from 0 to 1000, but got True"),
        (
            lambda: Stage(width=8, depth=1, blocks=()),
            "a stage of depth 1 must name its blocks, but got none",
        ),
        (lambda: architecture(classes=0), "classes must be a positive integer"),
        (lambda: architecture(input=Shape(3, 0, 8)), "input height must be a positive integer"),
        (lambda: architecture(input=Shape(3, 8, 8.0)), "input width must be a positive integer"),  # type: ignore[arg-type]
        (lambda: architecture(stages=()), "must have a stage with blocks, but got none"),
        (lambda: architecture(stage(0)), "must have a stage with blocks, but got none"),
        (
            lambda: architecture(stage(0), stage(1), stage(1)),
            "stages.2 must have a downsampling (or 'none'), but got nothing",
        ),
        (
            lambda: architecture(stage(1), stage(0), stage(1, width=8, downsampling=SAME)),
            "stages.2 after 16x8x8: none: width must stay 16 without downsampling, but got 8",
        ),
        (
            lambda: architecture(input=Shape(3, 1, 8)),
            "stages.0 after 3x1x8: patch: the map must not shrink below 1x1, but is 1x8 before",
        ),
        (
            lambda: architecture(stage(1, MetaFormerBlock(mixer=Attention(head_dim=12)))),
            "stages.0 on 16x8x8: mixer attention: head_dim must divide the channels, but got "
            "head_dim 12 and 16 channels",
        ),
        (
            lambda: MetaFormerBlock(mixer=Mlp()),  # type: ignore[arg-type]
            "mixer must be a token mixer, but got Mlp(",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_built_is_refused(make: Any, message: str) -> None:
    with pytest.raises(InputError) as caught:
        make()
    assert message in str(caught.value) and "\n" not in str(caught.value)


def changed(*path: str | int, to: object) -> dict[str, Any]:
    data = architecture(stage(1), stage(1, downsampling=HALVE)).to_json()
    place: Any = data
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = to
    return data


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, "architecture must be a mapping, but got None"),
        ([], "architecture must be a mapping, but got []"),
        ({}, "architecture must have input, classes, stem, stages, head, but got no 'input'"),
        (changed("format", to=3), "format must be from 1 to 2, but got 3"),
        (changed("stems", to=1), "did you mean 'stem'?"),
        (changed("downsampling", to="conv"), "key of architecture must be one of"),
        (changed("stages", 1, "format", to=1), "key of stages.1 must be one of"),
        (changed("input", to=[3, 8]), "input must be [channels, height, width], but got [3, 8]"),
        (changed("input", to="888"), "input must be [channels, height, width], but got '888'"),
        (changed("input", to=[3, 8, "8"]), "input width must be a positive integer"),
        (changed("stages", to={}), "stages must be a list, but got {}"),
        (changed("stages", 0, to=3), "stages.0 must be a mapping, but got 3"),
        (changed("stages", 0, "blocks", to=3), "stages.0.blocks must be a list, but got 3"),
        (changed("stages", 0, "width", to=0), "stages.0: width must be a positive integer"),
        (changed("stages", 0, "blocks", to=[3]), "stages.0.blocks.0 must be a block with a name"),
        (
            changed("stages", 0, "blocks", 0, "name", to="metafomer"),
            ", but got 'metafomer'; did you mean 'metaformer'?",
        ),
        (
            changed("stages", 0, "blocks", 0, "mixer", "kernel_size", to=4),
            "stages.0.blocks.0.mixer: kernel_size must be odd, but got 4",
        ),
        (
            changed("stages", 0, "blocks", 0, "mixer", "kernal_size", to=3),
            "field of pooling must be one of kernel_size, subtract, but got 'kernal_size'; "
            "did you mean 'kernel_size'?",
        ),
        (
            changed("head", to="poled"),
            "but got 'poled'; did you mean 'pooled'?",
        ),
    ],
    ids=lambda value: value[:50] if isinstance(value, str) else "",
)
def test_json_that_is_not_right(data: object, message: str) -> None:
    with pytest.raises(InputError) as caught:
        Architecture.from_json(data)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_json_of_a_person_may_leave_defaults_out() -> None:
    block = {"name": "metaformer", "mixer": "pooling"}
    data = {
        "input": [3, 16, 16],
        "classes": 5,
        "stem": {"name": "patch", "patch_size": 2},
        "stages": [{"width": 16, "depth": 2, "blocks": [block]}],
        "head": "pooled",
    }
    assert Architecture.from_json(data) == architecture()


def test_the_old_name_of_a_field_is_read_and_digested() -> None:
    now = FocalModulation(normed=True)
    old = {"name": "focal_modulation", "norm": True}
    assert component_from_data(TokenMixer, old, "mixer") == now
    text = component_text(now)
    assert '"norm":true' in text and "normed" not in text
    with pytest.raises(InputError, match=r"field of focal_modulation must be one of .* 'normed'"):
        component_from_data(TokenMixer, {**old, "normed": True}, "mixer")


@pytest.mark.parametrize("start", range(3))
def test_malformed_json_raises_nothing_but_input_errors(start: int) -> None:
    from .test_files import spoil

    draw = random.Random(start)
    good = load_space("micro").walk(RandomChooser(start)).architecture.to_json()
    fine = 0
    for _ in range(200):
        data = spoil(good, draw)
        try:
            read = Architecture.from_json(data)
        except InputError as error:
            assert "\n" not in str(error) and len(str(error)) < 500
        else:
            fine += 1
            assert read.parts() and len(read.digest) == 64
    assert fine < 150


def test_residuals_and_norms_that_are_nothing_leave_no_part() -> None:
    block = MetaFormerBlock(mixer=IdentityMixer(), residual=NoResidual(), **BARE)
    assert [part.name for part in architecture(stage(2, block)).parts()] == ["stem", "head"]
    plain = MetaFormerBlock(mixer=IdentityMixer(), residual=PlainResidual(), **BARE)
    assert [part.name for part in architecture(stage(1, plain)).parts()][1:-1] == [
        "stages.0.blocks.0.residual1.add"
    ]
