"""The costs shipped with the package equal fresh counts."""

import json
import lzma
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from nas_explorer.evaluators.cost import shipped, spaces, version
from nas_explorer.evaluators.cost.cost import architecture_cost, clear_memory
from nas_explorer.evaluators.cost.costed import CostedSpace, decoded
from nas_explorer.evaluators.cost.shipped import ship, shipped_space
from nas_explorer.evaluators.cost.spaces import costed_space, modules_of
from nas_explorer.evaluators.cost.value import EXACT_METRICS
from nas_explorer.evaluators.cost.version import LISTS, digest
from nas_explorer.search_space.components.mixers.trivial import Pooling
from nas_explorer.search_space.constraints.cost_table import CostedGraph
from nas_explorer.search_space.counting.membership import Steps
from nas_explorer.search_space.files import load_space
from nas_explorer.search_space.presets import preset_text, presets
from nas_explorer.search_space.walk.choosers import RandomChooser
from nas_explorer.search_space.walk.decision_graph import DecisionGraph


def as_shipped(name: str) -> CostedSpace:
    """Accept the shipped costs, even if they are from other code."""
    path = Path(shipped.__file__).with_name("shipped") / f"{name}.npz.xz"
    return decoded(lzma.decompress(path.read_bytes()))


MICRO = as_shipped("micro")
MODULES = modules_of([Pooling()])


@pytest.fixture(autouse=True)
def nothing_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("NAS_CACHE", str(tmp_path / "cache"))
    # allow sources to be edited while tests run
    monkeypatch.setattr(version, "LOADED", time.time() + 60)
    clear_memory()
    yield
    clear_memory()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Copy the shipped costs of ``micro`` to a temporary folder."""
    monkeypatch.setattr(shipped, "_FOLDER", tmp_path / "shipped")
    monkeypatch.setattr(shipped, "_SEALS", tmp_path / "shipped" / "seals.json")
    ship({"micro": (MICRO, MODULES)}, ({}, MODULES))
    return tmp_path / "shipped"


def cost_of(table: CostedGraph, graph: DecisionGraph, steps: Steps) -> list[float]:
    number, spent = 0, np.zeros(len(table.metrics))
    for node, choice in steps:
        choices = graph.choices_at(node).choices
        index = choices.index(choice)
        assert table.choice_count(number) == len(choices)
        spent = table.add(spent, table.costs(number)[index])
        nexts = table.nodes[number].nexts
        number = int(nexts[index if len(nexts) > 1 else 0])
    assert number == table.end
    return spent.tolist()


def test_they_are_of_this_code() -> None:
    """Components added since are excepted, since the costs are rewritten for a release."""
    for name in presets():
        found = shipped._sealed(name, preset_text(name), complete=False)
        assert found is not None, "run: python docs/write_costs.py"


@pytest.mark.slow
@pytest.mark.parametrize("name", presets())
def test_they_are_what_fresh_traces_give(name: str) -> None:
    found, space = as_shipped(name), load_space(name)
    own = (space.name, space.input, space.classes, space.walks_differ, space.never_built())
    about = (found.name, found.input, found.classes, found.walks_differ, found.never_built)
    assert about == own and found.size == space.size()
    assert found.table.metrics == EXACT_METRICS
    assert found.table.path_counts[0] == space.graph.count(space.graph.start)
    for seed in range(100, 102):  # share the cache of other tests and its traces
        architecture = space.walk(RandomChooser(seed)).architecture
        cost = architecture_cost(architecture)
        expected = [getattr(cost, metric) for metric in EXACT_METRICS]
        walks = list(space.membership.walks(architecture))
        assert walks
        for steps in walks:
            assert cost_of(found.table, space.graph, steps) == expected


def test_code_that_changed_does_without(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert shipped_space("micro") is not None
    monkeypatch.setattr(shipped, "digest", lambda _: "another text")
    assert shipped_space("micro") is not None, "of which what it does is the same"
    monkeypatch.setattr(shipped, "code_digest", lambda _: "another")
    assert shipped_space("micro") is None
    for name in ("digest", "code_digest"):
        monkeypatch.setattr(shipped, name, lambda _: None)
    assert shipped_space("micro") is None
    ship({"micro": (MICRO, MODULES)}, ({}, MODULES))  # code without a known version too
    assert shipped_space("micro") is None


def test_a_space_of_any_component_knows_of_new_ones(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipped, "preset_text", lambda _: "stem: any")
    ship({"micro": (MICRO, MODULES)}, ({}, MODULES))
    assert shipped_space("micro") is not None
    monkeypatch.setattr(
        shipped, "digest", lambda names: "longer" if names == LISTS else digest(names)
    )
    assert shipped_space("micro") is None and shipped.lacks_components("micro")
    assert shipped._sealed("micro", "stem: any", complete=False) is not None


def test_a_text_that_changed_does_without(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipped, "preset_text", lambda name: "stem: conv")
    assert shipped_space("micro") is None


def test_costs_that_changed_are_not_used(folder: Path) -> None:
    path = folder / "micro.npz.xz"
    other = lzma.compress(lzma.decompress(path.read_bytes()), preset=0)
    path.write_bytes(other)
    assert shipped_space("micro") is None
    path.unlink()
    assert shipped_space("micro") is None


@pytest.mark.parametrize(("torch", "used"), [("2.8.1", False), ("2.9.0", True), ("2.10.0", True)])
def test_a_newer_torch_does_without(
    folder: Path, monkeypatch: pytest.MonkeyPatch, torch: str, used: bool
) -> None:
    seals = folder / "seals.json"
    seals.write_text(json.dumps({**json.loads(seals.read_text()), "torch": torch}))
    monkeypatch.setattr(shipped, "version", lambda name: "2.9.5+cpu")
    assert (shipped_space("micro") is not None) == used


@pytest.mark.parametrize(
    "text", ["<<<<<<< ours\n{}", "{}", '{"torch": "9.9"}', '{"torch": "9.9", "micro": []}']
)
def test_seals_that_cannot_be_read_are_none(folder: Path, text: str) -> None:
    (folder / "seals.json").write_text(text)
    assert shipped_space("micro") is None


def test_what_is_the_same_is_not_written_again(folder: Path) -> None:
    path = folder / "micro.npz.xz"
    path.write_bytes(lzma.compress(lzma.decompress(path.read_bytes()), preset=0))
    before = path.read_bytes()
    ship({"micro": (MICRO, MODULES)}, ({}, MODULES))
    assert path.read_bytes() == before
    assert shipped_space("micro") is not None


def test_they_are_used_for_their_own_images_only(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    own = costed_space("micro")
    assert costed_space("micro", resolution=own.input.height, channels=1, classes=10).input
    assert not (tmp_path / "cache").exists()  # nothing was counted
    monkeypatch.setattr(spaces, "computed_space", lambda *_, **__: pytest.fail("counted anew"))
    for other in ({"resolution": 16}, {"channels": 3}, {"classes": 7}):
        with pytest.raises(pytest.fail.Exception, match="counted anew"):
            costed_space("micro", **other)


def test_a_first_question_needs_no_torch(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from nas_explorer.evaluators.cost import version\n"
        "version.LOADED += 60\n"
        "from nas_explorer.cli.main import run\n"
        "code = run(['space', 'check', 'micro', '--constraint', 'params<=50k'])\n"
        "sys.exit(10 * ('torch' in sys.modules) + code)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "feasible share" in done.stdout
