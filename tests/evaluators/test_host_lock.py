"""Trainings pause while something is measured, and no process waits for one that was killed."""

import multiprocessing
import signal
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
from nas_explorer.evaluators import host_lock
from nas_explorer.evaluators.host_lock import give_way, measuring, training

_FORK = multiprocessing.get_context("fork")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(host_lock.tempfile, "tempdir", None)
    return tmp_path


def trains(pipe: Connection) -> None:
    """Train in steps until told to stop; send the number of steps when asked."""
    steps = 0
    with training():
        pipe.send("ready")
        while True:
            give_way()
            steps += 1
            if pipe.poll():
                if pipe.recv() == "stop":
                    break
                pipe.send(steps)
    pipe.close()


def hangs_in_training(pipe: Connection) -> None:
    with training():
        pipe.send("ready")
        time.sleep(60)


def measures(pipe: Connection) -> None:
    with measuring() as alone:
        pipe.send(alone)
        pipe.poll(60)


@contextmanager
def process(target: Callable[[Connection], None]) -> Generator[tuple[Any, Connection]]:
    ours, theirs = _FORK.Pipe()
    started = _FORK.Process(target=target, args=(theirs,), daemon=True)
    started.start()
    theirs.close()
    try:
        yield started, ours
    finally:
        started.kill()
        started.join()


def test_a_training_pauses_while_another_process_measures() -> None:
    with process(trains) as (_, pipe):
        assert pipe.recv() == "ready"
        with measuring() as alone:
            assert alone is True
            pipe.send("count")
            assert not pipe.poll(0.2), "it waits, so it does not reply"
        assert pipe.recv() > 0
        pipe.send("stop")


def test_a_killed_measurement_ends_the_pause() -> None:
    with process(measures) as (other, pipe):
        assert pipe.recv() is True
        entered = threading.Event()

        def train() -> None:
            with training():
                entered.set()

        thread = threading.Thread(target=train)
        thread.start()
        assert not entered.wait(0.2)
        other.kill()
        assert entered.wait(30)
        thread.join()


def test_a_killed_training_lets_others_measure() -> None:
    with process(hangs_in_training) as (other, pipe):
        assert pipe.recv() == "ready"
        with measuring(patience=0.05) as alone:
            assert alone is False, "a training that does not pause is not waited for"
        other.kill()
        other.join()
        assert other.exitcode == -signal.SIGKILL
        with measuring() as alone:
            assert alone is True


def test_measurements_take_turns() -> None:
    with process(measures) as (_, pipe):
        assert pipe.recv() is True
        with measuring(patience=0.05) as alone:
            assert alone is False
        pipe.send("end")
        with measuring() as alone:
            assert alone is True


def test_a_training_may_measure_its_own_network() -> None:
    with training():
        with measuring(patience=5) as alone:
            assert alone is True
        give_way()
        with measuring(patience=5) as alone:
            assert alone is True


def test_without_a_folder_nothing_is_locked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = folder / "file"
    blocked.write_text("")
    monkeypatch.setattr(host_lock, "lock_folder", lambda: blocked)
    with training(), measuring() as alone:
        assert alone is None
        give_way()
