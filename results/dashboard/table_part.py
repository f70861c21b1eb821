"""The table of the kept candidates, one page at a time."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from markupsafe import Markup

from ..analysis.columns import STATUSES, Columns
from ..figures.filters import kept
from ..figures.markup import heads, joined, link, scrolled, tag
from ..figures.scatter_data import Rows
from ..figures.snapshot import Snapshot, metric_names
from ..figures.view import View
from ..numbers import format_measurement
from .source import Source

ROWS = 20
"""Rows per page."""


def ordered(columns: Columns, view: View) -> Rows:
    """Return the kept rows in the order of the table; rows without a value are last."""
    rows = np.flatnonzero(kept(view.filters, columns))
    name, falling = view.sort.removeprefix("-"), view.sort.startswith("-")
    values = columns.status_N.astype(float) if name == "status" else columns.numbers(name)
    if values is None:
        return rows
    keys = np.where(np.isnan(values[rows]), np.inf, -values[rows] if falling else values[rows])
    return rows[np.argsort(keys, kind="stable")]


def on_front(snapshot: Snapshot, view: View) -> set[int]:
    """Return the kept rows on the front of all objectives."""
    columns, objectives = snapshot.columns, snapshot.settings.objectives
    return set(columns.front(objectives, kept(view.filters, columns)).tolist())


def table(source: Source, snapshot: Snapshot, view: View) -> Markup:
    """Return the table with links to its other rows."""
    columns, metrics = snapshot.columns, metric_names(snapshot)
    rows = ordered(columns, view)
    start = min(view.start, max(0, len(rows) - 1)) // ROWS * ROWS
    some = rows[start : start + ROWS]
    best = on_front(snapshot, view)
    found = source.candidates(snapshot.name, columns.number_N[some].tolist())
    lines: list[Markup] = []
    for at in some.tolist():
        number, seconds = int(columns.number_N[at]), columns.seconds_N[at]
        candidate = found[number]
        status = STATUSES[columns.status_N[at]]
        cells = [
            tag("td", link(str(number), replace(view, candidate=number), key=f"row {number}")),
            tag("td", f"{status}, front" if at in best else status),
            *(tag("td", format_measurement(candidate.measurements.get(m))) for m in metrics),
            tag("td", "-" if np.isnan(seconds) else f"{seconds:.1f}"),
            tag("td", candidate.outline(), class_="wide"),
        ]
        marks = ["on-front"] * (at in best) + ["chosen"] * (number == view.candidate)
        lines.append(tag("tr", cells, class_=" ".join(marks) or None))
    header = [_heading(name, view) for name in ("number", "status", *metrics, "seconds")]
    label = "Candidates kept"
    return joined(
        (scrolled(label, [*header, heads("architecture")], lines), _pager(view, start, len(rows)))
    )


def _heading(name: str, view: View) -> Markup:
    here, falling = view.sort.removeprefix("-") == name, view.sort.startswith("-")
    order = ("descending" if falling else "ascending") if here else None
    mark = (" ▼" if falling else " ▲") if here else ""
    other = f"-{name}" if here and not falling else name
    target = link(name + mark, replace(view, sort=other, start=0), key=f"sort {name}")
    return tag("th", target, scope="col", aria_sort=order)


def _pager(view: View, start: int, count: int) -> Markup:
    parts: list[Markup] = []
    pages: Sequence[tuple[str, int]] = (("previous", start - ROWS), ("next", start + ROWS))
    for text, first in pages:
        if 0 <= first < count:
            parts.append(link(text, replace(view, start=first), key=text))
    shown = f"{start + 1 if count else 0} to {min(start + ROWS, count)} of {count:,}"
    return tag("nav", tag("span", shown), parts, class_="pager", aria_label="Rows of the table")
