"""Costs are kept for the code that counted them, and for no other."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import nas_explorer.search_space
import pytest
from nas_explorer.evaluators.cost import version
from nas_explorer.evaluators.cost.cost import additive_costs, architecture_cost, clear_memory
from nas_explorer.evaluators.cost.value import EXACT_METRICS
from nas_explorer.evaluators.cost.version import NOT_COUNTED, code_version
from nas_explorer.search_space.constraints.build_cost_table import step_table
from nas_explorer.search_space.files import load_space
from nas_explorer.search_space.walk.choosers import RandomChooser

ROOT = Path(nas_explorer.search_space.__file__).parent


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """Two files of one name, which stand for all code, as if loaded in a minute."""
    found = {f"{folder}/conv.py": tmp_path / folder / "conv.py" for folder in "ab"}
    for name, path in found.items():
        path.parent.mkdir()
        path.write_text(f"place = {name!r}\n")
    monkeypatch.setattr(version, "sources", lambda: found)
    monkeypatch.setattr(version, "LOADED", time.time() + 60)
    return found


def test_changed_code_is_another_version(files: Mapping[str, Path]) -> None:
    before = code_version()
    assert before is not None
    assert code_version() == before
    files["b/conv.py"].write_text("place = 'c/conv.py'\n")
    assert code_version() not in (before, None)


def test_files_of_one_name_are_told_apart(files: Mapping[str, Path]) -> None:
    before, (first, second) = code_version(), files.values()
    texts = first.read_bytes(), second.read_bytes()
    second.write_bytes(texts[0])
    first.write_bytes(texts[1])
    assert code_version() != before
    first.write_bytes(b"".join(texts))
    second.write_bytes(b"")
    one = code_version()
    first.write_bytes(b"")
    second.write_bytes(b"".join(texts))
    assert code_version() != one


def test_the_place_and_the_ends_of_lines_do_not_matter(
    files: dict[str, Path], tmp_path: Path
) -> None:
    before = code_version()
    for name, path in files.items():
        elsewhere = tmp_path / f"installed-{path.parent.name}.py"
        elsewhere.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
        files[name] = elsewhere
    assert code_version() == before


def test_code_changed_after_it_was_loaded_is_not_known(
    files: Mapping[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    time.sleep(0.02)  # some file systems count in steps of 10 ms
    monkeypatch.setattr(version, "LOADED", time.time())
    assert code_version() is not None
    time.sleep(0.02)
    files["a/conv.py"].write_text("place = 'new'\n")
    os.utime(files["a/conv.py"], (0, 0))  # as unpacking and copying can leave it
    assert code_version() is None


@pytest.mark.skipif(os.name == "nt", reason="there the system keeps no such time")
def test_a_file_with_a_time_to_come_is_as_good_as_others(files: Mapping[str, Path]) -> None:
    before = code_version()
    os.utime(files["a/conv.py"], (time.time() + 1e6, time.time() + 1e6))
    assert code_version() == before


def test_the_sources_are_those_of_components_and_costs() -> None:
    names = set(version.sources())
    assert {"search_space/mixers/attention.py", "search_space/norms.py"} <= names
    assert {"search_space/mixers/__init__.py", "cost/formulas.py", "cost/__init__.py"} <= names
    assert all((ROOT / name).exists() for name in NOT_COUNTED)


def test_what_is_left_out_has_no_part_in_costs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAS_CACHE", str(tmp_path))
    left_out = tuple(str(ROOT / name) for name in NOT_COUNTED)
    assert left_out[0] == check_file()
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
        step_table(tiny().graph, EXACT_METRICS, additive_costs)
    finally:
        sys.setprofile(None)
        clear_memory()
    assert any(path.startswith(str(ROOT / "mixers")) for path in used)
    assert not [path for path in used if path.startswith(left_out)]


def check_file() -> str:
    """The name that Python's own records have for a file that is left out."""
    from nas_explorer.search_space.constraints import check

    return check.check.__code__.co_filename


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
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
