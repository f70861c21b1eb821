"""Comparison of studies: distributions of a metric, hypervolumes, fronts."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import plotly.graph_objects as go
from markupsafe import Markup

from ...evaluators.base import metric
from ..analysis.compare import (
    Distribution,
    Growth,
    corners,
    difference,
    error_name,
)
from ..analysis.front import is_count
from ..numbers import format_value
from .axis_format import flat_ends, log_tick, metric_axis, tick_format
from .filters import kept
from .markup import heads, row, scrolled, tag
from .plots import COLOURS, DASHES
from .snapshot import Snapshot
from .theme import new_figure, said
from .view import View

MOST = 2_000
"""Maximum number of drawn steps of a distribution."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Comparison:
    """Studies to compare; the first is the one shown."""

    studies: Sequence[Snapshot]
    """The studies."""
    distributions: Sequence[Distribution]
    """Distributions of the chosen metric."""
    growths: Sequence[Growth]
    """Hypervolumes on one scale, over the objectives of the first study."""


def _style(place: int) -> dict[str, str]:
    return {
        "color": COLOURS[place % len(COLOURS)],
        "dash": DASHES[place // len(COLOURS) % len(DASHES)],
    }


def _pale(colour: str) -> str:
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, 0.15)"


def error_distributions(found: Comparison, view: View) -> go.Figure:
    """Return the empirical distributions of the metric, with their bands."""
    at = [
        float(each.at_N[end]) for each in found.distributions if len(each.at_N) for end in (0, -1)
    ]
    axis: dict[str, Any] = {
        "title": {"text": error_name(view.metric)},
        "tickformat": tick_format(view.metric, at),
    }
    if is_count(view.metric):
        axis |= {"type": "log", "dtick": log_tick(at)}
    elif ends := flat_ends(view.metric, at):
        axis["range"] = ends
    share = {"title": {"text": "share of candidates"}, "tickformat": ".0%", "range": [0, 1.02]}
    figure = new_figure(xaxis=axis, yaxis=share)
    for place, (study, each) in enumerate(zip(found.studies, found.distributions, strict=True)):
        count = len(each.at_N)
        if not count:
            continue
        at = np.unique(np.linspace(0, count - 1, min(count, MOST)).round().astype(int))
        x, y, line = each.at_N[at], each.share_N[at], _style(place)
        for edge, fill in ((each.band, None), (-each.band, "tonexty")):
            figure.add_scatter(
                x=x,
                y=np.clip(y + edge, 0, 1),
                mode="lines",
                line={"width": 0, "shape": "hv", "color": line["color"]},
                fill=fill,
                fillcolor=_pale(line["color"]),
                hoverinfo="skip",
                showlegend=False,
                legendgroup=study.name,
            )
        figure.add_scatter(
            x=x,
            y=y,
            mode="lines",
            name=f"{escape(study.name)} ({count:,})",
            line={**line, "shape": "hv"},
            legendgroup=study.name,
            hovertemplate="%{y:.1%} at most %{x}<extra></extra>",
        )
    return figure if figure.data else said(figure, "No candidate has this metric.")


def growth(found: Comparison, view: View) -> go.Figure:
    """Return the hypervolumes over candidates or time, on one scale."""
    timed = view.over == "time"
    title = {"text": "measuring time [s]" if timed else "candidates finished"}
    figure = new_figure(
        xaxis={"title": title}, yaxis={"title": {"text": "hypervolume"}, "rangemode": "tozero"}
    )
    for place, (study, each) in enumerate(zip(found.studies, found.growths, strict=True)):
        at = corners(each.volume_N)
        if len(at):
            figure.add_scatter(
                x=each.seconds_N[at] if timed else at + 1,
                y=each.volume_N[at],
                mode="lines" if len(at) > 1 else "markers",  # one point gives no line
                name=f"{escape(study.name)}, {escape(study.settings.searcher)}",
                line={**_style(place), "shape": "hv"},
                hovertemplate="%{y:.4f} at %{x}<extra></extra>",
            )
    return figure if figure.data else said(figure, "No candidate is complete yet.")


def fronts(found: Comparison, view: View) -> go.Figure:
    """Return the fronts of the two metrics of the scatter."""
    scales = view.scales or ()
    figure = new_figure()
    less = metric(view.x).direction == "minimize"
    for place, study in enumerate(found.studies):
        columns = study.columns
        best = columns.front((view.x, view.y), kept(view.filters, columns), ties=False)
        best = best[np.argsort(columns.value(view.x)[best], kind="stable")]
        if len(best):
            figure.add_scatter(
                x=columns.value(view.x)[best],
                y=columns.value(view.y)[best],
                customdata=columns.number_N[best],
                mode="lines+markers",
                name=f"{escape(study.name)} ({len(best):,})",
                line={**_style(place), "shape": "hv" if less else "vh"},
                marker={"symbol": place % 25, "size": 8},
                hovertemplate="candidate %{customdata}: %{x}, %{y}<extra></extra>",
            )
    for axis, name in (("x", view.x), ("y", view.y)):
        traces: Any = figure.data
        drawn = [value for trace in traces for value in trace[axis]]
        logarithmic = axis in scales
        reach = None if logarithmic else flat_ends(name, drawn)
        made = metric_axis(name, drawn, reach, logarithmic=logarithmic)
        figure.update_layout({f"{axis}axis": made})
    return figure if figure.data else said(figure, "No candidate is complete yet.")


def compare_table(found: Comparison, view: View) -> Markup:
    """Return a table of each study's figures and of the differing settings."""
    first, rows = found.studies[0], list[Markup]()
    for study, each, grown in zip(found.studies, found.distributions, found.growths, strict=True):
        settings = study.settings
        distance, chance = difference(found.distributions[0], each)
        other = first.settings.difference(settings)
        middle = float(np.median(each.at_N)) if len(each.at_N) else None
        rows.append(
            row(
                settings.space_name,
                f"{settings.searcher}, seed {settings.seed}",
                f"{len(each.at_N):,}",
                format_value(view.metric, middle),
                "-" if np.isnan(distance) or study is first else f"{distance:.3f}, p {chance:.2g}",
                f"{grown.volume_N[-1]:.4f}" if len(grown.volume_N) else "-",
                f"{grown.seconds_N[-1]:,.0f} s" if len(grown.seconds_N) else "-",
                "-" if other is None else f"{other[0]}: {other[1]} / {other[2]}",
                head=study.name,
            )
        )
    header = heads(
        "study",
        "space",
        "searcher",
        "candidates",
        f"median {error_name(view.metric)}",
        "greatest distance",
        "hypervolume",
        "measuring time",
        "first differing setting",
    )
    note = (
        "Share of the candidates with at most each value, with its 95 % band (Dvoretzky, Kiefer, "
        "Wolfowitz, Massart). Random candidates describe the space; those of a searcher that "
        "learns also describe the searcher. The distance is that of Kolmogorov and Smirnov. "
        "Hypervolumes are on one scale, that of all these studies together."
    )
    return scrolled("Studies", header, rows) + tag("p", note, class_="note")
