"""Processes that join search one study together: no architecture twice, and the budget exactly."""

import json
import multiprocessing
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from multiprocessing.synchronize import Event
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import sqlalchemy
from nas_explorer.results.candidate import Candidate
from nas_explorer.results.study import shared_hold
from nas_explorer.results.study.study import Study
from nas_explorer.search_space.errors import InputError
from nas_explorer.search_space.files import space_from_data
from nas_explorer.search_space.walk.choosers import RandomChooser
from nas_explorer.searchers.distributions import distributions
from nas_explorer.searchers.engines.base import Job
from nas_explorer.searchers.run import joined_loop
from nas_explorer.searchers.run.options import SearchOptions
from nas_explorer.searchers.run.scheduler import remove_checkpoints

from ..benchmark_runs import run_benchmark
from .quick_search import (
    SETTINGS,
    SPACE,
    database,
    digests_of,
    outcome_of,
    quick_loop,
    quick_search,
)

FORK = multiprocessing.get_context("fork")
WAIT = 300
"""Seconds after which a test that waits for a process fails."""


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(joined_loop, "POLL_SECONDS", 0.05)
    server = request.param == "postgresql"
    return request.getfixturevalue("postgresql") if server else database(tmp_path)


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    return request.node.name


@pytest.fixture
def pair(url: str, name: str) -> Iterator[tuple[Study, Study]]:
    """The same study, opened twice."""
    studies = [Study.create_or_open(name, url, SETTINGS) for _ in range(2)]
    yield studies[0], studies[1]
    for each in studies:
        each.close()


def claim(study: Study, seed: int, budget: int | None = None) -> Candidate | None:
    walk = SPACE.walk(RandomChooser(seed))
    return study.claim(
        architecture=walk.architecture,
        decisions=walk.decisions,
        distributions=distributions(SPACE.decisions()),
        budget=budget,
    )


def finished(candidate: Candidate) -> Candidate:
    return Candidate(
        number=candidate.number,
        architecture=candidate.architecture,
        decisions=candidate.decisions,
        status="complete",
    )


def note_of(study: Study) -> dict[str, Any]:
    with study._storage.engine.connect() as connection:
        text = connection.execute(
            sqlalchemy.text(
                "SELECT value_json FROM study_system_attributes "
                f"WHERE key = 'nas:holder' AND study_id = {study._id}"
            )
        ).scalar_one()
    return json.loads(text)


# Who may search -----------------------------------------------------------------------------


def test_who_does_not_join_is_refused_while_others_do_and_the_reverse(
    pair: tuple[Study, Study],
) -> None:
    one, other = pair
    by = f"which process {os.getpid()} on .* "
    with one.joined():
        with other.joined():
            assert len(note_of(one)["members"]) == 2
        with pytest.raises(InputError, match=by + "search together: --join"), other.exclusive():
            pass
        assert len(note_of(one)["members"]) == 1
    assert "released" in note_of(one)
    with (
        one.exclusive(),
        pytest.raises(InputError, match=by + r"is searching alone; start every .* --join"),
        other.joined(),
    ):
        pass
    with one.joined():
        assert claim(one, 0) is not None
    with other.exclusive():
        assert [each.number for each in other.running()] == [0]


def test_who_measures_under_other_conditions_is_refused(pair: tuple[Study, Study]) -> None:
    one, other = pair
    with one.joined(conditions="latency on a"):
        with other.joined(conditions="latency on a"):
            pass
        rule = (
            r"the same conditions, but got .* with latency on a of process \d+ on .*, and latency"
        )
        with pytest.raises(InputError, match=rule), other.joined(conditions="latency on b"):
            pass
        assert len(note_of(one)["members"]) == 1
    with other.joined(conditions="latency on b"):
        pass


def test_a_storage_without_shared_locks_is_refused() -> None:
    study = Study.create_or_open("quick", "sqlite://", SETTINGS)
    with pytest.raises(InputError, match="must be on PostgreSQL, or in an SQLite"), study.joined():
        pass


def test_latencies_are_not_measured_again_together() -> None:
    with pytest.raises(InputError, match="remeasure must be without join"):
        SearchOptions(join=True, remeasure=True)


# Claims -------------------------------------------------------------------------------------


def test_an_architecture_is_claimed_once_and_the_budget_is_kept(pair: tuple[Study, Study]) -> None:
    one, other = pair
    with one.joined(), other.joined():
        first = claim(one, 0)
        assert first is not None
        assert claim(other, 0) is None
        one.finish(finished(first))
        assert claim(other, 0) is None
        second = claim(other, 1, budget=2)
        assert second is not None and second.number == 1
        assert claim(one, 2, budget=2) is None
        other.finish(finished(second))
    assert list(one._order.values()) + list(other._order.values())[1:] == [0, 1]


def test_a_candidate_is_free_when_its_process_leaves(pair: tuple[Study, Study]) -> None:
    one, other = pair
    with other.joined():
        with one.joined():
            mine = claim(one, 0)
            assert other.take_up() is None
        free = other.take_up()
        assert free == mine
        assert other.take_up() is None


def test_a_process_without_heartbeats_counts_as_ended(
    pair: tuple[Study, Study], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = pair
    monkeypatch.setattr(shared_hold, "BEAT_SECONDS", 3600)
    with one.joined():
        mine = claim(one, 0)
        assert mine is not None
        monkeypatch.setattr(shared_hold, "BEAT_SECONDS", 0.005)
        with other.joined():
            taken = None
            while taken is None:  # its own heart beats meanwhile
                taken = other.take_up()
            assert other._shared()._beats >= shared_hold.MISSED_BEATS
            # It was only slow: the first result counts.
            first = replace(finished(mine), seconds={"total": 1.0})
            assert one.finish(first) == first
            assert other.finish(finished(taken)) == first
            assert len(note_of(one)["members"]) == 2, "it has joined again"
    assert [each.status for each in other.candidates()] == ["complete"]


def test_a_candidate_that_comes_back_runs_once(
    pair: tuple[Study, Study], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = pair
    with one.joined():
        loop = quick_loop(one, 1, join=True)
        job = loop.next_job()
        assert job is not None
        with other.joined():  # it takes the other process for ended, and ends itself
            monkeypatch.setattr(shared_hold, "MISSED_BEATS", 0)
            assert other.take_up() is not None
            monkeypatch.undo()
        assert loop.next_job() is None
        loop.take(outcome_of(job))
        assert loop.done and loop.fresh == 1


def test_a_result_that_another_process_recorded_first_is_kept(pair: tuple[Study, Study]) -> None:
    one, other = pair
    with one.joined():
        loop = quick_loop(one, 1, join=True)
        job = loop.next_job()
        assert job is not None
        with other.joined():
            recorded = finished(other.running()[0])
            other.finish(recorded)
        loop.take(outcome_of(job))
        assert loop.fresh == 0 and loop._finished == {0: recorded}


def test_the_heart_goes_on_after_a_search_alone(
    pair: tuple[Study, Study], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_hold, "BEAT_SECONDS", 0.005)
    study = pair[0]
    with study.joined():
        hold = study._shared()
        alone = {**hold._mine, "token": "another"}
        hold._write(alone)  # by a process that could take the lock
        stopped = hold._beats
        time.sleep(0.1)
        assert hold._beats <= stopped + 1, "it does not count while another searches alone"
        hold._write({**alone, "released": 0.0})
        deadline = time.monotonic() + WAIT
        while hold._beats <= stopped + 1:
            assert time.monotonic() < deadline
            time.sleep(0.005)


def test_a_lost_reply_to_a_claim_loses_no_candidate(
    pair: tuple[Study, Study], monkeypatch: pytest.MonkeyPatch
) -> None:
    study, dialect = pair[0], pair[0]._storage.engine.dialect
    lost: list[int] = []

    def commit(connection: sqlalchemy.PoolProxiedConnection) -> None:
        connection.commit()
        if not lost:
            lost.append(1)
            raise ConnectionResetError("connection reset by peer")

    monkeypatch.setattr("time.sleep", lambda seconds: None)
    with study.joined():
        monkeypatch.setattr(dialect, "do_commit", commit)
        found = claim(study, 0)
        assert lost and found is not None and found.number == 0
        assert claim(study, 1) is not None
    assert [each.number for each in pair[1].candidates()] == [0, 1]


def test_a_kept_result_is_stored_by_whoever_joins_next(pair: tuple[Study, Study]) -> None:
    one, other = pair
    with one.joined():
        mine = claim(one, 0)
        assert mine is not None
        one._spill.keep(finished(mine))
        with other.joined():
            assert [each.status for each in other.candidates()] == ["complete"]
    assert not one._spill.pending()


def test_what_is_kept_while_a_file_is_taken_in_is_not_lost(pair: tuple[Study, Study]) -> None:
    spill = pair[0]._spill
    with pair[0].joined():
        one, other = claim(pair[0], 0), claim(pair[0], 1)
    assert one is not None and other is not None
    spill.keep(finished(one))
    writer = Thread(target=spill.keep, args=(finished(other),))
    for candidates in spill.taken():
        assert [each.number for each in candidates] == [0]
        writer.start()
        writer.join(0.2)  # time to write to the old file
    writer.join(WAIT)
    assert [each.number for found in spill.taken() for each in found] == [1]


# Searches -----------------------------------------------------------------------------------


@pytest.mark.slow
def test_alone_a_joined_search_is_a_search(url: str, name: str) -> None:
    quick_search(url, 6, name=f"{name} alone")
    quick_search(url, 6, name=name, join=True)
    assert digests_of(url, name) == digests_of(url, f"{name} alone")


def search_to_be_killed(url: str, name: str, budget: int, ready: Event) -> None:
    """Finish one candidate, claim another one, and wait for the end."""
    study = Study.create_or_open(name, url, SETTINGS)
    jobs: list[Job] = []
    with study.joined():
        loop = quick_loop(study, budget, join=True)
        for _ in range(2):
            job = loop.next_job()
            assert job is not None
            jobs.append(job)
            if len(jobs) == 1:
                loop.take(outcome_of(job))
        ready.set()
        signal.pause()


@pytest.mark.slow
def test_processes_share_the_work_of_one_that_is_killed(url: str, name: str) -> None:
    budget, ready = 24, FORK.Event()
    victim = FORK.Process(target=search_to_be_killed, args=(url, name, budget, ready))
    victim.start()
    assert ready.wait(WAIT)
    processes = [
        FORK.Process(target=quick_search, args=(url, budget), kwargs={"name": name, "join": True})
        for _ in range(3)
    ]
    for each in processes:
        each.start()
    study = Study.open(name, url)
    while len(study.finished()) < budget - 1:  # all but the one of the victim
        assert any(each.is_alive() for each in processes)
    victim.kill()
    victim.join()
    for each in processes:
        each.join(WAIT)
    assert [each.exitcode for each in processes] == [0, 0, 0]
    found = study.candidates()
    assert Counter(each.status for each in found) == {"complete": budget}
    assert len({each.digest for each in found}) == budget
    assert sorted(study._order.values()) == list(range(budget))
    assert "released" in note_of(study)
    study.close()


def test_a_process_waits_for_the_others_and_stops_when_its_time_is_up(
    pair: tuple[Study, Study], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = pair
    with one.joined():
        mine = claim(one, 0)
        assert mine is not None
        with other.joined():
            loop = quick_loop(other, 1, join=True, max_time=3600.0)
            assert not loop.done
            with monkeypatch.context() as patch:
                # The time is up while the loop waits for the other process.
                patch.setattr("time.sleep", lambda seconds: setattr(loop, "_max_time", 0.0))
                assert loop.next_job() is None
            assert loop.done and loop.cut_short
            one.finish(finished(mine))
            whole = quick_loop(other, 1, join=True)
            assert whole.next_job() is None
            assert whole.done and not whole.cut_short


@pytest.mark.parametrize("searcher", ["random", "local_search"])
def test_a_small_space_is_exhausted_by_a_process_that_measures_one_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, searcher: str
) -> None:
    block = {"mixer": {"pooling": {"kernel_size": 3}}, "channel_mixer": {"mlp": {"ratio": 1}}}
    stage = {"depth": 1, "width": [8, 16], "block": {"metaformer": block}}
    small = {
        "input": {"channels": 1, "resolution": 8, "classes": 3},
        "stem": {"conv": {"kernel_size": [3, 5], "stride": 1}},
        "stages": [stage],
        "head": "pooled",
    }
    monkeypatch.setattr("tests.searchers.quick_search.SPACE", space_from_data(small))
    study = Study.create_or_open("small", database(tmp_path), SETTINGS)
    with study.joined():
        loop = quick_loop(study, 20, searcher=searcher, join=True, max_time=WAIT)
        while not loop.done:
            if job := loop.next_job():
                loop.take(outcome_of(job))
    assert loop.exhausted and not loop.cut_short
    assert len({each.digest for each in study.candidates()}) == loop.fresh == 4
    study.close()


def test_who_ends_first_keeps_the_interrupted_trainings_of_others(
    pair: tuple[Study, Study], tmp_path: Path
) -> None:
    one, other = pair
    with one.joined(), other.joined():
        first, second = claim(one, 0), claim(other, 1)
        assert first is not None and second is not None
        one.finish(finished(first))
        files = [tmp_path / f"{each.digest}-0.training" for each in (first, second)]
        for each in files:
            each.touch()
        remove_checkpoints(tmp_path, one.running())
    assert [each.exists() for each in files] == [False, True]
    remove_checkpoints(tmp_path)
    assert not files[1].exists()


@pytest.mark.slow
def test_the_benchmark_of_joining_runs() -> None:
    figures = run_benchmark("join.py", "--quick")
    assert sum(figures["shares"]) == figures["candidates"] == 4
