"""Conversion of a worker process's events to outcomes of jobs."""

import pickle

from ...search_space.errors import WorkError
from .base import Outcome
from .process import Broken, Event, Failure, NotStarted

START_ATTEMPTS = 3
"""Consecutive failed starts of a worker process before the engine gives up."""


def outcome_of(number: int, event: Event) -> Outcome:
    """Return the outcome of candidate ``number``.

    Raises:
        Exception: The factory's own error, where the worker could not be made.
        WorkError: If the worker's process has ended before it was ready.
    """
    if isinstance(event, Broken):
        raise pickle.loads(event.error)
    if isinstance(event, NotStarted):
        raise WorkError(
            f"a worker must start before it is given work, but {START_ATTEMPTS} in a row ended "
            f"before they were ready; the last one: {event.detail}"
        )
    if isinstance(event, Failure):
        return Outcome(
            number=number,
            status="failed",
            reason=f"{event.kind}: {event.detail}",
            traceback=event.traceback,
            seconds={"total": event.seconds},
        )
    outcome: Outcome = pickle.loads(event.data)
    assert outcome.number == number, "a worker answers the job it was given"
    return outcome


def check_waiting(*, done: bool, under_way: bool) -> None:
    """Raise an error if a source has no job, is not done, and waits for no outcome.

    Args:
        done: Whether the source is done, read after it had no job.
        under_way: Whether a job is running.

    Raises:
        RuntimeError: If neither holds.
    """
    if not done and not under_way:
        raise RuntimeError("a source must have a job while it is not done and none is under way")
