"""What a command does while it works for long: a spinner on a terminal, else a line at times."""

import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from threading import Lock, Timer
from typing import TYPE_CHECKING

from .progress import PATIENCE

if TYPE_CHECKING:
    from rich.status import Status


@contextmanager
def working(line: str) -> Generator["Working"]:
    """Show on standard error what is done; remove the live view at the end.

    Args:
        line: What is done first, such as ``Reading the images``.
    """
    view = Working(line)
    try:
        yield view
    finally:
        view.close()


class Working:
    """The present work of a command.

    Without a terminal a line is printed where the work has taken a few seconds, and at most one in
    that time.
    """

    def __init__(self, line: str) -> None:
        from rich.console import Console

        self._status: Status | None = None
        self._timer: Timer | None = None
        self._lock = Lock()
        self._line = ""
        self._said = time.monotonic()
        self._console = Console(stderr=True, highlight=False)
        self.reopen(line)

    def reopen(self, line: str) -> None:
        """Show the view again after ``close``."""
        if self._console.is_terminal:
            self._status = self._console.status("")
            self._status.start()
        self.update(line)

    def update(self, line: str) -> None:
        """Show what is done now."""
        from rich.text import Text

        with self._lock:
            self._line = line
            if self._status is not None:
                self._status.update(Text(f"{line} ..."))
            elif self._timer is None:
                left = max(0.0, PATIENCE - (time.monotonic() - self._said))
                self._timer = Timer(left, self._say)
                self._timer.daemon = True
                self._timer.start()

    def count(self, what: str, done: int, count: int) -> None:
        """Show how many of a number of equal steps are done; nothing where there are none."""
        if count:
            self.update(f"{what}: {done} of {count}")

    def close(self) -> None:
        """Stop the view."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = None
        if self._status is not None:
            self._status.stop()
        self._status = None

    def _say(self) -> None:
        with self._lock:
            if self._timer is not None:  # else it was closed meanwhile
                print(f"{self._line} ...", file=sys.stderr, flush=True)
                self._timer, self._said = None, time.monotonic()
