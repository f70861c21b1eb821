"""Compressed candidates: what a search proposes does not change, and interrupted runs go on."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from nas_explorer.cli.main import run as nas
from nas_explorer.evaluators.accuracy.data.dataset import DataSpec, load_search_data
from nas_explorer.evaluators.accuracy.recipe import Recipe
from nas_explorer.evaluators.base import CandidateError
from nas_explorer.results.export.record_checks import trained_weights
from nas_explorer.results.export.weights import WeightsFolder
from nas_explorer.results.study.study import Study
from nas_explorer.search_space.components.channel_mixers.mlp import Mlp
from nas_explorer.search_space.errors import InputError, WorkError
from nas_explorer.searchers.engines.base import JobSource, Outcome
from nas_explorer.searchers.run import compress as compress_module
from nas_explorer.searchers.run.compress import CompressRequest, CompressResult, compress
from nas_explorer.searchers.run.ledger import Ledger
from nas_explorer.searchers.run.study_plan import measuring_plan
from nas_explorer.searchers.run.worker import Plan

from .quick_search import SETTINGS, SPACE, database, digests_of, measured, quick_search


def add_compressed(url: str, *, finished: bool) -> None:
    """Add a candidate that was made from candidate 1."""
    study = Study.open("quick", url)
    with study.exclusive():
        network = study.find(1).architecture
        block = replace(network.stages[0].block(0), channel_mixer=Mlp(ratio=0.25))
        smaller = replace(network, stages=(replace(network.stages[0], depth=1, blocks=(block,)),))
        made = study.start(
            architecture=smaller, decisions={}, distributions={}, origin={"parent": 1}
        )
        if finished:
            values = {each.metric: each for each in measured(("accuracy", "macs"), made.digest)}
            study.finish(replace(made, status="complete", measurements=values))
    study.close()


@pytest.mark.parametrize(("finished", "join"), [(True, False), (False, True)])
def test_a_resumed_search_proposes_what_it_would_have(
    tmp_path: Path, finished: bool, join: bool
) -> None:
    whole, parted = tmp_path / "whole", tmp_path / "parted"
    for folder in (whole, parted):
        folder.mkdir()
    quick_search(database(whole), 8, searcher="evolution", join=join)
    quick_search(database(parted), 4, searcher="evolution", join=join)
    add_compressed(database(parted), finished=finished)
    quick_search(database(parted), 8, searcher="evolution", join=join)
    found = digests_of(database(parted))
    made = found.pop(4)
    assert found == digests_of(database(whole))
    assert made[1] == ("complete" if finished else "running")


QUICK = {"warmup_seconds": 0, "min_seconds": 0, "max_seconds": 0, "windows": 1, "repeats": 8}


class Here:
    """An engine in this process, which may be interrupted before its job."""

    starting_seconds = 0.0
    workers = 1
    interrupts = False
    fails = False

    def run(self, source: JobSource, plan: Plan) -> None:
        while not source.done:
            job = source.next_job()
            if self.interrupts:
                raise KeyboardInterrupt
            if job is not None and self.fails:
                source.take(Outcome(number=job.number, status="failed", reason="error: no memory"))
            elif job is not None:
                source.take(plan().run(job))


@pytest.fixture(scope="module")
def parent_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of digits with one candidate, trained for one epoch."""
    folder = tmp_path_factory.mktemp("compress")
    data = load_search_data(DataSpec(name="digits"))
    space = SPACE.bind(channels=1, resolution=8, classes=10)
    network = next(
        found for seed in range(100) if (found := space.sample(seed)).stages[0].width == 16
    )
    settings = replace(
        SETTINGS,
        data=data.spec.to_json(),
        data_fingerprint=data.fingerprint,
        recipe=Recipe(epochs=1).to_json(),
        evaluation={"device": "cpu", "latency": QUICK},
    )
    study = Study.create_or_open("digits", f"sqlite:///{folder}/nas.db", settings)
    plan = replace(measuring_plan(study, settings.recipe), weights=str(study.weights))
    with study.exclusive():
        made = study.start(architecture=network, decisions={}, distributions={})
        source = compress_module.DerivedJob(study, made, plan, 0, Ledger())
        Here().run(source, plan)
    assert source.candidate.status == "complete", source.candidate.reason
    study.close()
    return folder


@pytest.fixture
def study(
    parent_database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Study]:
    shutil.copytree(parent_database, tmp_path, dirs_exist_ok=True)
    monkeypatch.setattr(compress_module, "make_engine", lambda *given: Here())
    found = Study.open("digits", f"sqlite:///{tmp_path}/nas.db")
    yield found
    found.close()


def half(study: Study) -> CompressRequest:
    return CompressRequest(to=(f"macs<={(study.find(0).value('macs') or 0) // 2}",), method="prune")


def made(study: Study, request: CompressRequest) -> CompressResult:
    return compress(study, "0", request, Ledger(), lambda line: None)


def test_a_result_is_a_candidate_with_its_parent_named(
    study: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    request = half(study)
    found = made(study, request)
    candidate = Study.open("digits", study.url).find(1)
    assert found.fresh and found.candidate == candidate
    assert request.bounds[0].holds(candidate.value("macs") or 0)
    assert candidate.origin["parent_digest"] == study.find(0).digest
    assert candidate.origin["reached"] == {"macs": candidate.value("macs")}
    assert {"accuracy", "latency", "params"} <= candidate.measurements.keys()
    assert "0 fresh" not in candidate.measurements["accuracy"].provenance["inheritance"]
    weights, training = trained_weights(WeightsFolder(study.weights), candidate)
    assert weights and training["recipe"]["init"] == candidate.origin["start"]
    again = made(study, request)
    assert not again.fresh and again.candidate.number == 1
    swapped = replace(request, to=request.to * 2)
    assert swapped.origin(study.find(0)) == request.origin(study.find(0))
    with pytest.raises(InputError, match=r"a new network, but gives that of candidate 1$"):
        made(study, replace(request, seed=1))
    assert nas(["show", "1", "--study", "digits", "--storage", study.url]) == 0
    shown = capsys.readouterr().out
    assert f"made from    candidate 0 by prune to {request.to[0]}" in shown
    assert nas(["front", "--study", "digits", "--storage", study.url]) == 0


def test_an_interrupted_run_goes_on(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Here, "interrupts", True)
    with pytest.raises(KeyboardInterrupt):
        made(study, half(study))
    (left,) = study.running()
    monkeypatch.setattr(Here, "interrupts", False)
    found = made(study, half(study))
    assert found.fresh and found.candidate.number == left.number
    assert found.candidate.digest == left.digest and found.candidate.status == "complete"


def test_requests_that_cannot_be_met_say_why(study: Study) -> None:
    with pytest.raises(InputError, match=r"macs<=10: the least that prune reaches is macs \d+$"):
        made(study, CompressRequest(to=("macs<=10",), method="prune"))
    with pytest.raises(InputError, match="below what candidate 0 has, but it has params"):
        made(study, CompressRequest(to=("params<=1e9",)))
    with pytest.raises(InputError, match="on an exact cost or a latency, but got accuracy"):
        CompressRequest(to=("accuracy>=90%",))
    with pytest.raises(InputError, match="prun"):
        CompressRequest(to=("macs<=1",), method="prun")
    WeightsFolder(study.weights).path(study.find(0).architecture).unlink()
    with pytest.raises(WorkError, match="weights of candidate 0 must be in"):
        made(study, half(study))
    assert [each.number for each in study.candidates()] == [0]


def test_a_latency_that_cannot_be_measured_keeps_no_bound(study: Study) -> None:
    class Refusing:
        def measure(self, architecture: object) -> None:
            raise CandidateError("not_defined", "refused")

    values = compress_module._Values(study, Recipe.from_json(study.settings.recipe))  # pyright: ignore[reportPrivateUsage]
    values._evaluators["latency"] = Refusing()  # type: ignore[assignment]  # pyright: ignore
    architecture = study.find(0).architecture
    assert not values.hold(architecture, CompressRequest(to=("latency<=1ms",)).bounds)
    assert values.reasons == {(architecture.digest, "latency"): "not_defined: refused"}


def test_a_failed_compression_is_made_again(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Here, "fails", True)
    failed = made(study, half(study)).candidate
    assert (failed.number, failed.status, failed.reason) == (1, "failed", "error: no memory")
    monkeypatch.setattr(Here, "fails", False)
    found = made(study, half(study))
    assert (found.candidate.number, found.candidate.status) == (2, "complete")
    assert found.fresh and found.missed == ()
    lower = replace(found.candidate, origin={**found.candidate.origin, "to": ["macs<=1"]})
    assert replace(found, candidate=lower).missed == ("macs<=1",)


def test_conditions_are_checked_before_a_candidate_is_added(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*given: object) -> None:
        raise InputError("accuracy must be measured on one device")

    monkeypatch.setattr(compress_module, "check_measured", refuse)
    with pytest.raises(InputError, match="on one device"):
        made(study, half(study))
    assert [each.number for each in study.candidates()] == [0]
