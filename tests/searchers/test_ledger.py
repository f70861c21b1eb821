"""The ledger of time: nothing is missing, nothing counts twice, and restarts keep it."""

import time
from pathlib import Path

import numpy as np
import pytest
from nas_explorer.evaluators.stopwatch import Stopwatch, activity, counted_by
from nas_explorer.results.study.run_time import RunTime, duration, in_all, time_text
from nas_explorer.results.study.study import Study
from nas_explorer.searchers.engines.local import LocalEngine
from nas_explorer.searchers.run.ledger import Ledger

import nas_explorer

from .quick_search import SETTINGS, database, outcome_of, quick_loop


class Hands:
    """A clock that is set by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(time, "perf_counter", lambda: self.now)


def test_an_inner_activity_does_not_count_for_the_outer_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hands = Hands(monkeypatch)
    stopwatch = Stopwatch("other")
    hands.now += 1
    with counted_by(stopwatch), activity("training"):
        hands.now += 4
        with activity("building"):
            hands.now += 2
        hands.now += 8
    with activity("nobody counts"):
        hands.now += 16
    assert stopwatch.read() == {"other": 17, "training": 12, "building": 2}
    assert stopwatch.wall == 31


def test_what_workers_do_not_do_is_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    hands = Hands(monkeypatch)
    ledger, engine = Ledger(), LocalEngine(workers=2)
    hands.now += 3
    ledger.begin(engine)
    engine.starting_seconds = 4.0
    ledger.given(0)
    hands.now += 10
    ledger.given(1)
    seconds = ledger.returned(0, {"training": 5.0, "building": 1.0, "total": 7.0})
    assert seconds == {"training": 5.0, "building": 1.0, "other": 1.0, "total": 7.0}
    hands.now += 2
    found = ledger.read()
    assert found.search == {"starting": 3, "idle": 12} and found.wall == 15
    assert found.workers_wall == 24
    assert found.workers == {
        "starting": 4,
        "training": 5,
        "building": 1,
        "other": 1,
        "unfinished": 2,
        "idle": 11,
    }
    ledger.end()
    hands.now += 1
    assert ledger.read().workers_wall == 24


def test_a_killed_run_is_kept_up_to_its_last_candidate(tmp_path: Path) -> None:
    url = database(tmp_path)
    walls: list[float] = []
    for budget in (2, 5):
        study = Study.create_or_open("quick", url, SETTINGS)
        with study.exclusive():
            loop = quick_loop(study, budget)
            while job := loop.next_job():
                loop.take(outcome_of(job))
        walls.append(study.times()[-1].wall)
        study.close()  # without the note of the end, as after a kill
    study = Study.open("quick", url)
    runs = study.times()
    study.close()
    assert [each.wall for each in runs] == walls
    both = in_all(runs)
    assert both is not None and both.runs == 2
    assert both.wall == pytest.approx(sum(walls))
    for each in (*runs, both):
        assert sum(each.search.values()) == pytest.approx(each.wall, rel=0.02)
        assert {"searching", "costing", "storing"} <= each.search.keys()


def test_no_candidate_starts_after_the_longest_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = database(tmp_path)
    study = Study.create_or_open("quick", url, SETTINGS)
    with study.exclusive():
        loop = quick_loop(study, None, max_time=60)
        first, second = loop.next_job(), loop.next_job()
        assert first is not None and second is None  # the first must finish
        loop.take(outcome_of(first))
        second = loop.next_job()
        assert second is not None
        monkeypatch.setattr(Stopwatch, "wall", 60.0)
        assert loop.next_job() is None and not loop.done
        loop.take(outcome_of(second))
        assert loop.done and loop.cut_short
    with study.exclusive():
        loop = quick_loop(study, 2, max_time=60)
        assert loop.done and not loop.cut_short
    study.close()


def test_times_are_written_for_people() -> None:
    assert [duration(each) for each in (0.214, 14.24, 185, 7800)] == [
        "0.21 s",
        "14.2 s",
        "3 min 5 s",
        "2 h 10 min",
    ]
    spent = {"idle": 3.0, "building": 1.0, "training": 2.0, "total": 6.0, "other": 0.001}
    assert time_text(spent) == "training 2.0 s, building 1.0 s, idle 3.0 s"


@pytest.mark.slow
def test_activities_sum_to_the_wall_clock(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (60, 8, 8), np.uint8)
    labels = np.arange(60) % 3
    search = nas_explorer.search  # imports the package before the clock starts
    for workers, budget in ((1, 1), (2, 3)):
        began = time.perf_counter()
        study = search(
            space="micro",
            data=(images, labels),
            budget=budget,
            epochs=1,
            workers=workers,
            device="cpu",
            searcher="random",
            storage=tmp_path / "nas.db",
        )
        wall = time.perf_counter() - began
        run = study.times()[-1]
        assert sum(run.search.values()) == pytest.approx(wall, rel=0.02)
        assert sum(run.workers.values()) == pytest.approx(run.workers_wall, rel=0.02)
        assert {"starting", "building", "latency", "training", "idle"} <= run.workers.keys()
        # The workers are there while the searching process neither starts nor ends.
        there = wall - run.search["starting"]
        assert run.workers_wall == pytest.approx(workers * there, rel=0.02)
    runs = study.times()
    assert len(runs) == 2
    total = in_all(runs)
    assert isinstance(total, RunTime) and total.wall == sum(each.wall for each in runs)
    spent = [each.seconds for each in study.candidates()]
    of_workers = ("building", "latency", "waiting", "training", "other")
    for each in spent:
        assert sum(each[name] for name in of_workers) == pytest.approx(each["total"], rel=0.02)
        assert each["searching"] > 0 and each["costing"] > 0
    for name in of_workers:
        assert sum(each[name] for each in spent) == pytest.approx(total.workers[name], rel=0.02)
