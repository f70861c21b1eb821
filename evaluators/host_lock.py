"""A lock of the host: trainings pause while something is measured alone.

Each process that trains holds a shared lock, and one that measures an exclusive one. Both are locks
of the operating system on open files, which end with the process that holds them, however it
ends. A process that waits for longer than its patience goes on without the lock, so none waits for
ever.

Two files are needed: ``turn`` is held by the one process that measures or is about to, and makes
the others give way; ``busy`` is shared by the processes that train.
"""

import hashlib
import os
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from .stopwatch import activity

if sys.platform != "win32":
    import fcntl

PATIENCE = 20.0
"""Longest wait of a measurement for the trainings of the host to pause, s."""
LONGEST_PAUSE = 300.0
"""Longest pause of a training, s: a measurement that takes longer is not waited for."""
_POLL = 0.002
"""Seconds between two attempts to take a lock."""


class _Lock:
    """A lock on an open file; each process has its own."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def take(self, *, shared: bool, seconds: float = 0.0) -> bool:
        """Take the lock; return whether it was free within some seconds."""
        kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        end = time.monotonic() + seconds
        while True:
            with suppress(OSError):
                fcntl.flock(self._file, kind | fcntl.LOCK_NB)
                return True
            if time.monotonic() >= end:
                return False
            time.sleep(_POLL)

    def free(self) -> None:
        fcntl.flock(self._file, fcntl.LOCK_UN)

    def close(self) -> None:
        os.close(self._file)


class _Training:
    """The share of the host that a training has, which it gives up while others measure."""

    def __init__(self, turn: _Lock, busy: _Lock) -> None:
        self._turn = turn
        self._busy = busy

    def give_way(self) -> None:
        """Wait while another process measures."""
        if self._turn.take(shared=True):
            self._turn.free()
            return
        self.pause()
        with activity("waiting"):
            self.resume()

    def pause(self) -> None:
        self._busy.free()

    def resume(self) -> None:
        if self._turn.take(shared=True, seconds=LONGEST_PAUSE):
            self._busy.take(shared=True)  # only who holds the turn takes it alone
            self._turn.free()


_training: _Training | None = None
"""The training under way in this process."""


def lock_folder() -> Path:
    """Return the folder of the lock files, one for each user of the host."""
    who = os.getuid() if hasattr(os, "getuid") else "user"
    return Path(tempfile.gettempdir()) / f"nas-explorer-{who}"


@contextmanager
def on_device(name: str, patience: float = LONGEST_PAUSE) -> Generator[bool | None]:
    """Measure on another device inside, one process of this host at a time.

    Args:
        name: What identifies the device, such as the command that reaches it.
        patience: Longest wait for the others, s.

    Yields:
        Whether no other process of this host measures there; None where the system has no such
        locks.
    """
    if sys.platform == "win32":
        yield None
        return
    folder = lock_folder()
    folder.mkdir(mode=0o700, exist_ok=True)
    lock = _Lock(folder / f"device-{hashlib.sha256(name.encode()).hexdigest()[:16]}")
    try:
        with activity("waiting"):
            alone = lock.take(shared=False, seconds=patience)
        yield alone
    finally:
        lock.close()


@contextmanager
def _locks(stack: ExitStack) -> Generator[tuple[_Lock, _Lock] | None]:
    """Yield the turn and the busy lock; None where the system has none."""
    found: tuple[_Lock, _Lock] | None = None
    if sys.platform != "win32":
        with suppress(OSError):  # a full or read-only disk
            folder = lock_folder()
            folder.mkdir(mode=0o700, exist_ok=True)
            made = _Lock(folder / "turn"), _Lock(folder / "busy")
            for each in made:
                stack.callback(each.close)
            found = made
    yield found


@contextmanager
def training() -> Generator[None]:
    """Train inside; each ``give_way`` waits while another process of the host measures."""
    global _training
    with ExitStack() as stack, _locks(stack) as found:
        before = _training
        if found is not None:
            _training = _Training(*found)
            with activity("waiting"):
                _training.resume()
        try:
            yield
        finally:
            _training = before


def give_way() -> None:
    """Wait while another process of the host measures; call it between two steps of a training."""
    if _training is not None:
        _training.give_way()


@contextmanager
def measuring(patience: float = PATIENCE) -> Generator[bool | None]:
    """Measure inside, one process of the host at a time, while the trainings of the host pause.

    Args:
        patience: Longest wait for the others, s.

    Yields:
        Whether the process is alone; False after the longest wait, None where the system has no
        such locks. Only processes of this package and this user are known.
    """
    with ExitStack() as stack, _locks(stack) as found:
        if found is None:
            yield None
            return
        turn, busy = found
        own = _training
        undo: Callable[[], None] = own.resume if own is not None else lambda: None
        with activity("waiting"):
            end = time.monotonic() + patience
            alone = turn.take(shared=False, seconds=patience)
            if own is not None:
                own.pause()
            alone = alone and busy.take(shared=False, seconds=max(0.0, end - time.monotonic()))
        try:
            yield alone
        finally:
            busy.free()
            turn.free()
            undo()
