"""The ledger of where the time of a study went."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

KEY = "nas:time:"
"""First part of the keys of the notes of a study's runs."""


@dataclass(frozen=True, kw_only=True)
class RunTime:
    """Where the wall time of one run of a search went, or that of several runs.

    The activities of the searching process sum to its wall time, and those of the workers to
    theirs; ``idle`` is the rest, when a process only waits. A run that was killed is recorded up to
    the last candidate that it stored.
    """

    since: float
    """When the run began, in seconds since 1970."""
    wall: float
    """Wall time of the searching process, s."""
    search: Mapping[str, float]
    """Wall time of the searching process by activity, s: ``starting``, ``searching`` (the
    searcher), ``costing``, ``storing``, ``showing``, ``idle``."""
    workers_wall: float = 0.0
    """Wall time of all workers together, s: the sum of the times that each existed."""
    workers: Mapping[str, float] = field(default_factory=dict[str, float])
    """Wall time of the workers by activity, summed, s: ``starting``, ``building``, the evaluators'
    names, ``scoring`` or ``training``, ``other``, ``unfinished`` (candidates without an outcome),
    ``idle``."""
    runs: int = 1
    """Number of runs."""

    def to_json(self) -> dict[str, Any]:
        """Return the times as JSON values, which ``from_json`` reads."""
        return {
            "since": self.since,
            "wall": self.wall,
            "search": dict(self.search),
            "workers_wall": self.workers_wall,
            "workers": dict(self.workers),
            "runs": self.runs,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "RunTime":
        """Read the JSON values of ``to_json``.

        Raises:
            LookupError: If a value is missing.
        """
        return cls(**{each.name: data[each.name] for each in fields(cls)})


def in_all(runs: Iterable[RunTime]) -> RunTime | None:
    """Return the times of several runs as one; None without a run."""
    found = list(runs)
    if not found:
        return None
    return RunTime(
        since=min(each.since for each in found),
        wall=sum(each.wall for each in found),
        search=summed(each.search for each in found),
        workers_wall=sum(each.workers_wall for each in found),
        workers=summed(each.workers for each in found),
        runs=sum(each.runs for each in found),
    )


def summed(parts: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Return the sum of times by activity."""
    total: dict[str, float] = {}
    for part in parts:
        for name, seconds in part.items():
            total[name] = total.get(name, 0.0) + seconds
    return total


def time_text(seconds: Mapping[str, float]) -> str:
    """Return times by activity as text, the longest first, ``idle`` last."""
    kept = {name: spent for name, spent in seconds.items() if name != "total" and spent >= 0.005}
    order = sorted(kept, key=lambda name: (name == "idle", -kept[name]))
    return ", ".join(f"{name} {duration(kept[name])}" for name in order)


def duration(seconds: float) -> str:
    """Return a time as text: ``0.21 s``, ``14.2 s``, ``3 min 5 s``, ``2 h 10 min``."""
    if seconds < 60:
        return f"{seconds:.2g} s" if seconds < 1 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
