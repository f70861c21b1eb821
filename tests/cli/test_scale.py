"""``nas scale``: targets, files, and results added to a study."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from nas_explorer.cli.main import run as nas
from nas_explorer.evaluators.base import Measurement
from nas_explorer.results.study.study import Study
from nas_explorer.searchers.run import additions, study_plan

from ..searchers.digits_study import Here, digits_study


@pytest.fixture
def options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A study of digits with one candidate."""
    url = digits_study(tmp_path)
    monkeypatch.setattr(additions, "make_engine", lambda *given: Here())
    return ["--study", "digits", "--storage", url]


def test_results_are_candidates_of_the_study(
    options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "wider.json"
    given = ["scale", "0", "--to", "params=20k", "--rule", "width", *options]
    assert nas([*given, "--train", "-o", str(file), "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["results"]
    assert found["met"] and abs(found["value"] / 20e3 - 1) <= 0.02
    assert found["candidate"]["number"] == 1 and found["candidate"]["status"] == "complete"
    assert json.loads(file.read_text()) == found["architecture"]
    candidate = Study.open("digits", options[-1]).find(1)
    assert candidate.origin["parent"] == 0 and candidate.origin["rule"] == "width"
    assert candidate.value("params") == found["value"] and not candidate.inherits
    assert nas([*given, "--train"]) == 0
    assert "Candidate 1 (in the study before): complete" in capsys.readouterr().out
    assert nas(["show", "1", *options]) == 0
    assert "candidate 0 by scaling (width) to params=20000" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["--to", "macs<=2e6"], "one value, as in macs=2e9 (within 2%), but got 'macs<=2e6'"),
        (["--to", "accuracy=90%"], "an exact cost or a latency"),
        (["--to", "macs=10", "--rule", "depth"], "no network is within 2 %; the nearest has macs"),
        (["--to", "macs=2e6", "--rule", "resolution", "--train"], "scale depth or width, but got"),
        (["--to", "macs=2e6", "-o", "model.txt"], "--output must end in .json"),
    ],
)
def test_requests_that_cannot_be_met_say_why(
    options: list[str], given: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert nas(["scale", "0", *given, *options]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("nas: ") and says in error


def test_a_network_for_other_images_is_not_added(
    options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert nas(["scale", "resnet18", "--to", "macs=9G", "--train", *options]) == 2
    assert "must take images of 1x8x8" in capsys.readouterr().err


def test_one_rule_that_fails_leaves_the_others(
    options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert nas(["scale", "0", "--to", "params=20k", "--rule", "width,resolution", *options]) == 0
    printed: Any = capsys.readouterr().out
    assert "Note: rule resolution, params=20000: a rule must change the cost" in printed


def test_laws_are_fitted_to_the_trained_sizes(
    options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add_family(options[-1], count=3)
    assert nas(["scale", "0", "--fit", *options]) == 2
    assert "rule width: a law must be fitted to at least 5" not in capsys.readouterr().out
    add_family(options[-1], count=7, first=4)
    picture = tmp_path / "law.html"
    assert nas(["scale", "0", "--fit", "--plot", str(picture), *options]) == 0
    printed = capsys.readouterr().out
    assert "Rule width, 10 sizes: error = " in printed
    assert "left out: candidate 10, macs 10.2 M" in printed and "inside" in printed
    assert "width, fitted" in picture.read_text()
    assert nas(["scale", "0", "--fit", "--json", *options]) == 0
    fits = json.loads(capsys.readouterr().out)["fits"]["rules"]
    assert fits["width"]["held_out"] == 10 and len(fits["width"]["fitted"]) == 10


def add_family(url: str, *, count: int, first: int = 1) -> None:
    """Add wider networks with accuracies of a power law."""
    study = Study.open("digits", url)
    with study.exclusive():
        network = study.find(0).architecture
        for place in range(first, first + count):
            stages = tuple(replace(each, width=16 + 8 * place) for each in network.stages)
            made = study.start(
                architecture=replace(network, stages=stages),
                decisions={},
                distributions={},
                origin={"parent_digest": network.digest, "rule": "width", "parent": 0},
            )
            error = 0.5 * 2 ** (-place / 2) + 0.01
            values = {"macs": 1e4 * 2.0**place, "accuracy": 1 - error}
            found = {k: Measurement(metric=k, value=v) for k, v in values.items()}
            study.finish(replace(made, status="complete", measurements=found))
    study.close()


def test_a_candidate_is_trained_on_shares_of_the_images(
    options: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(study_plan, "make_engine", lambda *given: Here())
    assert nas(["scale", "0", "--images", "0.1,0.2,1", "--json", *options]) == 0
    (few, more, whole) = json.loads(capsys.readouterr().out)["fits"]["images"]
    assert few["images"] == round(0.1 * whole["images"]) < more["images"] < whole["images"]
    measured = Study.open("digits", options[-1]).find(0).measurements
    assert measured["accuracy+image_share=0.1"].value == pytest.approx(1 - few["error"])
    assert nas(["scale", "0", "--images", "2", *options]) == 2
    assert "shares above 0 and at most 1" in capsys.readouterr().err
