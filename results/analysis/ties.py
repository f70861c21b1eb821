"""Ties of a front: candidates with worse values that the intervals do not distinguish."""

from collections.abc import Sequence

from ..candidate import Candidate
from .front import dominators

_NAMED = 3
"""Maximum number of candidates that a note names beside a tied one."""


def tied_with(front: Sequence[Candidate], metrics: Sequence[str]) -> dict[int, list[int]]:
    """Return the ties of a front: for each tied candidate, those that are better in its values.

    A tied candidate is nowhere better than another candidate of the front by its values, but the
    intervals do not distinguish the two.

    Args:
        front: The candidates of a front.
        metrics: Names of the metrics of the front.

    Returns:
        Numbers of the better candidates by the number of the tied one.
    """
    found: dict[int, list[int]] = {}
    for each in front:
        better = dominators(each, front, metrics, ties=False)
        if better:
            found[each.number] = [other.number for other in better]
    return found


def tie_notes(front: Sequence[Candidate], metrics: Sequence[str]) -> list[str]:
    """Return a note on the ties of a front, if it has any."""
    tied = tied_with(front, metrics)
    if not tied:
        return []
    pairs = "; ".join(
        f"{number} with {', '.join(map(str, better[:_NAMED]))}" for number, better in tied.items()
    )
    return [
        f"ties stay on the front: the 95 % intervals do not distinguish candidate {pairs}, which "
        "has better values"
    ]
