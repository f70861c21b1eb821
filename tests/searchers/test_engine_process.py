import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from nas_explorer.searchers.engines import children
from nas_explorer.searchers.engines import process as module
from nas_explorer.searchers.engines.children import early_processes, environment
from nas_explorer.searchers.engines.process import (
    Broken,
    Event,
    Failure,
    NotStarted,
    Reply,
    RunningTime,
    WorkerProcess,
    wait_for,
)

sys.path.insert(0, str(Path(__file__).parent))
from engine_workers import Echo

Start = Callable[..., WorkerProcess]


@pytest.fixture
def start() -> Iterator[Start]:
    processes: list[WorkerProcess] = []

    def make(factory: Any = None, *, time_limit: float | None = None) -> WorkerProcess:
        data = pickle.dumps(factory or Echo())
        processes.append(WorkerProcess(factory=data, time_limit=time_limit))
        return processes[-1]

    yield make
    for process in processes:
        process.kill()


def until_idle(process: WorkerProcess) -> None:
    while not process.idle:
        wait_for([process])
        assert process.collect() is None


def event_of(process: WorkerProcess) -> Event:
    while (event := process.collect()) is None:
        wait_for([process])
    return event


def ask(process: WorkerProcess, **request: Any) -> Event:
    until_idle(process)
    process.give(pickle.dumps(request))
    return event_of(process)


def answer(event: Event) -> dict[str, Any]:
    assert isinstance(event, Reply)
    return pickle.loads(event.data)


def test_one_process_answers_request_after_request_with_one_thread(start: Start) -> None:
    process = start()
    first, second = answer(ask(process, x=1)), answer(ask(process, x=2))
    assert (first["x"], second["x"]) == (1, 2)
    assert first["pid"] == second["pid"] != os.getpid()
    assert first["threads"] == "1"


def test_a_worker_that_raises_says_where_and_goes_on(start: Start) -> None:
    process = start()
    event = ask(process, do="raise")
    assert isinstance(event, Failure)
    assert (event.kind, event.detail) == ("error", "ValueError: two lines")
    assert event.traceback is not None
    assert "misbehave" in event.traceback
    assert answer(ask(process, x=3))["x"] == 3


@pytest.mark.parametrize(
    ("do", "detail"),
    [("exit", "its process exited with code 3"), ("kill", "its process was ended by SIGKILL")],
)
def test_a_process_that_dies_over_a_request_says_how(start: Start, do: str, detail: str) -> None:
    process = start()
    event = ask(process, do=do)
    assert isinstance(event, Failure)
    assert (event.kind, event.detail) == ("worker_died", detail)
    assert not process.alive


def test_a_process_that_died_while_idle_fails_the_next_request(start: Start) -> None:
    process = start()
    pid = answer(ask(process))["pid"]
    os.kill(pid, signal.SIGKILL)
    wait_for([process])
    process.give(pickle.dumps({}))
    event = event_of(process)
    assert isinstance(event, Failure)
    assert event.kind == "worker_died"


def test_a_process_that_dies_between_requests_is_no_event(start: Start) -> None:
    process = start()
    os.kill(answer(ask(process))["pid"], signal.SIGKILL)
    while process.alive:
        wait_for([process])
        assert process.collect() is None
    assert not process.idle


def test_a_request_over_its_time_is_ended(start: Start) -> None:
    process = start(time_limit=0.05)
    event = ask(process, do="sleep")
    assert isinstance(event, Failure)
    assert (event.kind, event.detail) == ("time_limit", "it took longer than 0.05 s")
    assert event.seconds >= 0.05
    assert not process.alive


def test_the_start_of_the_process_is_not_counted_as_time_of_a_request(start: Start) -> None:
    process = start(time_limit=1e-9)
    assert process.seconds_left is None
    until_idle(process)


@pytest.mark.parametrize(
    ("trouble", "kind", "text"),
    [
        ("raise", ValueError, "a folder must exist"),
        ("fussy", RuntimeError, "FussyError: ab"),
    ],
)
def test_a_worker_that_cannot_be_made_brings_the_error(
    start: Start, trouble: str, kind: type[Exception], text: str
) -> None:
    event = event_of(start(Echo(trouble)))
    assert isinstance(event, Broken)
    error = pickle.loads(event.error)
    assert type(error) is kind
    assert text in str(error)


def test_a_process_that_ends_while_it_starts_says_how(start: Start) -> None:
    process = start(Echo("exit"))
    assert event_of(process) == NotStarted(detail="the process exited with code 4")
    assert not process.alive


def test_a_spent_worker_answers_and_is_gone(start: Start) -> None:
    process = start()
    assert answer(ask(process, x=1, do="spend"))["x"] == 1
    assert not process.alive


def test_time_in_which_the_process_is_stopped_does_not_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    moment = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: moment)
    clock = RunningTime()
    moment += 0.25
    assert clock.now(longest=0.5) == 0.25
    moment += 3600.0
    assert clock.now(longest=0.5) == 0.75
    moment += 3600.0
    assert clock.now() == 0.75 + RunningTime.LONGEST


def test_time_without_a_limit_is_recorded_in_full(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock advances with each wait without result; the process ends at the fourth."""
    process = start()
    until_idle(process)
    moment, waits = time.monotonic(), 0

    def wait(handles: Any, timeout: float) -> list[Any]:
        nonlocal moment, waits
        moment += timeout
        waits += 1
        return list(handles) if waits == 4 else []

    monkeypatch.setattr(time, "monotonic", lambda: moment)
    monkeypatch.setattr(module, "wait", wait)
    process.give(pickle.dumps({"do": "sleep"}))
    wait_for([process])
    process._process.kill()
    process._process.join()
    event = process.collect()
    assert isinstance(event, Failure)
    assert event.seconds == pytest.approx(20.0)


def gone(pid: int, *, within: float = 60.0) -> bool:
    """Whether the process ends in time; a zombie counts as ended."""
    limit = time.monotonic() + within
    while time.monotonic() < limit:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.01)
    return False


def test_processes_that_were_started_early_serve_the_first_workers(start: Start) -> None:
    with early_processes(2, ("colorsys", "no_such_module")):
        waiting = {process.pid for _, process in children._EARLY}
        first = start()
        assert answer(ask(first, x=1))["pid"] in waiting
        assert len(children._EARLY) == 1
    assert not children._EARLY
    assert answer(ask(first, x=2))["x"] == 2  # it does not end with the context
    assert answer(ask(start(), x=3))["pid"] not in waiting


def test_a_process_that_died_early_is_replaced(start: Start) -> None:
    with early_processes(1, ()):
        (_, process) = children._EARLY[0]
        process.kill()
        process.join()
        assert answer(ask(start(), x=1))["pid"] != process.pid


STOPPED = """
import pickle, sys
sys.path.insert(0, {folder!r})
from engine_workers import Echo  # noqa: E402
from nas_explorer.searchers.engines.process import WorkerProcess, wait_for
if __name__ == "__main__":
    process = WorkerProcess(factory=pickle.dumps(Echo()), time_limit=2.0)
    while not process.idle:
        wait_for([process])
        process.collect()
    process.give(pickle.dumps({{"do": "sleep", "seconds": 1.0}}))
    print("given", flush=True)
    while (event := process.collect()) is None:
        wait_for([process])
    print(type(event).__name__, event, flush=True)
    process.kill()
"""


@pytest.mark.slow
def test_a_search_that_is_stopped_and_goes_on_loses_no_candidate_to_its_time_limit(
    tmp_path: Path,
) -> None:
    script = tmp_path / "stopped.py"
    script.write_text(STOPPED.format(folder=str(Path(__file__).parent)))
    command = [sys.executable, str(script)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "given\n"
        time.sleep(0.5)  # the thread is waiting by then
        os.killpg(parent.pid, signal.SIGSTOP)
        time.sleep(2.5)
        os.killpg(parent.pid, signal.SIGCONT)
        assert parent.stdout.readline().startswith("Reply")


PARENT = """
import pickle, signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where started in the background
sys.path.insert(0, {folder!r})
from engine_workers import Echo  # noqa: E402
from nas_explorer.searchers.engines.process import WorkerProcess, wait_for
if __name__ == "__main__":
    process = WorkerProcess(factory=pickle.dumps(Echo()), time_limit=None)
    while not process.idle:
        wait_for([process])
        process.collect()
    process.give(pickle.dumps({{}}))
    wait_for([process])
    pid = pickle.loads(process.collect().data)["pid"]
    process.give(pickle.dumps({{"do": "sleep"}}))
    print(pid, flush=True)
    time.sleep(60)
"""


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="reads the state of processes in /proc")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_children_end_with_their_parent(tmp_path: Path, number: signal.Signals) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT.format(folder=str(Path(__file__).parent)))
    command = [sys.executable, str(script)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.send_signal(number)
        assert gone(child)


def test_environment_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAS_SET", "before")
    monkeypatch.delenv("NAS_UNSET", raising=False)
    with environment({"NAS_SET": "inside", "NAS_UNSET": "inside"}):
        assert os.environ["NAS_SET"] == os.environ["NAS_UNSET"] == "inside"
    assert os.environ["NAS_SET"] == "before"
    assert "NAS_UNSET" not in os.environ
