"""A process that cleans up after a killed driver: Ray's processes and a folder.

Ray leaves some agents running when its driver is killed. This file runs as a script with only the
standard library, and reads from a pipe: a line ends the guard; the pipe's end without a line means
that the driver was killed.
"""

import os
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Generator, Iterable
from contextlib import contextmanager, suppress
from pathlib import Path

_PROC = Path("/proc")
_PAUSE = 1.0
"""Seconds between two listings of the processes."""

Process = tuple[int, str]
"""Process id and start time, since ids are reused."""


def processes() -> dict[Process, int]:
    """Return the processes of this machine, each with the id of its parent.

    The result is empty on systems without ``/proc``.
    """
    found: dict[Process, int] = {}
    for folder in _PROC.glob("[0-9]*"):
        with suppress(OSError, IndexError, ValueError):  # it has just ended
            fields = (folder / "stat").read_text().rsplit(")", 1)[1].split()
            found[int(folder.name), fields[19]] = int(fields[1])
    return found


def children(parent: int) -> set[int]:
    """Return the ids of the child processes of ``parent``."""
    return {number for (number, _), each in processes().items() if each == parent}


@contextmanager
def guarded(folder: str, roots: Iterable[int]) -> Generator[None]:
    """Have a folder removed and processes ended if this process is killed inside the context.

    Args:
        folder: The folder to remove.
        roots: Processes to end, with all their descendants.
    """
    command = [sys.executable, "-S", __file__, folder, *map(str, roots)]
    guard = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
    try:
        yield
    finally:
        with suppress(OSError):
            guard.communicate(b"done\n")


def _family(known: set[Process], there: dict[Process, int]) -> set[Process]:
    """Return the known processes and all children of them."""
    family = set(known)
    while True:
        numbers = {number for number, _ in family}
        grown = family | {each for each, parent in there.items() if parent in numbers}
        if grown == family:
            return family
        family = grown


def main(folder: str, roots: list[int]) -> None:
    """Wait for the driver; clean up if it is killed."""
    known = {each for each in processes() if each[0] in roots}
    while True:
        known = _family(known, processes())
        ready, _, _ = select.select([sys.stdin], [], [], _PAUSE)
        if ready:
            break
    if sys.stdin.readline():
        return
    for each in _family(known, processes()) & processes().keys():
        with suppress(OSError):
            os.kill(each[0], signal.SIGKILL)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1], [int(each) for each in sys.argv[2:]])
