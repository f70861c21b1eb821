"""Early stopping: the rule at a rung, the loop, the record, and trainings that were killed."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from nas_explorer.evaluators.base import Measurement, metric
from nas_explorer.evaluators.metrics import fidelity, is_known
from nas_explorer.results.analysis.front import pareto_front
from nas_explorer.results.candidate import Candidate
from nas_explorer.results.study.storage import open_storage
from nas_explorer.results.study.studies import study_list
from nas_explorer.results.study.study import Study
from nas_explorer.search_space.architecture.architecture import Architecture
from nas_explorer.search_space.errors import InputError
from nas_explorer.search_space.seeds import derive_seed
from nas_explorer.searchers.archive import losses_of, values_of
from nas_explorer.searchers.base import Objective
from nas_explorer.searchers.engines.base import Job, Outcome
from nas_explorer.searchers.halving import (
    Halving,
    RungRecord,
    better_ranked,
    default_rungs,
    rung_record,
)
from nas_explorer.searchers.run.options import read_options

from .quick_search import OBJECTIVES, SETTINGS, database, measured, quick_loop

HALVING = Halving(rungs=(1, 3), eta=3)


def test_ranks_at_a_rung_are_those_of_fronts() -> None:
    # Fronts: (1, 4), (2, 2), (4, 1); then (3, 3); then (5, 5).
    peers = [(1, 4), (2, 2), (4, 1), (5, 5)]
    assert better_ranked((3, 3), peers) == 3
    assert better_ranked((1.5, 3), peers) == 0
    assert better_ranked((6, 6), peers) == 4
    assert better_ranked((3, 3), []) == 0


@pytest.mark.parametrize(
    ("better", "count", "goes_on"),
    [(0, 1, True), (0, 5, True), (1, 5, False), (1, 6, True), (2, 9, True), (3, 9, False)],
)
def test_a_third_of_the_candidates_trains_on(better: int, count: int, goes_on: bool) -> None:
    assert HALVING.goes_on(better, count) is goes_on


def test_rungs_are_the_epochs_divided_by_eta() -> None:
    assert default_rungs(27, 3) == (3, 9)
    assert default_rungs(5, 3) == (1, 2)
    assert default_rungs(2, 3) == (1,)
    with pytest.raises(InputError, match="at least 2 epochs"):
        default_rungs(1, 3)


def test_rungs_that_do_not_rise_are_refused() -> None:
    for rungs in ((), (0, 2), (3, 3), (4, 2)):
        with pytest.raises(InputError, match="rising"):
            Halving(rungs=rungs)


def test_options_of_asha_need_asha() -> None:
    assert read_options({"scheduler": "ASHA", "rungs": "1,3", "eta": "2"}).rungs == (1, 3)
    with pytest.raises(InputError, match="eta must come with scheduler asha"):
        read_options({"eta": "2"})
    with pytest.raises(InputError, match="scheduler must be"):
        read_options({"scheduler": "hyperband2000"})


def test_a_lower_fidelity_is_a_metric_of_its_own() -> None:
    name = fidelity("accuracy", 4)
    assert (name, metric(name).share, metric(name).tier) == ("accuracy@4epochs", True, "trained")
    assert not is_known("nonsense@4epochs")


# The loop ----------------------------------------------------------------------------------------


def stopped_or_not(job: Job) -> Outcome:
    """Return the outcome of a job whose accuracies depend on the digest and the epochs alone."""
    digest = Architecture.from_json(job.architecture).digest
    had: list[Measurement] = []
    assert job.rungs is not None
    for epochs in job.rungs.halving.rungs:
        value = derive_seed("rung", epochs, digest) / 2**32
        named = fidelity("accuracy", epochs)
        had.append(Measurement(metric=named, value=value, provenance={"epochs": epochs}))
        if reason := job.rungs.verdict(epochs, {each.metric: each.value for each in had}):
            return Outcome(
                number=job.number, status="stopped", measurements=tuple(had), reason=reason
            )
    full = replace(measured(("accuracy",), digest)[0], provenance={"epochs": 9})
    return Outcome(number=job.number, status="complete", measurements=(*had, full))


def contents(study: Study) -> list[tuple[str, str, dict[str, float]]]:
    return [
        (each.digest, each.status, {name: m.value for name, m in each.measurements.items()})
        for each in study.candidates()
    ]


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Study]:
    made = Study.create_or_open("quick", database(tmp_path), SETTINGS)
    yield made
    made.close()


def run(study: Study, budget: int, *, lag: int = 1, searcher: str = "random") -> None:
    """Search with the outcomes of the latest jobs first."""
    with study.exclusive():
        loop = quick_loop(study, budget, lag=lag, searcher=searcher)
        loop._halving = HALVING
        jobs: list[Job] = []
        while not loop.done:
            while job := loop.next_job():
                jobs.append(job)
            loop.take(stopped_or_not(jobs.pop()))


@pytest.mark.parametrize("lag", [1, 4])
def test_an_interrupted_search_stops_the_same_candidates(tmp_path: Path, lag: int) -> None:
    found: list[list[tuple[str, str, dict[str, float]]]] = []
    for name, budgets in (("whole", (12,)), ("cut", (5, 8, 12))):
        made = Study.create_or_open(name, database(tmp_path), SETTINGS)
        for budget in budgets:
            run(made, budget, lag=lag)
        found.append(contents(made))
        made.close()
    assert found[0] == found[1]
    assert {status for _, status, _ in found[0]} == {"complete", "stopped"}


def test_what_decides_at_a_rung_is_the_history_of_the_proposal(study: Study) -> None:
    run(study, 12)
    known = study.candidates()
    at_one = rung_record(HALVING, OBJECTIVES, known[:6], {}).peers[1]
    assert len(at_one) == 6
    at_three = rung_record(HALVING, OBJECTIVES, known[:6], {}).peers[3]
    assert len(at_three) == sum("accuracy@3epochs" in each.measurements for each in known[:6])
    infeasible = replace(known[0], status="infeasible")
    assert not rung_record(HALVING, OBJECTIVES, [infeasible], {}).peers[1]


def test_a_stopped_candidate_shares_no_front_with_finished_ones(
    study: Study, tmp_path: Path
) -> None:
    run(study, 18)
    candidates = study.candidates()
    stopped = [each for each in candidates if each.status == "stopped"]
    assert all(each.epochs in HALVING.rungs and each.value("accuracy") is None for each in stopped)
    assert all(each.epochs == 9 for each in candidates if each.status == "complete")
    objectives = tuple(Objective(metric=m, direction=metric(m).direction) for m in OBJECTIVES)
    for each in stopped:
        assert values_of(each, objectives) is None
        assert not (losses_of(each, objectives) < float("inf")).any()
    assert not {each.number for each in pareto_front(candidates, ("accuracy@1epochs",))} & {
        each.number for each in stopped
    }
    (entry,) = study_list(open_storage(database(tmp_path), create=False), database(tmp_path))
    assert entry.counts["stopped"] == len(stopped) and "infeasible" not in entry.counts


@pytest.mark.parametrize(
    "searcher", ["tpe", "nsga2", "nsga3", "evolution", "local_search", "pareto"]
)
def test_searchers_never_repeat_stopped_candidates(study: Study, searcher: str) -> None:
    run(study, 20, searcher=searcher)
    digests = [each.digest for each in study.candidates()]
    assert len(set(digests)) == 20


def test_a_record_without_scheduler_loads(study: Study) -> None:
    stored = study.settings.to_json()
    del stored["scheduler"]
    assert type(study.settings).from_json(stored) == study.settings


def test_a_verdict_names_the_rung_and_the_peers() -> None:
    record = RungRecord(
        halving=HALVING,
        trained=("accuracy",),
        objectives={"accuracy": -1.0, "macs": 1.0},
        exact={"macs": 5.0},
        peers={1: ((-0.9, 4.0), (-0.8, 3.0))},
    )
    assert record.verdict(1, {"accuracy@1epochs": 0.95}) is None
    assert record.verdict(1, {"accuracy@1epochs": 0.7}) == (
        "after 1 epoch 2 of 2 earlier candidates rank higher in accuracy, macs"
    )


def test_a_candidate_of_the_record_counts_its_epochs(study: Study) -> None:
    run(study, 1)
    (only,) = study.candidates()
    assert isinstance(only, Candidate) and only.epochs == 9
