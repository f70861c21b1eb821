"""The output of ``nas show``, ``nas front`` and ``nas measure`` for a study."""

import json
from types import SimpleNamespace

import pytest
from nas_explorer.cli import measure, show
from nas_explorer.cli.main import run
from nas_explorer.evaluators.base import Measurement
from nas_explorer.results.candidate import Candidate
from nas_explorer.search_space.files import load_space
from nas_explorer.search_space.walk.choosers import RandomChooser


@pytest.fixture(scope="module")
def drawn():
    return load_space("micro").walk(RandomChooser(0))


@pytest.fixture(autouse=True)
def study(drawn, monkeypatch):
    candidates = [
        Candidate(
            number=number,
            architecture=drawn.architecture.canonical,
            decisions=drawn.decisions,
            status="complete",
            measurements={
                name: Measurement(metric=name, value=value)
                for name, value in (("macs", macs), ("peak_memory", 74752), ("accuracy", 0.5))
            },
        )
        for number, macs in ((7, 417376), (8, 417377))
    ]
    record = SimpleNamespace(
        name="a<b",
        find=lambda number: candidates[int(number) - 7],
        candidates=lambda: candidates,
        settings=SimpleNamespace(objectives=("accuracy", "macs"), data={"name": "digits"}),
    )
    for module in (show, measure):
        monkeypatch.setattr(module, "open_study", lambda study, storage: record)


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


def test_values_of_a_candidate_stand_under_each_other(capsys):
    assert run(["show", "7"]) == 0
    lines = capsys.readouterr().out.splitlines()
    values = {line.split()[0]: line[13:] for line in lines[1:5]}
    assert values["macs"] == "417 k" and values["peak_memory"] == "74.8 kB"
    assert values["digest"].isalnum()
    assert all(line[12] == " " for line in lines[1:5])


def test_a_candidate_says_what_dominates_it(capsys):
    said = {}
    for number in "78":
        assert run(["show", number]) == 0
        (said[number],) = [
            line for line in capsys.readouterr().out.splitlines() if line.startswith("front ")
        ]
    assert "on it: no candidate dominates" in said["7"]
    assert said["8"].endswith("not on it: dominated in accuracy, macs by 7")


def test_a_front_says_of_which_study_it_is_and_where_it_was_written(tmp_path, capsys):
    file = tmp_path / "front.csv"
    assert run(["front", "--csv", str(file)]) == 0
    out, err = capsys.readouterr()
    assert err == "Study a<b (the latest)\n"
    assert out.startswith("#\t") and out.endswith(f"Wrote {file}\n")
    assert file.read_text(encoding="utf-8").startswith("number,")
    assert run(["front", "--study", "a<b", "--json"]) == 0
    out, err = capsys.readouterr()
    assert err == "" and json.loads(out)[0]["number"] == 7


def test_costs_say_of_which_study_a_candidate_is(capsys):
    assert run(["measure", "7", "--json"]) == 0
    out, err = capsys.readouterr()
    assert err == "Candidate 7 of study a<b\n"
    assert json.loads(out)["measurements"]["macs"]["value"] > 0


def test_one_candidate_is_picked_with_its_reasons(capsys):
    assert run(["front", "--pick", "accuracy, macs, macs<=1M"]) == 0
    out = capsys.readouterr().out
    assert "2 of 2 candidates satisfy macs<=1000000." in out and "Pick: candidate 7, " in out
    assert "nas export 7 -o model.safetensors" in out
    assert run(["front", "--json", "--pick", "accuracy, macs<=1"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["candidate"] is None and "comes nearest" in found["reasons"][-1]
    assert run(["front", "--pick", "acuracy"]) == 2
    assert "did you mean 'accuracy'" in capsys.readouterr().err
    assert run(["front", "--pick", "accuracy", "--top", "1"]) == 2
    assert "leave out --top" in capsys.readouterr().err
