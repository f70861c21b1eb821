"""Scaling rules: what each keeps, and networks that components accept."""

import math
from dataclasses import replace

import pytest
from nas_explorer.search_space.architecture.architecture import Architecture
from nas_explorer.search_space.architecture.stages import Stage
from nas_explorer.search_space.components.blocks import MetaFormerBlock
from nas_explorer.search_space.components.downsampling import ConvDownsampling, NoDownsampling
from nas_explorer.search_space.components.heads import PooledHead
from nas_explorer.search_space.components.mixers.attention import Attention
from nas_explorer.search_space.components.mixers.trivial import Pooling
from nas_explorer.search_space.components.stems import ConvStem
from nas_explorer.search_space.errors import InputError
from nas_explorer.search_space.scale_to import Scaled, scale_to
from nas_explorer.search_space.scaling import Scalable
from nas_explorer.search_space.scaling_rules import RULES, Factors, read_aspect, read_rules
from nas_explorer.search_space.shapes import Shape
from nas_explorer.search_space.zoo import zoo_entry

import nas_explorer

POOLING, ATTENTION = (MetaFormerBlock(mixer=each) for each in (Pooling(), Attention(head_dim=16)))
NETWORK = Architecture(
    input=Shape(3, 64, 64),
    classes=10,
    stem=ConvStem(kernel_size=3, stride=2),
    stages=(
        Stage(width=32, depth=4, blocks=(POOLING,)),
        Stage(width=64, depth=8, blocks=(ATTENTION,), downsampling=ConvDownsampling()),
    ),
    head=PooledHead(),
)


def macs(network: Architecture) -> float:
    """Depth x width^2 x pixels, summed over the stages."""
    shapes = zip(network.stages, network.stage_shapes, strict=True)
    return sum(each.depth * each.width**2 * shape.height * shape.width for each, shape in shapes)


def activations(network: Architecture) -> float:
    shapes = zip(network.stages, network.stage_shapes, strict=True)
    return sum(each.depth * each.width * shape.height * shape.width for each, shape in shapes)


def params(network: Architecture) -> float:
    return sum(each.depth * each.width**2 for each in network.stages)


def scaled(
    rule: str, factor: float, aspect: float = 1.0, network: Architecture = NETWORK
) -> Scaled:
    target = factor * macs(network)
    return scale_to(network, RULES[rule], target, macs, aspect=aspect)


@pytest.mark.parametrize("factor", [0.5, 4.0])
@pytest.mark.parametrize("rule", ["compound", "width", "depth", "aspect"])
def test_rules_meet_the_target_with_networks_of_the_same_components(
    rule: str, factor: float
) -> None:
    found = scaled(rule, factor)
    assert found.met and abs(macs(found.architecture) / macs(NETWORK) / factor - 1) <= 0.02
    assert [each.blocks for each in found.architecture.stages] == [(POOLING,), (ATTENTION,)]
    assert found.architecture.stages[1].width % 16 == 0


def test_shares_are_those_of_the_papers() -> None:
    compound = RULES["compound"].factors(math.log(1.2 * 1.1**2 * 1.15**2))
    assert compound.depth == pytest.approx(1.2) and compound.width == pytest.approx(1.1)
    assert compound.resolution == pytest.approx(1.15)
    for rule in (RULES["width"], RULES["width"].keeping_resolution()):
        found = rule.factors(math.log(10.0))  # activations grow by d w r^2
        grown = found.depth * found.width * found.resolution**2
        assert math.log10(grown) == pytest.approx(0.6)
    for rule in RULES.values():
        assert rule.depth + rule.width + rule.resolution == pytest.approx(1)


def test_activations_grow_least_by_the_rule_width() -> None:
    growth = {
        rule: math.log(activations(scaled(rule, 4.0).architecture) / activations(NETWORK), 4)
        for rule in ("width", "compound", "depth")
    }
    assert 0.5 <= growth["width"] < 0.66 < growth["compound"] < growth["depth"]
    assert growth["depth"] == pytest.approx(1, abs=0.03)


def test_aspect_keeps_depth_by_width_or_changes_it_at_equal_macs() -> None:
    same = scaled("aspect", 8.0).factors
    assert same.depth == pytest.approx(2, rel=0.1) and same.width == pytest.approx(2, rel=0.1)
    stages = tuple(replace(e, width=4 * e.width, depth=3 * e.depth) for e in NETWORK.stages)
    wide = scaled("aspect", 1.0, aspect=0.25, network=replace(NETWORK, stages=stages))
    assert wide.met and wide.factors.depth / wide.factors.width == pytest.approx(0.25, rel=0.1)


def test_resolution_changes_the_images_alone() -> None:
    found = scaled("resolution", 2.25).architecture
    assert found.input == Shape(3, 96, 96)
    assert replace(found, input=NETWORK.input) == NETWORK.canonical
    with pytest.raises(InputError, match="by the rule resolution does not"):
        scale_to(NETWORK, RULES["resolution"], 2 * params(NETWORK), params)
    with pytest.raises(InputError, match="scale depth or width, but got resolution"):
        RULES["resolution"].keeping_resolution()


def test_the_nearest_network_is_known_where_none_meets_the_target() -> None:
    found = scaled("depth", 0.01)
    assert not found.met and [each.depth for each in found.architecture.stages] == [1, 1]
    assert found.value == macs(found.architecture)


def test_stages_of_one_width_stay_so_and_patterns_are_stretched() -> None:
    blocks = (POOLING, POOLING, ATTENTION)
    stages = (
        Stage(width=32, depth=3, blocks=blocks),
        Stage(width=32, depth=2, blocks=(ATTENTION,), downsampling=NoDownsampling()),
    )
    network = replace(NETWORK, stages=stages)
    wide = scaled("width", 4.0, network=network).architecture
    assert len({each.width for each in wide.stages}) == 1
    deep = scaled("depth", 2.0, network=network).architecture.stages[0]
    assert deep.blocks == (POOLING,) * 4 + (ATTENTION,) * 2
    least = scaled("depth", 0.01, network=network).architecture.stages
    assert least[0].blocks == (POOLING, ATTENTION) and least[1].blocks == (ATTENTION,)


def test_channels_inside_the_stem_grow_with_it() -> None:
    network = zoo_entry("convnext_atto_ols").architecture
    found = scaled("width", 4.0, network=network).architecture
    had, has = (each.stem.knobs()["hidden"] for each in (network, found))
    ratio = found.stages[0].width / network.stages[0].width
    assert has == pytest.approx(float(had) * ratio, abs=4)


def test_networks_are_scaled_from_python() -> None:
    found = nas_explorer.scale(NETWORK, "params=200k", rule="width", keep_resolution=True)
    params = nas_explorer.measure(found.architecture)["params"].value
    assert found.met and params == found.value and found.architecture.input == NETWORK.input
    with pytest.raises(InputError, match="did you mean 'depth'"):
        nas_explorer.scale(NETWORK, "params=200k", rule="dept")


def test_what_cannot_be_scaled_is_refused() -> None:
    with pytest.raises(InputError, match="must have no overview"):
        Scalable(zoo_entry("overlock_xt").architecture)
    with pytest.raises(InputError, match="did you mean 'compound'"):
        read_rules("compund")
    assert [each.name for each in read_rules("all")] == list(RULES)
    for text in ("0", "wide", "nan"):
        with pytest.raises(InputError, match=r"from 0.01 to 100, but got"):
            read_aspect(text)


def test_factors_of_a_rule_at_no_growth_are_one() -> None:
    assert all(each.factors(0.0) == Factors() for each in RULES.values())
