"""Spaces around one network."""

from dataclasses import replace

import pytest
import yaml
from nas_explorer.search_space.architecture.architecture import Architecture
from nas_explorer.search_space.architecture.stages import Stage
from nas_explorer.search_space.around import depths, near, space_around, space_data_around, widths
from nas_explorer.search_space.components.blocks import MetaFormerBlock
from nas_explorer.search_space.components.mixers import MIXERS
from nas_explorer.search_space.components.stems import ConvStem
from nas_explorer.search_space.domains import Choice, IntRange, Positive
from nas_explorer.search_space.errors import InputError
from nas_explorer.search_space.files import space_from_data
from nas_explorer.search_space.walk.choosers import RandomChooser
from nas_explorer.search_space.zoo import ZOO, zoo_entry

FAMILIES = {entry.family: entry for entry in reversed(ZOO.values())}
NOT = {
    "overlock_xt": "must have no overview",
    "ConvNeXt-T-dcls": "that share parameters",
    "active_xtiny": "that share parameters",
    "glnet_4g": "at most 32 runs of equal blocks to lie in a space, but got 60",
    "mobileone_s0": "at most 32 runs of equal blocks to lie in a space, but got 40",
}


def test_numbers_vary_around_those_of_the_network() -> None:
    assert widths(64) == [32, 48, 64, 80, 96]
    assert widths(12) == [8, 12, 16], "multiples of 4"
    assert widths(1) == [1, 2]
    assert (depths(1), depths(2), depths(18)) == ([1, 2], [1, 2, 3], [12, 15, 18, 21, 24])
    assert near(IntRange(3, 31, 2), 7) == [3, 5, 7, 9, 11]
    assert near(IntRange(3, 31, 2), 31) == [27, 29, 31]
    assert near(IntRange(1, 64), 32) == [16, 24, 32, 40, 48]
    assert near(Positive(most=4), 3.0) == [1.5, 2.25, 3.0, 3.75]
    assert near(Choice(("gelu", "relu", "silu")), "relu") == ["gelu", "relu", "silu"]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_published_network_lies_in_the_space_around_it(family: str) -> None:
    entry = FAMILIES[family]
    reason = NOT.get(entry.name)
    if reason is not None:
        with pytest.raises(InputError, match=reason):
            space_around(entry.architecture, ["width", "depth"])
        return
    space = space_around(entry.architecture, ["width", "depth"])
    assert space.contains(entry.architecture) and space.walks > 1
    drawn = space.walk(RandomChooser(1)).architecture
    assert type(drawn.stem) is type(entry.architecture.stem)


def test_what_is_not_named_stays() -> None:
    network = zoo_entry("convnext_atto").architecture
    space = space_around(network, ["kernel_size"])
    for seed in range(5):
        drawn = space.walk(RandomChooser(seed)).architecture
        assert [each.width for each in drawn.stages] == [each.width for each in network.stages]
        assert [each.depth for each in drawn.stages] == [each.depth for each in network.stages]
    assert {path.rpartition(".")[2] for path in space.decisions()} == {"kernel_size"}
    narrow = space_around(network, ["stages.1.kernel_size", "stages.0.width"])
    assert set(narrow.decisions()) == {
        "stages.0.width",
        "stages.1.block.mixer.kernel_size",
        "stages.1.downsampling.kernel_size",
    }


def test_a_slot_that_varies_takes_any_component() -> None:
    network = zoo_entry("convnext_atto").architecture
    space = space_around(network, ["mixer"])
    assert space.contains(network)
    offered = {name for name, cls in MIXERS.items() if not cls.traits.mixes_images}
    assert set(space.decisions()["stages.0.block.mixer"].values) == offered


def test_unequal_blocks_of_a_stage_are_runs() -> None:
    one, other = MetaFormerBlock(), MetaFormerBlock(mixer=MIXERS["pooling"]())
    stage = Stage(width=16, depth=5, blocks=(one, one, one, other, one))
    network = replace(zoo_entry("convnext_atto").architecture, stem=ConvStem(), stages=(stage,))
    data = space_data_around(network, ["depth"])
    assert [each["depth"] for each in data["stages"]] == [[2, 3, 4], [1, 2], [1, 2]]
    assert space_from_data(yaml.safe_load(yaml.safe_dump(data))).contains(network)
    many = replace(stage, depth=34, blocks=(one, other))
    with pytest.raises(InputError, match=r"at most 32 runs of equal blocks .* but got 34"):
        space_around(replace(network, stages=(many,)), ["depth"])


@pytest.mark.parametrize(
    ("vary", "message"),
    [
        ([], "the fields to vary must be named, but got none"),
        (["kernel"], "a field to vary must be one of .* but got 'kernel'; did you mean 'kernel_s"),
        (["width", "head.width"], "but got 'head.width'"),
    ],
)
def test_wrong_fields_are_refused(vary: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        space_around(zoo_entry("convnext_atto").architecture, vary)


def test_images_that_are_not_square_are_refused() -> None:
    network: Architecture = zoo_entry("convnext_atto").architecture
    wide = replace(network, input=network.input._replace(width=256))
    with pytest.raises(InputError, match="must be square, but got 3x224x256"):
        space_around(wide, ["width"])
