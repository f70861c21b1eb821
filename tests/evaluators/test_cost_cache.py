"""The disk cache of costs survives runs and crashes, and is never stale."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from nas_explorer.evaluators.cost import cache, table, version
from nas_explorer.evaluators.cost.cache import DiskCache, cache_folder, cache_key
from nas_explorer.evaluators.cost.cost import architecture_cost, clear_memory
from nas_explorer.evaluators.cost.table import CostTable
from nas_explorer.evaluators.cost.value import COLUMNS
from nas_explorer.search_space.architecture.architecture import Architecture
from nas_explorer.search_space.architecture.stages import Stage
from nas_explorer.search_space.components.blocks import MetaFormerBlock
from nas_explorer.search_space.components.heads import PooledHead
from nas_explorer.search_space.components.mixers.trivial import Pooling
from nas_explorer.search_space.components.norms import LayerNorm
from nas_explorer.search_space.components.stems import ConvStem
from nas_explorer.search_space.shapes import Shape

ARCHITECTURE = Architecture(
    input=Shape(3, 16, 16),
    classes=3,
    stem=ConvStem(),
    stages=(Stage(width=8, depth=2, blocks=(MetaFormerBlock(),)),),
    head=PooledHead(),
)
ROW = tuple(range(len(COLUMNS) + 1))
KEY = ("version", "key")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("NAS_CACHE", str(tmp_path / "cache"))
    # allow sources to be edited while tests run
    monkeypatch.setattr(version, "LOADED", time.time() + 60)
    clear_memory()
    yield tmp_path / "cache"
    clear_memory()


def the_file(folder: Path) -> Path:
    """Return the file with the most rows; each version of the parts' code has one."""
    return max(folder.glob("costs-*.jsonl"), key=lambda path: path.stat().st_size)


def refuse_analysis(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("analysed again")

    monkeypatch.setattr(table, "component_row", fail)


def test_another_run_analyses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    first = architecture_cost(ARCHITECTURE)
    clear_memory()
    refuse_analysis(monkeypatch)
    assert architecture_cost(ARCHITECTURE) == first


def test_a_line_cut_off_is_analysed_again_and_spoils_no_other(folder: Path) -> None:
    first = architecture_cost(ARCHITECTURE)
    whole = the_file(folder).read_bytes()
    lines = [line for line in whole.split(b"\n") if line]
    for cut in (1, len(lines[-1]) // 2, len(lines[-1]) - 1):
        the_file(folder).write_bytes(whole.rstrip(b"\n")[:-cut])
        clear_memory()
        assert architecture_cost(ARCHITECTURE) == first
        clear_memory()
        assert architecture_cost(ARCHITECTURE) == first
        parsed = [cache._parsed(line) for line in the_file(folder).read_bytes().splitlines()]
        assert len({found[0] for found in parsed if found}) == len(lines)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\xff\xfe\x00",
        b"null",
        b"3",
        b"[]",
        b'{"key": 1}',
        b'["key", 1, 2]',
        json.dumps([1, *ROW]).encode(),
        json.dumps(["key", *map(str, ROW)]).encode(),
        json.dumps(["key", *ROW, 1]).encode(),
        json.dumps(["key", *ROW]).encode()[:-1],
    ],
)
def test_what_is_no_row_is_skipped(line: bytes) -> None:
    assert cache._parsed(line) is None


def test_a_row_is_read_back(folder: Path) -> None:
    DiskCache(folder).add(KEY, ROW)
    assert DiskCache(folder).get(KEY) == ROW
    assert DiskCache(folder).get((KEY[0], "other")) is None
    assert DiskCache(folder).get(("other", KEY[1])) is None, "of other code"


WRITER = """
import os, signal, sys
from pathlib import Path
from nas_explorer.evaluators.cost import version
from nas_explorer.evaluators.cost.cache import DiskCache
from nas_explorer.evaluators.cost.value import COLUMNS

version.LOADED += 60
folder, writer, rows, cut = sys.argv[1:]
cache, long = DiskCache(Path(folder)), "long " * 100
sys.stdout.write("ready"), sys.stdout.flush(), sys.stdin.read(1)
for number in range(int(rows)):
    cache.add(("version", f"{writer} {long} {number}"), (*range(len(COLUMNS)), number))
    sys.stdout.write(f" {number}"), sys.stdout.flush()
if cut == "cut":  # what is left of a write when the power goes, or the disk is full
    with cache._file(Path(folder), "version").open("ab", buffering=0) as file:
        file.write(b'\\n["' + writer.encode() + b" is cut off")
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL")
def test_several_writers_lose_nothing_even_if_some_are_killed(folder: Path) -> None:
    rows = [200, 200, 200, 10**9]  # the last process is killed at any point
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, folder, str(index), str(count), cut],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for index, (count, cut) in enumerate(zip(rows, ["", "cut", "", ""], strict=True))
    ]
    for each in writers:
        assert each.stdout and each.stdout.read(5) == b"ready"
    for each in writers:
        assert each.stdin and each.stdin.write(b"1")
        each.stdin.flush()
    killed = writers[-1]
    assert killed.stdout
    reported = killed.stdout.read(200)
    killed.kill()
    kept = [len(each.communicate()[0].split()) for each in writers[:-1]]
    printed = reported + killed.communicate()[0]
    kept.append(len(printed.split()) - 1)  # the last line may be cut off
    assert [each.returncode for each in writers] == [0, -signal.SIGKILL, 0, -signal.SIGKILL]
    assert kept[:3] == rows[:3] and kept[3] > 10
    read = DiskCache(folder)
    for writer, count in enumerate(kept):
        for number in range(count):
            key = f"{writer} {'long ' * 100} {number}"
            assert read.get(("version", key)) == (*ROW[:-1], number)


def test_a_folder_that_cannot_be_used_is_not_fatal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    monkeypatch.setenv("NAS_CACHE", str(blocked))
    assert architecture_cost(ARCHITECTURE).params > 0
    assert caplog.text.count("costs are not kept on disk") == 1


def test_a_file_that_cannot_be_read_is_not_fatal(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = architecture_cost(ARCHITECTURE)
    path = the_file(folder)
    path.unlink()
    path.mkdir()
    clear_memory()
    assert architecture_cost(ARCHITECTURE) == first
    assert "costs are not kept on disk" in caplog.text


def test_code_of_which_the_version_is_not_known_keeps_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(version, "LOADED", 0.0)
    version._part_version.cache_clear()
    try:
        assert architecture_cost(ARCHITECTURE).params > 0
    finally:
        version._part_version.cache_clear()
    assert not folder.exists()


@dataclasses.dataclass(frozen=True, kw_only=True)
class OwnPooling(Pooling):
    """A component from outside the package, whose code is not part of the version."""

    name = "own_pooling"


@dataclasses.dataclass(frozen=True, kw_only=True)
class OwnNorm(LayerNorm):
    """A component of the package that contains one from outside."""

    name = "own_norm"


def test_components_from_elsewhere_are_not_kept_on_disk(folder: Path) -> None:
    shape = Shape(8, 4, 4)
    assert cache_key(OwnPooling(), (shape,), None) is None
    assert cache_key(ConvStem(norm=OwnNorm()), (shape,), 8) is None
    CostTable().number(OwnPooling(), (shape,), None)
    assert not folder.exists()


def test_keys_tell_parts_apart() -> None:
    small, large = Shape(8, 4, 4), Shape(8, 8, 8)
    keys = [
        cache_key(Pooling(), (small,), None),
        cache_key(Pooling(), (large,), None),
        cache_key(Pooling(kernel_size=5), (small,), None),
        cache_key(ConvStem(), (small,), 8),
        cache_key(ConvStem(), (small,), 16),
        cache_key(LayerNorm(), (small,), None),
    ]
    assert len(set(keys)) == len(keys)


def test_old_versions_are_removed(folder: Path) -> None:
    folder.mkdir()
    old, recent = folder / "costs-old.jsonl", folder / "costs-recent.jsonl"
    for path in (old, recent):
        path.write_text("")
    month_ago = time.time() - 31 * 86400
    os.utime(old, (month_ago, month_ago))
    DiskCache(folder).add(KEY, ROW)
    assert not old.exists()
    assert recent.exists()


def test_the_folder_is_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NAS_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    monkeypatch.setattr(cache.sys, "platform", "linux")
    assert cache_folder() == Path("/somewhere/nas-explorer")
