"""The walk: every architecture of a space once, and no other."""

import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import pytest
from nas_explorer.search_space.architecture.architecture import Architecture
from nas_explorer.search_space.component_filter import ComponentFilter
from nas_explorer.search_space.components.mixers.trivial import Pooling
from nas_explorer.search_space.counting.size import Size
from nas_explorer.search_space.domains import Domain, Value
from nas_explorer.search_space.errors import InputError
from nas_explorer.search_space.presets import presets
from nas_explorer.search_space.space import SearchSpace
from nas_explorer.search_space.walk.assembly import Walk, assembled
from nas_explorer.search_space.walk.choosers import RandomChooser, ReplayChooser

from .spaces import MEETING, REPEATED, SMALL, every_architecture, shipped_space, small_space


@pytest.mark.parametrize("text", SMALL.values(), ids=list(SMALL))
def test_enumeration_gives_every_architecture_once(text: str) -> None:
    space = small_space(text)
    digests = [walk.architecture.digest for walk in space.enumerate()]
    assert set(digests) == set(every_architecture(text))
    assert len(digests) == len(set(digests)) == space.walks == space.size().architectures
    assert space.size().exact


def test_one_fixed_pattern_is_left_out_only_where_all_blocks_are_one() -> None:
    """A stage with one block, or with one mixer, has no pattern."""
    space = small_space(SMALL["one fixed pattern"])
    # depth 1: three mixers; depths 2 and 3: three times three
    assert space.walks == 3 + 9 + 9


@pytest.mark.parametrize("text", (REPEATED | MEETING).values(), ids=[*REPEATED, *MEETING])
def test_where_walks_meet_there_are_more_walks_than_architectures(text: str) -> None:
    space = small_space(text)
    walks = list(space.enumerate())
    digests = {walk.architecture.digest for walk in walks}
    assert digests == set(every_architecture(text))
    assert len(walks) == space.walks > len(digests)
    assert not space.walks_differ
    assert space.size() == Size(architectures=len(digests), walks=len(walks), exact=True)
    assert len({tuple(walk.decisions.items()) for walk in walks}) == len(walks)


@pytest.mark.parametrize(
    ("block", "differ"),
    [
        (
            "{metaformer: {mixer: [identity, pooling], channel_mixer: [none, mlp], norm: none}}",
            True,
        ),
        ("{metaformer: {mixer: [identity, pooling]}, residual: {mixer: [identity]}}", True),
        ("{convnext: {mixer: identity}, channel: }", False),
        ("{integration: {local: [identity, pooling], mixer: pooling, norm: none}}", True),
        ("{fusion: {mixer: pooling, fuse: false, activation: [relu, gelu]}}", False),
        ("{fusion: {mixer: pooling, fuse: true, activation: [relu, gelu]}}", True),
        ("[none]", False),
    ],
)
def test_whether_walks_differ_is_known_without_walking(block: str, differ: bool) -> None:
    text = EXPORT.format(block=block)
    space = small_space(text.replace("any", "last"))
    digests = {walk.architecture.digest for walk in space.enumerate()}
    assert space.walks_differ == differ == (len(digests) == space.walks)
    assert not differ or space.size().exact


def test_a_repeated_mixer_is_counted_once() -> None:
    """Three patterns of two mixers: each network of one mixer has three walks."""
    text = EXPORT.format(block="{metaformer: {mixer: [identity, pooling]}}")
    space = small_space(text.replace("depth: [1, 2]", "depth: 3"))
    assert space.walks == 2 + 4 + 4 and not space.walks_differ
    assert space.size() == Size(architectures=2 + 2 + 2, walks=10, exact=True)
    decisions = {"stages.0.block.mixer": "pooling", "stages.0.block.second_mixer": "pooling"}
    patterns = ("uniform", "alternate", "last")
    drawn = [space.replay({**decisions, "stages.0.pattern": each}) for each in patterns]
    assert len({each.architecture.digest for each in drawn}) == 1
    assert all(space.find(each.architecture) in drawn for each in drawn)
    assert space.membership.count(drawn[0].architecture) == 3


def test_sizes_by_hand() -> None:
    # stride 1 gives a map of 8 (kernels up to 15), stride 2 of 4 (up to 7). The second map is half
    # that: 4 with kernels 3, 5, 7, and 2 with kernel 3 only; two depths, two forms of halving.
    size = small_space(SMALL["clipped kernels"]).walks
    assert size == 2 * (4 * (2 * 2 * 3) + 2 * (2 * 2 * 1))


class Listening:
    """A random chooser that records its calls."""

    def __init__(self, seed: int) -> None:
        self.inner = RandomChooser(seed)
        self.asked: dict[str, Domain] = {}

    def choose(self, path: str, domain: Domain, allowed: Sequence[Value]) -> Value:
        assert path not in self.asked, "asked twice"
        assert len(allowed) > 1, "asked without an alternative"
        assert list(allowed) == [value for value in domain.values if value in allowed]
        self.asked[path] = domain
        return self.inner.choose(path, domain, allowed)


ALL = SMALL | REPEATED | MEETING


@cache
def space_named(name: str) -> SearchSpace:
    return small_space(ALL[name]) if name in ALL else shipped_space(name)


@pytest.fixture
def space(request: pytest.FixtureRequest) -> SearchSpace:
    return space_named(request.param)


every_space = pytest.mark.parametrize("space", [*presets(), *ALL], indirect=True)


@every_space
def test_only_listed_decisions_are_asked(space: SearchSpace) -> None:
    listed = space.decisions()
    for seed in range(30):
        chooser = Listening(seed)
        walk = space.walk(chooser)
        assert set(chooser.asked) <= set(walk.decisions)
        for path, domain in chooser.asked.items():
            assert domain.values == listed[path].values
        for path, value in walk.decisions.items():
            listed[path].check(path, value)


@every_space
def test_stored_decisions_give_the_architecture_again(space: SearchSpace) -> None:
    for seed in range(30):
        walk = space.walk(RandomChooser(seed))
        stored = json.loads(json.dumps(dict(walk.decisions)))
        assert space.replay(stored) == walk == space.walk(ReplayChooser(stored))
        read = Architecture.from_json(json.loads(json.dumps(walk.architecture.to_json())))
        assert read == walk.architecture and read.digest == walk.architecture.digest


@every_space
def test_what_is_drawn_is_found(space: SearchSpace) -> None:
    for seed in range(5):
        walk = space.walk(RandomChooser(seed))
        found = space.find(walk.architecture)
        assert found is not None and found.architecture.digest == walk.architecture.digest
        assert space.replay(found.decisions) == found
        for steps in space.membership.walks(walk.architecture):
            assert assembled(space.graph, steps).digest == walk.architecture.digest


@pytest.mark.parametrize("text", ALL.values(), ids=list(ALL))
def test_all_walks_that_give_an_architecture_are_found(text: str) -> None:
    space = small_space(text)
    by_digest = defaultdict[str, list[Walk]](list)
    for walk in space.enumerate():
        by_digest[walk.architecture.digest].append(walk)
    for digest, walks in by_digest.items():
        found = list(space.membership.walks(every_architecture(text)[digest]))
        assert len(found) == len(set(found)) == space.membership.count(walks[0].architecture)
        assert len(found) == len(walks)


def test_what_a_space_does_not_hold_is_not_found() -> None:
    texts = REPEATED["patterns"], REPEATED["kinds of blocks"], SMALL["ratios that meet"]
    for text in texts:
        mine = every_architecture(text)
        others = {
            digest: architecture
            for other in texts
            if other != text
            for digest, architecture in every_architecture(other).items()
        }
        space = small_space(text)
        for digest, architecture in list(others.items())[::7]:
            assert space.contains(architecture) == (digest in mine)


def test_an_equivalent_description_is_found() -> None:
    """Equal networks: a kernel larger than the map, a ratio with the same channels."""
    data = next(iter(every_architecture(SMALL["clipped kernels"]).values())).to_json()
    data["stages"][0]["blocks"][0]["mixer"]["kernel_size"] = 29
    assert small_space(SMALL["clipped kernels"]).contains(Architecture.from_json(data))
    data["stages"][0]["blocks"][0]["mixer"]["kernel_size"] = 5
    assert not small_space(SMALL["clipped kernels"]).contains(Architecture.from_json(data))


def test_neighbours_differ_in_one_decision() -> None:
    space = small_space(REPEATED["patterns"])
    for seed in range(5):
        walk = space.walk(RandomChooser(seed))
        seen: set[str] = set()
        for near in space.neighbours(walk):
            changed = {
                path
                for path, value in near.decisions.items()
                if path in walk.decisions and walk.decisions[path] != value
            }
            assert changed
            seen.add(near.architecture.digest)
        assert len(seen - {walk.architecture.digest}) > 3


@pytest.mark.slow
def test_another_process_draws_the_same() -> None:
    code = (
        "from nas_explorer.search_space.walk.choosers import RandomChooser\n"
        "from nas_explorer.search_space.files import load_space\n"
        "space = load_space('micro')\n"
        "print(*[space.walk(RandomChooser(i)).architecture.digest for i in range(20)])\n"
    )
    here = [space_named("micro").walk(RandomChooser(i)).architecture.digest for i in range(20)]
    there = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
        env={**os.environ, "PYTHONHASHSEED": "12345"},
    )
    assert there.stdout.split() == here


def test_random_draws_reach_every_option() -> None:
    """All mixers of the first stage are about equally frequent."""
    space = space_named("micro")
    walks = [space.walk(RandomChooser(seed)) for seed in range(400)]
    for path, domain in space.decisions().items():
        if path.startswith("stages.0.") and path.count(".") == 3:
            counts = [sum(walk.decisions.get(path) == v for walk in walks) for v in domain.values]
            assert min(counts) > 0.5 * sum(counts) / len(counts), path


@pytest.mark.parametrize("resolution", [8, 9, 13, 28, 32, 64])
def test_a_space_takes_images_of_the_data_s_size(resolution: int) -> None:
    space = space_named("micro").bind(channels=3, resolution=resolution, classes=7)
    for seed in range(10):
        architecture = space.walk(RandomChooser(seed)).architecture
        assert architecture.input == (3, resolution, resolution) and architecture.classes == 7


def test_a_space_refuses_images_that_it_cannot_take() -> None:
    with pytest.raises(InputError, match="must be an integer from 8 to 64, but got 65"):
        space_named("micro").bind(channels=3, resolution=65, classes=7)
    space = small_space(SMALL["clipped kernels"].replace("kernel_size: [2, 3]", "kernel_size: 2"))
    with pytest.raises(InputError, match=r"must hold a network .* can be built on 1x1x1"):
        space.bind(channels=1, resolution=1, classes=2)


def test_the_digest_of_a_space_tells_what_may_vary() -> None:
    text = REPEATED["patterns"]
    digest = small_space(text).digest
    assert small_space(f"summary: other\n{text}".replace("\n        ", "\n")).digest == digest
    assert small_space(text.replace("max: 4", "max: 3")).digest != digest
    assert small_space(text).bind(channels=1, resolution=8, classes=2).digest != digest


NEVER = """
input: {channels: 3, resolution: 8, classes: 2}
stem: {patch: {patch_size: [1, 16]}}
stages:
  - width: [8, 16]
    depth: 1
    block:
      metaformer: {mixer: {pooling: , attention: {head_dim: [5, 12]}}}
      convnext: {mixer: {attention: {head_dim: [8, 32]}}}
      fusion: {mixer: {any: {kernel_size: 3}, attention: {head_dim: 32}}}
  - {width: 12, depth: 1, downsampling: [conv, none], block: {local: , guided: }}
head: pooled
"""


def test_what_is_named_but_never_built_is_reported() -> None:
    why = "can never be built here: head_dim must divide the channels, but got head_dim"
    assert small_space(NEVER).never_built() == (
        f"stages.0.block.fusion.mixer: 'attention' {why} 32 and 8 channels",
        f"stages.0.block.metaformer.mixer: 'attention' {why} 5 and 8 channels",
        "stages.1.block: 'guided' can never be built here: mixer.guided_contmix: twice heads must "
        "divide the channels that are mixed, but got heads 4 and 4 such channels",
        "stages.1.downsampling: 'none' can never be built here: width must stay 8 without "
        "downsampling, but got 12",
    )


@pytest.mark.parametrize("name", presets())
def test_shipped_spaces_name_nothing_in_vain(name: str) -> None:
    space = space_named(name)
    sides = (space.resolutions.low, space.resolutions.high)
    for side in sides[:1] if name == "universal" else sides:  # its graph takes seconds
        assert not space.bind(channels=3, resolution=side, classes=10).never_built()


EXPORT = """
input: {{channels: 3, resolution: 8, classes: 2}}
stem: patch
stages:
  - {{width: 8, depth: [1, 2], block: {block}, pattern: any}}
head: pooled
"""


EXPORTABLE = ComponentFilter(
    what="can be exported", key="exportable", keep=lambda cls: cls.exportable()
)


def test_mixers_that_cannot_be_exported_can_be_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pooling, "traits", replace(Pooling.traits, exportable=False))
    space = small_space(EXPORT.format(block="{metaformer: {mixer: [pooling, identity]}}"))
    left = space.only(EXPORTABLE)
    assert (space.walks, left.walks) == (8, 2)
    assert left.digest != space.digest
    drawn = {left.walk(RandomChooser(seed)).architecture.outline() for seed in range(20)}
    assert drawn == {"8x1 identity", "8x2 identity"}
    with pytest.raises(InputError, match=r"mixer must keep .* can be exported, but got pooling$"):
        small_space(EXPORT.format(block="{metaformer: {mixer: pooling}}")).only(EXPORTABLE)


def test_what_ties_a_network_to_its_size_can_be_left_out() -> None:
    space = small_space(EXPORT.format(block="{metaformer: {mixer: [random, token_mlp, pooling]}}"))
    left = space.any_resolution()
    assert (space.walks, left.walks) == (15, 2) and left.digest != space.digest
    drawn = {left.walk(RandomChooser(seed)).architecture.outline() for seed in range(20)}
    assert drawn == {"8x1 pooling", "8x2 pooling"}
    tied = small_space(EXPORT.format(block="{metaformer: {mixer: [random, token_mlp]}}"))
    message = (
        r"stages.0.block.mixer must keep .* takes maps of any size, but got random, token_mlp$"
    )
    with pytest.raises(InputError, match=message):
        tied.any_resolution()
    positions = EXPORT.replace("stem: patch", "stem: [patch, position]")
    stems = small_space(positions.format(block="{metaformer: {mixer: pooling}}"))
    assert (stems.walks, stems.any_resolution().walks) == (4, 2)
