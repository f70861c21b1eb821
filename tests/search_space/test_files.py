"""Space files: every mistake is an error of one line."""

import copy
import random
import re
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from nas_explorer.search_space.components.base import TokenMixer
from nas_explorer.search_space.components.mixers import MIXERS
from nas_explorer.search_space.components.tables import TABLES
from nas_explorer.search_space.errors import InputError
from nas_explorer.search_space.files import load_space, read_slot, space_from_data
from nas_explorer.search_space.presets import presets
from nas_explorer.search_space.walk.slots import Slot
from nas_explorer.search_space.yaml_files import read_yaml

from .spaces import shipped_space

GOOD: dict[str, Any] = yaml.safe_load(
    """
    name: small
    input: {channels: 3, resolution: 16, classes: 10, min: 8, max: 32}
    stem: {conv: {kernel_size: [3, 5], norm: [layer_norm, none]}, patch: }
    every_stage:
      depth: {min: 1, max: 2}
      block: {metaformer: {mixer: {attention: {head_dim: [4, 8]}, pooling: }, channel_mixer: mlp}}
      pattern: [uniform, alternate]
    stages:
      - {width: [8, 16]}
      - {width: {min: 8, max: 24, step: 8}, downsampling: {conv: {kernel_size: any}, none: }}
    head: pooled
    """
)


OFFERED = [name for name, cls in MIXERS.items() if not cls.traits.mixes_images]
"""Mixers that ``any`` offers."""


def refused(data: object) -> str:
    with pytest.raises(InputError) as caught:
        space_from_data(data)
    message = str(caught.value)
    assert "must" in message or "not" in message
    assert "\n" not in message and len(message) < 400
    return message


def changed(*path: str | int, to: object) -> dict[str, Any]:
    """Return valid data with one value changed."""
    data: Any = copy.deepcopy(GOOD)
    place = data
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = to
    return data


def without(*path: str | int) -> dict[str, Any]:
    data = changed(*path, to=None)
    place: Any = data
    for key in path[:-1]:
        place = place[key]
    del place[path[-1]]
    return data


def test_the_good_one_is_good() -> None:
    space = space_from_data(GOOD)
    assert space.name == "small" and space.walks > 100


MIXER = ("every_stage", "block", "metaformer", "mixer")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, "the space must be a mapping, but got None"),
        ([GOOD], "the space must be a mapping, but got [{"),
        (without("head"), "the space must have input, stem, stages, head, but got no 'head'"),
        (changed("stemm", to="conv"), "did you mean 'stem'?"),
        (changed("input", "resolutoin", to=8), "did you mean 'resolution'?"),
        (changed("input", "resolution", to="big"), "input.resolution must be a positive integer"),
        (changed("input", "classes", to=0), "input.classes must be a positive integer up to"),
        (changed("input", "min", to=64), "input: min must not exceed max, but got 64 and 32"),
        (changed("input", "resolution", to=33), "must be an integer from 8 to 32, but got 33"),
        (changed("input", to=[3, 16, 10]), "input must be a mapping, but got [3, 16, 10]"),
        (changed("stem", to="convv"), "but got 'convv'; did you mean 'conv'?"),
        (changed("stem", to=None), "stem must name a stem, but got None"),
        (changed("stem", to=[]), "stem must name at least one stem, but got none"),
        (changed("stem", to=["conv", "conv"]), "stem must name each stem once"),
        (changed("stem", to=[["conv"]]), "stem must name a stem, but got ['conv']"),
        (changed("stem", "conv", to=3), "stem.conv must be a mapping, but got 3"),
        (changed("stem", "conv", to=False), "stem.conv must be a mapping, but got False"),
        (changed("stem", "conv", "kernel", to=3), "did you mean 'kernel_size'?"),
        (
            changed("stem", "conv", "kernel_size", to=4),
            "stem.conv.kernel_size must be one of 3, 5, 7, 9, but got 4",
        ),
        (changed("stem", "conv", "kernel_size", to=[]), "must have at least one value, but got"),
        (changed("stem", "conv", "kernel_size", to=[3, 3]), "must not repeat a value, but got"),
        (changed("stem", "conv", "kernel_size", to=[3.0]), "but got 3.0"),
        (changed("stem", "conv", "kernel_size", to="3"), "but got '3'"),
        (changed("stem", "conv", "kernel_size", to=[[3]]), "but got [3]"),
        (changed("stem", "conv", "norm", to="layernorm"), "did you mean 'layer_norm'?"),
        (changed(*MIXER, to="atention"), "did you mean 'attention'?"),
        (changed(*MIXER, "attention", "head_dim", to=0), "head_dim must be a positive integer"),
        (changed(*MIXER, "attention", "head_dim", to="any"), "must be given its values, but got"),
        (changed(*MIXER, "pooling", to={"kernel_size": 4}), "kernel_size must be odd, but got 4"),
        (
            changed(*MIXER, "pooling", to={"kernel_size": {"min": 3, "max": 33, "step": 2}}),
            "kernel_size must be odd and from 1 to 31, but got 33",
        ),
        (
            changed(*MIXER, "pooling", to={"kernel_size": {"min": 3, "max": 7}}),
            "kernel_size must be odd, but got 4",
        ),
        (changed(*MIXER, "pooling", to={"subtract": 1}), "must be one of False, True, but got 1"),
        (changed(*MIXER, "any", to={"sprocket": 3}), "mixer.any must be one of"),
        (changed(*MIXER, "any", to=3), "mixer.any must be a mapping, but got 3"),
        (
            changed(*MIXER, "any", to={"activation": ["gelu", "gleu"]}),
            "mixer.any.activation must have values that some token mixer takes, but got 'gleu'",
        ),
        (
            changed(*MIXER, "any", to={"activation": "gleu"}),
            "mixer.any.activation must have values that some token mixer takes, but got 'gleu'",
        ),
        (changed(*MIXER, "any", to={"kernel_size": []}), "must have at least one value, but got"),
        (changed("stages", to=[]), "stages must be a list of 1 to 32, but got []"),
        (changed("stages", to={"width": 8}), "stages must be a list of 1 to 32, but got {"),
        (changed("stages", to=GOOD["stages"] * 20), "stages must be a list of 1 to 32, but got ["),
        (changed("stages", 0, to=8), "stages.0 must be a mapping, but got 8"),
        (changed("stages", 1, "widht", to=8), "did you mean 'width'?"),
        (without("stages", 0, "width"), "stages.0 must have width, depth, block, but got no 'wid"),
        (changed("stages", 0, "width", to=-8), "stages.0.width must be a positive integer"),
        (changed("stages", 0, "width", to=[8, "x"]), "stages.0.width must be a positive integer"),
        (changed("stages", 0, "width", to={"min": 9}), "must have min, max, but got no 'max'"),
        (changed("stages", 0, "width", to={"min": 9, "max": 8}), "min must not exceed max, but g"),
        (
            changed("stages", 0, "width", to={"min": 8, "max": 9, "step": 0}),
            "stages.0.width: step must be at least 1, but got 0",
        ),
        (
            changed("stages", 0, "width", to={"min": 8, "max": 9.5}),
            "stages.0.width.max must be an integer, but got 9.5",
        ),
        (changed("stages", 0, "depth", to=-1), "depth must be an integer from 0 to 1000, but g"),
        (changed("every_stage", "depth", to=10**6), "but got 1000000"),
        (changed("stages", 0, "width", to=10**9), "but got 1000000000"),
        (
            changed("stages", 0, "width", to={"min": 1, "max": 10**9}),
            "stages.0.width must have at most 128 values, but got 1 to 1000000000 in steps of 1",
        ),
        (changed("stages", 0, "pattern", to="every"), "pattern must be one of uniform, alternate"),
        (
            without("stages", 1, "downsampling"),
            "stages.1 must have width, depth, block, downsampling, but got no 'downsampling'",
        ),
        (changed("every_stage", to=None), "every_stage must be a mapping, but got None"),
        (changed("every_stage", "width", to=[date(2020, 1, 1)]), "every_stage.width must be a pos"),
    ],
    ids=lambda value: value[:60] if isinstance(value, str) else "",
)
def test_mistakes(data: object, message: str) -> None:
    assert message in refused(data)


def test_a_space_in_which_nothing_can_be_built() -> None:
    spoilt = {
        "stem.patch: the map must not": changed("stem", to={"patch": {"patch_size": 32}}),
        "mixer.attention: head_dim must": changed(*MIXER, to={"attention": {"head_dim": 5}}),
        "none: width must stay": changed("stages", 1, to={"width": 24, "downsampling": "none"}),
    }
    for reason, data in spoilt.items():
        assert re.search(
            rf"must hold a network .*, but none can be built on 3x16x16; most often .*{reason}",
            refused(data),
        )
    assert refused(changed("every_stage", "depth", to=0)).endswith("can be built on 3x16x16")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("stages: [", "a space file must be YAML, but got"),
        ("a: b: c", "line 1: mapping values are not allowed here"),
        ("a: 1\n\tb: 2", "line 2: found character '\\t' that cannot start any token"),
        ("stem: conv\nhead: pooled\nstem: patch\n", "line 3: 'stem' is given twice"),
        ("input: {min: 8, max: 9, min: 7}", "line 1: 'min' is given twice"),
        ("when: 2020-99-99", "a space file must be YAML"),
        ("&a [*a]", "the space must be a mapping, but got [["),
        ("[" * 1000, "a space file must be YAML"),
        ("!!python/object:os.system {}", "could not determine a constructor"),
        ("", "the space must be a mapping, but got None"),
        ("- - -", "the space must be a mapping, but got ["),
        ("\x07", "a space file must be YAML"),
    ],
)
def test_files_that_are_not_right(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        load_space(str(path))
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(bytes(range(256)))
    folder = tmp_path / "folder.yml"
    folder.mkdir()
    for name, message in (
        (str(tmp_path / "none.yaml"), "No such file"),
        (str(binary), "must be UTF-8 text"),
        (str(folder), "directory"),
        ("null\0.yaml", "must be"),
        ("imagent", "did you mean 'imagenet'?"),
        ("", "space (or a .yaml file) must be one of hybrid, imagenet, micro, mobile, universal"),
        (str(tmp_path / "mine.json"), "space (or a .yaml file) must be one of"),
    ):
        with pytest.raises(InputError) as caught:
            load_space(name)
        assert message in str(caught.value)


def test_anchors_and_merge_keys_are_not_duplicates(tmp_path: Path) -> None:
    path = tmp_path / "merged.yaml"
    path.write_text("a: &a {x: 1, y: 2}\nb: &b {<<: *a, y: 3}\nc: {<<: *b, x: 5}\n")
    assert read_yaml(path, "a file") == {
        "a": {"x": 1, "y": 2},
        "b": {"x": 1, "y": 3},
        "c": {"x": 5, "y": 3},
    }


def test_a_file_gives_what_its_data_give(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(GOOD))
    assert load_space(str(path)).digest == space_from_data(GOOD).digest
    unnamed = tmp_path / "unnamed.yml"
    unnamed.write_text(yaml.safe_dump(without("name")))
    assert load_space(str(unnamed)).name == "unnamed"


def test_any_stands_for_all_that_is_not_named() -> None:
    fields = {
        "pooling": {"subtract": True},
        "any": {"kernel_size": [7, 30], "head_dim": 8, "levels": 6},
    }
    slot = read_slot(TokenMixer, fields, "mixer")
    options = {option.cls.name: option.knobs for option in slot.options}
    assert set(options) == {*OFFERED}
    assert {name: domain.values for name, domain in options["pooling"].items()} == {
        "subtract": (True,)
    }
    assert options["large_kernel_conv"]["kernel_size"].values == (7,)  # 30 is not odd
    assert options["attention"]["head_dim"].values == (8,) and not options["identity"]
    for bare in ("any", ["any"], {"any": None}, {"any": {}}):
        assert len(read_slot(TokenMixer, bare, "mixer").options) == len(OFFERED)


def offered(slot: Slot | None) -> set[type]:
    """Return the classes that a slot offers, nested ones included."""
    options = () if slot is None else slot.options
    inside = [offered(inner) for option in options for inner in option.slots.values()]
    return {option.cls for option in options}.union(*inside)


def test_universal_holds_every_component() -> None:
    space = shipped_space("universal")
    slots = [space.stem, space.head]
    slots += [slot for stage in space.stages for slot in (stage.block, stage.downsampling) if slot]
    held = set[type]().union(*map(offered, slots))
    every = {cls for table in TABLES.values() for cls in table.values() if not cls.by_name}
    assert held == every - {MIXERS[name] for name in {*MIXERS} - {*OFFERED}}


def test_presets_load_and_say_what_they_are() -> None:
    assert set(presets()) == {"hybrid", "imagenet", "micro", "mobile", "universal"}
    for name in presets():
        space = shipped_space(name)
        assert space.name == name and space.summary and space.walks > 10**6


def test_forms_of_the_same_space() -> None:
    """Equivalent forms: a value, a list of one, a range of one; a name, a list of names, a
    mapping."""
    base = changed("stages", 0, to={"width": 8})
    size = space_from_data(base).walks
    for form in ([8], {"min": 8, "max": 8}, {"min": 8, "max": 10, "step": 4}):
        assert space_from_data(changed("stages", 0, to={"width": form})).walks == size
    for head in ("pooled", ["pooled"], {"pooled": None}, [{"pooled": {}}]):
        assert space_from_data(changed("head", to=head)).walks == space_from_data(GOOD).walks


# Malformed data at random ---------------------------------------------------------------------

JUNK: list[Callable[[random.Random], object]] = [
    lambda _: None,
    lambda _: "",
    lambda _: "any",
    lambda _: [],
    lambda _: {},
    lambda _: {"name": "conv"},
    lambda _: True,
    lambda _: float("nan"),
    lambda _: float("inf"),
    lambda _: {1, 2},
    lambda _: date(2020, 1, 1),
    lambda _: b"bytes",
    lambda _: (1, 2),
    lambda _: {None: 1, 2: 3},
    lambda r: r.choice(("conv", "none", "metaformer", "attention", "mlp", "uniform", "data")),
    lambda r: r.choice((-1, 0, 1, 3, 7, 10**9, 2.5, 1e308)),
    lambda r: [r.choice((None, 3, "conv", [], {}))] * r.randrange(3),
    lambda r: {"min": r.choice((0, 1, "x")), "max": r.choice((5, 10**12, None))},
]


def places(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Yield every position in nested data."""
    if not isinstance(data, dict | list):
        return [path]
    inner = data.items() if isinstance(data, dict) else enumerate(data)
    return [path, *(place for key, value in inner for place in places(value, (*path, key)))]


def spoil(data: Any, draw: random.Random) -> Any:
    """Return data with one random change: a value changed, dropped, renamed or repeated."""
    data = copy.deepcopy(data)
    *outer, last = draw.choice(places(data)[1:])
    holder = data
    for key in outer:
        holder = holder[key]
    action = draw.randrange(4)
    if action == 0 and isinstance(holder, dict):
        holder[draw.choice(("sprocket", 7, None, f"{last}s"))] = holder.pop(last)
    elif action == 1:
        del holder[last]
    elif action == 2 and isinstance(holder, list):
        holder.append(copy.deepcopy(holder[last]))
    else:
        holder[last] = draw.choice(JUNK)(draw)
    return data


@pytest.mark.parametrize("start", range(4))
def test_malformed_data_raise_nothing_but_input_errors(start: int) -> None:
    draw = random.Random(start)
    fine = 0
    for _ in range(150):
        data = spoil(GOOD, draw)
        if draw.random() < 0.3:
            data = spoil(data, draw) if data else data
        try:
            space = space_from_data(data)
        except InputError as error:
            assert "\n" not in str(error) and len(str(error)) < 500
            continue
        fine += 1
        assert space.walks > 0 and len(space.digest) == 64
    assert fine < 100
