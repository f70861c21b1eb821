"""Full trainings: their files, and the one reading of the test split."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from filelock import FileLock
from nas_explorer.cli.main import run
from nas_explorer.evaluators.accuracy.data import permit as permits
from nas_explorer.evaluators.accuracy.data.dataset import DataSpec, load_test_split
from nas_explorer.evaluators.accuracy.data.given import given_data
from nas_explorer.results.export import load_model, load_preparation
from nas_explorer.results.export.header import make_header, read_facts, read_header
from nas_explorer.results.export.weights import read_weights, save_weights
from nas_explorer.results.final import finalize as final
from nas_explorer.results.final import trainings
from nas_explorer.results.final.card import output_table
from nas_explorer.results.final.options import FinalOptions
from nas_explorer.results.final.python_finalize import finalize
from nas_explorer.results.final.split_scores import split_scores
from nas_explorer.results.final.subject import find_subject
from nas_explorer.results.study.readings import (
    Reading,
    ReadingLog,
    data_scope,
    forget_study,
    study_scope,
)
from nas_explorer.search_space.errors import InputError
from nas_explorer.search_space.zoo import zoo_names
from nas_explorer.searchers.run.python_search import search

ROOT = Path(__file__).parents[2]
NETWORK: dict[str, Any] = {
    "input": [3, 16, 16],
    "classes": 7,
    "stem": {"name": "patch", "patch_size": 2, "norm": {"name": "layer_norm"}},
    "stages": [
        {
            "width": 8,
            "depth": 2,
            "blocks": [
                {
                    "name": "metaformer",
                    "mixer": {"name": "separable_conv", "kernel_size": 3},
                    "channel_mixer": {"name": "mlp", "ratio": 2.0, "activation": "relu"},
                    "norm": {"name": "layer_norm"},
                    "residual": {"name": "plain"},
                }
            ],
        }
    ],
    "head": {"name": "pooled", "norm": {"name": "none"}},
}
OTHER = json.loads(json.dumps(NETWORK))
OTHER["stages"][0]["width"] = 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two networks for other images, in which one has been trained."""
    path = tmp_path_factory.mktemp("final")
    (path / "net.json").write_text(json.dumps(NETWORK))
    (path / "other.json").write_text(json.dumps(OTHER))
    return path


@pytest.fixture(autouse=True)
def inside(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


@pytest.fixture(scope="module")
def first(folder: Path) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return finalize("net.json", data="digits", epochs=2, seeds=2)


@pytest.mark.slow
def test_it_writes_model_card_and_curve(first: Any) -> None:
    names = {each.name for each in first.folder.iterdir()}
    assert {"model.safetensors", "card.md", "curve.csv", "curve.html", "result.json"} <= names
    assert not [name for name in names if name.endswith(".training")]
    card = first.card.read_text()
    assert "reading 1 of the test split for this data set" in card
    assert "all parameters fresh (from scratch)" in card and "calibration_error" in card
    assert "test: true class, then predicted" in card and "of 2 seeds: mean" in card
    lines = (first.folder / "curve.csv").read_text().splitlines()
    assert lines[0].startswith("training,epoch,train_loss,") and len(lines) == 1 + 2 * 2
    assert "plotly" in (first.folder / "curve.html").read_text()[:9000]
    assert first.test.images == 359 and first.validation.images == 287
    for scores in (first.test, first.validation):
        confusion = torch.tensor(scores.confusion)
        assert confusion.sum(1).tolist() == list(scores.counts)
        assert confusion.diagonal().sum() / scores.images == pytest.approx(scores.accuracy.value)
        assert scores.accuracy.low < scores.accuracy.value < scores.accuracy.high
        assert "auroc" not in scores.metrics and "top5" in scores.metrics


@pytest.mark.slow
def test_the_model_is_the_one_that_was_scored(first: Any) -> None:
    from nas_explorer.evaluators.accuracy.data.dataset import load_search_data

    data = load_search_data(DataSpec(name="digits"))
    network, prepare = load_model(first.model), load_preparation(first.model)
    with torch.no_grad():
        guess = network(prepare(data.validation_images)).argmax(1)
    right = (guess == data.validation_labels).double().mean().item()
    assert right == pytest.approx(first.validation.accuracy.value, abs=1.5 / 287)
    best = max(
        each["validation"]["metrics"]["accuracy"]["value"] for each in first.result["trainings"]
    )
    assert first.validation.accuracy.value == best


@pytest.mark.slow
def test_a_finished_run_is_only_read(first: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        pytest.fail("nothing is trained again")

    monkeypatch.setattr(trainings, "train", fail)
    assert finalize("net.json", data="digits", epochs=2, seeds=2).result == first.result
    # A file that was removed comes back, without a training or a reading.
    weights, header = read_weights(first.model)
    card = first.card.read_text()
    for path in (first.model, first.card):
        path.unlink()
    assert finalize("net.json", data="digits", epochs=2, seeds=2).result == first.result
    again, its_header = read_weights(first.model)
    assert all(torch.equal(again[name], each) for name, each in weights.items())
    assert its_header == header and first.card.read_text() == card


@pytest.mark.slow
def test_a_file_of_weights_keeps_the_division_of_its_training(first: Any, folder: Path) -> None:
    weights, header = read_weights(first.model)
    facts = {**read_facts(header), "division": {"seed": 5, "validation": 0.25}}
    other = folder / "other.safetensors"
    save_weights(other, weights, make_header(read_header(header), facts))
    for init, seed, validation in (("other.safetensors", 5, 0.25), ("scratch", 0, 0.2)):
        options = FinalOptions(network="net.json", data="digits", init=init, test=False)
        spec = final.prepare(options).subject.data.spec
        assert (spec.seed, spec.validation) == (seed, validation)


@pytest.mark.slow
def test_the_test_split_is_read_once_unless_asked_for(
    first: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["finalize", "other.json", "--data", "digits", "--epochs", "1"]
    assert run(command) == 2
    out, err = capsys.readouterr()
    assert out == "" and "must be read once per data set, but net has read it on" in err
    assert "--read-test-again" in err and err.count("\n") == 1
    assert run([*command, "--no-test", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["chosen"]["test"] is None and result["readings_of_data"] == 1
    assert run([*command, "--read-test-again"]) == 0
    out, _ = capsys.readouterr()
    assert "Reading 2 of the test split for this data set, asked for explicitly" in out
    assert "the storage counts 2 times for this data set in all" in out


def test_a_test_split_is_read_with_a_permit_alone() -> None:
    for permit in (None, 1, "yes"):
        with pytest.raises(PermissionError, match="by nas finalize alone"):
            load_test_split(DataSpec(name="digits"), permit=permit)  # type: ignore[arg-type]


def test_permits_are_made_and_used_in_one_place() -> None:
    made, used = [], []
    for top in ("search_space", "evaluators", "results", "searchers", "cli"):
        for path in (ROOT / top).rglob("*.py"):
            text, name = path.read_text(encoding="utf-8"), path.relative_to(ROOT).as_posix()
            made += [name] if f"{permits.ReadingPermit.__name__}(" in text else []
            used += [name] if "load_test_split(" in text.replace("def load_test_split(", "") else []
    assert made == ["results/study/readings.py"]
    assert used == ["results/final/finalize.py"]


@pytest.mark.parametrize("name", ["model.safetensors", "card.md"])
def test_files_of_something_else_are_not_replaced(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(InputError, match="a new folder or one of nas finalize, but"):
        finalize("net.json", data="digits", output=tmp_path)
    assert (tmp_path / name).read_text() == "mine"


@pytest.mark.slow
def test_scores_of_the_test_split_are_not_replaced(first: Any) -> None:
    for network, seeds, test in (("net.json", 1, False), ("other.json", 2, True)):
        with pytest.raises(InputError, match=r"must stay, but those of net in .* give another"):
            finalize(
                network,
                data="digits",
                epochs=2,
                seeds=seeds,
                test=test,
                read_test_again=test,
                output=first.folder,
            )
    assert json.loads((first.folder / "result.json").read_text()) == first.result


@pytest.mark.slow
def test_a_run_ended_while_its_files_are_written_keeps_its_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "net.json").write_text(json.dumps(NETWORK))
    monkeypatch.chdir(tmp_path)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(final, "write_files", stop)
        finalize("net.json", data="digits", epochs=1)
    found = finalize("net.json", data="digits", epochs=1)
    assert found.test is not None and found.result["readings_of_data"] == 1
    with pytest.raises(InputError, match="read once per data set"):
        finalize("net.json", data="digits", epochs=1, output="again")


def test_two_runs_in_one_folder_are_refused(tmp_path: Path) -> None:
    with (
        FileLock(tmp_path / ".lock"),
        pytest.raises(InputError, match="one nas finalize at a time, but another runs in"),
    ):
        finalize("net.json", data="digits", epochs=1, test=False, output=tmp_path)


def test_data_are_given_as_to_a_search(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a CSV file must exist"):
        finalize("net.json", data=tmp_path / "list.csv")
    with pytest.raises(InputError, match=r"a data set of PyTorch, or a pair .* but got int"):
        finalize("net.json", data=3)  # type: ignore[arg-type]
    items = [(torch.zeros(1, 4, 4), 0)]
    name = given_data(_Items(items), tmp_path)
    assert name.startswith(f"shards:{tmp_path}") and Path(name.removeprefix("shards:")).exists()


class _Items:
    """A map-style data set."""

    def __init__(self, items: list[Any]) -> None:
        self._items = items

    def __getitem__(self, place: int) -> Any:
        return self._items[place]

    def __len__(self) -> int:
        return len(self._items)


def test_a_class_without_images_has_no_recall() -> None:
    scores = split_scores(torch.eye(3)[:2], torch.tensor([0, 1]), ("a", "b", "c"), seed=0).to_json()
    result = {"chosen": {"validation": scores, "test": None}, "data": {"classes": ["a", "b", "c"]}}
    assert output_table(result)[-1] == "| c | no images |"


@pytest.mark.parametrize(
    ("init", "said"),
    [("nowhere", "'nowhere'$"), ("resnet18", "did you mean timm:resnet18"), ("", "''")],
)
def test_a_start_that_is_none_is_refused_before_a_study_is_opened(init: str, said: str) -> None:
    with pytest.raises(InputError, match=f"init must be scratch, search, .* but got .*{said}"):
        FinalOptions(network="net.json", data="digits", init=init)


def test_no_published_network_could_be_a_digest() -> None:
    for name in zoo_names():
        options = FinalOptions(network=name, data="digits")
        assert not options.is_candidate and not options.is_file


def reading(scope: str, run: str, data: str = "digits") -> Reading:
    return Reading(scope=scope, number=0, data=data, run=run, what="net", when="2026-01-01T00:00")


class TestLog:
    @pytest.fixture
    def log(self, tmp_path: Path) -> Any:
        log = ReadingLog(f"sqlite:///{tmp_path / 'nas.db'}")
        yield log
        log.close()

    def test_a_killed_run_goes_on_with_its_reading(self, log: ReadingLog) -> None:
        scope = data_scope("digits")
        permit, begun = log.begin(reading(scope, "a"), again=False)
        assert (permit.scope, permit.number, begun.asked) == (scope, 1, False)
        assert log.begin(reading(scope, "a"), again=False)[1] == begun
        with pytest.raises(InputError, match="read once per data set"):
            log.check(reading(scope, "b"), again=False)
        log.end(begun, {"accuracy": [0.5]})
        with pytest.raises(InputError, match="read once per data set"):
            log.begin(reading(scope, "a"), again=False)
        second, more = log.begin(reading(scope, "b"), again=True)
        assert second.number == 2 and more.asked
        assert [each.run for each in log.of_scope(scope)] == ["a", "b"]

    @pytest.mark.slow
    def test_a_server_counts_too(self, postgresql: str) -> None:
        log = ReadingLog(postgresql)
        scope = data_scope("digits")
        log.begin(reading(scope, "a"), again=False)
        with pytest.raises(InputError, match="read once per data set"):
            log.begin(reading(scope, "b"), again=False)
        log.begin(reading(scope, "b"), again=True)
        assert [each.number for each in log.of_data("digits")] == [1, 2]
        log.close()

    def test_a_study_and_its_data_are_counted_apart(self, log: ReadingLog) -> None:
        for scope in (study_scope(3), data_scope("digits"), study_scope(4)):
            _, begun = log.begin(reading(scope, "a"), again=False)
            log.end(begun, {"accuracy": [0.5]})
        assert len(log.of_data("digits")) == 3 and len(log.of_scope(study_scope(3))) == 1

    def test_a_deleted_study_leaves_its_readings_to_the_data(self, log: ReadingLog) -> None:
        log.begin(reading(study_scope(3), "a"), again=False)
        with log._storage.engine.begin() as connection:  # as delete_study
            forget_study(connection, 3)
        assert len(log.of_data("digits")) == 1 and not log.of_scope(study_scope(3))
        log.begin(reading(study_scope(3), "b"), again=False)


SCRIPT = """
import sys, time
import torch
torch.set_num_threads(1)
from nas_explorer.evaluators.accuracy.training import checkpoint
from nas_explorer.results.final.options import FinalOptions
from nas_explorer.results.final.python_finalize import finalize
checkpoint.SECONDS = 0.0
def tell(step):
    if step.epoch == 2:
        print("in the second epoch", flush=True)
        time.sleep(600)
finalize("net.json", data="digits", epochs=3, test=False, output="killed", listener=tell)
"""


@pytest.mark.slow
def test_a_run_killed_with_sigkill_ends_with_the_same_weights(folder: Path) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", SCRIPT]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None and process.stdout.readline()
        os.kill(process.pid, signal.SIGKILL)
    assert list(Path("killed").glob("*.training"))
    assert process.returncode == -signal.SIGKILL
    assert not (folder / "killed" / "model.safetensors").exists()
    for name in ("killed", "whole"):
        finalize("net.json", data="digits", epochs=3, test=False, output=name)
    one, other = (read_weights(Path(name, "model.safetensors"))[0] for name in ("killed", "whole"))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.slow
def test_a_candidate_counts_for_its_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    space = {
        "input": {"channels": 1, "resolution": 8, "classes": 10},
        "stem": {"conv": {"kernel_size": 3, "stride": 2, "norm": "batch_norm"}},
        "stages": [{"depth": 1, "width": 8, "block": {"metaformer": {"mixer": "pooling"}}}],
        "head": "pooled",
    }
    study = search(space=space, data="digits", budget=1, epochs=1, workers=1, study="small", seed=3)
    assert study.test_readings() == 0
    found = finalize(0, study="small", epochs=1, init="search")
    assert found.result["test_reading"]["of"] == "study" and study.test_readings() == 1
    assert found.result["chosen"]["inheritance"]["preserved"]
    assert found.result["search_score"] == study.find(0).value("accuracy")
    with pytest.raises(InputError, match="once per study, but candidate 0 has read it"):
        finalize(0, study="small", epochs=2)
    study.export(0, tmp_path / "model.safetensors")
    card = (tmp_path / "model.safetensors.md").read_text()
    assert "- readings of the test split: 1" in card
    # The same images without the study are another scope.
    other = finalize(0, study="small", data="digits", resolution=16, epochs=1)
    assert other.result["test_reading"]["of"] == "data set"
    assert other.result["readings_of_data"] == 2
    # Its test split is that of the study, whose candidates were trained on all other images.
    (tmp_path / "net.json").write_text(json.dumps(NETWORK))
    for network, init in (("0", "search"), ("net.json", "0")):
        asked = FinalOptions(network=network, init=init, data="digits", resolution=16)
        assert find_subject(asked).data.spec == DataSpec(name="digits", resolution=16, seed=3)
