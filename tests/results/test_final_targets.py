"""Full trainings on numbers and labels: scores of each, card, curve, exported file."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from nas_explorer.results.export import load_model
from nas_explorer.results.final.python_finalize import finalize
from nas_explorer.results.final.split_scores import SplitScores
from nas_explorer.search_space.errors import InputError

from ..evaluators.target_data import images, labels, numbers
from ..evaluators.test_accuracy_evaluator import make_architecture

PIXELS = images(120)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("final targets")
    network = make_architecture(classes=2).to_json()
    (root / "net.json").write_text(json.dumps(network))
    return root


@pytest.fixture(autouse=True)
def inside(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


def trained(targets: Any, **options: Any) -> Any:
    return finalize("net.json", data=(PIXELS, targets), epochs=6, **options)


def test_numbers_have_errors_of_each_and_are_predicted_in_their_unit() -> None:
    found = trained(numbers(PIXELS), seeds=2)
    card = found.card.read_text()
    for text in (
        "validation r2",
        "test r2",
        "## By number",
        "| 0 | r2 ",
        "rmse",
        "of 2 seeds: mean",
    ):
        assert text in card
    assert "confusion" not in card.lower() and "recall" not in card and "points" not in card
    assert set(found.test.metrics) == {"r2", "rmse", "mae"} and len(found.test.outputs) == 2
    assert SplitScores.from_json(found.test.to_json()) == found.test
    lines = (found.folder / "curve.csv").read_text().splitlines()
    assert (
        "validation_r2" in lines[0] and "validation r2" in (found.folder / "curve.html").read_text()
    )
    outputs = load_model(found.model)(torch.zeros(1, 1, 8, 8))
    assert 900 < float(outputs[0, 0].detach()) < 1200  # the first number is above 1,000
    found.export("net.py")
    exported = Path("net.py.md").read_text()
    assert "- numbers: 0, 1" in exported and "classes" not in exported
    assert trained(numbers(PIXELS), seeds=2).result == found.result  # only read again


def test_labels_have_precisions_of_each() -> None:
    found = trained(labels(PIXELS))
    card = found.card.read_text()
    assert "validation mean average precision" in card and "## By label" in card
    assert "average precision" in card and "images with it" in card
    assert "random order alone: mean average precision" in card
    assert found.test.main_name == "mean_average_precision"
    assert found.test.counts == tuple(map(int, found.test.counts)) and not found.test.recalls


def test_what_has_no_meaning_is_refused_before_a_training() -> None:
    with pytest.raises(InputError, match="class_weights must be without regression"):
        trained(numbers(PIXELS), class_weights=True, seed=1)
    with pytest.raises(InputError, match="target must come with --data"):
        finalize("net.json", study="none", target="labels")
