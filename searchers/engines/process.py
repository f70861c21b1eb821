"""A child process that handles one request at a time, and whose death does not harm its parent.

This module handles bytes only and imports neither torch nor the rest of the package, so that a
process that only hosts children stays small.
"""

import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import Any, Literal

from .children import child_for


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
        self._connection, self._process = child_for(factory)

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
