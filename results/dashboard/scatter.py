"""The scatter plot of any two metrics: candidates, their front, published networks."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

import numpy as np
import plotly.graph_objects as go

from ...evaluators.base import metric
from ..analysis.columns import Columns, DecisionValues, Numbers
from ..analysis.front import Mask
from ..figures.axis_format import flat_ends, metric_axis
from ..figures.filters import Between, Inside
from ..figures.plots import BLUE, COLOURS, GREEN, VERMILLION
from ..figures.scatter_data import Rows, ScatterData
from ..figures.theme import GREY, SCALE, new_figure, said
from ..figures.view import View
from .canvas import in_legend, layer
from .reach import axis_range, whole_range
from .references import Reference

PINK, ORANGE = COLOURS[3:5]
Style = dict[str, Any]

MANY = 500
"""Smallest number of candidates of which most are drawn on a canvas; see ``assets/points.js``."""
_FEW = 50  # points of one kind that plotly still draws
_LEVELS = 18
"""Number of values of a decision with their own colour and symbol; rarer values are grey."""
_SYMBOLS = (
    "circle",
    "square",
    "triangle-up",
    "star-triangle-down",
    "pentagon",
    "cross",  # the colour of the circles on a dark page
    "hexagon2",
)
_EDGE = 0.012  # distance of ticks from the edge, as a share of the height or width
_TICKS = {"y": "line-ns-open", "x": "line-ew-open"}
_MARKS = {
    "stopped": "cross-thin",
    "infeasible": "x-thin",
    "failed": "y-down",
    "running": "circle-open-dot",
    "baseline": "square",
}


def scatter(
    columns: Columns,
    view: View,
    references: Sequence[Reference],
    drawn: ScatterData,
    better: Rows,
) -> go.Figure:
    """Return the scatter plot of the view's two metrics.

    Args:
        columns: The candidates.
        view: The view.
        references: Published networks to show.
        drawn: The candidates by role; see ``scatter_data``.
        better: Rows of the candidates that dominate the chosen one.
    """
    scales = view.scales or ()
    figure = new_figure(
        xaxis=_axis("x", view, columns, references, drawn),
        yaxis=_axis("y", view, columns, references, drawn),
        dragmode="select",
        clickmode="event",
        hovermode="closest",
        shapes=_outlines(view),
        uirevision=f"{view.x} {view.y} {scales}",  # a zoom is kept until the axes change
        selectionrevision=" ".join(each.to_text() for each in view.filters),
        **_edges(drawn, view, references),
    )
    many = _is_many(drawn)
    draw = _Draw(figure=figure, columns=columns, view=view, many=many)
    draw.points(drawn.context, "filtered out", {"color": GREY, "opacity": 0.25, "size": 4})
    draw.candidates(drawn)
    line = {"width": 1.5, "color": GREY}
    for status, rows in drawn.others.items():
        colour = GREEN if status == "baseline" else GREY
        looks = {"symbol": _MARKS[status], "line": line, "color": colour, "size": 8}
        draw.points(rows, status, looks)
    for (status, lacked), rows in drawn.without.items():
        draw.ticks(rows, status, lacked)
    intervals = "intervals" in view.extras
    if intervals:
        unclear = {"color": BLUE, "symbol": "diamond-open", "size": 9}
        draw.points(drawn.unclear, "of these, within the intervals", unclear, hoverinfo="skip")
    draw.stairs(drawn)
    draw.front(drawn, intervals=intervals)
    draw.references(references)
    draw.selected(better)
    if draw.layers:
        figure.update_layout(meta={"points": draw.layers})
    return figure if figure.data else said(figure, "No candidate has these metrics yet.")


def _edges(drawn: ScatterData, view: View, references: Sequence[Reference]) -> dict[str, Any]:
    """Return extra axes for points without a metric, which do not depend on the zoom."""
    used = {lacked for (_, lacked), rows in drawn.without.items() if len(rows)}
    used |= {lacked for each in references if (lacked := _lacks(each, view))}
    plain = {"range": [0, 1], "fixedrange": True, "visible": False}
    return {f"{axis}axis2": {"overlaying": axis, **plain} for axis in used}


def _lacks(reference: Reference, view: View) -> str | None:
    """Return the axis whose metric a published network lacks, if it has the other metric."""
    lacked = [axis for axis in "xy" if getattr(view, axis) not in reference.values]
    return lacked[0] if len(lacked) == 1 else None


def _axis(
    axis: str, view: View, columns: Columns, references: Sequence[Reference], drawn: ScatterData
) -> dict[str, Any]:
    name, logarithmic = getattr(view, axis), axis in (view.scales or ())
    own = drawn_values(columns, name, drawn)
    others = [each.values[name] for each in references if name in each.values]
    values = [*own.tolist(), *others]
    reach = axis_range(axis, view, columns, references)
    if reach is None and (_is_many(drawn) or not np.ptp(values or [0.0])):
        reach = whole_range(values, logarithmic=logarithmic) or flat_ends(name, values)
    ends = values if reach is None else [10**end for end in reach] if logarithmic else reach
    return metric_axis(name, ends, reach, logarithmic=logarithmic)


def drawn_values(columns: Columns, name: str, drawn: ScatterData) -> Numbers:
    """Return the drawn values of a metric, with the ends of the front's intervals."""
    rows = np.concatenate(
        [drawn.shown, drawn.context, *drawn.others.values(), *drawn.without.values()]
    )
    found = columns.metrics.get(name, {})
    ends = [found[end][drawn.front] for end in ("low", "high") if end in found]
    values = np.concatenate([columns.value(name)[rows], *ends])
    return values[np.isfinite(values)]


def _is_many(drawn: ScatterData) -> bool:
    return len(drawn.shown) + len(drawn.context) > MANY


@dataclass(frozen=True, kw_only=True)
class _Draw:
    """Adds the points and lines of a view to a figure."""

    figure: go.Figure
    columns: Columns
    view: View
    many: bool
    layers: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def points(
        self,
        rows: Rows,
        name: str,
        marker: Style,
        *,
        lacked: str | None = None,
        seen: bool = False,
        **trace: Any,
    ) -> None:
        """Add points of one kind, if there are any.

        Args:
            rows: Rows of the candidates.
            name: Name in the legend.
            marker: Style of the points.
            lacked: The axis whose metric the points lack; they are drawn along the edge.
            seen: Whether plotly draws the points, above all others.
            trace: Further settings of the trace.
        """
        if not len(rows):
            return
        trace = {
            "hoverinfo": "none",
            "mode": "markers",
            **trace,
        }  # assets/dashboard.js shows the tooltip of a point
        if self.many and not seen and len(rows) > _FEW:
            quiet = trace["hoverinfo"] == "skip"
            values = {a: self.columns.value(n)[rows] for a, n in self._metrics(lacked).items()}
            made = layer(values, self.columns.number_N[rows], marker, edge=_EDGE, quiet=quiet)
            drawn: Any = self.figure.data  # plotly is not typed
            self.layers.append({**made, "trace": len(drawn)})
            place, marker = {"x": [None], "y": [None]}, in_legend(marker)
        else:
            metrics = self._metrics(lacked)
            place = {axis: self.columns.value(name)[rows] for axis, name in metrics.items()}
            place |= _along_edge(lacked, len(rows))
            trace["customdata"] = self.columns.number_N[rows]
        self.figure.add_scatter(
            **place, name=f"{escape(name)} ({len(rows):,})", marker=marker, **trace
        )

    def _metrics(self, lacked: str | None) -> dict[str, str]:
        """Return the metric of each axis, without the missing one."""
        return {axis: getattr(self.view, axis) for axis in "xy" if axis != lacked}

    def ticks(self, rows: Rows, status: str, lacked: str) -> None:
        """Add points without one metric as ticks along the other metric's axis."""
        colour = BLUE if status == "complete" else GREY
        looks = {"symbol": _TICKS[lacked], "size": 12, "color": colour, "line": {"width": 1.5}}
        name = f"{status}, no {getattr(self.view, lacked)}"
        self.points(rows, name, looks, lacked=lacked)

    @property
    def telling(self) -> bool:
        """Whether a column determines colour or size, so that the front has them too."""
        return bool(self.view.colour or self.view.size)

    def candidates(self, drawn: ScatterData) -> None:
        """Add the complete candidates; the front is included if a column determines colour or
        size."""
        rows, name = drawn.shown, "candidates"
        if not self.telling:
            rows, name = np.setdiff1d(rows, drawn.front, assume_unique=True), "dominated"
        many = len(rows) > MANY
        style: Style = {"size": self._sizes(rows, rows, 5 if many else 8), "opacity": 0.8}
        numbers = self.columns.numbers(self.view.colour)
        answers = self.columns.values_of(self.view.colour)
        if answers is not None and (numbers is None or len(answers.levels) <= 3):
            self._by_level(rows, answers, style)
        elif numbers is not None:
            bar = {"title": {"text": escape(self.view.colour), "side": "right"}, "thickness": 12}
            style |= {"color": numbers[rows], "colorscale": SCALE, "colorbar": bar}
            self.points(rows, name, {**style, "showscale": True})
        else:
            symbol = "circle" if many else "circle-open"
            self.points(rows, name, {**style, "color": BLUE, "symbol": symbol})

    def _by_level(self, rows: Rows, answers: DecisionValues, style: Style) -> None:
        """Add a trace for each of the most frequent levels, above one trace of all others."""
        codes = answers.codes_N[rows] + 1
        counts = np.bincount(codes, minlength=len(answers.levels) + 1)
        order = np.argsort(-counts, kind="stable")[: (counts > 0).sum()]
        # With exactly one more level, no level is grey: a colour is free.
        common = order if len(order) <= _LEVELS else order[: _LEVELS - 1]
        if rest := len(order) - len(common):
            looks = {"color": GREY, "symbol": "circle", "opacity": 0.5}
            rare = ~np.isin(codes, common)
            self._some(rows, rare, f"{rest} other values", {**style, **looks})
        for place, code in enumerate(common.tolist()):
            name = answers.labels[code - 1] if code else "not asked"
            self._some(rows, codes == code, name, {**style, **_level_looks(place)})

    def _some(self, rows: Rows, mask: Mask, name: str, style: Style) -> None:
        size = style["size"]
        part = size if isinstance(size, int) else size[mask]
        self.points(rows[mask], name, {**style, "size": part})

    def _sizes(self, rows: Rows, among: Rows, standard: int) -> int | Numbers:
        """Return diameters of points whose area grows with the view's size column, on one scale."""
        numbers = self.columns.numbers(self.view.size)
        if numbers is None or not np.isfinite(numbers[among]).any():
            return standard
        low, high = np.nanmin(numbers[among]), np.nanmax(numbers[among])
        share = np.nan_to_num((numbers[rows] - low) / (high - low or 1))
        return np.sqrt(16 + 200 * share)

    def stairs(self, drawn: ScatterData) -> None:
        """Add the staircases of the fronts in the two metrics alone."""
        if not drawn.alone and len(drawn.stairs) == 1:
            return  # same as the front's staircase
        count = sum(map(len, drawn.stairs))
        for place, rows in enumerate(drawn.stairs):
            self.figure.add_scatter(
                **{axis: self.columns.value(n)[rows] for axis, n in self._metrics(None).items()},
                name=f"best of these two ({count:,})",
                mode="lines",
                line={**self._line(), "dash": "dot"},
                hoverinfo="skip",
                legendgroup="stairs",
                showlegend=not place,
            )

    def _line(self) -> Style:
        """Return the style of a staircase, since nothing better is known up to the next point."""
        less = metric(self.view.x).direction == "minimize"
        return {"color": VERMILLION, "shape": "hv" if less else "vh", "width": 1.5}

    def front(self, drawn: ScatterData, *, intervals: bool) -> None:
        """Add the front, with its staircase if the two metrics are the objectives."""
        rows = drawn.front
        if not len(rows):
            return  # no candidate may have these metrics yet
        bars: dict[str, Any] = {}
        if intervals:
            for key, name in (("error_x", self.view.x), ("error_y", self.view.y)):
                bars[key] = self._bars(rows, name)
        looks: Style = {"color": VERMILLION, "symbol": "diamond", "size": 10}
        if self.telling:  # a ring around the coloured point, which receives the mouse
            around = self._sizes(rows, drawn.shown, 8) + 7
            looks |= {"symbol": "diamond-open", "size": around, "line": {"width": 1.5}}
            bars["hoverinfo"] = "skip"
        if not drawn.alone and len(drawn.stairs) == 1:
            bars |= {"mode": "lines+markers", "line": self._line()}
        self.points(rows, "front", looks, seen=True, **bars)

    def _bars(self, rows: Rows, name: str) -> dict[str, Any] | None:
        found = self.columns.metrics[name]
        low, value, high = (found[end][rows] for end in ("low", "value", "high"))
        if not np.isfinite(low).any():
            return None
        return {
            "type": "data",
            "symmetric": False,
            "array": np.nan_to_num(high - value),
            "arrayminus": np.nan_to_num(value - low),
            "thickness": 1,
            "width": 0,
            "color": VERMILLION,
        }

    def references(self, references: Sequence[Reference]) -> None:
        """Add published networks; those without one metric are along the other metric's axis."""
        sources = list(dict.fromkeys(each.source for each in references))
        for place, source in enumerate(sources):
            for lacked in (None, "x", "y"):
                group = [
                    e for e in references if e.source == source and _lacks(e, self.view) == lacked
                ]
                self._published(group, source, ("star", "star-square")[place % 2], lacked)

    def _published(
        self, group: Sequence[Reference], source: str, symbol: str, lacked: str | None
    ) -> None:
        metrics = self._metrics(lacked)
        group = [each for each in group if set(metrics.values()) <= each.values.keys()]
        if not group:
            return
        less = f", no {getattr(self.view, lacked)}" if lacked else ""
        self.figure.add_scatter(
            **{axis: [e.values[metric] for e in group] for axis, metric in metrics.items()},
            **_along_edge(lacked, len(group)),
            name=f"{escape(source)}{less} ({len(group):,})",
            mode="markers",
            marker={"symbol": symbol + "-open" * bool(lacked), "size": 9, "color": PINK},
            hovertext=[escape(f"{each.name}: {each.note}") for each in group],
            hovertemplate="%{hovertext}<br>"
            + ", ".join(f"{metric} %{{{axis}}}" for axis, metric in metrics.items())
            + "<extra>published</extra>",
        )

    def selected(self, better: Rows) -> None:
        """Mark the chosen candidate with a ring, and those that dominate it."""
        number = self.view.candidate
        row = None if number is None else self.columns.row(number)
        if row is None:
            return
        known = {axis: np.isfinite(self.columns.value(getattr(self.view, axis))) for axis in "xy"}
        lacked = [axis for axis in "xy" if not known[axis][row]]
        better = better[known["x"][better] & known["y"][better]]
        for rows, name, size, width in (
            (better, f"dominate {number}", 9, 1),
            (np.array([row]), f"candidate {number}", 18, 3),
        ):
            line = {"width": width, "color": ORANGE}
            looks = {"line": line, "symbol": "circle-open", "color": ORANGE, "size": size}
            along = lacked[0] if len(lacked) == 1 else None
            self.points(rows, name, looks, lacked=along, seen=True)


def _along_edge(lacked: str | None, count: int) -> dict[str, Any]:
    """Return settings that place ``count`` points along the edge, for a missing metric."""
    return {lacked: np.full(count, _EDGE), f"{lacked}axis": f"{lacked}2"} if lacked else {}


def _level_looks(place: int) -> Style:
    """Return a colour and a symbol; the pairs differ for as many indices as possible."""
    colours = COLOURS[:-1]  # the last colour is grey
    turn, colour = divmod(place, len(colours))
    return {"color": colours[colour], "symbol": _SYMBOLS[(colour + turn) % len(_SYMBOLS)]}


def _outlines(view: View) -> list[dict[str, Any]]:
    """Return lines at the filters' bounds on the two metrics."""
    line = {"color": GREY, "width": 1, "dash": "dot"}
    shapes: list[dict[str, Any]] = []
    for each in view.filters:
        if isinstance(each, Between) and each.column in (view.x, view.y):
            along, across = ("x", "y") if each.column == view.x else ("y", "x")
            for end in filter(np.isfinite, (each.low, each.high)):
                ends = {f"{along}0": end, f"{along}1": end, f"{across}0": 0, f"{across}1": 1}
                shapes.append({"type": "line", **ends, f"{across}ref": "paper", "line": line})
        elif isinstance(each, Inside) and each.columns == (view.x, view.y):
            path = " L ".join(f"{a},{b}" for a, b in each.points)
            shapes.append({"type": "path", "path": f"M {path} Z", "line": line})
    return shapes
