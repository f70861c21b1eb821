"""Costs of whole search spaces, cached on disk."""

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from nas_explorer.evaluators.cost import spaces, version
from nas_explorer.evaluators.cost.costed import CostedSpace
from nas_explorer.evaluators.cost.spaces import costed_space
from nas_explorer.evaluators.cost.value import EXACT_METRICS
from nas_explorer.evaluators.runtimes.exportable import exportable_to
from nas_explorer.search_space.components.mixers.trivial import Pooling
from nas_explorer.search_space.errors import InputError

TEXT = """
input: {channels: 3, resolution: 8, classes: 2}
stem: patch
stages:
  - width: [8, 16]
    depth: {min: 1, max: 4}
    pattern: any
    block: {metaformer: {mixer: [identity, pooling, attention], norm: [none, layer_norm]}}
head: pooled
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NAS_CACHE", str(tmp_path / "cache"))
    # allow sources to be edited while tests run
    monkeypatch.setattr(version, "LOADED", time.time() + 60)
    return tmp_path / "cache"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(TEXT)
    return path


def same(left: CostedSpace, right: CostedSpace) -> bool:
    mine, other = left.table, right.table
    assert mine.metrics == other.metrics == EXACT_METRICS
    assert [s.nexts.tolist() for s in mine.nodes] == [s.nexts.tolist() for s in other.nodes]
    about = [(each.name, each.input, each.classes, each.walks_differ) for each in (left, right)]
    assert about[0] == about[1] and left.size == right.size
    assert mine.path_counts == other.path_counts
    return all(np.array_equal(mine.costs(i), other.costs(i)) for i in range(mine.end))


def test_what_is_kept_is_read_back(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = costed_space(str(file))
    monkeypatch.setattr(spaces, "computed_space", lambda *_, **__: pytest.fail("computed again"))
    assert same(first, costed_space(str(file)))


def test_another_text_or_other_images_are_another_space(file: Path) -> None:
    first = costed_space(str(file))
    assert costed_space(str(file), resolution=8, channels=1).input == (1, 8, 8)
    file.write_text(TEXT.replace("8, 16", "8, 24"))
    assert not same(first, costed_space(str(file)))


def test_what_can_be_exported_is_another_space(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pooling, "traits", replace(Pooling.traits, exportable=False))
    every = costed_space(str(file))
    left = costed_space(str(file), kept=exportable_to(["onnxruntime"]))
    less = file.parent / "less" / file.name
    less.parent.mkdir()
    less.write_text(TEXT.replace("pooling, ", ""))
    assert same(left, costed_space(str(less)))
    assert same(every, costed_space(str(file))), "each is kept under its own name"
    assert (
        same(left, costed_space(str(file), kept=exportable_to(["onnxruntime"])))
        and left.size != every.size
    )


def test_what_takes_any_size_is_another_space(tmp_path: Path) -> None:
    file = tmp_path / "space.yaml"
    file.write_text(TEXT.replace("pooling, ", "token_mlp, "))
    every, left = (costed_space(str(file), any_resolution=each) for each in (False, True))
    assert left.size != every.size
    assert same(left, costed_space(str(file), any_resolution=True)), "the same when read again"


@pytest.mark.parametrize("left", [1, 10, -10])
def test_a_file_that_cannot_be_read_is_made_anew(
    file: Path, folder: Path, left: int, caplog: pytest.LogCaptureFixture
) -> None:
    first = costed_space(str(file))
    (kept,) = folder.glob("steps-*.npz")
    kept.write_bytes(kept.read_bytes()[:left])
    assert same(first, costed_space(str(file)))
    assert "made anew" in caplog.text
    assert same(first, costed_space(str(file)))


def test_a_space_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"missing\.yaml"):
        costed_space(str(tmp_path / "missing.yaml"))
    with pytest.raises(InputError, match="micr"):
        costed_space("micr")


def test_a_second_question_needs_no_torch(file: Path) -> None:
    code = (
        "import sys\n"
        "from nas_explorer.cli.main import run\n"
        f"code = run(['space', 'check', {str(file)!r}, '--constraint', 'params<=5k'])\n"
        "sys.exit(10 * ('torch' in sys.modules) + code)\n"
    )
    costed_space(str(file))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "feasible share" in done.stdout
