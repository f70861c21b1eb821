"""A study as one HTML file that needs nothing else: no server, no network."""

import base64
import hashlib
import json
import math
import platform
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from html import escape
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from ..evaluators.base import metric
from .candidate import Candidate
from .front import best, comparable, is_count, pareto_front, superlative
from .plots import (
    axis_title,
    best_so_far,
    hypervolume_progress,
    learning_curve,
    learning_curves,
    parallel_coordinates,
)
from .provenance import told
from .report_networks import network_graphs, networks_section, spread
from .report_page import SCRIPT, STYLE
from .study import Study
from .table import format_measurement, format_value, metrics_of, write_atomically

_CURVES = 20
_SAMPLES = 20


def write_report(study: Study, path: Path) -> None:
    """Write the report of a study.

    The file holds its scripts, data and styles itself, and forbids the browser any request.

    Args:
        study: What is reported, as far as it has come.
        path: The HTML file; written whole or not at all.

    Raises:
        InputError: If the file cannot be written, or the storage not be read.
    """
    write_atomically(path, report_html(study))


def report_html(study: Study) -> str:
    """Return the report of a study as HTML."""
    candidates = study.candidates()
    objectives = study.settings.objectives
    front = pareto_front(candidates, objectives)
    rising = study.settings.directions[0] == "minimize"
    front.sort(key=lambda each: each.value(objectives[0]) or 0, reverse=not rising)
    figures = report_figures(candidates, objectives, front)
    sections = [
        ("summary", "Summary", _summary(candidates, objectives, front)),
        ("front", "Pareto front", _front(front, objectives)),
        ("pairs", "Any two metrics", _PAIRS if len(metrics_of(candidates)) > 1 else ""),
        ("progress", "Progress", _plots(figures, ("hypervolume", "best"))),
        ("curves", "Learning curves of the front", _plots(figures, ("curves",))),
        ("networks", "Networks of the front", networks_section(front)),
        ("decisions", "Decisions and metrics", _plots(figures, ("parallel",))),
        ("candidates", "All candidates", _ALL if candidates else ""),
        ("failures", "Not complete", _failures(candidates)),
        ("settings", "Settings", _settings(study)),
        ("provenance", "Provenance", _provenance(candidates)),
    ]
    data = {
        "objectives": objectives,
        "metrics": [_metric_data(name) for name in metrics_of(candidates)],
        "candidates": _columns(candidates, front),
        "figures": {name: figure.to_plotly_json() for name, (figure, _) in figures.items()},
        "graphs": network_graphs(front),
    }
    return _page(f"Study {study.name}", sections, data)


# The page ---------------------------------------------------------------------------------


def _page(title: str, sections: Sequence[tuple[str, str, str]], data: Mapping[str, Any]) -> str:
    scripts = [get_plotlyjs().replace("</script", r"<\/script"), SCRIPT]
    policy = (
        "default-src 'none'; base-uri 'none'; form-action 'none'; "
        "img-src data: blob:; style-src 'unsafe-inline'; "
        # Plotly compiles its WebGL code, hence unsafe-eval; nothing else may run.
        f"script-src 'unsafe-eval' {' '.join(_hash(script) for script in scripts)}"
    )
    filled = [each for each in sections if each[2]]
    links = "".join(f'<a href="#{name}">{heading}</a>' for name, heading, _ in filled)
    body = "".join(
        f'<section id="{name}" aria-labelledby="{name}-h"><h2 id="{name}-h">{heading}</h2>'
        f"{content}</section>\n"
        for name, heading, content in filled
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f'<header><h1>{escape(title)}</h1><nav aria-label="Sections">{links}</nav></header>\n'
        f"<main>{body}</main>\n"
        f'<script type="application/json" id="data">{_embedded(data)}</script>\n'
        + "".join(f"<script>{script}</script>\n" for script in scripts)
        + "</body>\n</html>\n"
    )


def _hash(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def _embedded(data: object) -> str:
    """Return JSON that cannot end the script element it stands in."""
    text = json.dumps(_finite(data), allow_nan=False, separators=(",", ":"))
    return text.replace("<", r"\u003c").replace(">", r"\u003e").replace("&", r"\u0026")


def _finite(data: object) -> object:
    """Return plain JSON values, with null for numbers that are none."""
    if isinstance(data, Mapping):
        return {str(k): _finite(v) for k, v in cast(Mapping[object, object], data).items()}
    if isinstance(data, list | tuple):
        return [_finite(each) for each in cast(Sequence[object], data)]
    if isinstance(data, float):
        return data if math.isfinite(data) else None
    return data


def _table(header: Sequence[str], rows: Sequence[Sequence[str]], label: str) -> str:
    """Return a table of cells that are HTML already; the header names their class too."""
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


# Its data ---------------------------------------------------------------------------------


def _metric_data(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "title": axis_title(name),
        "unit": metric(name).unit,
        "less": metric(name).direction == "minimize",
        "count": is_count(name),
        "share": format_value(name, 0).endswith("%"),
    }


def _columns(candidates: Sequence[Candidate], front: Sequence[Candidate]) -> dict[str, Any]:
    on_front = {each.number for each in front}
    ends = {
        end: {
            name: [getattr(each.measurements.get(name), end, None) for each in candidates]
            for name in metrics_of(candidates)
        }
        for end in ("value", "low", "high")
    }
    return {
        "number": [each.number for each in candidates],
        "status": [each.status for each in candidates],
        "digest": [each.digest[:12] for each in candidates],
        "architecture": [each.architecture.summary() for each in candidates],
        "seconds": [each.seconds.get("total") for each in candidates],
        "front": [each.number in on_front for each in candidates],
        **ends,
    }


def report_figures(
    candidates: Sequence[Candidate], objectives: Sequence[str], front: Sequence[Candidate]
) -> dict[str, tuple[go.Figure, str]]:
    """Return the figures that have something to show, each with its description in words."""
    shown = comparable(candidates, objectives)
    if not shown:
        return {}
    first = objectives[0]
    metrics = [*objectives, *(m for m in metrics_of(shown) if m not in objectives)]
    figures = {
        "hypervolume": (
            hypervolume_progress(shown, objectives),
            "Share of the objective space that the front dominates, over the candidates: 1 would "
            "be the best value of every objective at once (counts by their logarithm)",
        ),
        "best": (best_so_far(shown, first), f"{first} of each candidate, and the best so far"),
    }
    trained = [each for each in front if learning_curve(each)]
    if trained:
        note = "Validation accuracy over epochs, by candidate"
        shown_curves = spread(trained, _CURVES)
        if len(shown_curves) < len(trained):
            note += f"; {len(shown_curves)} of {len(trained)} on the front"
        figures["curves"] = (learning_curves(shown_curves), note)
    if len(shown) > 1:
        figures["parallel"] = (
            parallel_coordinates(shown, metrics),
            f"Each line is a candidate, from blue for the least {first} to orange for the most; "
            f"the axes are the decisions that tell most about {first}, then the metrics. Drag "
            "along an axis to pick candidates",
        )
    return figures


def _plots(figures: Mapping[str, tuple[go.Figure, str]], names: Sequence[str]) -> str:
    return "".join(
        f'<figure><div class="scroll"><div id="plot-{name}" class="plot" role="img" '
        f'aria-label="{escape(figures[name][1])}"></div></div>'
        f"<figcaption>{escape(figures[name][1])}.</figcaption></figure>"
        for name in names
        if name in figures
    )


# Its sections -----------------------------------------------------------------------------

_PAIRS = """
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

_ALL = """
<div class="scroll" role="region" tabindex="0" aria-label="All candidates">
<table id="all"><thead></thead><tbody></tbody></table></div>
<p><button type="button" id="more"></button></p>
"""


def _lines(lines: Sequence[str]) -> str:
    return "".join(f"<div>{escape(line)}</div>" for line in lines)


def _interval_apart(candidate: Candidate, name: str) -> list[str]:
    value, bracket, interval = format_measurement(candidate.measurements.get(name)).partition(" [")
    return [value, bracket.strip() + interval] if bracket else [value]


def _summary(
    candidates: Sequence[Candidate], objectives: Sequence[str], front: Sequence[Candidate]
) -> str:
    counts = Counter(each.status for each in candidates)
    facts = [("candidates", str(len(candidates)))]
    facts += [(status, str(counts[status])) for status in ("complete", "infeasible", "failed")]
    if counts["running"]:
        facts.append(("running", str(counts["running"])))
    facts.append(("on the front", str(len(front))))
    for name in objectives:
        if front:
            found = best(front, name)
            label = f"{superlative(name)} {name}, candidate {found.number}"
            facts.append((label, format_value(name, found.value(name))))
    seconds = sum(each.seconds.get("total", 0.0) for each in candidates)
    facts.append(("measuring in all", _duration(seconds)))
    cells = "".join(f"<div><dt>{escape(k)}</dt><dd>{escape(v)}</dd></div>" for k, v in facts)
    return f'<dl class="facts">{cells}</dl>'


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def _front(front: Sequence[Candidate], objectives: Sequence[str]) -> str:
    if not front:
        return "<p>No candidate is complete yet.</p>"
    metrics = [*objectives, *(name for name in metrics_of(front) if name not in objectives)]
    rows = [
        [
            str(each.number),
            *(_lines(_interval_apart(each, name)) for name in metrics),
            _lines(each.architecture.summary().split(" | ")),
            f"<code>{each.digest[:12]}</code>",
        ]
        for each in front
    ]
    header = ["candidate", *metrics, "architecture", "digest"]
    note = (
        f"<p>No other complete candidate is better in {escape(' and '.join(objectives))} at once. "
        "Intervals are 95 %.</p>"
    )
    return note + _table(header, rows, "Pareto front")


def _failures(candidates: Sequence[Candidate]) -> str:
    """Return the candidates that failed or are infeasible, those with one reason together."""
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


def _flatten(data: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    for key, value in data.items():
        if isinstance(value, Mapping):
            yield from _flatten(cast(Mapping[str, Any], value), f"{prefix}{key}.")
        else:
            yield prefix + key, value


def _shown(value: object) -> str:
    if isinstance(value, list | tuple):
        return escape(", ".join(str(each) for each in cast(Sequence[object], value))) or "none"
    return escape(str(value))


def _settings(study: Study) -> str:
    settings = study.settings.to_json()
    space = json.dumps(settings.pop("space"), indent=2, ensure_ascii=False)
    made = f"{datetime.now().astimezone():%Y-%m-%d %H:%M %Z}"
    rows = [[escape(key), _shown(value)] for key, value in _flatten(settings)]
    rows.append(["storage", escape(study.url)])
    rows.append(["report made", escape(f"{made}, nas-explorer {version('nas-explorer')}")])
    rows.append(["on", escape(f"Python {platform.python_version()}, {platform.platform()}")])
    return (
        _table(["setting", "value"], rows, "Settings")
        + f"<details><summary>search space</summary><pre>{escape(space)}</pre></details>"
    )


def _provenance(candidates: Sequence[Candidate]) -> str:
    """Return how each metric was had, with the values that all candidates share."""
    rows: list[list[str]] = []
    for name in metrics_of(candidates):
        found: dict[str, set[str]] = {}
        for each in candidates:
            if name in each.measurements:
                for key, text in told(each.measurements[name]).items():
                    found.setdefault(key, set()).add(text)
        for key, values in found.items():
            text = next(iter(values)) if len(values) == 1 else f"{len(values)} different"
            rows.append([escape(name), escape(key), escape(text)])
    return _table(["metric", "what", "value"], rows, "Provenance") if rows else ""
