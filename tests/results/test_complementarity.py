"""Pairs of networks: oracle and ensemble, worked by hand."""

import json
from pathlib import Path

import numpy as np
import pytest
from nas_explorer.cli.main import run as nas
from nas_explorer.results.analysis.complementarity import pairs, points
from nas_explorer.results.study.study import Study
from nas_explorer.searchers.run import additions

from ..searchers.digits_study import Here, digits_study

LABELS = np.array([0, 0, 1, 1] * 25)
ONE = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.6, 0.4]] * 25)  # right, wrong, right, wrong
OTHER = np.array([[0.8, 0.2], [0.9, 0.1], [0.6, 0.4], [0.7, 0.3]] * 25)  # r, r, w, w


def test_the_oracle_and_the_mean_are_those_by_hand() -> None:
    (found,) = pairs({7: ONE, 3: OTHER}, LABELS)
    assert found.numbers == (3, 7) and found.accuracies == (0.5, 0.5)
    assert found.agreement == 0.5
    assert found.oracle.value == pytest.approx(0.25)  # three of four, in place of two
    assert found.ensemble.value == pytest.approx(0.25)  # the mean is wrong about the fourth alone
    assert found.oracle.low < 0.25 < found.oracle.high and found.oracle.low > 0.1
    assert points(found.oracle).startswith("+25.0 [+")


def test_a_network_gains_nothing_with_itself() -> None:
    (found,) = pairs({1: ONE, 2: ONE}, LABELS)
    assert found.agreement == 1
    assert found.oracle.value == found.ensemble.value == found.ensemble.high == 0


def test_pairs_are_in_the_order_of_their_ensemble() -> None:
    found = pairs({1: ONE, 2: ONE, 3: OTHER}, LABELS, seed=1)
    assert [each.numbers for each in found] == [(1, 3), (2, 3), (1, 2)]
    assert found == pairs({1: ONE, 2: ONE, 3: OTHER}, LABELS, seed=1)


def test_pairs_of_a_study_have_its_recorded_accuracies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(additions, "make_engine", lambda *given: Here())
    options = ["--study", "digits", "--storage", digits_study(tmp_path)]
    assert nas(["front", "--pairs", *options]) == 1
    assert "no two candidates of the front with kept weights" in capsys.readouterr().out
    two = ["--to", "macs=60k", "--to", "macs=100k"]
    assert nas(["baselines", "--networks", "resnet", *two, *options]) == 0
    capsys.readouterr()
    assert nas(["front", "--pairs", "--json", *options]) == 0
    found = json.loads(capsys.readouterr().out)
    (pair,) = found["pairs"]
    study = Study.open("digits", options[-1])
    recorded = [study.find(number).value("accuracy") for number in pair["candidates"]]
    assert pair["accuracies"] == pytest.approx(recorded)
    assert "trained weights of candidate 0" in found["without_weights"]["0"]
    assert nas(["front", "--pairs", "--top", "3", *options]) == 2
    assert "--pairs must come without other options" in capsys.readouterr().err
