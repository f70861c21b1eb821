"""Plotly figures of candidates.

The colours are Okabe and Ito's, which can be told apart with any colour vision; important marks
differ in shape too.
"""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from ...evaluators.base import metric
from ..analysis.baselines import baselines
from ..analysis.columns import Columns
from ..analysis.front import (
    comparable,
    hypervolume_history,
    is_count,
    measured_where,
    pareto_front,
)
from ..analysis.main_metric import main_metric
from ..candidate import Candidate
from ..numbers import format_measurement, format_value
from .axis_format import axis_title, flat_ends, log_tick, tick_format

BLUE, VERMILLION = "#0072B2", "#D55E00"
COLOURS = (BLUE, VERMILLION, "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F")
GREEN = COLOURS[2]
SYMBOLS = ("square", "square-open", "hourglass", "bowtie")
"""Symbols of baselines."""
DASHES = ("solid", "dash", "dot", "dashdot")


def _axis(name: str, values: Sequence[float | None]) -> dict[str, Any]:
    """Return the axis of a metric: in percent for shares, logarithmic for counts."""
    axis: dict[str, Any] = {"title": {"text": axis_title(name)}}
    found = [value for value in values if value is not None]
    if form := tick_format(name, found):
        axis["tickformat"] = form
    if ends := flat_ends(name, found):
        axis["range"] = ends
    if is_count(name):
        known = [value for value in values if value and value > 0]
        if known and len(known) == len(values):
            axis |= {"type": "log", "dtick": log_tick(known)}
            axis.pop("range", None)
    return axis


def _figure(title: str = "", **layout: Any) -> go.Figure:
    figure = go.Figure()
    figure.update_layout(
        title={"text": escape(title)} if title else None,
        template="plotly_white",
        colorway=COLOURS,
        margin={"l": 64, "r": 16, "t": 48 if title else 16, "b": 56},
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.0, "x": 0},
        hoverlabel={"align": "left"},
        **layout,
    )
    return figure


def hover_text(candidate: Candidate) -> str:
    """Return a tooltip with a line each for number, digest, measurements and architecture."""
    lines = [f"<b>candidate {candidate.number}</b> {candidate.digest[:12]}"]
    lines += [f"{n} {format_measurement(m)}" for n, m in candidate.measurements.items()]
    lines += candidate.summary().split(" | ")
    return "<br>".join(line if line.startswith("<b>") else escape(line) for line in lines)


def _error_bars(candidates: Sequence[Candidate], name: str) -> dict[str, Any] | None:
    found = [each.measurements[name] for each in candidates]
    if all(each.low is None and each.high is None for each in found):
        return None
    return {
        "type": "data",
        "symmetric": False,
        "array": [0 if m.high is None else m.high - m.value for m in found],
        "arrayminus": [0 if m.low is None else m.value - m.low for m in found],
        "thickness": 1,
        "width": 0,
        "color": "rgba(0, 114, 178, 0.35)",
    }


def pareto(candidates: Sequence[Candidate], x: str, y: str, *, title: str = "") -> go.Figure:
    """Return a scatter plot of two metrics, with their Pareto front marked and connected.

    Args:
        candidates: Candidates; the complete ones with both metrics are shown.
        x: Metric on the horizontal axis.
        y: Metric on the vertical axis.
        title: Title of the figure.
    """
    shown = comparable(candidates, (x, y))
    several = len({measured_where(each, (x, y)) for each in shown}) > 1
    front = sorted(
        pareto_front(shown, (x, y), ties=False), key=lambda each: each.measurements[x].value
    )
    best = {each.number for each in front}
    rest = [each for each in shown if each.number not in best]
    figure = _figure(
        title,
        xaxis=_axis(x, [each.value(x) for each in shown]),
        yaxis=_axis(y, [each.value(y) for each in shown]),
    )
    styles: tuple[tuple[str, list[Candidate], dict[str, Any]], ...] = (
        (
            "dominated",
            rest,
            {
                "mode": "markers",
                "marker": {"color": BLUE, "symbol": "circle-open", "size": 8, "opacity": 0.7},
            },
        ),
        (
            "front",
            front,
            {
                # No line joins candidates measured under different conditions, since they do not
                # compare.
                "mode": "markers" if several else "lines+markers",
                # Nothing better is known up to the next point: the line is a staircase.
                "line": {
                    "color": VERMILLION,
                    "shape": "hv" if metric(x).direction == "minimize" else "vh",
                    "width": 1.5,
                },
                "marker": {"color": VERMILLION, "symbol": "diamond", "size": 10},
            },
        ),
    )
    for name, group, style in styles:
        _add_points(figure, group, x, y, name=name, **style)
    for place, each in enumerate(baselines(candidates)):
        if each.value(x) is not None and each.value(y) is not None:
            looks = {"symbol": SYMBOLS[place % len(SYMBOLS)], "color": GREEN, "size": 9}
            name = escape(f"baseline {each.origin['baseline']}")
            _add_points(figure, [each], x, y, name=name, mode="markers", marker=looks)
    return figure


def _add_points(
    figure: go.Figure, group: Sequence[Candidate], x: str, y: str, **style: Any
) -> None:
    figure.add_scatter(
        x=[each.value(x) for each in group],
        y=[each.value(y) for each in group],
        error_x=_error_bars(group, x),
        error_y=_error_bars(group, y),
        customdata=[each.number for each in group],
        hovertext=[hover_text(each) for each in group],
        hoverinfo="text",
        **style,
    )


def learning_curve(candidate: Candidate) -> Sequence[Mapping[str, float]]:
    """Return the stored epochs of the candidate's training, possibly none."""
    found = candidate.measurements.get(main_metric([candidate]).short)
    return () if found is None else found.provenance.get("learning_curve", ())


def learning_curves(candidates: Sequence[Candidate]) -> go.Figure:
    """Return a plot of the main score on the validation split over epochs, with a line for each
    candidate that has a curve."""
    trained = [each for each in candidates if learning_curve(each)]
    epochs = max((len(learning_curve(each)) for each in trained), default=1)
    name = main_metric(candidates).short
    key, digits = f"validation_{name}", ".1%" if metric(name).share else ".3f"
    reached = [e[key] for each in trained for e in learning_curve(each)]
    figure = _figure(
        # For a single point plotly would choose axes of whole numbers.
        xaxis={
            "title": {"text": "epoch"},
            "dtick": 1 if epochs <= 10 else None,
            "range": [0, epochs + 0.5],
        },
        yaxis={
            "title": {"text": f"validation {name.replace('_', ' ')}"},
            "tickformat": tick_format(name, reached),
            "range": [0, 1] if epochs == 1 and metric(name).share else flat_ends(name, reached),
            "automargin": True,
        },
        showlegend=True,
    )
    for place, candidate in enumerate(trained):
        curve = learning_curve(candidate)
        figure.add_scatter(
            x=list(range(1, len(curve) + 1)),
            y=[epoch[key] for epoch in curve],
            name=f"{candidate.number}",
            mode="lines+markers",
            line={
                "color": COLOURS[place % len(COLOURS)],
                "dash": DASHES[place // len(COLOURS) % len(DASHES)],
            },
            hovertext=hover_text(candidate),
            hovertemplate=f"%{{y:{digits}}} after epoch %{{x}}<br>%{{hovertext}}<extra></extra>",
        )
    return figure


def hypervolume_progress(candidates: Sequence[Candidate], objectives: Sequence[str]) -> go.Figure:
    """Return a plot of the front's hypervolume over the candidates.

    See ``hypervolume_history`` for the scale.
    """
    history = hypervolume_history(candidates, objectives)
    figure = _figure(
        xaxis={"title": {"text": "candidate"}},
        yaxis={"title": {"text": "hypervolume"}, "rangemode": "tozero"},
    )
    figure.add_scatter(
        x=[number for number, _ in history],
        y=[volume for _, volume in history],
        mode="lines",
        line={"shape": "hv", "color": VERMILLION},
        hovertemplate="%{y:.3f} after candidate %{x}<extra></extra>",
    )
    return figure


def best_so_far(candidates: Sequence[Candidate], name: str) -> go.Figure:
    """Return a plot of a metric of each candidate, and the best value so far."""
    shown = comparable(candidates, (name,))
    values = [each.value(name) for each in shown]
    figure = _figure(xaxis={"title": {"text": "candidate"}}, yaxis=_axis(name, values))
    numbers = [each.number for each in shown]
    figure.add_scatter(
        x=numbers,
        y=values,
        mode="markers",
        name="candidate",
        marker={"color": BLUE, "symbol": "circle-open", "opacity": 0.7},
        hovertemplate="%{y} candidate %{x}<extra></extra>",
    )
    better = np.minimum if metric(name).direction == "minimize" else np.maximum
    figure.add_scatter(
        x=numbers,
        y=better.accumulate(np.array(values)).tolist(),
        mode="lines",
        name="best so far",
        line={"shape": "hv", "color": VERMILLION},
        hoverinfo="skip",
    )
    return figure


def telling_decisions(candidates: Sequence[Candidate], name: str, limit: int) -> list[str]:
    """Return the decisions that explain most of a metric, in the order of the walk.

    Decisions are ranked by epsilon squared (Kelley, 1935): the share of the metric's variance
    between groups of equal value, corrected for chance. Decisions that do not vary, or do not apply
    to every candidate, are left out.
    """
    shown = comparable(candidates, (name,))
    values = np.array([each.value(name) for each in shown], dtype=np.float64)
    scores: dict[str, float] = {}
    for path in shown[0].decisions if shown else ():
        answers = [str(each.decisions.get(path)) for each in shown]
        member = np.unique(answers, return_inverse=True)[1]
        applies = all(path in each.decisions for each in shown)
        score = epsilon_squared(member, values)
        if applies and score is not None:
            scores[path] = score
    return _most_telling(scores, limit)


def _most_telling(scores: Mapping[str, float], limit: int) -> list[str]:
    best = sorted(scores, key=lambda path: -scores[path])[:limit]
    return [path for path in scores if path in best]


def telling_columns(columns: Columns, name: str, limit: int) -> list[str]:
    """Return the decisions that explain most of a metric; see ``telling_decisions``."""
    mask = columns.comparable((name,))
    values = columns.value(name)[mask]
    scores: dict[str, float] = {}
    for path, answers in columns.decisions.items():
        codes = answers.codes_N[mask]
        score = epsilon_squared(codes, values) if (codes >= 0).all() else None
        if score is not None:
            scores[path] = score
    return _most_telling(scores, limit)


def epsilon_squared(
    member_N: NDArray[np.integer[Any]], values_N: NDArray[np.float64]
) -> float | None:
    """Return Kelley's epsilon squared; see ``telling_decisions``.

    Args:
        member_N: Group of each value, from 0.
        values_N: The values.

    Returns:
        The share; None for a single group, or a group for each value.
    """
    sizes = np.bincount(member_N) if len(member_N) else np.zeros(0)
    groups, count = int((sizes > 0).sum()), len(values_N)
    if not 1 < groups < count:
        return None
    means = np.bincount(member_N, values_N) / np.maximum(sizes, 1)
    within = np.sum((values_N - means[member_N]) ** 2)
    total = np.sum((values_N - values_N.mean()) ** 2)
    free = (count - 1) / (count - groups)
    return 1 - free * float(within / total) if total else 0.0


def parallel_coordinates(
    candidates: Sequence[Candidate],
    metrics: Sequence[str],
    decisions: Sequence[str] | None = None,
) -> go.Figure:
    """Return a parallel coordinates plot of decisions and metrics, coloured by the first metric.

    Args:
        candidates: Candidates; the complete ones with all ``metrics`` are shown.
        metrics: Metrics, on the right; counts are shown by their logarithm.
        decisions: Decisions, on the left; by default the eight that explain most of the first
            metric.
    """
    shown = comparable(candidates, metrics)
    if decisions is None:
        decisions = telling_decisions(shown, metrics[0], 8)
    figure = _figure()
    figure.update_layout(margin={"l": 72, "r": 48, "t": 96, "b": 32})
    figure.add_parcoords(
        dimensions=[
            *(_decision_axis(shown, path) for path in decisions),
            *(_metric_axis(shown, name) for name in metrics),
        ],
        line={
            "color": [each.value(metrics[0]) for each in shown],
            "colorscale": [[0, BLUE], [1, "#E69F00"]],
            "showscale": False,
        },
        labelangle=-20,
    )
    return figure


def short_path(path: str) -> str:
    """Return a decision's path in short form, such as ``s0 mixer``."""
    words = [word for word in path.split(".") if word not in ("block", "stages")]
    return " ".join(f"s{word}" if word.isdecimal() else word for word in words)


def _decision_axis(candidates: Sequence[Candidate], path: str) -> dict[str, Any]:
    answers = [each.decisions.get(path) for each in candidates]
    levels = sorted(
        set(answers),
        key=lambda answer: (answer if isinstance(answer, int | float) else 0, str(answer)),
    )
    return {
        "label": short_path(path),
        "values": [levels.index(answer) for answer in answers],
        "tickvals": list(range(len(levels))),
        "ticktext": [escape(str(level)) for level in levels],
    }


def _metric_axis(candidates: Sequence[Candidate], name: str) -> dict[str, Any]:
    values = np.array([each.value(name) for each in candidates], dtype=np.float64)
    logarithmic = is_count(name) and bool((values > 0).all())
    scaled = np.log10(values) if logarithmic else values
    ticks = np.linspace(scaled.min(), scaled.max(), 5) if len(values) else scaled
    labels = [format_value(name, float(10**tick if logarithmic else tick)) for tick in ticks]
    return {
        "label": axis_title(name),
        "values": scaled.tolist(),
        "tickvals": ticks.tolist(),
        "ticktext": labels,
    }
