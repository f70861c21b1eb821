"""A storage failure gives one line and loses no finished candidate."""

import json
import multiprocessing
import os
import signal
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy
from nas_explorer.results.study import storage as storage_module
from nas_explorer.results.study.storage import StorageError, open_storage, retry, shown_url
from nas_explorer.results.study.study import Study
from nas_explorer.search_space.errors import InputError

FORK = multiprocessing.get_context("fork")


def one_line(error: BaseException) -> str:
    text = str(error)
    assert "\n" not in text
    return text


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("runs/nas.db", "must be a URL like sqlite:///runs/nas.db, but got 'runs/nas.db'"),
        ("", "must be a URL like"),
        ("oracel://host/x", "must name a database such as sqlite, .*but got 'oracel://host/x'"),
        ("sqlite:////proc/no/such.db", "storage must be"),
        ("sqlite:////dev/null/x.db", "storage must be"),
        ("sqlite:////tmp", "storage must be usable, but got .*unable to open database file"),
        ("mssql+pymssql://u:secret@h/x", r"must have its driver installed, but got '.*\*\*\*@h/x'"),
    ],
)
def test_a_url_that_cannot_be_used_gives_one_line(url, message):
    with pytest.raises(StorageError, match=message) as error:
        open_storage(url, create=True)
    assert "secret" not in one_line(error.value)


def test_a_password_is_never_shown():
    assert shown_url("postgresql://me:secret@host/nas") == "postgresql://me:***@host/nas"


def test_a_file_that_is_no_database(tmp_path):
    (tmp_path / "x.db").write_text("not a database, " * 100)
    with pytest.raises(StorageError, match=r"must be a database, but got .*x\.db") as error:
        open_storage(f"sqlite:///{tmp_path}/x.db", create=True)
    one_line(error.value)


def test_opening_for_reading_makes_no_file(tmp_path):
    with pytest.raises(StorageError, match="must exist"):
        open_storage(f"sqlite:///{tmp_path}/deep/x.db", create=False)
    assert list(tmp_path.iterdir()) == []


def test_braces_and_blanks_in_a_path(tmp_path):
    open_storage(f"sqlite:///{tmp_path}/{{a}} b/x.db", create=True)
    assert (tmp_path / "{a} b" / "x.db").exists()


def test_a_read_only_storage_can_be_read_but_not_written(
    study, url, fill, make_candidate, make_settings
):
    candidate = make_candidate(0, accuracy=0.5, macs=1)
    fill(study, candidate, make_candidate(1, status="running"))
    read_only = url.replace("sqlite:///", "sqlite:///file:") + "?mode=ro&uri=true"
    reader = Study.open("first", read_only)
    assert reader.candidates()[0] == candidate
    with (
        pytest.raises(StorageError, match="must be writable, but got") as error,
        reader.exclusive(),
    ):
        pass
    one_line(error.value)
    with pytest.raises(StorageError, match="must be writable, but got"):
        Study.create_or_open("new", read_only, make_settings())


def fill_the_disk(study: Study) -> None:
    """Stop the growth of the database file, as on a full disk."""

    def no_more_pages(connection: sqlite3.Connection, _: object) -> None:
        connection.execute("PRAGMA max_page_count = 1")

    study._storage.engine.dispose()
    sqlalchemy.event.listen(study._storage.engine, "connect", no_more_pages)


def test_what_finishes_on_a_full_disk_is_kept_and_taken_in(study, url, fill, make_candidate):
    running = [make_candidate(i, status="running") for i in range(3)]
    finished = [
        replace(make_candidate(i, accuracy=0.5, macs=1), traceback="x" * 19_000) for i in range(2)
    ]
    fill(study, *running)
    with study.exclusive():
        fill_the_disk(study)
        for candidate in finished:
            with pytest.raises(StorageError, match="must have free space") as error:
                study.finish(candidate)
            kept = Path(one_line(error.value).rpartition(" is kept in ")[2])
            assert kept.parent == Path(url.removeprefix("sqlite:///")).parent
    assert [each.status for each in study.candidates()] == ["running"] * 3

    with kept.open("a") as file:
        file.write('{"number": 2, "cut')  # the process was killed while it wrote
    later = Study.open("first", url)
    assert later.candidates() == [*finished, running[2]]
    assert not kept.exists()


def test_where_no_file_can_be_written_beside_the_storage_the_temporary_folder_serves(
    study, url, fill, make_candidate, monkeypatch, tmp_path
):
    fill(study, make_candidate(0, status="running"))
    candidate = make_candidate(0, accuracy=0.5, macs=1)
    beside, other = study._spill.paths()
    beside.mkdir()  # so that no file can be made
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    with study.exclusive():
        fill_the_disk(study)
        with pytest.raises(StorageError, match=r"is kept in .*/tmp/"):
            study.finish(replace(candidate, traceback="x" * 19_000))
    assert len(Study.open("first", url).finished()) == 1
    assert not other.exists()


def test_a_file_of_somebody_else_is_not_taken_in(
    study, url, fill, make_candidate, monkeypatch, tmp_path
):
    fill(study, make_candidate(0, status="running"))
    beside = study._spill.paths()[0]
    theirs = make_candidate(5, accuracy=1.0, macs=1)
    beside.write_text(json.dumps({**theirs.to_json(), "number": 0}))
    assert Study.open("first", url).finished() == [], "another architecture than was started"
    beside.write_text(json.dumps(make_candidate(0, accuracy=1.0, macs=1).to_json()))
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    assert Study.open("first", url).finished() == []


def test_a_locked_storage_is_tried_again(study, url, fill, make_candidate, monkeypatch):
    fill(study, make_candidate(0, status="running"))
    path = url.removeprefix("sqlite:///")
    waits: list[float] = []
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            other.execute("ROLLBACK")

    monkeypatch.setattr(storage_module.time, "sleep", wait)
    monkeypatch.setattr(storage_module, "_CONNECT_SECONDS", 0.01)
    other.execute("ROLLBACK")
    patient = Study.open("first", url)
    with patient.exclusive():
        other.execute("BEGIN IMMEDIATE")
        patient.finish(make_candidate(0, accuracy=0.5, macs=1))
    assert waits == [0.2, 0.4]
    assert len(study.finished()) == 1


def test_trouble_that_does_not_pass_is_not_tried_again():
    tries: list[int] = []

    def action() -> None:
        tries.append(1)
        raise StorageError("storage must be writable")

    with pytest.raises(StorageError):
        retry(action)
    assert tries == [1]


def die_while_searching(url: str, numbers: list[int], candidates, distributions, ready) -> None:
    study = Study.open("first", url)
    with study.exclusive():
        for number in numbers:
            each = candidates[number]
            study.start(
                architecture=each.architecture,
                decisions=each.decisions,
                distributions=distributions,
            )
        study.finish(candidates[numbers[0]])
        ready.set()
        signal.pause()


def test_a_killed_search_is_taken_up_where_it_was(study, url, make_candidate, distributions):
    candidates = [make_candidate(i, accuracy=0.5, macs=1) for i in range(3)]
    ready = FORK.Event()
    process = FORK.Process(
        target=die_while_searching, args=(url, [0, 1, 2], candidates, distributions, ready)
    )
    process.start()
    try:
        assert ready.wait(300)
        by = f"which process {process.pid} on "
        with pytest.raises(InputError, match=by) as error, study.exclusive():
            pass
        one_line(error.value)
    finally:
        process.kill()
        process.join()
    with study.exclusive():
        left = study.running()
        assert [each.number for each in left] == [1, 2]
        for each in left:
            assert each.architecture == candidates[each.number].architecture
            study.finish(candidates[each.number])
        study.start(
            architecture=make_candidate(3).architecture,
            decisions=make_candidate(3).decisions,
            distributions=distributions,
        )
    assert [each.status for each in study.candidates()] == ["complete"] * 3 + ["running"]


def test_a_study_is_made_whole_or_not_at_all(url, make_settings, monkeypatch):
    Study.create_or_open("other", url, make_settings())

    def fail(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("optuna.study.Study.set_metric_names", fail)
    with pytest.raises(StorageError, match="free space"):
        Study.create_or_open("half", url, make_settings())
    with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
        names = connection.execute("SELECT study_name FROM studies").fetchall()
    assert names == [("other",)]
