"""A stopwatch that divides wall time among activities."""

import time
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar


class Stopwatch:
    """Divides the wall time since it was made among activities, for one thread.

    Exactly one activity is under way at any time, so the times of all activities sum to the wall
    time.
    """

    def __init__(self, activity: str) -> None:
        """Start the stopwatch.

        Args:
            activity: The activity at first, and whenever no other one is under way.
        """
        self.began = time.time()
        """When the stopwatch was made, in seconds since 1970."""
        self._start = self._since = time.perf_counter()
        self._activity = activity
        self._seconds: dict[str, float] = {}

    @contextmanager
    def doing(self, activity: str) -> Generator[None]:
        """Count the time of the context for an activity, and not for the one around it."""
        before = self._activity
        self.turn(activity)
        try:
            yield
        finally:
            self.turn(before)

    def turn(self, activity: str) -> None:
        """Change the activity until the next change."""
        now = time.perf_counter()
        self._seconds[self._activity] = self.seconds(self._activity) + now - self._since
        self._activity, self._since = activity, now

    def seconds(self, activity: str) -> float:
        """Return the time of an activity up to the last change, s."""
        return self._seconds.get(activity, 0.0)

    def read(self) -> dict[str, float]:
        """Return the time of each activity so far, s."""
        self.turn(self._activity)
        return dict(self._seconds)

    @property
    def wall(self) -> float:
        """Wall time since the stopwatch was made, s."""
        return time.perf_counter() - self._start


_CURRENT: ContextVar[Stopwatch | None] = ContextVar("stopwatch", default=None)


@contextmanager
def counted_by(stopwatch: Stopwatch) -> Generator[None]:
    """Let ``activity`` count for this stopwatch inside the context."""
    token = _CURRENT.set(stopwatch)
    try:
        yield
    finally:
        _CURRENT.reset(token)


@contextmanager
def activity(name: str) -> Generator[None]:
    """Count the time of the context for an activity of the stopwatch of the worker, if any."""
    stopwatch = _CURRENT.get()
    if stopwatch is None:
        yield
    else:
        with stopwatch.doing(name):
            yield
