"""Repeated trainings of the front: nothing is lost, and no front rests on one training."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from nas_explorer.evaluators.base import Measurement
from nas_explorer.results.analysis.columns import ColumnBuilder
from nas_explorer.results.study.study import Study
from nas_explorer.search_space.architecture.architecture import Architecture
from nas_explorer.search_space.seeds import derive_seed
from nas_explorer.searchers.engines.base import Job, Outcome
from nas_explorer.searchers.run.ledger import Ledger
from nas_explorer.searchers.run.repeat import Repetition

from .quick_search import SETTINGS, database, searched_database


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Study]:
    found = Study.open("quick", searched_database(tmp_path, 12))
    yield found
    found.close()


def training(job: Job) -> Outcome:
    """Return a training whose accuracy depends on the network and the seed alone."""
    digest = Architecture.from_json(job.architecture).digest
    value = derive_seed(f"{job.seed}", digest) / 2**32
    measured = Measurement(metric="accuracy", value=value, provenance={"seed": job.seed})
    return Outcome(
        number=job.number,
        status="complete",
        measurements=(measured,),
        seconds={"training": 1.0, "total": 1.0},
    )


def repeated(study: Study, seeds: int, *, workers: int = 1, most: int = 1000) -> Repetition:
    """Run at most ``most`` trainings, ``workers`` at once."""
    with study.exclusive():
        source = Repetition(study, ("accuracy",), seeds, Ledger(), lambda candidate, reason: None)
        jobs: list[Job] = []
        while not source.done and most:
            while len(jobs) < workers and (job := source.next_job()):
                jobs.append(job)
            source.take(training(jobs.pop()))
            most -= 1
        source.settle()
    return source


def values(study: Study) -> dict[int, list[float]]:
    fresh = Study.open("quick", study.url)
    found = {
        each.number: [single.value for single in each.singles.get("accuracy", ())]
        for each in fresh.candidates()
    }
    fresh.close()
    return found


def test_the_whole_front_ends_with_all_its_seeds(study: Study) -> None:
    before = {each.number: each.measurements["accuracy"] for each in study.candidates()}
    source = repeated(study, 3)
    front = [study.find(int(number)) for number in study.front()["number"]]
    assert front and all(len(each.singles["accuracy"]) == 3 for each in front)
    for each in study.candidates():
        assert each.first("accuracy") == before[each.number]
        if singles := each.singles.get("accuracy"):
            mean = each.measurements["accuracy"]
            assert mean.value == pytest.approx(sum(s.value for s in singles) / len(singles))
            assert mean.low is not None and mean.high is not None
            assert len({s.provenance.get("seed") for s in singles}) == len(singles)
            assert each.seconds["training"] == len(singles) - 1
    assert len(source.trained) == sum(max(0, len(v) - 1) for v in values(study).values())
    assert repeated(study, 3).trained == []


def test_workers_and_restarts_change_nothing(tmp_path: Path) -> None:
    found: list[dict[int, list[float]]] = []
    for name, (workers, most) in {"a": (1, 1000), "b": (3, 1000), "c": (2, 3)}.items():
        (tmp_path / name).mkdir()
        searched_database(tmp_path / name, 8)
        study = Study.open("quick", database(tmp_path / name))
        repeated(study, 3, workers=workers, most=most)
        repeated(study, 3)
        found.append({number: sorted(each) for number, each in values(study).items()})
        study.close()
    assert found[0] == found[1] == found[2]


def test_a_failed_training_is_reported_and_tried_again_by_the_next_command(study: Study) -> None:
    with study.exclusive():
        source = Repetition(study, ("accuracy",), 2, Ledger(), lambda candidate, reason: None)
        while job := source.next_job():
            source.take(Outcome(number=job.number, status="failed", reason="error: x"))
        assert source.done and source.failed
        assert set(source.failed.values()) == {"error: x"}
    assert not any(values(study).values())
    assert set(repeated(study, 2).trained) >= set(source.failed)


def test_a_mean_that_breaks_a_bound_is_infeasible(tmp_path: Path) -> None:
    url = database(tmp_path)
    searched_database(tmp_path, 12)
    settings = replace(SETTINGS, constraints=("accuracy>=0.8",))
    study = Study.open("quick", url)
    study.settings = settings
    repeated(study, 2)
    means = [each for each in study.candidates() if each.singles]
    assert {each.status for each in means} == {"complete", "infeasible"}
    for each in means:
        kept = each.measurements["accuracy"].value >= 0.8
        assert (each.status == "complete") == kept == (each.reason is None)
    study.close()


def test_columns_say_what_is_a_mean(study: Study) -> None:
    repeated(study, 3)
    builder = ColumnBuilder()
    builder.take(study.records(after=-1, networks=False))
    (note,) = builder.columns().mean_notes(("accuracy", "macs"))
    assert "accuracy is a mean of 3 seeds for " in note
