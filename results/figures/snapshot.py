"""A snapshot of a study, and its default view."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from ..analysis.columns import Columns
from ..analysis.enrichment import words
from ..analysis.front import is_count
from ..settings import StudySettings
from .view import View


@dataclass(frozen=True, kw_only=True, eq=False)
class Snapshot:
    """A study at the time of its last reading."""

    name: str
    """Name of the study."""
    settings: StudySettings
    """Settings of the study."""
    columns: Columns
    """Candidates of the study."""
    version: int
    """Number of changes so far."""


def metric_names(snapshot: Snapshot) -> list[str]:
    """Return the metrics of the candidates, the objectives first."""
    objectives = snapshot.settings.objectives
    return [*objectives, *(name for name in snapshot.columns.metrics if name not in objectives)]


def complete_view(view: View, snapshot: Snapshot) -> View:
    """Fill in the study's defaults, and replace values that the study does not have."""
    columns, objectives = snapshot.columns, snapshot.settings.objectives
    metrics = metric_names(snapshot)
    second = (*objectives[1:], metrics[-1])[0]
    x = view.x if view.x in metrics else second
    y = view.y if view.y in metrics else objectives[0]
    kinds = words(columns)
    known = {"", "number", "seconds", "status", *columns.metrics, *columns.decisions}
    return replace(
        view,
        x=x,
        y=y,
        scales=view.scales if view.scales is not None else usual_scales(x, y),
        colour=view.colour if view.colour in known else "",
        axes=tuple(each for each in view.axes if each in known - _NOT_AXES),
        size=view.size if view.size in known else "",
        by=view.by if view.by in known else "",
        metric=view.metric if view.metric in metrics else objectives[0],
        word=view.word if view.word in kinds else (*kinds, "mixer")[0],
    )


_NOT_AXES = {"", "number", "seconds", "status"}


def usual_scales(x: str, y: str) -> tuple[str, ...]:
    """Return the axes that are logarithmic by default: those of counts."""
    return tuple(axis for axis, name in (("x", x), ("y", y)) if is_count(name))


_REMEMBERED = 16


def once_a_version(make: Callable[..., Any]) -> Callable[..., Any]:
    """Return a decorator that caches a function's last result for each snapshot, its first
    argument.
    """
    made: dict[tuple[Any, ...], tuple[int, Any]] = {}
    lock = threading.Lock()  # for the table only: two threads may compute the same result

    def remembering(snapshot: Snapshot, *rest: Any) -> Any:
        key = (snapshot.name, *rest)
        with lock:
            version, value = made.get(key, (0, None))
        if version != snapshot.version:
            value = make(snapshot, *rest)
            with lock:
                made.pop(key, None)
                made[key] = (snapshot.version, value)
                if len(made) > _REMEMBERED:
                    made.pop(next(iter(made)))
        return value

    return remembering
