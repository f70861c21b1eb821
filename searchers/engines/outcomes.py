"""From what a worker process reports to what the search loop takes."""

import pickle

from ..engine import Outcome
from .process import Broken, Event, Failure


def outcome_of(number: int, event: Event) -> Outcome:
    """Return the outcome of candidate ``number``.

    Raises:
        Exception: The factory's own error, where the worker could not be made.
    """
    if isinstance(event, Broken):
        raise pickle.loads(event.error)
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


def check_waiting(*, under_way: bool) -> None:
    """Refuse a source that has no job now, is not done, and waits for no outcome.

    Raises:
        RuntimeError: If no job is under way.
    """
    if not under_way:
        raise RuntimeError("a source must have a job while it is not done and none is under way")
