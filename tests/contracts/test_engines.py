"""The contract of every engine in the table. One run with every kind of failure serves most
tests."""

import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from nas_explorer.search_space.errors import InputError, WorkError
from nas_explorer.searchers.engines import ENGINES, load_engine
from nas_explorer.searchers.engines.base import Engine, Job, Outcome

HELPERS = str(Path(__file__).parents[1] / "searchers")
sys.path.insert(0, HELPERS)
from engine_workers import ListSource, Make  # noqa: E402

TROUBLE = {1: "raise", 2: "exit", 3: "kill", 4: "sleep"}
JOBS = [{"do": TROUBLE.get(number, "work")} for number in range(8)]
LATE = 6  # jobs from this number on are available only after the outcomes of all earlier ones


@pytest.fixture(scope="module", params=sorted(ENGINES))
def engine(request: pytest.FixtureRequest) -> Iterator[type[Engine]]:
    if request.param == "ray":
        ray = pytest.importorskip("ray")
        found = load_engine("ray")
        from nas_explorer.searchers.engines.ray import start

        start(num_cpus=2, runtime_env={"env_vars": {"PYTHONPATH": HELPERS}})
        yield found
        assert ray.is_initialized(), "an engine leaves the caller's Ray as it is"
        ray.shutdown()
    else:
        yield load_engine(request.param)


@dataclass(frozen=True)
class Run:
    source: ListSource
    folders: set[str]

    @property
    def outcomes(self) -> dict[int, Outcome]:
        return {outcome.number: outcome for outcome in self.source.outcomes}

    def figures(self, name: str) -> dict[int, float]:
        """From number to value, for the finished jobs."""
        outcomes = [outcome for outcome in self.source.outcomes if outcome.status == "complete"]
        return {outcome.number: outcome.seconds[name] for outcome in outcomes}


def folders() -> set[str]:
    return {path.name for path in Path(tempfile.gettempdir()).glob(f"nas-ray-{os.getpid()}-*")}


@pytest.fixture(scope="module")
def run(engine: type[Engine]) -> Run:
    before = folders()
    source = ListSource(JOBS, lambda index, taken: index < LATE or taken >= LATE)
    engine(workers=2, time_limit=1.0).run(source, Make())
    return Run(source, folders() - before)


@pytest.mark.slow
def test_every_job_comes_back_exactly_once(run: Run) -> None:
    assert sorted(outcome.number for outcome in run.source.outcomes) == list(range(len(JOBS)))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (1, "error: ValueError: two lines"),
        (2, "worker_died: its process exited with code 3"),
        (3, "worker_died: its process was ended by SIGKILL"),
        (4, "time_limit: it took longer than 1 s"),
    ],
)
def test_trouble_costs_its_own_candidate(run: Run, number: int, reason: str) -> None:
    outcome = run.outcomes[number]
    assert (outcome.status, outcome.reason) == ("failed", reason)
    assert outcome.seconds["total"] > 0
    assert (outcome.traceback is not None) == reason.startswith("error")


@pytest.mark.slow
def test_the_rest_is_what_the_worker_measures_anywhere(run: Run) -> None:
    rest = set(range(len(JOBS))) - set(TROUBLE)
    assert run.figures("value") == {number: random.Random(number).random() for number in rest}


@pytest.mark.slow
def test_jobs_may_wait_for_outcomes(run: Run) -> None:
    numbers = [outcome.number for outcome in run.source.outcomes]
    assert run.source.refusals > 0
    assert set(numbers[:LATE]) == set(range(LATE))


@pytest.mark.slow
def test_workers_have_one_thread_and_processes_of_their_own(run: Run) -> None:
    assert set(run.figures("threads").values()) == {1.0}
    assert os.getpid() not in run.figures("pid").values()


@pytest.mark.slow
def test_workers_have_the_priority_of_the_search(run: Run) -> None:
    assert set(run.figures("nice").values()) == {os.nice(0)}


@pytest.mark.slow
def test_nothing_is_left_behind(run: Run) -> None:
    deadline = time.monotonic() + 60.0
    pids = [int(pid) for pid in run.figures("pid").values()]
    while alive := [pid for pid in pids if Path(f"/proc/{pid}").exists()]:
        assert time.monotonic() < deadline, f"worker processes are left: {alive}"
        time.sleep(0.05)
    assert run.folders == set()


@pytest.mark.slow
def test_a_worker_that_cannot_be_made_stops_the_run(engine: type[Engine]) -> None:
    source = ListSource(JOBS)
    with pytest.raises(ValueError, match=r"^no such folder$"):
        engine(workers=1).run(source, Make("no such folder"))
    assert source.outcomes == []


@pytest.mark.slow
def test_workers_that_die_while_they_start_are_started_again(
    engine: type[Engine], tmp_path: Path
) -> None:
    source = ListSource([{}])
    engine(workers=1).run(source, Make(deaths=2, folder=str(tmp_path)))
    assert [outcome.status for outcome in source.outcomes] == ["complete"]
    assert len([*tmp_path.iterdir()]) == 2


@pytest.mark.slow
def test_workers_that_never_come_up_stop_the_run_in_one_line(
    engine: type[Engine], tmp_path: Path
) -> None:
    source = ListSource([{}])
    with pytest.raises(WorkError, match=r"^a worker must start .* 3 in a row .* SIGKILL$"):
        engine(workers=1).run(source, Make(deaths=9, folder=str(tmp_path)))
    assert source.outcomes == []


@pytest.mark.slow
def test_a_spent_worker_is_replaced(engine: type[Engine]) -> None:
    source = ListSource([{}, {"do": "spend"}, {}, {}])
    engine(workers=1).run(source, Make())
    pids = [outcome.seconds["pid"] for outcome in source.outcomes]
    assert pids[0] == pids[1] != pids[2] == pids[3]


@pytest.mark.slow
def test_a_source_may_find_that_it_is_done_when_it_is_asked(engine: type[Engine]) -> None:
    class Exhausted(ListSource):
        exhausted = False

        def next_job(self) -> Job | None:
            job = super().next_job()
            self.exhausted = job is None
            return job

        @property
        def done(self) -> bool:
            return self.exhausted and len(self.outcomes) == self.given

    source = Exhausted([{}, {}])
    engine(workers=1).run(source, Make())
    assert [outcome.number for outcome in source.outcomes] == [0, 1]


@pytest.mark.slow
def test_what_the_source_raises_stops_the_run(engine: type[Engine]) -> None:
    class Full(ListSource):
        def take(self, outcome: Outcome) -> None:
            raise OSError("no space left on device")

    with pytest.raises(OSError, match=r"^no space left on device$"):
        engine(workers=1).run(Full([{}, {}]), Make())


@pytest.mark.slow
def test_a_source_that_waits_for_nothing_is_refused(engine: type[Engine]) -> None:
    source = ListSource([{}], lambda index, taken: False)
    with pytest.raises(RuntimeError, match="must have a job"):
        engine(workers=1).run(source, Make())


def test_a_source_that_is_done_starts_nothing(engine: type[Engine]) -> None:
    engine(workers=1).run(ListSource([]), Make("never made"))


@pytest.mark.parametrize(
    ("workers", "time_limit", "message"),
    [(0, None, "workers must be at least 1, but got 0"), (1, 0.0, "a time limit must be from")],
)
def test_values_out_of_range_are_refused(
    engine: type[Engine], workers: int, time_limit: float | None, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        engine(workers=workers, time_limit=time_limit)


def test_the_table_and_the_classes_agree_on_names(engine: type[Engine]) -> None:
    assert load_engine(engine.name) is engine
