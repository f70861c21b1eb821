"""``nas studies``: listing, renaming and deleting."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from nas_explorer.cli.main import run
from nas_explorer.cli.studies import _as_json
from nas_explorer.results.settings import StudySettings
from nas_explorer.results.study.storage import file_beside
from nas_explorer.results.study.studies import StudyEntry
from nas_explorer.results.study.study import Study

URL = "sqlite:///runs/nas.db"


def make(name: str, seed: int) -> Study:
    return Study.create_or_open(
        name,
        URL,
        StudySettings(
            space_name="micro",
            space_digest="ab12" * 16,
            space={},
            data={"name": "digits"},
            data_fingerprint="feed",
            objectives=("accuracy", "macs"),
            searcher="random",
            seed=seed,
        ),
    )


@pytest.fixture
def studies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for seed, name in enumerate(("first", "second")):
        make(name, seed).close()
    weights = file_beside(URL, "first", ".weights")
    weights.mkdir()
    (weights / "a.safetensors").write_bytes(b"x" * 200_000)


def listed(capsys: pytest.CaptureFixture[str]) -> list[str]:
    capsys.readouterr()
    assert run(["studies", "--json"]) == 0
    return [each["name"] for each in json.loads(capsys.readouterr().out)]


def test_studies_are_listed_renamed_and_deleted(studies: None, capsys, monkeypatch) -> None:
    assert run(["studies", "--json"]) == 0
    latest, first = json.loads(capsys.readouterr().out)
    assert latest["name"] == "second" and latest["seed"] == 1
    assert first["candidates"] == {} and first["objectives"] == ["accuracy", "macs"]
    assert first["searched_at"].endswith("+00:00") and first["searched_by"] is None
    with make("first", 0).exclusive():
        assert run(["studies"]) == 0
        lines = capsys.readouterr().out.splitlines()
    assert lines[0].split("\t")[:2] == ["study", "candidates"] and len(lines) == 3
    row = lines[1].split("\t")
    assert row[:3] == ["first", "0", "none yet"]
    assert row[-1] == f"now, by process {os.getpid()} on {os.uname().nodename}"

    assert run(["studies", "rename", "second", "third"]) == 0
    assert listed(capsys) == ["first", "third"]

    assert run(["studies", "delete", "first"]) == 2
    said = capsys.readouterr().err
    assert "--yes, but got none for study 'first': 0 candidates and 0.2 MB of weights" in said
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("typer.confirm", lambda text: False)
    assert run(["studies", "delete", "first"]) == 1
    assert listed(capsys) == ["first", "third"]
    assert run(["studies", "delete", "--yes", "first"]) == 0
    assert listed(capsys) == ["third"]
    assert not file_beside(URL, "first", ".weights").exists()
    assert run(["studies", "delete", "--yes", "first"]) == 2
    assert "study must be one of third, but got 'first'" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["photos", "Anna's photos; $HOME", "-y"])
def test_a_shell_reads_the_command_that_continues_a_study(studies: None, capsys, name) -> None:
    assert run(["studies", "rename", "--", "second", name]) == 0
    command = capsys.readouterr().out.split("; nas search ", 1)[1].removesuffix(" continues it.\n")
    assert shlex.split(command) == (["--study=-y"] if name == "-y" else ["--study", name])


def test_a_study_of_an_unknown_date_has_none() -> None:
    entry = StudyEntry(name="x", study_id=1, settings={}, counts={}, foreign=0, holder={})
    assert _as_json(entry)["searched_at"] is None


def test_no_torch_is_loaded(studies: None) -> None:
    code = (
        "import sys\nfrom nas_explorer.cli.main import run\n"
        "assert run(['studies']) == run(['studies', 'rename', 'first', 'x']) == 0\n"
        "assert run(['studies', 'delete', 'x', '--yes']) == 0\n"
        "heavy = {'torch', 'pandas', 'plotly', 'ray', 'sklearn', 'onnx'} & set(sys.modules)\n"
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
