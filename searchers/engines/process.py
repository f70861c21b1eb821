"""A child process that handles one request at a time, and whose death does not harm its parent.

This module handles bytes only and imports neither torch nor the rest of the package, so that a
process that only hosts children stays small.
"""

import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
import traceback
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any, Literal

_SPAWN = multiprocessing.get_context("spawn")
_ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
}


@dataclass(frozen=True, kw_only=True)
class Reply:
    """The reply to a request."""

    data: bytes
    """The pickled reply."""


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A request without a reply."""

    kind: Literal["error", "worker_died", "time_limit"]
    """``error``: the worker raised and continues; else its process has ended."""
    detail: str
    """Description, one line."""
    traceback: str | None = None
    """Traceback of the worker's exception."""
    seconds: float
    """Time since the request was sent, s."""


@dataclass(frozen=True, kw_only=True)
class Broken:
    """A worker that could not be made; a retry would fail too."""

    error: bytes
    """The pickled exception."""


@dataclass(frozen=True, kw_only=True)
class NotStarted:
    """A process that ended before its worker was ready; a new one may succeed."""

    detail: str
    """How the process ended, one line."""


Event = Reply | Failure | Broken | NotStarted


class RunningTime:
    """A clock that stops while this process is stopped (Ctrl-Z, a frozen container).

    It detects a stop by a long gap between two readings, so it must be read often.
    """

    LONGEST = 10.0
    """Longest gap between two readings that counts, s."""

    def __init__(self) -> None:
        self._seen = time.monotonic()
        self._total = 0.0

    def now(self, longest: float = LONGEST) -> float:
        """Return the time, s, at most ``longest`` after the last reading."""
        seen = time.monotonic()
        self._total += min(seen - self._seen, longest)
        self._seen = seen
        return self._total


_CLOCK = RunningTime()
_SLICE = 0.25
"""Seconds between two readings of the clock during a request with a time limit."""
_LONG_SLICE = RunningTime.LONGEST / 2
"""Seconds between two readings without a time limit, to record a request's time."""


@contextmanager
def environment(values: dict[str, str]) -> Generator[None]:
    """Set environment variables, and restore them afterwards."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _interrupts_held() -> Generator[None]:
    """Block SIGINT: a child inherits the mask, so Ctrl-C never reaches it while it starts."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    # The resource tracker clears the mask when it starts its own process, so start it first.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_Child = tuple[Connection, SpawnProcess]
_EARLY: list[_Child] = []
"""Processes that were started early and that no worker has needed so far."""


@contextmanager
def early_processes(count: int, modules: Sequence[str]) -> Generator[None]:
    """Start processes for the first workers made inside this context.

    Imports of a worker take seconds, which then pass while the caller prepares the work. Processes
    that no worker needs end with the context.

    Args:
        count: Number of processes.
        modules: Names of the modules that they import.
    """
    _EARLY.extend(_start_child(None, tuple(modules)) for _ in range(count))
    try:
        yield
    finally:
        while _EARLY:
            connection, process = _EARLY.pop()
            process.kill()
            process.join()
            connection.close()


def _start_child(factory: bytes | None, modules: tuple[str, ...] = ()) -> _Child:
    """Start a process; without a factory it waits for one."""
    ours, theirs = _SPAWN.Pipe()
    # A daemon is ended by multiprocessing itself where a crash skips our own clean-up.
    process = _SPAWN.Process(target=_serve, args=(theirs, factory, modules), daemon=True)
    with environment(_ONE_THREAD), _interrupts_held():
        process.start()
    theirs.close()
    return ours, process


def _child_for(factory: bytes) -> _Child:
    """Return a process that makes the worker: one that was started early, or a new one."""
    while _EARLY:
        connection, process = _EARLY.pop(0)
        with suppress(OSError):  # it has died
            connection.send_bytes(factory)
            return connection, process
        connection.close()
    return _start_child(factory)


class WorkerProcess:
    """One child process with a worker in it.

    The process starts at once, in the background. When it is ``idle``, ``give`` it a request; wait
    with ``wait_for``; then ``collect`` the event. Replace it when it is no longer ``alive``. Its
    death between requests is not an event.
    """

    def __init__(self, *, factory: bytes, time_limit: float | None) -> None:
        """Start the process.

        Args:
            factory: Pickled callable without arguments that returns an object with
                ``run(request)``.
            time_limit: Longest duration of a request in seconds, without the start of the process.
        """
        self.alive = True
        self._started_at: float | None = time.monotonic()
        self._starting = 0.0
        self._time_limit = time_limit
        self._given_at: float | None = None
        self._ready = False
        self._connection, self._process = _child_for(factory)

    @property
    def idle(self) -> bool:
        """Whether the process is ready for a request."""
        return self.alive and self._ready and self._given_at is None

    @property
    def handles(self) -> tuple[Any, ...]:
        """Handles that become ready when there is an event to collect."""
        return (self._connection, self._process.sentinel) if self.alive else ()

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the time limit of the current request; None without a limit."""
        if self._time_limit is None or self._given_at is None:
            return None
        return max(0.0, self._time_limit - self._elapsed())

    def give(self, request: bytes) -> None:
        """Send one pickled request."""
        assert self.idle, "a worker takes one request at a time"
        self._given_at = _CLOCK.now()
        # ``collect`` notices if the process has died meanwhile.
        with suppress(OSError):
            self._connection.send_bytes(request)

    def collect(self) -> Event | None:
        """Return the event since the last call without waiting, or None."""
        # Read first: all data that an ended process had sent is then in the pipe.
        ended = not self._process.is_alive()
        kind, data, traceback = self._receive()
        if kind == "ready":
            self._ready = True
            self._has_started()
            return None
        if kind == "broken":
            self.kill()
            return Broken(error=data)
        if kind in ("reply", "last"):
            self._given_at = None
            if kind == "last":
                self.kill()
            return Reply(data=data)
        if kind == "error":
            return self._failure("error", data.decode(), traceback)
        if kind == "end" or ended:
            return self._died()
        if self.seconds_left == 0.0:
            self.kill()
            return self._failure("time_limit", f"it took longer than {self._time_limit:g} s")
        return None

    def kill(self) -> None:
        """Kill the process and wait until it has ended."""
        self.alive = False
        self._has_started()
        self._process.kill()
        self._process.join()
        self._connection.close()

    def starting_seconds(self) -> float:
        """Return the wall time that the start took, s: once, when it is over; else 0."""
        spent, self._starting = self._starting, 0.0
        return spent

    def _has_started(self) -> None:
        if self._started_at is not None:
            self._starting += time.monotonic() - self._started_at
        self._started_at = None

    def _receive(self) -> tuple[str, bytes, str | None]:
        try:
            return self._connection.recv() if self._connection.poll() else ("none", b"", None)
        except (EOFError, OSError):  # the process is ending, perhaps in the middle of a message
            self._process.join(timeout=1.0)
            return "end", b"", None

    def _died(self) -> Event | None:
        idle = self.idle
        self.kill()
        if idle:
            return None
        code = self._process.exitcode or 0
        how = f"was ended by {_signal_name(-code)}" if code < 0 else f"exited with code {code}"
        if self._ready:
            return self._failure("worker_died", f"its process {how}")
        return NotStarted(detail=f"the process {how}")

    def _failure(
        self,
        kind: Literal["error", "worker_died", "time_limit"],
        detail: str,
        traceback: str | None = None,
    ) -> Failure:
        seconds = self._elapsed()
        self._given_at = None
        return Failure(kind=kind, detail=detail, traceback=traceback, seconds=seconds)

    def _elapsed(self) -> float:
        return 0.0 if self._given_at is None else _CLOCK.now() - self._given_at


def wait_for(processes: Sequence[WorkerProcess]) -> None:
    """Wait until one of the processes has an event to collect."""
    handles = [handle for process in processes for handle in process.handles]
    while True:
        limits = [left for process in processes if (left := process.seconds_left) is not None]
        timeout = min(_SLICE, *limits) if limits else _LONG_SLICE
        if wait(handles, timeout=timeout):
            return
        _CLOCK.now(longest=2 * timeout)
        if timeout in limits:
            return


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _serve(connection: Connection, factory: bytes | None, modules: tuple[str, ...]) -> None:
    """Run in the child: make the worker, then handle requests until the parent closes the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    for name in modules:
        with suppress(Exception):  # the worker imports it again, and reports why it cannot
            import_module(name)
    try:
        if factory is None:
            factory = connection.recv_bytes()
    except EOFError:
        return
    try:
        worker = pickle.loads(factory)()
    except Exception as error:
        connection.send(("broken", _pickled_error(error), None))
        return
    # The environment sets one thread, but packages imported by the factory may change it.
    if (torch := sys.modules.get("torch")) is not None:
        torch.set_num_threads(1)
    connection.send(("ready", b"", None))
    while True:
        try:
            request = connection.recv_bytes()
        except EOFError:
            return
        connection.send(_reply(worker, request))


def _reply(worker: Any, request: bytes) -> tuple[str, bytes, str | None]:
    try:
        reply = pickle.dumps(worker.run(pickle.loads(request)))
        return "last" if worker.spent else "reply", reply, None
    except Exception as error:
        line = " ".join(f"{type(error).__name__}: {error}".split())
        return "error", line.encode(), traceback.format_exc()


def _end_with_parent() -> None:
    """End this process when its parent has ended, even by SIGKILL."""
    parent = multiprocessing.parent_process()
    assert parent is not None, "only a child watches its parent"
    parent.join()
    os._exit(1)


def _pickled_error(error: Exception) -> bytes:
    """Return a pickled exception; one that cannot be pickled is replaced by its text."""
    try:
        data = pickle.dumps(error)
        pickle.loads(data)
    except Exception:
        return pickle.dumps(RuntimeError(f"{type(error).__name__}: {error}"))
    return data
