"""The report's text sections: summary, front, failures, settings, provenance."""

import json
import platform
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from html import escape
from importlib.metadata import version

from ...search_space.json_fields import flattened, is_list
from ..analysis.baselines import beside_front
from ..analysis.conditions import notes
from ..analysis.front import best, superlative
from ..analysis.means import mean_notes
from ..analysis.provenance import described
from ..analysis.table import metrics_of
from ..candidate import Candidate
from ..numbers import format_measurement, format_value
from ..settings import first_text
from ..study.run_time import RunTime, duration, time_text
from ..study.study import Study

_SAMPLES = 20

PAIRS = """
<div class="controls">
<label>x axis <select id="x"></select></label>
<label><input type="checkbox" id="x-log"> logarithmic</label>
<label>y axis <select id="y"></select></label>
<label><input type="checkbox" id="y-log"> logarithmic</label>
</div>
<figure><div id="plot-pairs" class="plot tall" role="img"
aria-label="Scatter of the two metrics chosen, with their Pareto front"></div>
<figcaption id="pairs-note" role="status"></figcaption></figure>
"""

ALL = """
<div class="scroll" role="region" tabindex="0" aria-label="All candidates">
<table id="all"><thead></thead><tbody></tbody></table></div>
<p><button type="button" id="more"></button></p>
"""


def _lines(lines: Sequence[str]) -> str:
    return "".join(f"<div>{escape(line)}</div>" for line in lines)


def _interval_apart(candidate: Candidate, name: str) -> list[str]:
    value, bracket, interval = format_measurement(candidate.measurements.get(name)).partition(" [")
    return [value, bracket.strip() + interval] if bracket else [value]


def summary_section(
    candidates: Sequence[Candidate],
    objectives: Sequence[str],
    front: Sequence[Candidate],
    time: RunTime | None = None,
) -> str:
    """Return the summary: the progress of the study, the best value of each objective, the time."""
    counts = Counter(each.status for each in candidates)
    facts = [("candidates", str(len(candidates)))]
    facts += [(status, str(counts[status])) for status in ("complete", "infeasible", "failed")]
    others = ("stopped", "running", "baseline")
    facts += [(name, str(counts[name])) for name in others if counts[name]]
    facts.append(("on the front", str(len(front))))
    for name in objectives:
        if front:
            found = best(front, name)
            label = f"{superlative(name)} {name}, candidate {found.number}"
            facts.append((label, format_value(name, found.value(name))))
    seconds = sum(each.seconds.get("total", 0.0) for each in candidates)
    facts.append(("measuring in all", duration(seconds)))
    if epochs := sum(each.epochs for each in candidates):
        facts.append(("epochs of training", f"{epochs:,}"))
    if time is not None:
        facts.append(("time of the search", duration(time.wall)))
    cells = "".join(f"<div><dt>{escape(k)}</dt><dd>{escape(v)}</dd></div>" for k, v in facts)
    return f'<dl class="facts">{cells}</dl>{_time_lines(time)}'


def _time_lines(time: RunTime | None) -> str:
    """Return where the time of the study went, as two lines."""
    if time is None:
        return ""
    return (
        f"<p>Time of the workers: {escape(time_text(time.workers)) or 'none'}.<br>"
        f"Time of the searching process: {escape(time_text(time.search))}.</p>"
    )


def has_pairs(candidates: Sequence[Candidate]) -> bool:
    """Return whether some complete candidate has two metrics for a scatter plot."""
    return any(each.status == "complete" and len(each.measurements) > 1 for each in candidates)


def front_section(
    candidates: Sequence[Candidate], objectives: Sequence[str], front: Sequence[Candidate]
) -> str:
    """Return the front as a table, or the reason why it is empty."""
    if not front:
        if any(each.status == "complete" for each in candidates):
            return f"<p>No complete candidate has a number for {' and '.join(objectives)}.</p>"
        return "<p>No candidate is complete yet.</p>"
    metrics = [*objectives, *(name for name in metrics_of(front) if name not in objectives)]
    rows = [
        [
            str(each.number),
            *(_lines(_interval_apart(each, name)) for name in metrics),
            _lines(each.summary().split(" | ")),
            f"<code>{each.digest[:12]}</code>",
        ]
        for each in front
    ]
    header = ["candidate", *metrics, "architecture", "digest"]
    note = (
        f"<p>No other complete candidate is better in {escape(' and '.join(objectives))} at once. "
        "Intervals are 95 %.</p>"
    )
    lines = (*notes(candidates, metrics), *mean_notes(front, metrics))
    note += "".join(f"<p>Note: {escape(line)}.</p>" for line in lines)
    shown = [name for name in metrics if name in (*objectives, "params", "macs", "latency")]
    beside = _baselines(candidates, front, objectives, shown)
    return note + _table(header, rows, "Pareto front") + beside


def _baselines(
    candidates: Sequence[Candidate],
    front: Sequence[Candidate],
    objectives: Sequence[str],
    metrics: Sequence[str],
) -> str:
    """Return the table of the baselines; empty where there are none."""
    found = beside_front(candidates, front, objectives)
    if not found:
        return ""
    rows = [
        [
            escape(each.name),
            str(each.candidate.number),
            *(_lines(_interval_apart(each.candidate, name)) for name in metrics),
            escape(each.text),
            _lines(each.candidate.summary().split(" | ")),
        ]
        for each in found
    ]
    header = ["baseline", "candidate", *metrics, "to the front", "architecture"]
    note = (
        "<h3>Baselines</h3><p>Well-known networks scaled to the budget, trained on the same data "
        "by the same recipe. They are no candidates of the front.</p>"
    )
    return note + _table(header, rows, "Baselines")


def failures_section(candidates: Sequence[Candidate]) -> str:
    """Return the failed and infeasible candidates, grouped by reason."""
    groups: dict[tuple[str, str], list[Candidate]] = {}
    for each in candidates:
        if each.status in ("failed", "infeasible"):
            groups.setdefault((each.status, each.reason or "no reason given"), []).append(each)
    rows: list[list[str]] = []
    for (status, reason), group in sorted(groups.items(), key=lambda item: -len(item[1])):
        numbers = ", ".join(str(each.number) for each in group[:_SAMPLES])
        more = ", ..." if len(group) > _SAMPLES else ""
        trace = next((each.traceback for each in group if each.traceback), None)
        detail = (
            f"<details><summary>traceback</summary><pre>{escape(trace)}</pre></details>"
            if trace
            else ""
        )
        rows.append([status, str(len(group)), escape(reason) + detail, numbers + more])
    if not rows:
        return ""
    return _table(["status", "how many", "reason", "candidates"], rows, "Not complete")


def _shown(value: object) -> str:
    if is_list(value):
        return escape(", ".join(map(str, value))) or "none"
    return escape(str(value))


def settings_section(study: Study) -> str:
    """Return the settings of the study."""
    settings = study.settings.to_json()
    space = json.dumps(settings.pop("space"), indent=2, ensure_ascii=False)
    settings["first"] = [first_text(each) for each in settings["first"]]
    made = f"{datetime.now().astimezone():%Y-%m-%d %H:%M %Z}"
    rows = [[escape(key), _shown(value)] for key, value in flattened(settings)]
    rows.append(["storage", escape(study.url)])
    rows.append(["report made", escape(f"{made}, nas-explorer {version('nas-explorer')}")])
    rows.append(["on", escape(f"Python {platform.python_version()}, {platform.platform()}")])
    return (
        _table(["setting", "value"], rows, "Settings")
        + f"<details><summary>search space</summary><pre>{escape(space)}</pre></details>"
    )


def provenance_section(candidates: Sequence[Candidate]) -> str:
    """Return the provenance of each metric, with the values that all candidates share."""
    rows: list[list[str]] = []
    for name in metrics_of(candidates):
        found: dict[str, set[str]] = {}
        for each in candidates:
            if name in each.measurements:
                for key, text in described(each.measurements[name]).items():
                    found.setdefault(key, set()).add(text)
        for key, values in found.items():
            text = next(iter(values)) if len(values) == 1 else f"{len(values)} different"
            rows.append([escape(name), escape(key), escape(text)])
    return _table(["metric", "what", "value"], rows, "Provenance") if rows else ""


def _table(header: Sequence[str], rows: Sequence[Sequence[str]], label: str) -> str:
    """Return a table of cells given as HTML; the header also names their CSS class."""
    head = "".join(f'<th scope="col">{cell}</th>' for cell in header)
    lines = [
        "".join(f'<td class="{name}">{cell}</td>' for name, cell in zip(header, row, strict=True))
        for row in rows
    ]
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(label)}">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )
