"""``nas show --graph``: a picture beside the words."""

import json
from types import SimpleNamespace

import pytest
from nas_explorer.cli import show
from nas_explorer.cli.main import run
from nas_explorer.results.candidate import Candidate
from nas_explorer.search_space.choosers import RandomChooser
from nas_explorer.search_space.files import load_space


@pytest.fixture(autouse=True)
def study(monkeypatch):
    drawn = load_space("micro").walk(RandomChooser(0))
    candidate = Candidate(
        number=7,
        architecture=drawn.architecture.canonical,
        decisions=drawn.decisions,
        status="complete",
        measurements={},
    )
    record = SimpleNamespace(name="a<b", find=lambda name: candidate)
    monkeypatch.setattr(show, "open_study", lambda study, storage: record)


def test_the_picture_is_written_beside_the_words(tmp_path, capsys):
    file = tmp_path / "graph.html"
    assert run(["show", "7", "--graph", str(file)]) == 0
    assert f"Wrote {file}" in capsys.readouterr().out
    page = file.read_text(encoding="utf-8")
    assert "Candidate 7 of study a&lt;b" in page and "stages.0.blocks.0.mixer" in page
    assert [each.name for each in tmp_path.iterdir()] == ["graph.html"]


def test_json_stays_json(tmp_path, capsys):
    assert run(["show", "7", "--json", "--graph", str(tmp_path / "graph.html")]) == 0
    assert json.loads(capsys.readouterr().out)["number"] == 7
    assert (tmp_path / "graph.html").stat().st_size > 0


def test_a_file_that_cannot_be_written_is_one_line_and_code_2(tmp_path, capsys):
    assert run(["show", "7", "--graph", str(tmp_path / "none" / "graph.html")]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1
    assert "must be writable, but got" in err and "graph.html" in err
