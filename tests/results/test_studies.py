"""Studies are listed, renamed and deleted; damaged ones are named and the others shown."""

import json
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path

import optuna
import pytest
from nas_explorer.results.settings import StudySettings
from nas_explorer.results.study.spill_file import SpillFile
from nas_explorer.results.study.storage import StorageError, file_beside, open_storage
from nas_explorer.results.study.studies import delete_study, rename_study, study_list
from nas_explorer.results.study.study import Study
from nas_explorer.search_space.errors import InputError


def file_of(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///"))


def change(url: str, statement: str, *values: object) -> None:
    with sqlite3.connect(file_of(url)) as connection:
        connection.execute(statement, values)


def entries(url: str):
    return study_list(open_storage(url, create=False), url)


def tables(file: Path) -> list[str]:
    with sqlite3.connect(file) as connection:
        return [row[0] for row in connection.execute("SELECT name FROM sqlite_master")]


def test_the_list_counts_candidates_and_trials_of_others(study, url, fill, make_candidate):
    fill(
        study,
        make_candidate(0, accuracy=0.5, macs=1),
        make_candidate(1, status="failed"),
        make_candidate(2, status="infeasible"),
        make_candidate(3, status="running"),
    )
    optuna.load_study(study_name="first", storage=url).ask()
    (entry,) = entries(url)
    assert entry.name == "first" and entry.foreign == 1
    assert entry.counts == {"complete": 1, "infeasible": 1, "failed": 1, "running": 1}
    assert StudySettings.from_json(entry.settings) == study.settings
    assert not entry.searched
    with study.exclusive():
        assert entries(url)[0].searched


def test_an_empty_study_is_never_the_latest(study, url, fill, make_candidate, make_settings):
    fill(study, make_candidate(0, accuracy=0.5, macs=1))
    for name in ("empty", "cut off"):
        other = Study.create_or_open(name, url, make_settings())
    assert Study.open(None, url).name == "first"
    with other.exclusive():
        pass
    fill(other, make_candidate(0, status="running"))
    optuna.load_study(study_name="empty", storage=url).ask()
    assert [each.name for each in entries(url)] == ["first", "cut off", "empty"]
    with other.exclusive():  # now the candidate is running
        assert Study.open(None, url).name == "cut off"


def test_a_search_that_was_killed_before_anything_finished_is_empty(
    study, url, fill, make_candidate, make_settings
):
    fill(study, make_candidate(0, accuracy=0.5, macs=1))
    other = Study.create_or_open("killed", url, make_settings())
    fill(other, make_candidate(0, status="running"))
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    note = {"pid": process.pid, "host": socket.gethostname(), "since": 2e9, "token": "x"}
    where = "WHERE key = 'nas:holder' AND study_id = 2"
    change(url, f"UPDATE study_system_attributes SET value_json = ? {where}", json.dumps(note))
    latest, killed = entries(url)
    assert (latest.name, killed.name) == ("first", "killed")
    assert killed.searched and not killed.under_way and killed.empty


def test_of_empty_studies_the_newest_is_opened(study, url, make_settings):
    Study.create_or_open("second", url, make_settings())
    assert Study.open(None, url).name == "second"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"number": 1, "cut', "Unterminated string"),
        ("", "Expecting value"),
        ("[]", "it must have 'decisions'"),
        (None, "TypeError: the JSON object must be str"),
    ],
)
def test_a_record_that_is_cut_is_named_and_the_rest_is_shown(
    study, url, fill, make_candidate, caplog, text, reason
):
    candidates = [make_candidate(i, accuracy=0.5, macs=1) for i in range(3)]
    fill(study, *candidates)
    where = "WHERE key = 'nas:candidate' AND trial_id = 2"
    change(url, f"UPDATE trial_system_attributes SET value_json = ? {where}", text)
    reader = Study.open("first", url)
    assert reader.candidates() == reader.candidates() == [candidates[0], candidates[2]]
    assert [each["number"] for each in reader.records(after=-1)] == [0, 2]
    assert [each["number"] for each in reader.records(after=-1, networks=False)] == [0, 2]
    (line,) = caplog.messages
    assert line.startswith("left out: candidate 1 of study 'first'; its record cannot be read: ")
    assert reason in line and "\n" not in line
    with pytest.raises(InputError, match="candidate 1 of study 'first' is left out: its record"):
        reader.find("1")
    fill(reader, make_candidate(3, accuracy=0.5, macs=1))
    assert [each.number for each in reader.candidates()] == [0, 2, 3]


def test_settings_that_are_cut_leave_the_other_studies(study, url, make_settings, caplog):
    Study.create_or_open("second", url, make_settings())
    where = "WHERE key = 'nas:settings' AND study_id = 1"
    change(url, f"UPDATE study_system_attributes SET value_json = '{{\"cut' {where}")
    assert Study.open(None, url).name == "second"
    assert caplog.messages == ["left out: study 'first', whose settings are damaged"]
    assert [each.name for each in entries(url)] == ["second", "first"]
    for open_it in (Study.open, lambda name, url: Study.create_or_open(name, url, make_settings())):
        with pytest.raises(InputError, match="must be complete, but those of 'first' are damaged"):
            open_it("first", url)


def test_numbers_come_from_the_trials(study, url, fill, make_candidate):
    """Records with wrong numbers, from two searches in one study, can be read."""
    candidates = [make_candidate(i, accuracy=0.5, macs=1) for i in range(2)]
    fill(study, candidates[0], make_candidate(1, status="running"))
    optuna.load_study(study_name="first", storage=url).ask()
    where = "WHERE key = 'nas:candidate' AND trial_id = 2"
    change(
        url,
        f"UPDATE trial_system_attributes SET value_json = replace(value_json, ?, ?) {where}",
        '"number": 1',
        '"number": 0',
    )
    later = Study.open("first", url)
    assert [each.number for each in later.running()] == [1]
    assert [each["number"] for each in later.records(after=-1)] == [0, 1]
    with later.exclusive():
        later.finish(candidates[1])
    assert Study.open("first", url).candidates() == candidates


@pytest.mark.parametrize("theirs", [True, False])
def test_reading_makes_no_tables(tmp_path, theirs):
    file = tmp_path / "x.db"
    with sqlite3.connect(file) as connection:
        if theirs:
            connection.execute("CREATE TABLE notes (text)")
    if not theirs:
        file.touch()
    before = file.read_bytes()
    with pytest.raises(StorageError, match=r"must hold a study, but got 'sqlite:.* with none"):
        Study.open(None, f"sqlite:///{file}")
    assert file.read_bytes() == before and tables(file) == ["notes"] * theirs


def test_a_storage_that_was_emptied_is_no_new_one(
    study, url, fill, make_candidate, make_settings, monkeypatch
):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    fill(study, make_candidate(0, accuracy=0.5, macs=1))
    study.close()
    file = file_of(url)
    file.write_bytes(b"")
    for open_it in (Study.open, lambda name, url: Study.create_or_open(name, url, make_settings())):
        with pytest.raises(StorageError, match=r"which is empty: .*nas\.db\.first-.*\.lock$"):
            open_it("first", url)
    assert file.read_bytes() == b""
    file.unlink()
    assert Study.create_or_open("first", url, make_settings()).candidates() == []


def test_a_new_file_that_is_empty_will_do(tmp_path, make_settings):
    (tmp_path / "x.db").touch()
    url = f"sqlite:///{tmp_path}/x.db"
    assert Study.create_or_open("first", url, make_settings()).candidates() == []


def weights_of(url: str, name: str) -> Path:
    folder = file_beside(url, name, ".weights")
    folder.mkdir(parents=True)
    (folder / "a.safetensors").write_bytes(b"weights")
    return folder


def test_a_renamed_study_keeps_candidates_weights_and_place(
    study, url, fill, make_candidate, make_settings
):
    candidate = make_candidate(0, accuracy=0.5, macs=1)
    fill(study, candidate)
    fill(Study.create_or_open("latest", url, make_settings()), candidate)
    old = weights_of(url, "first")
    rename_study("first", "better name", url)
    assert [each.name for each in entries(url)] == ["latest", "better name"]
    assert Study.open("better name", url).candidates() == [candidate]
    assert (file_beside(url, "better name", ".weights") / "a.safetensors").is_file()
    assert not old.exists()
    for name, new, message in (
        ("first", "x", "study must be one of"),
        ("latest", "better name", "must be free"),
        ("latest", "a\nb", "printable"),
    ):
        with pytest.raises(InputError, match=message):
            rename_study(name, new, url)


def test_results_that_could_not_be_stored_go_with_the_name(study, url, fill, make_candidate):
    fill(study, make_candidate(0, status="running"))
    done = make_candidate(0, accuracy=0.5, macs=1)
    SpillFile(url=url, study="first").keep(done)
    rename_study("first", "second", url)
    assert Study.open("second", url).candidates() == [done]
    assert SpillFile(url=url, study="second").pending() == []


def test_results_kept_in_the_temporary_folder_are_deleted_with_their_study(
    study, url, make_candidate, tmp_path, monkeypatch
):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    kept = SpillFile(url=url, study="first")
    beside, elsewhere = kept.paths()
    beside.mkdir()  # so that no file can be made
    assert kept.keep(make_candidate(0, accuracy=0.5, macs=1)) == str(elsewhere)
    beside.rmdir()
    delete_study("first", url)
    assert not elsewhere.exists()


def test_a_rename_that_fails_leaves_all_as_it_was(study, url, make_candidate, monkeypatch):
    old = weights_of(url, "first")
    kept = SpillFile(url=url, study="first")
    kept.keep(make_candidate(0, accuracy=0.5, macs=1))

    def fail(*_) -> None:
        raise StorageError("storage must have free space")

    monkeypatch.setattr("nas_explorer.results.study.holder.Hold._check", fail)
    with pytest.raises(StorageError, match="free space"):
        rename_study("first", "second", url)
    assert (old / "a.safetensors").is_file() and len(kept.pending()) == 1
    assert [each.name for each in entries(url)] == ["first"]


def test_a_deleted_study_leaves_nothing(study, url, fill, make_candidate, make_settings):
    fill(Study.create_or_open("other", url, make_settings()), make_candidate(0))
    before = {each.name for each in file_of(url).parent.iterdir()}
    fill(study, make_candidate(0, accuracy=0.5, macs=1), make_candidate(1, status="running"))
    weights_of(url, "first")
    delete_study("first", url)
    assert {each.name for each in file_of(url).parent.iterdir()} == before
    assert [each.name for each in entries(url)] == ["other"]
    with sqlite3.connect(file_of(url)) as connection:
        for table in ("trials", "study_directions", "study_system_attributes"):
            found = connection.execute(f"SELECT DISTINCT study_id FROM {table}").fetchall()
            assert found == [(2,)], table
        for table in ("trial_params", "trial_user_attributes", "trial_system_attributes"):
            found = connection.execute(f"SELECT DISTINCT trial_id FROM {table}").fetchall()
            assert found == [(1,)], table
    with pytest.raises(InputError, match="study must be one of other, but got 'first'"):
        delete_study("first", url)
    weights_of(url, "first")  # as after a kill during the deletion
    delete_study("first", url)
    assert {each.name for each in file_of(url).parent.iterdir()} == before


def test_a_study_that_is_searched_is_neither_renamed_nor_deleted(study, url):
    with study.exclusive():
        with pytest.raises(InputError, match="is searching"):
            rename_study("first", "second", url)
        with pytest.raises(InputError, match="is searching"):
            delete_study("first", url)
    assert [each.name for each in entries(url)] == ["first"]
