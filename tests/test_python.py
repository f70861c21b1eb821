"""The Python interface: ``import nas_explorer``."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from nas_explorer.evaluators.base import (
    CandidateError,
    Evaluator,
    Measurement,
    evaluators_for,
    metric,
)
from nas_explorer.results.study.study import Study
from nas_explorer.search_space.errors import InputError
from nas_explorer.searchers.run.loop import Progress
from nas_explorer.searchers.run.options import SearchOptions

import nas_explorer

SPACE = {
    "input": {"channels": 1, "resolution": "data", "classes": 2, "min": 8, "max": 16},
    "stem": "patch",
    "stages": [{"width": [4, 8], "depth": [1, 2], "block": "metaformer"}],
    "head": "pooled",
}


def images(count: int = 80) -> tuple[np.ndarray, list[str]]:
    """Return dark and bright images, distinguished by their mean."""
    generator = np.random.default_rng(0)
    labels = ["bright" if index % 2 else "dark" for index in range(count)]
    noise = generator.integers(0, 100, (count, 8, 8), dtype=np.uint8)
    return noise + np.array([155 * (each == "bright") for each in labels], np.uint8)[
        :, None, None
    ], labels


def test_it_loads_nothing_heavy_and_says_what_it_has() -> None:
    code = (
        "import sys, nas_explorer\n"
        "assert not {'torch', 'numpy', 'optuna', 'pandas'} & set(sys.modules)\n"
        "assert nas_explorer.__version__ and set(nas_explorer.__all__) <= set(dir(nas_explorer))\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)


def test_every_name_is_there() -> None:
    for name in nas_explorer.__all__:
        assert getattr(nas_explorer, name).__name__ == name
    with pytest.raises(AttributeError, match="serch"):
        nas_explorer.serch  # noqa: B018


def test_it_is_found_from_the_root_of_a_clone(tmp_path: Path) -> None:
    """The package can be imported from a clone without installation."""
    root = Path(__file__).parents[1]
    code = (
        f"import sys; sys.path[:0] = [{str(root)!r}]\n"
        "from nas_explorer.search_space.shapes import Shape; print(Shape(1, 2, 3))"
    )
    command = [sys.executable, "-S", "-E", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout


@pytest.fixture(scope="module")
def architecture() -> nas_explorer.Architecture:
    return nas_explorer.load_space("micro").sample(seed=0)


def test_an_architecture_is_measured(architecture: nas_explorer.Architecture) -> None:
    found = nas_explorer.measure(architecture)
    network = architecture.build()
    assert found["params"].value == sum(each.numel() for each in network.parameters())


@pytest.mark.slow
def test_a_search_of_ones_own_space_and_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    seen: list[int] = []

    def count(study: Study, progress: Progress) -> None:
        seen.append(len(study.finished()))

    joules = 3.0

    @nas_explorer.metric(unit="mJ", direction="minimize")
    def energy(architecture: nas_explorer.Architecture) -> float:
        """Energy of one image."""
        return joules * len(architecture.parts())

    study = nas_explorer.search(
        space=SPACE,
        data=images(),
        objectives=["accuracy", "energy"],
        budget=2,
        epochs=1,
        workers=1,
        device="cpu",
        callbacks=[count],
    )
    assert seen == [1, 2] and len(study.table()) == 2
    assert set(study.front().columns) >= {"accuracy", "energy", "macs", "digest"}
    for each in study.candidates():
        assert each.value("energy") == joules * len(each.architecture.parts())
    again = nas_explorer.load_study(study.name)
    assert again.front().equals(study.front())
    assert study.plot().layout.xaxis.title.text.startswith("energy")
    assert study.plot("macs", "energy").layout.yaxis.title.text.startswith("energy")
    with pytest.raises(InputError, match="energi"):
        study.plot("energi")
    (kept,) = (tmp_path / "runs" / "cache").glob("arrays-*.npz")
    assert str(kept).endswith(study.settings.data["name"].rpartition("/")[2])


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ((np.zeros((2, 8, 8)), [0, 1]), "must be uint8"),
        ((np.zeros((2, 8), np.uint8), [0, 1]), "must be uint8"),
        ((np.zeros((2, 8, 8, 2), np.uint8), [0, 1]), "C 1 or 3"),
        ((np.zeros((2, 8, 8), np.uint8), [0]), "one for each of 2 images"),
        ((np.zeros((2, 8, 8), np.uint8), [1j, 1]), "whole numbers or texts"),
        (Path("nowhere.npz"), "must exist"),
        (Path("nowhere"), "must exist"),
        (np.zeros((4, 8, 8), np.uint8), "a pair of images and labels"),
        ((np.zeros((2, 8, 8), np.uint8), [0, 1]), "must leave images for training"),
    ],
)
def test_data_that_cannot_be_used(
    data: object, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=said):
        nas_explorer.search(space=SPACE, data=data, budget=1)  # type: ignore[arg-type]


def test_a_training_of_ones_own_takes_the_place_of_the_short_one() -> None:
    @nas_explorer.metric(unit="1", direction="maximize", tier="trained", share=True)
    def own_score(architecture: nas_explorer.Architecture) -> float:
        return 0.5

    assert "accuracy" in [each.name for each in evaluators_for(["macs"])]
    assert "accuracy" not in [each.name for each in evaluators_for(["own_score", "macs"])]
    assert "accuracy" in [each.name for each in evaluators_for(["own_score", "accuracy"])]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"budget": 2.5}, "budget must be"),
        ({"budget": float("nan")}, "budget must be"),
        ({"seed": "a"}, "seed must be"),
        ({"workers": 1.5}, "workers must be"),
        ({"resolution": "x"}, "resolution must be"),
        ({"time_limit": "soon"}, "time_limit must"),
        ({"searcher": 3}, "searcher must be of type str"),
        ({"device": 0}, "device must be of type str"),
        ({"study": 3}, "study must be of type str"),
        ({"objectives": None}, "metric must be one of"),
        ({"objectives": "acuracy"}, "did you mean 'accuracy'"),
        ({"constraints": "parms<=5e4"}, "did you mean 'params'"),
        ({"plugins": "nowhere.py"}, "nowhere.py"),
        ({"remeasure": "yes"}, "remeasure must be of type bool"),
    ],
)
def test_arguments_that_cannot_be_used(
    given: dict[str, Any], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=said):
        nas_explorer.search(**given)
    assert not list(tmp_path.iterdir())


def test_constraints_and_paths_are_taken_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[SearchOptions] = []

    def note(options: SearchOptions) -> None:
        asked.append(options)
        raise InputError("that is enough")

    monkeypatch.setattr("nas_explorer.searchers.run.python_search.prepare", note)
    with pytest.raises(InputError, match="enough"):
        nas_explorer.search(
            objectives="accuracy, flops",
            constraints=nas_explorer.Constraint(metric="params", high=5e4),
            storage=tmp_path / "nas.db",
            time_limit="10m",  # type: ignore[arg-type]
        )
    (options,) = asked
    assert options.objectives == ("accuracy", "macs") and options.time_limit == 600
    assert options.constraints == ("params<=50000",)
    assert options.storage.endswith("nas.db")


def test_a_published_network_is_measured_by_its_name() -> None:
    assert nas_explorer.measure("resnet18", metrics="params")["params"].value == 11_689_512
    with pytest.raises(InputError, match="must be an Architecture"):
        nas_explorer.measure(None)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="resnet18"):
        nas_explorer.measure("resnet180")


class Numbers(Evaluator):
    """Returns the number it is made with."""

    name = "numbers"
    metrics = (metric("macs"),)

    def __init__(self, **given: Any) -> None:
        self.given = {"metric": "macs", **given}

    def evaluate(self, architecture: nas_explorer.Architecture) -> tuple[Measurement, ...]:
        return (Measurement(**self.given),)


@pytest.mark.parametrize(
    ("value", "plain"),
    [(np.float32(3.5), 3.5), (np.int64(3), 3), (torch.tensor(3.0), 3.0), (torch.tensor(3), 3)],
)
def test_numbers_of_any_library_can_be_stored(
    value: Any, plain: float, architecture: nas_explorer.Architecture
) -> None:
    evaluator = Numbers(value=value, low=value, high=value)
    (found,) = evaluator.measure(architecture)
    assert (found.value, found.low, found.high) == (plain,) * 3
    assert type(found.value) is type(plain) and json.dumps(found.to_json())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"value": "12"}, "must be a number, but is '12'"),
        ({"value": True}, "must be a number"),
        ({"value": None}, "must be a number"),
        ({"value": np.float32("nan")}, "non_finite"),
        ({"value": 1, "low": 5, "high": 6}, "must lie in its interval"),
        ({"value": 1, "provenance": {"at": object()}}, "must be JSON values"),
    ],
)
def test_what_is_no_number_fails_its_candidate_alone(
    given: dict[str, Any], said: str, architecture: nas_explorer.Architecture
) -> None:
    evaluator = Numbers(**given)
    with pytest.raises(CandidateError, match=said):
        evaluator.measure(architecture)
