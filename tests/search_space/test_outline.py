"""Outlines that distinguish architectures."""

from dataclasses import replace

from nas_explorer.search_space.architecture.outline import outline, outlines
from nas_explorer.search_space.files import load_space
from nas_explorer.search_space.walk.choosers import RandomChooser


def test_an_outline_of_the_json_form_is_the_architectures() -> None:
    space = load_space("micro")
    for seed in range(5):
        drawn = space.walk(RandomChooser(seed)).architecture
        assert outline(drawn.canonical.to_json()) == drawn.outline()


def test_lines_are_equal_for_equal_architectures_alone() -> None:
    one = load_space("micro").walk(RandomChooser(0)).architecture.canonical
    stage = one.stages[0]
    block = stage.blocks[0]
    ratios = [
        replace(block, channel_mixer=replace(block.channel_mixer, ratio=ratio)) for ratio in (2, 3)
    ]
    alike = [
        replace(one, stages=(replace(stage, blocks=(each,)), *one.stages[1:])) for each in ratios
    ]
    other = replace(one, stages=one.stages[1:] or one.stages, classes=7)
    found = outlines([each.to_json() for each in (*alike, alike[0], other)])
    start = alike[0].outline()
    assert found[:2] == [
        f"{start}: 0.channel_mixer.ratio=2",
        f"{start}: 0.channel_mixer.ratio=3",
    ]
    assert found[2] == found[0]
    assert found[3] == other.outline()
