"""One process at a time searches a study, by any path; a refused process writes nothing."""

import json
import multiprocessing
import signal
import sqlite3
from pathlib import Path

import optuna
import pytest
import sqlalchemy
from nas_explorer.results.study.storage import StorageError, file_beside
from nas_explorer.results.study.study import Study
from nas_explorer.search_space.errors import InputError

FORK = multiprocessing.get_context("fork")


def file_of(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///"))


def rows(url: str) -> list[str]:
    """Return the whole content of the database."""
    with sqlite3.connect(file_of(url)) as connection:
        return list(connection.iterdump())


def hold(url: str, ready) -> None:
    with Study.open("first", url).exclusive():
        ready.set()
        signal.pause()


def test_a_second_search_is_refused_by_whatever_name_it_comes(study, url, tmp_path):
    linked, hard = tmp_path / "linked.db", tmp_path / "runs" / "hard.db"
    linked.symlink_to(file_of(url))
    hard.hardlink_to(file_of(url))
    ready = FORK.Event()
    process = FORK.Process(target=hold, args=(url, ready))
    process.start()
    try:
        assert ready.wait(300)
        before = rows(url)
        file_beside(url, "first", ".lock").unlink()
        for path in (file_of(url), linked, hard):
            other = Study.open("first", f"sqlite:///{path}")
            by = f"got 'first', which process {process.pid} on .* is searching"
            with pytest.raises(InputError, match=by), other.exclusive():
                pass
        assert rows(url) == before
    finally:
        process.kill()
        process.join()
    with Study.open("first", f"sqlite:///{hard}").exclusive():
        with pytest.raises(InputError, match="is searching"), study.exclusive():
            pass
        assert Study.open("first", url).candidates() == [], "it may be read"


def test_a_lock_outlives_no_child_of_the_process(study, url):
    """A forked child inherits its parent's descriptors, and with them the locks."""
    ready = FORK.Event()
    with study.exclusive():
        process = FORK.Process(target=signal.pause)
        process.start()
    try:
        other = FORK.Process(target=hold, args=(url, ready))
        other.start()
        assert ready.wait(300)
        other.kill()
        other.join()
    finally:
        process.kill()
        process.join()


def test_a_link_leads_to_the_same_weights(study, url, tmp_path):
    linked = tmp_path / "linked.db"
    linked.symlink_to(file_of(url))
    weights = file_beside(url, "first", ".weights")
    assert file_beside(f"sqlite:///{linked}", "first", ".weights") == weights.resolve()


def take_over(url: str, note: dict[str, object] | None) -> None:
    with sqlite3.connect(file_of(url)) as connection:
        where = "WHERE key = 'nas:holder'"
        if note is None:
            connection.execute(f"DELETE FROM study_system_attributes {where}")
        else:
            connection.execute(
                f"UPDATE study_system_attributes SET value_json = ? {where}", [json.dumps(note)]
            )


@pytest.mark.parametrize(
    ("note", "message"),
    [
        ({"pid": 7, "host": "far", "token": "x"}, "which process 7 on far has begun to search"),
        (None, "which was deleted"),
    ],
)
def test_who_has_lost_a_study_writes_no_more(
    study, url, fill, make_candidate, distributions, note, message
):
    fill(study, make_candidate(0, status="running"))
    after = make_candidate(1)
    with study.exclusive():
        take_over(url, note)
        before = rows(url)
        with pytest.raises(StorageError, match=message) as error:
            study.start(
                architecture=after.architecture,
                decisions=after.decisions,
                distributions=distributions,
            )
        with pytest.raises(StorageError, match=r"candidate 0 is kept in .*\.rescued\.jsonl"):
            study.finish(make_candidate(0, accuracy=0.5, macs=1))
        assert "\n" not in str(error.value)
    assert rows(url) == before


def test_a_study_of_an_earlier_version_has_no_token(study, url, fill, make_candidate):
    take_over(url, {"pid": 1, "host": "far", "since": 5.0})
    fill(study, make_candidate(0, accuracy=0.5, macs=1))
    assert len(Study.open("first", url).finished()) == 1


def test_a_database_that_is_replaced_is_reported(study, url, fill, make_candidate):
    fill(study, make_candidate(0, status="running"))
    data = file_of(url).read_bytes()
    with study.exclusive():
        file_of(url).unlink()
        with pytest.raises(StorageError, match="which was removed or replaced; candidate 0 is ke"):
            study.finish(make_candidate(0, accuracy=0.5, macs=1))
        file_of(url).write_bytes(data)
        with pytest.raises(StorageError, match="must stay the same file while it is searched"):
            study.finish(make_candidate(0, accuracy=0.5, macs=1))
    assert [each.value("accuracy") for each in Study.open("first", url).finished()] == [0.5]


def test_a_trial_that_another_program_ended_keeps_its_candidate(study, url, fill, make_candidate):
    fill(study, make_candidate(0, status="running"))
    optuna.load_study(study_name="first", storage=url).tell(0, state=optuna.trial.TrialState.FAIL)
    candidate = make_candidate(0, accuracy=0.5, macs=1)
    with study.exclusive():
        study.finish(candidate)
    assert Study.open("first", url).finished() == [candidate]
    assert optuna.load_study(study_name="first", storage=url).trials[0].state.name == "FAIL"


@pytest.mark.parametrize("when", ["insert", "commit"])
def test_a_connection_lost_at_any_point_of_a_start_costs_no_trial(
    study, url, make_candidate, distributions, monkeypatch, when
):
    one, engine, lost = make_candidate(0), study._storage.engine, []
    started = {"architecture": one.architecture, "decisions": one.decisions}

    def lose() -> None:
        if not lost:
            lost.append(when)
            raise sqlite3.OperationalError("server closed the connection unexpectedly")

    def insert(cursor, statement, *_) -> None:
        if when == "insert" and statement.startswith("INSERT INTO trials"):
            lose()

    def commit(connection) -> None:
        connection.commit()
        if when == "commit":  # everything was stored, but the reply was lost
            lose()

    monkeypatch.setattr("time.sleep", lambda seconds: None)
    with study.exclusive():
        sqlalchemy.event.listen(engine, "do_execute", insert)
        monkeypatch.setattr(engine.dialect, "do_commit", commit)
        for number in range(2):
            assert study.start(**started, distributions=distributions).number == number
    assert lost == [when]
    assert [each.number for each in Study.open("first", url).candidates()] == [0, 1]
