"""The cards at the top of the page: progress, best value of each objective, running candidates."""

from dataclasses import replace

import numpy as np
from markupsafe import Markup

from ...evaluators.base import metric
from ..analysis.columns import Columns
from ..analysis.front import Mask, superlative
from ..figures.filters import kept
from ..figures.markup import Content, joined, link, tag
from ..figures.snapshot import Snapshot
from ..figures.view import View
from ..numbers import format_value
from .source import Source

_NAMED = 5
"""Maximum number of running candidates that are named."""
_REASON = 200  # shown characters of a failure's reason


def cards(source: Source, snapshot: Snapshot, view: View) -> Markup:
    """Return the cards of the kept candidates, or the state of a study without complete ones."""
    columns, mask = snapshot.columns, kept(view.filters, snapshot.columns)
    complete = columns.has_status("complete")
    found: list[tuple[str, Content]] = [
        ("complete", f"{int((mask & complete).sum()):,} of {len(columns):,}")
    ]
    found += [
        (name, f"{count:,}")
        for name in ("running", "stopped", "failed", "infeasible")
        if (count := int((mask & columns.has_status(name)).sum()))
    ]
    found += _bests(snapshot, view, mask)
    if seconds := float(np.nansum(columns.seconds_N[mask])):
        found.append(("measuring time", duration(seconds)))
    cells = (tag("div", tag("dt", name), tag("dd", value)) for name, value in found)
    text = tag("dl", cells, class_="facts cards")
    return text if complete.any() else text + _begun(source, snapshot, view)


def _bests(snapshot: Snapshot, view: View, mask: Mask) -> list[tuple[str, Content]]:
    """Return the size of the front, and the best candidate of each objective."""
    columns, objectives = snapshot.columns, snapshot.settings.objectives
    found: list[tuple[str, Content]] = []
    if count := len(columns.front(objectives, mask)):
        found.append(("on the front", f"{count:,}"))
    for name in objectives:
        rows = np.flatnonzero(mask & columns.comparable((name,)))
        if len(rows):
            best = int(rows[np.argmin(columns.losses((name,))[rows, 0])])
            number = int(columns.number_N[best])
            value = format_value(name, float(columns.value(name)[best]))
            to = link(f"candidate {number}", replace(view, candidate=number), key=f"best {name}")
            found.append((f"{superlative(name)} {name}", (value, " ", tag("small", to))))
    return found


def _begun(source: Source, snapshot: Snapshot, view: View) -> Markup:
    """Return the state of a study without complete candidates."""
    columns, settings = snapshot.columns, snapshot.settings
    data = settings.data.get("name", "its data")
    first = (
        f"No candidate is complete yet. {settings.searcher} searches the space "
        f"{settings.space_name} for {', '.join(map(_wish, settings.objectives))} on {data}."
    )
    if not len(columns):
        end = "No candidate has been proposed yet. New results will appear here."
        return tag("p", f"{first} {end}", class_="begun")
    lines = [tag("p", first, class_="begun")]
    running = _numbers(columns, columns.has_status("running"))
    failed = _numbers(columns, columns.has_status("failed", "infeasible", "stopped"))
    shown = source.candidates(snapshot.name, [*running[:_NAMED], *failed[-1:]])
    if running:
        rows = [
            tag(
                "li",
                link(f"candidate {number}", replace(view, candidate=number), key=f"run {number}"),
                f": {shown[number].outline()}",
            )
            for number in running[:_NAMED]
            if number in shown
        ]
        more = f", of which {_NAMED} are" if len(running) > _NAMED else ""
        text = f"Running, or interrupted while it ran: {len(running):,}{more}"
        lines.append(tag("p", f"{text}:", class_="begun") + tag("ul", rows))
    if failed and failed[-1] in shown:
        reason = shown[failed[-1]].reason or "no reason is given"
        lines.append(tag("p", f"The last that ended: {reason[:_REASON]}", class_="fault"))
    return joined(lines)


def _wish(name: str) -> str:
    return f"{'less' if metric(name).direction == 'minimize' else 'more'} {name}"


def _numbers(columns: Columns, mask: Mask) -> list[int]:
    return columns.number_N[mask].tolist()


def duration(seconds: float) -> str:
    """Return a duration as text."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:,} h {minutes} min" if hours else f"{minutes} min {rest} s"
