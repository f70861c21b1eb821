"""The report of a study: one self-contained HTML file without a server."""

import base64
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from ...evaluators.base import metric
from ...search_space.json_fields import is_list, is_mapping
from ..analysis.conditions import by_conditions, conditions_of, varies
from ..analysis.fragility import fragility
from ..analysis.front import comparable, is_count, pareto_front
from ..analysis.main_metric import main_metric
from ..analysis.rankings import rankings, wanted
from ..analysis.table import metrics_of, write_atomically
from ..candidate import Candidate
from ..figures.axis_format import axis_title
from ..figures.fragility import fragility_text
from ..figures.plots import (
    best_so_far,
    hypervolume_progress,
    learning_curve,
    learning_curves,
    parallel_coordinates,
)
from ..figures.rankings import rankings_text
from ..figures.snapshot import Snapshot
from ..study.run_time import RunTime, in_all
from ..study.study import Study
from .choice import Choices, choices_json, figure_json, place
from .compare_section import compare_choices, compare_figures, compare_section, snapshots
from .efficiency_section import efficiency_figures
from .importance_section import importance_choices, importance_section
from .networks_section import network_choices, networks_section, spread
from .page import SCRIPT, STYLE
from .scaling_section import scaling_figures
from .text_sections import (
    ALL,
    PAIRS,
    failures_section,
    front_section,
    has_pairs,
    provenance_section,
    settings_section,
    summary_section,
)

_CURVES = 20


@dataclass(frozen=True, kw_only=True, eq=False)
class Report:
    """The content of a report."""

    study: Study
    """The study."""
    candidates: Sequence[Candidate]
    """All candidates of the study."""
    front: Sequence[Candidate]
    """The candidates on the front, the best of the first objective first."""
    studies: Sequence[Snapshot]
    """The study as columns, followed by the studies to compare with."""
    figures: Mapping[str, tuple[go.Figure, str]]
    """Figures by the name of their container, with their descriptions."""
    matters: Choices
    """Importances of the decisions."""
    networks: Choices
    """Networks of the front."""
    compared: Choices
    """Comparisons with other studies."""
    time: RunTime | None = None
    """Where the time of the study went; None in studies of earlier versions."""

    @property
    def choices(self) -> Choices:
        """All menus."""
        return {**self.networks, **self.matters, **self.compared}


def make_report(study: Study, compare: Sequence[Study] = ()) -> Report:
    """Return the content of a report.

    Args:
        study: The study, in its present state.
        compare: Studies to compare with.

    Raises:
        InputError: If the storage cannot be read, or a study is compared with itself.
    """
    studies = snapshots(study, compare)
    candidates = study.candidates()
    objectives = study.settings.objectives
    front = pareto_front(candidates, objectives)
    rising = study.settings.directions[0] == "minimize"
    front.sort(key=lambda each: each.value(objectives[0]) or 0, reverse=not rising)
    return Report(
        study=study,
        candidates=candidates,
        front=front,
        studies=studies,
        figures={**report_figures(candidates, objectives, front), **compare_figures(studies)},
        matters=importance_choices(studies[0]),
        networks=network_choices(front),
        compared=compare_choices(studies),
        time=in_all(study.times()),
    )


def write_report(report: Report, path: Path) -> None:
    """Write a report.

    The file contains its scripts, data and styles, and forbids the browser any request.

    Args:
        report: The report, from ``make_report``.
        path: The HTML file, written atomically.

    Raises:
        InputError: If the file cannot be written.
    """
    write_atomically(path, report_html(report))


def report_html(report: Report) -> str:
    """Return a report as HTML."""
    study, candidates, front = report.study, report.candidates, report.front
    objectives, figures = study.settings.objectives, report.figures
    compared = compare_section(report.studies, report.compared)
    compared += _plots(figures, ("growth", "growth-time", "fronts"))
    sections = [
        ("summary", "Summary", summary_section(candidates, objectives, front, report.time)),
        ("front", "Pareto front", front_section(candidates, objectives, front)),
        ("pairs", "Any two metrics", PAIRS if has_pairs(candidates) else ""),
        ("progress", "Progress", _plots(figures, ("hypervolume", "best"))),
        ("curves", "Learning curves of the front", _plots(figures, ("curves",))),
        ("networks", "Networks of the front", networks_section(front, report.networks)),
        ("scaling", "Scaling", _plots(figures, ("scaling",))),
        ("efficiency", "Efficiency", _plots(figures, ("gap", "waterline"))),
        (
            "matters",
            "What matters",
            importance_section(report.studies[0], report.matters) if candidates else "",
        ),
        ("rankings", "How well scores rank", _rankings(report)),
        ("runtimes", "Fronts by runtime", _runtimes(report)),
        ("decisions", "Decisions and metrics", _plots(figures, ("parallel",))),
        ("compare", "Compared with other studies", compared),
        ("candidates", "All candidates", ALL if candidates else ""),
        ("failures", "Not complete", failures_section(candidates)),
        ("settings", "Settings", settings_section(study)),
        ("provenance", "Provenance", provenance_section(candidates)),
    ]
    data = {
        "objectives": objectives,
        "metrics": [_metric_data(name) for name in metrics_of(candidates)],
        "candidates": _columns(candidates, front),
        "figures": {name: figure_json(figure) for name, (figure, _) in figures.items()},
        "choices": choices_json(report.choices),
    }
    return _page(f"Study {study.name}", sections, data)


def _rankings(report: Report) -> str:
    """Return the tables of rankings; empty where nothing is known."""
    columns, settings = report.studies[0].columns, report.study.settings
    numbers = set(wanted(columns, settings.main_metric))
    again = [each for each in report.candidates if each.number in numbers]
    found = rankings(columns, again, seed=settings.seed, main=settings.main_metric)
    return str(rankings_text(found)) if found else ""


def _runtimes(report: Report) -> str:
    """Return the fronts by each latency; empty with one latency."""
    found = fragility(report.studies[0].columns, report.study.settings.objectives)
    return str(fragility_text(found)) if found else ""


# The page ---------------------------------------------------------------------------------


def _page(title: str, sections: Sequence[tuple[str, str, str]], data: Mapping[str, Any]) -> str:
    scripts = [get_plotlyjs().replace("</script", r"<\/script"), SCRIPT]
    policy = (
        "default-src 'none'; base-uri 'none'; form-action 'none'; "
        "img-src data: blob:; style-src 'unsafe-inline'; "
        # Plotly compiles its WebGL code, which needs unsafe-eval.
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
    """Return JSON that cannot end the surrounding script element."""
    text = json.dumps(_finite(data), allow_nan=False, separators=(",", ":"))
    return text.replace("<", r"\u003c").replace(">", r"\u003e").replace("&", r"\u0026")


def _finite(data: object) -> object:
    """Return plain JSON values, with null for NaN and infinity."""
    if is_mapping(data):
        return {str(k): _finite(v) for k, v in data.items()}
    if is_list(data):
        return [_finite(each) for each in data]
    if isinstance(data, float):
        return data if math.isfinite(data) else None
    return data


# The page's data ---------------------------------------------------------------------------------


def _metric_data(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "title": axis_title(name),
        "unit": metric(name).unit,
        "less": metric(name).direction == "minimize",
        "count": is_count(name),
        "share": metric(name).share,
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
        "baseline": [each.origin.get("baseline") for each in candidates],
        "architecture": [each.summary() for each in candidates],
        "seconds": [each.seconds.get("total") for each in candidates],
        "front": [each.number in on_front for each in candidates],
        "where": _where(candidates),
        **ends,
    }


def _where(candidates: Sequence[Candidate]) -> dict[str, list[int | None]]:
    """Return a number for each value's conditions, by metric; equal numbers mean comparable."""
    numbers: dict[str, list[int | None]] = {}
    for name in filter(varies, metrics_of(candidates)):
        groups = {each: place for place, each in enumerate(by_conditions(candidates, name))}
        found = [each.measurements.get(name) for each in candidates]
        numbers[name] = [None if each is None else groups[conditions_of(each)] for each in found]
    return numbers


def report_figures(
    candidates: Sequence[Candidate], objectives: Sequence[str], front: Sequence[Candidate]
) -> dict[str, tuple[go.Figure, str]]:
    """Return the figures that are not empty, with their descriptions."""
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
        main = main_metric(shown).short.replace("_", " ")
        note = f"Validation {main} over epochs, by candidate"
        shown_curves = spread(trained, _CURVES)
        if len(shown_curves) < len(trained):
            note += f"; {len(shown_curves)} of {len(trained)} on the front"
        figures["curves"] = (learning_curves(shown_curves), note)
    figures |= efficiency_figures(shown, front)
    figures |= scaling_figures(shown)
    if len(shown) > 1:
        figures["parallel"] = (
            parallel_coordinates(shown, metrics),
            f"Each line is a candidate, from blue for the least {first} to orange for the most; "
            f"the axes are the decisions that explain most of {first}, then the metrics. Drag "
            "along an axis to pick candidates",
        )
    return figures


def _plots(figures: Mapping[str, tuple[go.Figure, str]], names: Sequence[str]) -> str:
    return "".join(
        place(name, figures[name][1], f"{escape(figures[name][1])}.")
        for name in names
        if name in figures
    )
