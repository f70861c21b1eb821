"""The pane of the chosen candidate."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from markupsafe import Markup

from ...evaluators.metrics import MAIN_METRICS
from ..candidate import Candidate
from ..figures.filters import kept
from ..figures.markup import facts, joined, link, row, tag
from ..figures.plots import short_path
from ..figures.scatter_data import Rows, dominator_rows
from ..figures.snapshot import Snapshot, metric_names
from ..figures.view import View
from ..numbers import format_measurement
from .source import Source

_NAMED = 12
_REASON = 200  # shown characters of a failure's reason
_ALWAYS = (*(each.name for each in MAIN_METRICS.values()), "latency")


def detail(source: Source, snapshot: Snapshot, view: View) -> Markup:
    """Return the description of the chosen candidate."""
    found = {} if view.candidate is None else source.candidates(snapshot.name, [view.candidate])
    if not found:
        hint = "Click a point, or a number in the table."
        if view.candidate is not None:
            hint = f"There is no candidate {view.candidate} in {snapshot.name}. {hint}"
        return tag("h2", "Candidate") + tag("p", hint, class_="note")
    (candidate,) = found.values()
    return joined(
        (
            tag("h2", f"Candidate {candidate.number}"),
            tag("p", candidate.status, " ", tag("code", candidate.digest[:12])),
            tag("p", candidate.reason, class_="fault") if candidate.reason else "",
            measured(candidate),
            dominated_by(snapshot, view),
            tag("p", link("All about it", replace(view, page="candidate"), key="all")),
            tag("p", candidate.outline()),
            tag("details", tag("summary", "decisions"), decisions(candidate)),
        )
    )


def measured(candidate: Candidate) -> Markup:
    """Return the measurements with their intervals."""
    return facts({n: format_measurement(m) for n, m in candidate.measurements.items()})


def decisions(candidate: Candidate) -> Markup:
    """Return the decisions as a table."""
    rows = (row(str(value), head=short_path(path)) for path, value in candidate.decisions.items())
    return tag("table", tag("tbody", rows))


def in_words(names: Sequence[str]) -> str:
    """Return names as a phrase: ``accuracy, macs and latency``."""
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def better_rows(snapshot: Snapshot, view: View) -> Rows:
    """Return the rows of the kept candidates that dominate the chosen one."""
    columns = snapshot.columns
    at = None if view.candidate is None else columns.row(view.candidate)
    if at is None:
        return np.empty(0, np.intp)
    return dominator_rows(columns, at, snapshot.settings.objectives, kept(view.filters, columns))


def standing(snapshot: Snapshot, view: View) -> str:
    """Return a sentence on the chosen candidate's relation to the front of kept candidates."""
    columns, objectives = snapshot.columns, snapshot.settings.objectives
    at = None if view.candidate is None else columns.row(view.candidate)
    names = in_words(objectives)
    if at is None or not columns.comparable(objectives)[at]:
        return f"Not compared: it is not complete with {names}"
    better = len(better_rows(snapshot, view))
    out = "" if kept(view.filters, columns)[at] else "Filtered out. "
    among = " of those kept" if view.filters else ""
    if better:
        return f"{out}Dominated in {names} by {better:,}{among}"
    return f"{out}None{among} dominates it in {names}" if out else f"On the front of {names}"


def dominated_by(snapshot: Snapshot, view: View) -> Markup:
    """Return the list of the kept candidates that dominate the chosen one."""
    better = snapshot.columns.number_N[better_rows(snapshot, view)].tolist()
    text = standing(snapshot, view)
    if not better:
        return tag("p", f"{text}.")
    links = (link(str(number), replace(view, candidate=number)) for number in better[:_NAMED])
    more = ", ..." if len(better) > _NAMED else ""
    return tag("p", f"{text}: ", Markup(", ").join(links), more)


def tip(source: Source, snapshot: Snapshot, view: View) -> Markup:
    """Return the tooltip of a candidate's point."""
    found = {} if view.candidate is None else source.candidates(snapshot.name, [view.candidate])
    if not found:
        return tag("p", "There is no such candidate.")
    (candidate,) = found.values()
    names = metric_names(snapshot)
    wanted = [n for n in names if n in (*snapshot.settings.objectives, view.x, view.y, *_ALWAYS)]
    rows = (
        row(format_measurement(candidate.measurements[name]), head=name)
        for name in wanted
        if name in candidate.measurements
    )
    status = "" if candidate.status == "complete" else f", {candidate.status}"
    return joined(
        (
            tag("b", f"Candidate {candidate.number}{status}"),
            tag("table", tag("tbody", rows)),
            tag("p", f"{standing(snapshot, view)}."),
            tag("p", candidate.reason[:_REASON], class_="fault") if candidate.reason else "",
            tag("p", candidate.outline()),
        )
    )
