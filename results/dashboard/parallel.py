"""The parallel coordinates plot of decisions and metrics, in which ranges can be selected.

The server draws thousands of lines as one picture in milliseconds; a browser without a graphics
card would need seconds.
"""

import base64
import io
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from html import escape
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from plotly.colors import sample_colorscale, unlabel_rgb

from ...evaluators.base import metric
from ..analysis.columns import Columns
from ..analysis.front import Mask, is_count
from ..figures.axis_format import axis_title
from ..figures.filters import Among, Between, Filter, kept
from ..figures.plots import short_path, telling_columns
from ..figures.theme import GREY, SCALE, new_figure, said
from ..figures.view import View
from ..numbers import format_value
from .scatter import ORANGE

MOST = 1_000
"""Maximum number of lines of kept candidates; of more, evenly spaced ones are drawn."""
_CONTEXT = 300  # lines of candidates filtered out
_DENSE = 300  # smallest number of lines that are drawn paler
AXES = 8
"""Default number of axes."""
_FEWEST = 4  # decisions among the default axes
_LABELS = 20  # named values at an axis
_LETTERS = 17  # characters of a value, or of a line of a title, that fit beside the next axis
_SPREAD = 0.3
_SIZE = (1200, 400)  # height of the picture, pixels
_SHADES = 64


@dataclass(frozen=True, kw_only=True, eq=False)
class Axis:
    """One column as an axis from 0 to 1."""

    name: str
    """Name of the column."""
    title: str
    """Title above the axis."""
    low: float
    """Value at height 0: the logarithm of a count, or the index of a decision's value."""
    high: float
    """Value at height 1."""
    logarithmic: bool
    """Whether the axis shows the logarithm of a count."""
    labels: Sequence[str] | None
    """Values of a decision by index; None for a metric."""
    flat: bool = False
    """Whether all candidates have the same value."""

    def at(self, value: Any) -> Any:
        """Return the height of a value on the axis, 0 to 1."""
        scaled = np.log10(np.maximum(value, 1e-300)) if self.logarithmic else value
        return (scaled - self.low) / (self.high - self.low or 1.0)

    def value(self, height: float) -> float:
        """Return the value at a height."""
        scaled = self.low + height * (self.high - self.low)
        return float(10**scaled if self.logarithmic else scaled)

    @property
    def step(self) -> int:
        """Index distance between the named values of a decision."""
        return -(-len(self.labels or ()) // _LABELS)

    @property
    def lines(self) -> list[str]:
        """The title, split into lines that fit between the axes."""
        lines = textwrap.wrap(  # a tab marks where a name may be divided
            self.title.replace("_", "_\t"),
            _LETTERS + 2,
            expand_tabs=False,
            replace_whitespace=False,
        )
        lines = [each.replace("\t", "") for each in lines]
        return [*lines, f"(1 of {self.step} named)"] if self.step > 1 else lines

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """Heights and texts of the labelled values."""
        if self.labels is not None:
            step = self.step
            named = list(enumerate(self.labels))[::step]
            return [(self.at(code), escape(shortened(label))) for code, label in named]
        if self.flat:
            return [(0.5, format_value(self.name, self.value(0.5)))]
        heights = np.linspace(0, 1, 5).tolist()
        return [(each, format_value(self.name, self.value(each))) for each in heights]


def shortened(text: str) -> str:
    """Return a text shortened to fit beside an axis."""
    return text if len(text) <= _LETTERS else f"{text[: _LETTERS - 1]}\u2026"


def make_axes(
    columns: Columns, objectives: Sequence[str], chosen: Sequence[str] = ()
) -> list[Axis]:
    """Return the axes: decisions to the left, metrics to the right.

    Args:
        columns: The candidates.
        objectives: Names of the objectives.
        chosen: Names of columns; empty: the objectives, the other measured metrics, and the
            decisions that explain most of the first objective, up to the default number of axes.
    """
    every = [*objectives, *(name for name in columns.metrics if name not in objectives)]
    paths = [name for name in chosen if name in columns.decisions]
    metrics = [name for name in every if name in chosen]
    if not paths and not metrics:
        measured = [name for name in every if name in objectives or metric(name).tier != "exact"]
        metrics = measured[: max(len(objectives), AXES - _FEWEST)]
        paths = telling_columns(columns, objectives[0], max(_FEWEST, AXES - len(metrics)))
    drawn = columns.comparable(objectives)
    return [
        *(_decision_axis(columns, path) for path in paths),
        *(_metric_axis(name, columns.value(name)[drawn]) for name in metrics),
    ]


def _decision_axis(columns: Columns, path: str) -> Axis:
    labels = columns.decisions[path].labels
    return Axis(
        name=path,
        title=short_path(path),
        low=-_SPREAD,
        high=len(labels) - 1 + _SPREAD,
        logarithmic=False,
        labels=labels,
    )


def _metric_axis(name: str, values: NDArray[np.float64]) -> Axis:
    values = values[np.isfinite(values)]
    logarithmic = is_count(name) and bool((values > 0).all())
    scaled = np.log10(values) if logarithmic else values
    low, high = (float(scaled.min()), float(scaled.max())) if len(scaled) else (0.0, 1.0)
    flat = low == high
    if flat:
        low, high = low - 0.5, high + 0.5
    return Axis(
        name=name,
        title=axis_title(name),
        low=low,
        high=high,
        logarithmic=logarithmic,
        labels=None,
        flat=flat,
    )


def heights(columns: Columns, axes: Sequence[Axis], rows: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the heights at which the candidates' lines cross the axes, (rows, axes)."""
    crossed: list[NDArray[np.float64]] = []
    for axis in axes:
        if axis.labels is None:
            crossed.append(axis.at(columns.value(axis.name)[rows]))
        else:  # lines of one value are spread side by side, in fixed order
            apart = (rows * 0.618034 % 1 - 0.5) * 2 * _SPREAD
            crossed.append(axis.at(columns.decisions[axis.name].codes_N[rows] + apart))
    return np.stack(crossed, axis=1)


def parallel(
    columns: Columns, view: View, axes: Sequence[Axis], objectives: Sequence[str]
) -> go.Figure:
    """Return the figure.

    Args:
        columns: The candidates; complete ones with all metrics of the axes are drawn.
        objectives: Names of the objectives; the first one colours the lines.
        view: The view, with its filters and the chosen candidate.
        axes: The axes, from ``make_axes``.
    """
    metrics = [axis.name for axis in axes if axis.labels is None]
    complete = columns.comparable([*metrics, objectives[0]])
    mask = kept(view.filters, columns)
    row = None if view.candidate is None else columns.row(view.candidate)
    chosen = row is not None and complete[row]
    opacity = 1.0 if (complete & mask).sum() < _DENSE else 0.6  # texts are above the lines
    tall = max(len(axis.lines) for axis in axes)
    figure = new_figure(
        # If only the picture and the boxes differ, the browser redraws nothing else.
        datarevision=f"{chosen and row} {[astuple(axis) for axis in axes]}",
        selectionrevision=" ".join(each.to_text() for each in view.filters),
        images=[_image(_picture(columns, axes, complete, mask, objectives[0]), len(axes), opacity)]
        if complete.any()
        else [],
        shapes=[box for each in view.filters for box in _outlines(axes, each)],
        margin={"l": _room(axes[0]), "r": 64, "t": 16 + 17 * tall, "b": 16},
        meta={"axes": len(axes)},
        dragmode="select",
        hovermode=False,
        showlegend=False,
        xaxis={
            "range": [-0.35, len(axes) - 0.65],
            "tickvals": list(range(len(axes))),
            "ticktext": ["<br>".join(map(escape, axis.lines)) for axis in axes],
            "tickangle": 0,
            "side": "top",
            "fixedrange": True,
            "showgrid": False,
            "zeroline": False,
        },
        yaxis={"range": [-0.03, 1.03], "visible": False, "fixedrange": True},
    )
    if not complete.any():
        return said(figure, "No candidate is complete yet.")
    _add_axes(figure, axes)
    if chosen:
        line = heights(columns, axes, np.array([row]))[0]
        looks = {"color": ORANGE, "width": 3}
        figure.add_scatter(x=list(range(len(axes))), y=line, mode="lines", line=looks)
    return figure


def _image(source: str, axes: int, opacity: float) -> dict[str, Any]:
    """Return the layout of the figure, with the picture of lines behind ``axes`` axes."""
    return {
        "source": source,
        "xref": "x",
        "yref": "y",
        "x": 0,
        "y": 1,
        "sizex": axes - 1,
        "sizey": 1,
        "sizing": "stretch",
        "layer": "below",
        "opacity": opacity,
    }


def _room(axis: Axis) -> int:
    """Return the width in pixels of the texts left of the first axis."""
    return max(64, 7 * max(len(text) for _, text in axis.ticks))


def _some(mask: Mask, most: int) -> NDArray[np.intp]:
    rows = np.flatnonzero(mask)
    return rows[:: max(1, -(-len(rows) // most))]


def _picture(
    columns: Columns, axes: Sequence[Axis], complete: Mask, mask: Mask, colour: str
) -> str:
    """Return the lines as a picture in a data URL, kept candidates above the others."""
    image = Image.new("P", _SIZE, 0)
    draw = ImageDraw.Draw(image)
    chosen = _some(complete & mask, MOST)
    values = columns.value(colour)
    low, high = values[complete].min(), values[complete].max()
    shades = np.nan_to_num((values - low) / (high - low or 1.0) * (_SHADES - 1)).astype(int)
    chosen = chosen[np.argsort(values[chosen], kind="stable")]
    for rows, plain in ((_some(complete & ~mask, _CONTEXT), True), (chosen, False)):
        x = np.linspace(0, _SIZE[0] - 1, len(axes))
        y = (1 - heights(columns, axes, rows)) * (_SIZE[1] - 1)
        lines = np.stack([np.broadcast_to(x, y.shape), y], axis=2).reshape(len(rows), 2 * len(axes))
        for row, line in zip(rows.tolist(), lines.tolist(), strict=True):
            draw.line(line, fill=_SHADES + 1 if plain else int(shades[row]) + 1)
    image.putpalette(_palette(), "RGBA")
    data = io.BytesIO()
    image.save(data, "PNG", compress_level=1)
    return f"data:image/png;base64,{base64.b64encode(data.getvalue()).decode()}"


def _palette() -> bytes:
    """Return the palette: transparent, the shades, and grey for candidates filtered out."""
    shades = sample_colorscale(SCALE, np.linspace(0, 1, _SHADES).tolist())
    colours = [(0, 0, 0, 0), *((*map(round, unlabel_rgb(each)), 200) for each in shades)]
    return bytes(part for each in (*colours, (127, 127, 127, 60)) for part in each)


def _add_axes(figure: go.Figure, axes: Sequence[Axis]) -> None:
    x: list[float | None] = []
    y: list[float | None] = []
    places: list[tuple[float, float, str]] = []
    for place, axis in enumerate(axes):
        x += [place, place, None]
        y += [0, 1, None]
        places += [(place, height, text) for height, text in axis.ticks]
    figure.add_scatter(x=x, y=y, mode="lines", line={"color": GREY, "width": 1.5})
    figure.add_scatter(
        x=[each[0] for each in places],
        y=[each[1] for each in places],
        text=[each[2] for each in places],
        mode="text",
        textposition="middle left",
        textfont={"size": 11},
    )


def _outlines(axes: Sequence[Axis], chosen: Filter) -> list[dict[str, Any]]:
    """Return a box on each axis around the range of a filter."""
    boxes: list[dict[str, Any]] = []
    for place, axis in enumerate(axes):
        if axis.name not in chosen.columns:
            continue
        if isinstance(chosen, Between) and axis.labels is None:
            spans = [np.clip(axis.at(np.array([chosen.low, chosen.high])), 0, 1)]
        elif isinstance(chosen, Among) and axis.labels is not None:
            codes = [code for code, text in enumerate(axis.labels) if text in chosen.levels]
            spans = [axis.at(np.array([code - _SPREAD, code + _SPREAD])) for code in codes]
        else:
            continue
        for low, high in spans:
            ends = {"x0": place - 0.05, "x1": place + 0.05, "y0": float(low), "y1": float(high)}
            boxes.append({"type": "rect", **ends, "line": {"color": ORANGE, "width": 2}})
    return boxes


def read_box(axes: Sequence[Axis], selected: Mapping[str, Any]) -> list[Filter]:
    """Return the filters of a box drawn over axes, one for each axis in it.

    Args:
        axes: The axes.
        selected: What plotly reports: ``{"range": {"x": [1.5, 2.2], "y": [0.1, 0.4]}}``.
    """
    box = selected.get("range")
    if not box:
        return []
    (left, right), (low, high) = (sorted(box[name]) for name in "xy")
    found: list[Filter] = []
    for place, axis in enumerate(axes):
        if not left <= place <= right:
            continue
        if axis.labels is None:
            # No bound at the ends: a rounded bound could exclude the last candidate.
            ends = (
                axis.value(low) if low > 0 else -np.inf,
                axis.value(high) if high < 1 else np.inf,
            )
            found.append(Between(column=axis.name, low=ends[0], high=ends[1]))
        else:
            span = (axis.value(low) - _SPREAD, axis.value(high) + _SPREAD)
            kept_labels = [t for code, t in enumerate(axis.labels) if span[0] <= code <= span[1]]
            found.append(Among(column=axis.name, levels=tuple(kept_labels)))
    return [each for each in found if not isinstance(each, Among) or each.levels]
