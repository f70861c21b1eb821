"""The search loop: repeated jobs, stops, and the end of a space."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from nas_explorer.evaluators.base import Measurement
from nas_explorer.results.settings import StudySettings
from nas_explorer.results.study.study import Study
from nas_explorer.search_space.errors import WorkError
from nas_explorer.search_space.files import space_from_data
from nas_explorer.searchers.base import Objective
from nas_explorer.searchers.engines.base import Job, Outcome
from nas_explorer.searchers.run.loop import SearchLoop
from nas_explorer.searchers.table import make_searcher

SPACE = space_from_data(
    {
        "input": {"channels": 1, "resolution": 8, "classes": 3},
        "stem": "conv",
        "stages": [
            {
                "depth": {"min": 1, "max": 3},
                "width": [8, 16],
                "block": {"metaformer": {"mixer": ["identity", "pooling"]}},
            }
        ],
        "head": "pooled",
    }
)
SIZE = 12


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Study]:
    settings = StudySettings(
        space_name="small",
        space_digest=SPACE.digest,
        space=SPACE.source,
        data={"name": "none"},
        data_fingerprint="none",
        objectives=("accuracy",),
        searcher="random",
        seed=0,
    )
    study = Study.create_or_open("study", f"sqlite:///{tmp_path}/nas.db", settings)
    with study.exclusive():
        yield study
    study.close()


def loop_of(study: Study, *, budget: int) -> SearchLoop:
    searcher = make_searcher(
        "random",
        space=SPACE,
        objectives=(Objective(metric="accuracy", direction="maximize"),),
        seed=0,
    )
    return SearchLoop(
        study=study,
        searcher=searcher,
        exact=(),
        budget=budget,
        lag=1,
        listener=lambda progress: None,
    )


def run(loop: SearchLoop, measure: Callable[[Job], Outcome]) -> list[int]:
    """Measure job after job; return their numbers."""
    numbers: list[int] = []
    while not loop.done:
        if job := loop.next_job():
            numbers.append(job.number)
            loop.take(measure(job))
    return numbers


def complete(job: Job) -> Outcome:
    measurement = Measurement(metric="accuracy", value=0.5)
    return Outcome(number=job.number, status="complete", measurements=(measurement,))


def failed(job: Job, reason: str) -> Outcome:
    return Outcome(number=job.number, status="failed", reason=reason)


@pytest.mark.parametrize("kind", ["out_of_memory", "worker_died", "device_error"])
def test_a_candidate_that_a_fresh_worker_may_measure_is_tried_once_more(
    study: Study, kind: str
) -> None:
    tried: list[int] = []

    def measure(job: Job) -> Outcome:
        tried.append(job.number)
        return failed(job, f"{kind}: x") if tried.count(job.number) == 1 else complete(job)

    assert run(loop_of(study, budget=2), measure) == [0, 0, 1, 1]
    assert [each.status for each in study.candidates()] == ["complete"] * 2


def test_it_is_tried_no_third_time(study: Study) -> None:
    def measure(job: Job) -> Outcome:
        return failed(job, "out_of_memory: x") if job.number == 0 else complete(job)

    assert run(loop_of(study, budget=2), measure) == [0, 0, 1]
    first, second = study.candidates()
    assert (first.status, first.reason) == ("failed", "out_of_memory: x")
    assert second.status == "complete"


@pytest.mark.parametrize("kind", ["error", "time_limit", "non_finite"])
def test_a_fault_of_the_network_is_not_tried_again(study: Study, kind: str) -> None:
    assert run(loop_of(study, budget=1), lambda job: failed(job, f"{kind}: x")) == [0]


def test_many_failures_in_a_row_stop_the_search_and_are_kept(study: Study) -> None:
    loop = loop_of(study, budget=9)

    def measure(job: Job) -> Outcome:
        return complete(job) if job.number == 2 else failed(job, "error: OSError: full")

    with pytest.raises(WorkError, match=r"candidate 7 .*error: OSError: full; what finished"):
        run(loop, measure)
    assert [each.status for each in study.candidates()].count("failed") == 7
    assert run(loop_of(study, budget=9), complete) == [8]


def test_networks_that_are_too_slow_never_stop_the_search(study: Study) -> None:
    assert len(run(loop_of(study, budget=9), lambda job: failed(job, "time_limit: x"))) == 9


@pytest.mark.parametrize("again", [False, True])
def test_an_exhausted_space_is_the_end(study: Study, again: bool) -> None:
    if again:
        assert len(run(loop_of(study, budget=SIZE), complete)) == SIZE
    loop = loop_of(study, budget=2 * SIZE)
    assert len(run(loop, complete)) == (0 if again else SIZE)
    assert loop.exhausted
    assert loop.next_job() is None
    assert len(study.candidates()) == SIZE


def test_a_job_under_way_keeps_the_source_open(study: Study) -> None:
    loop = loop_of(study, budget=1)
    job = loop.next_job()
    assert job is not None
    assert loop.next_job() is None
    assert not loop.done
    loop.take(failed(job, "worker_died: x"))
    again = loop.next_job()
    assert again is not None and again.number == job.number
    loop.take(complete(again))
    assert loop.done
