"""The pane of the candidate that was chosen."""

from dataclasses import replace

from markupsafe import Markup

from ..candidate import Candidate
from ..plots import short_path
from ..table import format_measurement
from .markup import facts, joined, link, row, tag
from .scene import dominating
from .source import Snapshot, Source
from .view import View

_NAMED = 12


def detail(source: Source, snapshot: Snapshot, view: View) -> Markup:
    """Return what there is to say of the candidate that was chosen."""
    found = {} if view.candidate is None else source.candidates(snapshot.name, [view.candidate])
    if not found:
        hint = "Click a point, or a number in the table."
        return tag("h2", "Candidate") + tag("p", hint, class_="note")
    (candidate,) = found.values()
    return joined(
        (
            tag("h2", f"Candidate {candidate.number}"),
            tag("p", candidate.status, " ", tag("code", candidate.digest[:12])),
            tag("p", candidate.reason, class_="fault") if candidate.reason else "",
            measured(candidate),
            dominated_by(snapshot, view, candidate),
            tag("p", link("All about it", replace(view, page="candidate"), key="all")),
            tag("p", candidate.architecture.outline()),
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


def dominated_by(snapshot: Snapshot, view: View, candidate: Candidate) -> Markup:
    """Return which candidates dominate one, over all objectives."""
    columns, objectives = snapshot.columns, snapshot.settings.objectives
    at, names = columns.row(candidate.number), " and ".join(objectives)
    if at is None or not columns.comparable(objectives)[at]:
        return tag("p", f"Not compared: it is not complete with {names}.")
    better = columns.number_N[dominating(columns, at, objectives)].tolist()
    if not better:
        return tag("p", f"On the front of {names}.")
    links = (link(str(number), replace(view, candidate=number)) for number in better[:_NAMED])
    more = ", ..." if len(better) > _NAMED else ""
    return tag("p", f"Dominated in {names} by {len(better):,}: ", Markup(", ").join(links), more)
