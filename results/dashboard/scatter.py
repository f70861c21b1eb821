"""The scatter of any two metrics: candidates, their front, published networks."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from ...evaluators.base import metric
from ..columns import STATUSES, Answers, Columns, Numbers
from ..front import Mask, clear_front_mask, front_mask
from ..plots import BLUE, COLOURS, VERMILLION, axis_title, tick_format
from .filters import Between, Inside, kept
from .references import Reference
from .theme import GREY, SCALE, new_figure
from .view import View

PINK, ORANGE = COLOURS[3:5]
Rows = NDArray[np.intp]
Style = dict[str, Any]

MANY = 2_000
"""From so many candidates on they are drawn by WebGL."""
_SYMBOLS = (
    "circle",
    "square",
    "triangle-up",
    "star-triangle-down",
    "pentagon",
    "hexagon2",
    "cross",
)
_MARKS = {"infeasible": "x-thin", "failed": "y-down", "running": "circle-open-dot"}


@dataclass(frozen=True, kw_only=True, eq=False)
class Scene:
    """The rows that are drawn, by what they are."""

    shown: Rows
    """Complete, kept, with both metrics."""
    front: Rows
    """Of those, which none of them dominates, from left to right."""
    unclear: Rows
    """Of those, which the front does not dominate beyond the intervals."""
    context: Rows
    """Complete with both metrics, but not kept."""
    others: dict[str, Rows]
    """Kept with both metrics, but not complete: by status."""


def scene(columns: Columns, view: View) -> Scene:
    """Sort the candidates by what they are drawn as."""
    metrics = (view.x, view.y)
    mask, complete = kept(view.filters, columns), columns.comparable(metrics)
    shown = np.flatnonzero(mask & complete)
    best = shown[front_mask(columns.losses(metrics)[shown])]
    low, high = (each[shown] for each in columns.loss_intervals(metrics))
    unclear = shown[clear_front_mask(low, high)]
    finite = np.isfinite(columns.value(view.x)) & np.isfinite(columns.value(view.y))
    return Scene(
        shown=shown,
        front=best[np.argsort(columns.value(view.x)[best], kind="stable")],
        unclear=np.setdiff1d(unclear, best),
        context=np.flatnonzero(complete & ~mask),
        others={
            name: np.flatnonzero(mask & finite & columns.has_status(name)) for name in STATUSES[1:]
        },
    )


def dominating(columns: Columns, row: int, metrics: Sequence[str]) -> Rows:
    """Return the rows that dominate one; none where it is not comparable."""
    mask = columns.comparable(metrics)
    if not mask[row]:
        return np.empty(0, np.intp)
    losses = columns.losses(metrics)
    mine = losses[row]
    mask &= (losses <= mine).all(axis=1) & (losses < mine).any(axis=1)
    return np.flatnonzero(mask)


def scatter(
    columns: Columns, view: View, references: Sequence[Reference], drawn: Scene
) -> go.Figure:
    """Return the scatter of the two metrics that the view names."""
    scales = view.scales or ()
    figure = new_figure(
        xaxis=_axis(view.x, "x" in scales, columns),
        yaxis=_axis(view.y, "y" in scales, columns),
        dragmode="select",
        clickmode="event",
        hovermode="closest",
        shapes=_outlines(view),
        uirevision=f"{view.x} {view.y} {scales}",  # a zoom stays as long as the axes do
        selectionrevision=" ".join(each.to_text() for each in view.filters),
    )
    many = len(drawn.shown) + len(drawn.context) > MANY
    draw = _Draw(figure=figure, columns=columns, view=view, many=many)
    draw.points(drawn.context, "filtered out", {"color": GREY, "opacity": 0.25, "size": 4})
    draw.candidates(np.setdiff1d(drawn.shown, drawn.front, assume_unique=True))
    if "infeasible" in view.extras:
        for status, rows in drawn.others.items():
            line = {"width": 1.5, "color": GREY}
            draw.points(
                rows, status, {"symbol": _MARKS[status], "line": line, "color": GREY, "size": 8}
            )
    intervals = "intervals" in view.extras
    if intervals:
        unclear = {"color": BLUE, "symbol": "diamond-open", "size": 9}
        draw.points(drawn.unclear, "within the intervals", unclear)
    draw.front(drawn.front, intervals=intervals)
    draw.references(references)
    draw.selected()
    return figure


def _axis(name: str, logarithmic: bool, columns: Columns) -> dict[str, Any]:
    values = columns.value(name)
    values = values[values > 0]
    wide = len(values) > 0 and values.max() > 5 * values.min()
    return {
        "title": {"text": axis_title(name)},
        "type": "log" if logarithmic else "linear",
        "dtick": "D2" if logarithmic and wide else None,  # labels at 1, 2, 5 and so on
        "tickformat": tick_format(name),
        "automargin": True,
    }


@dataclass(frozen=True, kw_only=True)
class _Draw:
    """Adds what a view shows of columns to a figure."""

    figure: go.Figure
    columns: Columns
    view: View
    many: bool

    def points(
        self, rows: Rows, name: str, marker: Style, *, mode: str = "markers", **trace: Any
    ) -> None:
        """Add points of one kind; nothing where there are none."""
        if not len(rows):
            return
        x, y = self.view.x, self.view.y
        gl = self.many and mode == "markers"
        make = self.figure.add_scattergl if gl else self.figure.add_scatter
        make(
            x=self.columns.value(x)[rows],
            y=self.columns.value(y)[rows],
            customdata=self.columns.number_N[rows],
            name=f"{escape(name)} ({len(rows):,})",
            mode=mode,
            marker=marker,
            hovertemplate=f"candidate %{{customdata}}<br>{x} %{{x}}<br>{y} %{{y}}"
            f"<extra>{escape(name)}</extra>",
            **trace,
        )

    def candidates(self, rows: Rows) -> None:
        """Add the complete candidates beside the front, coloured and sized as asked for."""
        many = len(rows) > MANY
        style: Style = {"size": self._sizes(rows, 5 if many else 8), "opacity": 0.8}
        numbers = self.columns.numbers(self.view.colour)
        answers = self.columns.answers(self.view.colour)
        if answers is not None and (numbers is None or len(answers.levels) <= 3):
            self._by_level(rows, answers, style)
        elif numbers is not None:
            bar = {"title": {"text": escape(self.view.colour), "side": "right"}, "thickness": 12}
            style |= {"color": numbers[rows], "colorscale": SCALE, "colorbar": bar}
            self.points(rows, "dominated", {**style, "showscale": True})
        else:
            symbol = "circle" if many else "circle-open"
            self.points(rows, "dominated", {**style, "color": BLUE, "symbol": symbol})

    def _by_level(self, rows: Rows, answers: Answers, style: Style) -> None:
        """Add a trace for each of the most frequent levels, and one for the others."""
        codes = answers.codes_N[rows]
        counts = np.bincount(codes + 1, minlength=len(answers.levels) + 1)
        common = np.argsort(-counts, kind="stable")[: len(COLOURS) - 1]
        for place, code in enumerate(common):
            name = answers.labels[code - 1] if code else "not asked"
            looks = {"color": COLOURS[place], "symbol": _SYMBOLS[place]}
            self._some(rows, codes == code - 1, name, {**style, **looks})
        rest = ~np.isin(codes + 1, common)
        self._some(rows, rest, "others", {**style, "color": GREY, "symbol": _SYMBOLS[-1]})

    def _some(self, rows: Rows, mask: Mask, name: str, style: Style) -> None:
        size = style["size"]
        part = size if isinstance(size, int) else size[mask]
        self.points(rows[mask], name, {**style, "size": part})

    def _sizes(self, rows: Rows, standard: int) -> int | Numbers:
        """Return diameters whose area grows with the column that the view names."""
        numbers = self.columns.numbers(self.view.size)
        if numbers is None or not np.isfinite(numbers[rows]).any():
            return standard
        low, high = np.nanmin(numbers[rows]), np.nanmax(numbers[rows])
        share = np.nan_to_num((numbers[rows] - low) / (high - low or 1))
        return np.sqrt(16 + 200 * share)

    def front(self, rows: Rows, *, intervals: bool) -> None:
        """Add the front, with the staircase that nothing known is beyond."""
        less = metric(self.view.x).direction == "minimize"
        bars: dict[str, Any] = {}
        if intervals:
            for key, name in (("error_x", self.view.x), ("error_y", self.view.y)):
                bars[key] = self._bars(rows, name)
        self.points(
            rows,
            "front",
            {"color": VERMILLION, "symbol": "diamond", "size": 10},
            mode="lines+markers",
            line={"color": VERMILLION, "shape": "hv" if less else "vh", "width": 1.5},
            **bars,
        )

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
        """Add published networks that have both metrics."""
        found = [each for each in references if {self.view.x, self.view.y} <= each.values.keys()]
        for place, source in enumerate(dict.fromkeys(each.source for each in found)):
            group = [each for each in found if each.source == source]
            self.figure.add_scatter(
                x=[each.values[self.view.x] for each in group],
                y=[each.values[self.view.y] for each in group],
                name=f"{escape(source)} ({len(group):,})",
                mode="markers",
                marker={
                    "symbol": ("star", "star-square")[place % 2],
                    "size": 9,
                    "color": "#CC79A7",
                },
                hovertext=[escape(f"{each.name}: {each.note}") for each in group],
                hovertemplate="%{hovertext}<br>%{x}, %{y}<extra>published</extra>",
            )

    def selected(self) -> None:
        """Ring the candidate looked at, and mark those that dominate it in these two metrics."""
        number = self.view.candidate
        row = None if number is None else self.columns.row(number)
        if row is None:
            return
        better = dominating(self.columns, row, (self.view.x, self.view.y))
        for rows, name, size, width in (
            (better, f"dominate {number}", 9, 1),
            (np.array([row]), f"candidate {number}", 18, 3),
        ):
            line = {"width": width, "color": ORANGE}
            looks = {"line": line, "symbol": "circle-open", "color": ORANGE, "size": size}
            self.points(rows, name, looks)


def _outlines(view: View) -> list[dict[str, Any]]:
    """Return lines at the bounds that filters set on the two metrics."""
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
