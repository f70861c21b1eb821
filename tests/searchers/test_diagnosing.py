"""Diagnostics of a study's candidates, from the weights that the search kept."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from nas_explorer.cli.main import run
from nas_explorer.evaluators.accuracy import evaluator
from nas_explorer.evaluators.accuracy.recipe import Recipe
from nas_explorer.evaluators.base import Setup
from nas_explorer.evaluators.trained.filters import FilterSparsity
from nas_explorer.results.analysis.fidelity import compare
from nas_explorer.results.candidate import Candidate
from nas_explorer.results.export.header import make_header
from nas_explorer.results.export.weights import save_weights
from nas_explorer.results.final.diagnosed import data_of, trained_candidate
from nas_explorer.results.final.divisions import division
from nas_explorer.results.study.study import Study
from nas_explorer.search_space.errors import InputError, WorkError
from nas_explorer.searchers.run.diagnosing import diagnose, diagnose_candidates
from nas_explorer.searchers.run.ledger import Ledger
from nas_explorer.searchers.run.python_search import search
from nas_explorer.searchers.run.study_plan import training_of

from ..test_python import SPACE, images

pytestmark = pytest.mark.slow  # for the search that all tests share

NAMES = ("filter_entropy", "layer_similarity")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    folder = tmp_path_factory.mktemp("diagnosing")
    pixels, labels = images()
    np.savez(folder / "data.npz", images=pixels, labels=labels)
    study = search(
        space=SPACE,
        data=f"arrays:{folder / 'data.npz'}",
        budget=4,
        epochs=1,
        searcher="random",
        study="trained",
        storage=folder / "nas.db",
        workers=1,
    )
    yield study
    study.close()


def stored(study: Study, names: tuple[str, ...], numbers: list[int]) -> tuple[dict[int, str], int]:
    """Compute diagnostics; return the failures and the number of candidates that were computed."""
    training = training_of(study, engine="local", workers=1)
    steps: list[str | None] = []
    failed = diagnose_candidates(
        study, training, names, numbers, Ledger(), lambda one, reason: steps.append(reason)
    )
    return failed, steps.count(None)


def test_diagnostics_are_stored_once_beside_the_other_metrics(finished: Study) -> None:
    assert stored(finished, NAMES, [0, 1]) == ({}, 2)
    assert stored(finished, NAMES, [0, 1]) == ({}, 0), "nothing is computed twice"
    again = Study.open("trained", finished.url)
    found = {each.number: each for each in again.candidates()}
    again.close()
    for number in (0, 1):
        known = {*found[number].measurements, *found[number].undefined}
        assert {*NAMES, "accuracy", "macs"} <= known
    assert not {*NAMES} & {*found[2].measurements, *found[2].undefined}
    shown = diagnose(0, "filter_entropy", study=finished).measurements["filter_entropy"]
    assert found[0].measurements["filter_entropy"] == shown


def test_values_of_an_earlier_version_are_computed_again(
    finished: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert stored(finished, ("filter_sparsity",), [0, 1])[0] == {}
    monkeypatch.setattr(FilterSparsity, "versions", {"classes": 2})
    assert stored(finished, ("filter_sparsity",), [0, 1, 2]) == ({}, 3)
    found = [each.measurements.get("filter_sparsity") for each in finished.candidates()]
    assert [each and each.provenance["version"] for each in found] == [2, 2, 2, None]


def test_the_rankings_of_a_study_hold_its_diagnostics(finished: Study) -> None:
    assert stored(finished, NAMES, [0, 1, 2, 3])[0] == {}
    long: list[Candidate] = []
    for each in finished.candidates():
        own, value = each.measurements["accuracy"], 0.5 + each.number / 10
        metrics = {
            name: replace(own, metric=name, value=value) for name in ("accuracy", "accuracy_long")
        }
        long.append(replace(each, measurements={**each.measurements, **metrics}))
    assert compare(long).found("filter_entropy") is not None


def test_the_weights_at_the_start_are_those_of_the_training(
    finished: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[dict[str, torch.Tensor]] = []
    plain = evaluator.train

    def train(model: Any, *arguments: Any, **options: Any) -> Any:
        begun.append({name: each.clone() for name, each in model.state_dict().items()})
        return plain(model, *arguments, **options)

    monkeypatch.setattr(evaluator, "train", train)
    candidate, settings = finished.candidates()[0], finished.settings
    recipe = Recipe.from_json(settings.recipe).to_json()
    setup = Setup(seed=settings.seed, settings=recipe, data=settings.data)
    evaluator.AccuracyEvaluator.make(setup).measure(candidate.architecture)
    untrained = trained_candidate(finished, candidate, data_of(finished)).untrained()
    assert untrained is not None
    state = untrained.state_dict()
    assert all(torch.equal(each, state[name]) for name, each in begun[0].items())


def test_missing_weights_fail_one_candidate_alone(finished: Study) -> None:
    numbers = [each.number for each in finished.candidates()]
    candidate = finished.candidates()[0]
    file = Path(finished.weights) / f"{candidate.digest}.safetensors"
    away = file.rename(file.with_suffix(".away"))
    try:
        failed, done = stored(finished, ("skip_ratio",), numbers)
        with pytest.raises(WorkError, match="are missing"):
            diagnose(candidate, study=finished)
    finally:
        away.rename(file)
    assert set(failed) == {0} and "are missing" in failed[0] and done == len(numbers) - 1


def test_the_command_prints_diagnostics_with_macs_and_correlation(
    finished: Study, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    options = ["--study", "trained", "--storage", finished.url]
    assert run(["measure", "0", "--diagnostics", "filter_entropy,linear_probe", *options]) == 0
    text = capsys.readouterr().out
    assert "Diagnostics of the trained weights of candidate 0; macs" in text
    assert "linear_probe" in text and "too few candidates have both" in text
    assert run(["measure", "0", "--diagnostics", "skip_ratio", "--json", *options]) == 0
    found = json.loads(capsys.readouterr().out)["diagnostics"]
    assert found["macs"] > 0 and set(found["measurements"]) == {"skip_ratio"} and found["notes"]
    file = str(tmp_path / "model.safetensors")
    trained = trained_candidate(finished, finished.find("0"), data_of(finished))
    facts = {
        "training": finished.candidates()[0].measurements["accuracy"].provenance,
        "fingerprint": trained.data.fingerprint,
        "division": division(trained.data.spec),
    }
    header = make_header(trained.architecture, facts)
    save_weights(Path(file), trained.network.state_dict(), header)
    assert run(["measure", file, "--diagnostics", "skip_ratio"]) == 2
    assert "must be given, as --data digits" in capsys.readouterr().err
    assert run(["measure", file, "--diagnostics", "skip_ratio", "--data", "digits"]) == 2
    assert "must be" in capsys.readouterr().err
    data = str(finished.settings.data["name"])
    arguments = ["measure", file, "--diagnostics", "skip_ratio", "--data", data, "--json"]
    assert run(arguments) == 0
    again = json.loads(capsys.readouterr().out)["diagnostics"]["measurements"]["skip_ratio"]
    assert again["value"] == found["measurements"]["skip_ratio"]["value"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["van_b0", "--diagnostics", "all"], "must be of trained weights"),
        (["0", "--diagnostics", "skip_rato"], "did you mean 'skip_ratio'"),
        (["0", "--diagnostics", "all", "--latency"], "must be the only measurement"),
        (["0", "--diagnostics", "all", "--data", "digits"], "with a file alone"),
    ],
)
def test_requests_that_cannot_be_are_refused(
    arguments: list[str], says: str, finished: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["measure", *arguments, "--study", "trained", "--storage", finished.url]) == 2
    error = capsys.readouterr().err
    assert says in error and "Traceback" not in error


def test_changed_data_are_refused(finished: Study, tmp_path: Path) -> None:
    file = Path(str(finished.settings.data["name"]).partition(":")[2])
    before = file.read_bytes()
    pixels, labels = images()
    np.savez(file, images=255 - pixels, labels=labels)
    try:
        with pytest.raises(InputError, match="the data have changed since the search"):
            data_of(finished)
    finally:
        file.write_bytes(before)
