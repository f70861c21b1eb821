"""Cached costs are valid only for the code that counted them."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import nas_explorer.evaluators.cost
import nas_explorer.search_space
import pytest
from nas_explorer.evaluators.cost import version
from nas_explorer.evaluators.cost.cost import additive_costs, architecture_cost, clear_memory
from nas_explorer.evaluators.cost.spaces import modules_of
from nas_explorer.evaluators.cost.value import EXACT_METRICS
from nas_explorer.evaluators.cost.version import (
    LISTS,
    code_digest,
    counted_by,
    digest,
    needed,
    part_version,
    sources,
    tabled_by,
)
from nas_explorer.search_space.components.mixers.attention import Attention
from nas_explorer.search_space.components.mixers.trivial import Pooling
from nas_explorer.search_space.constraints.build_cost_table import build_cost_table
from nas_explorer.search_space.files import load_space
from nas_explorer.search_space.walk.choosers import RandomChooser

SPACE, COST = nas_explorer.search_space.__name__, nas_explorer.evaluators.cost.__name__
TEXTS = {
    "a": "from .b import one\n",
    "a.conv": "from ..b.conv import (\n    one,\n)\nfrom ..lists import TABLE\n",
    "b": "",
    "b.conv": "one = 1\n",
    "lists": "from .b.alone import two\n",
    "b.alone": "two = 2\n",
}
"""Modules that stand for all code: two packages with their modules, and a list."""


def clear() -> None:
    for each in (version._sources, version._text, version._imported, version._code):
        each.cache_clear()
    version.needed.cache_clear()
    version._part_version.cache_clear()


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Path]]:
    """The files of ``TEXTS``, as if loaded in a minute."""
    packages = {"a", "b"}
    places = {n: n.replace(".", "/") + "/__init__" * (n in packages) + ".py" for n in TEXTS}
    found = {name: tmp_path / place for name, place in places.items()}
    for name, path in found.items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(TEXTS[name])
    monkeypatch.setattr(version, "_sources", lambda: found)
    monkeypatch.setattr(version, "LISTS", ("lists",))
    monkeypatch.setattr(version, "LOADED", time.time() + 60)
    for each in (version._text, version._imported, version._code, version.needed):
        each.cache_clear()
    yield found
    monkeypatch.undo()
    clear()


def changed(path: Path, text: str) -> None:
    path.write_text(text)
    version._text.cache_clear()
    version._code.cache_clear()


def test_what_a_module_imports_is_needed_but_not_what_a_list_lists(
    files: Mapping[str, Path],
) -> None:
    assert needed(frozenset({"a.conv"})) == {"a.conv", "b.conv"}
    assert needed(frozenset({"lists"})) == {"lists", "b.alone"}
    assert needed(frozenset({"elsewhere.conv"})) == frozenset()


def test_changed_code_is_another_version(files: Mapping[str, Path]) -> None:
    names = needed(frozenset({"a.conv"}))
    before = digest(names)
    assert before is not None and digest(names) == before
    changed(files["b.alone"], "two = 3\n")
    assert digest(names) == before
    changed(files["b.conv"], "one = 2\n")
    assert digest(names) not in (before, None)


def test_files_are_distinguished(files: Mapping[str, Path]) -> None:
    names = ("a.conv", "b.conv")
    before = digest(names)
    changed(files["a.conv"], TEXTS["b.conv"])
    changed(files["b.conv"], TEXTS["a.conv"])
    assert digest(names) != before
    changed(files["a.conv"], TEXTS["a.conv"] + TEXTS["b.conv"])
    changed(files["b.conv"], "")
    one = digest(names)
    changed(files["a.conv"], "")
    changed(files["b.conv"], TEXTS["a.conv"] + TEXTS["b.conv"])
    assert digest(names) != one


def test_the_place_and_the_ends_of_lines_do_not_matter(
    files: dict[str, Path], tmp_path: Path
) -> None:
    before = digest(files)
    for name, path in files.items():
        elsewhere = tmp_path / f"installed-{name}.py"
        elsewhere.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
        files[name] = elsewhere
    version._text.cache_clear()
    assert digest(files) == before


def test_comments_and_docstrings_do_nothing(files: Mapping[str, Path]) -> None:
    text = "def one(x: int) -> int:\n    return x\n\n\nclass Two:\n    three: int = 3\n"
    changed(files["b.conv"], text)
    before, said = digest(["b.conv"]), code_digest(["b.conv"])
    assert said is not None
    documented = text.replace("    return x", '    """Return it."""\n    return x  # as it is')
    documented = f'"""What it is."""\n{documented}    """How many."""\n'
    changed(files["b.conv"], documented)
    assert digest(["b.conv"]) != before and code_digest(["b.conv"]) == said
    changed(files["b.conv"], documented.replace("= 3", "= 4"))
    assert code_digest(["b.conv"]) != said


def test_code_changed_after_it_was_loaded_is_not_known(
    files: Mapping[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    time.sleep(0.02)  # some file systems count in steps of 10 ms
    monkeypatch.setattr(version, "LOADED", time.time())
    assert digest(files) is not None
    time.sleep(0.02)
    changed(files["a.conv"], "place = 'new'\n")
    os.utime(files["a.conv"], (0, 0))  # as after unpacking or copying
    assert digest(files) is None and code_digest(files) is None


@pytest.mark.skipif(os.name == "nt", reason="there the system keeps no such time")
def test_a_file_with_a_time_to_come_is_as_good_as_others(files: Mapping[str, Path]) -> None:
    before = digest(files)
    os.utime(files["a.conv"], (time.time() + 1e6, time.time() + 1e6))
    assert digest(files) == before


def test_a_part_depends_on_its_own_components() -> None:
    pooling, attention = (modules_of([each()]) for each in (Pooling, Attention))
    mine, other = counted_by(pooling), counted_by(attention)
    assert f"{COST}.counting.formulas" in mine & other
    assert f"{SPACE}.components.mixers.trivial" in mine - other
    assert f"{SPACE}.components.mixers.attention" in other - mine
    assert not mine & set(LISTS)


def test_what_is_not_needed_has_no_part_in_costs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The modules that run in a count are among the recorded dependencies."""
    monkeypatch.setenv("NAS_CACHE", str(tmp_path))
    used = set[str]()

    def note(frame: FrameType, event: str, _: Any) -> None:
        if event == "call":
            used.add(frame.f_code.co_filename)

    space = load_space("micro").bind(channels=1, resolution=8, classes=2)
    architecture = space.walk(RandomChooser(0)).architecture
    clear_memory()
    sys.setprofile(note)
    try:
        architecture_cost(architecture)
        build_cost_table(tiny().graph, EXACT_METRICS, additive_costs)
    finally:
        sys.setprofile(None)
        clear_memory()
    components = modules_of(part.component for part in architecture.parts())
    components |= {f"{SPACE}.components.blocks", f"{SPACE}.components.residuals"}
    said = tabled_by(components | {f"{SPACE}.components.patch_stems"})
    ran = {name for name, path in sources().items() if str(path) in used}
    keeping = {f"{COST}.cache", f"{COST}.version", f"{COST}.spaces", f"{COST}.shipped"}
    assert f"{SPACE}.components.patch_stems" in ran
    assert not ran - said - keeping - set(LISTS)


def test_an_unknown_version_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    modules = modules_of([Pooling()])
    monkeypatch.setattr(version, "LOADED", time.time() + 60)
    version._part_version.cache_clear()
    assert part_version(modules)
    monkeypatch.setattr(version, "LOADED", 0.0)
    version._part_version.cache_clear()
    assert part_version(modules) is None
    version._part_version.cache_clear()


def tiny() -> Any:
    from nas_explorer.search_space.files import space_from_data

    return space_from_data(
        {
            "input": {"channels": 3, "resolution": 8, "classes": 2},
            "stem": "patch",
            "stages": [{"width": [8, 16], "depth": 1, "block": "metaformer"}],
            "head": "pooled",
        }
    )


def test_help_does_not_look_at_the_code() -> None:
    code = (
        "import sys\n"
        "from nas_explorer.cli.main import run\n"
        "assert run(['--help']) == 0\n"
        "sys.exit('nas_explorer.evaluators.cost' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
