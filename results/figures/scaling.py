"""The figure of scaling: the score of networks against their cost, along each rule."""

import math
from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from ..analysis.scaling import Family, score_of
from ..analysis.scaling_laws import LawFit
from .axis_format import log_tick, metric_axis
from .plots import COLOURS, DASHES, hover_text
from .theme import new_figure, said

_STEPS = 60
_NONE = "No candidate was made by nas scale."


def scaling_figure(
    families: Sequence[Family], fits: Mapping[str, LawFit], size: str, score: str
) -> go.Figure:
    """Return the score of each family against its cost, with the fitted laws as dashed lines.

    Args:
        families: The families.
        fits: Fitted laws by the name of their family.
        size: Name of the cost.
        score: Name of the metric.
    """
    figure = new_figure(showlegend=True)
    if not families:
        return said(figure, _NONE)
    for place, family in enumerate(families):
        colour = COLOURS[place % len(COLOURS)]
        shown = [each.measurements[score] for each in family.members]
        high = [0.0 if each.high is None else each.high - each.value for each in shown]
        low = [0.0 if each.low is None else each.value - each.low for each in shown]
        figure.add_scatter(
            x=[each.value(size) for each in family.members],
            y=[each.value for each in shown],
            error_y={
                "type": "data",
                "symmetric": False,
                "array": high,
                "arrayminus": low,
                "thickness": 1,
                "width": 0,
            },
            customdata=[each.number for each in family.members],
            hovertext=[hover_text(each) for each in family.members],
            hoverinfo="text",
            name=family.name,
            mode="lines+markers",
            line={"color": colour, "dash": DASHES[place // len(COLOURS) % len(DASHES)]},
        )
        if family.name in fits:
            _add_law(figure, fits[family.name], family.name, score, colour)
    sizes = [value for f in families for each in f.members if (value := each.value(size))]
    scores = [each.measurements[score].value for f in families for each in f.members]
    figure.update_xaxes(metric_axis(size, sizes, None, logarithmic=True), dtick=log_tick(sizes))
    figure.update_yaxes(metric_axis(score, scores, None, logarithmic=False))
    return figure


def _add_law(figure: go.Figure, fit: LawFit, name: str, score: str, colour: str) -> None:
    """Add a fitted law, and the predicted interval of the size that was held out."""
    ends = [math.log(each.size) for each in (fit.points[0], fit.held_out)]
    steps = [ends[0] + (ends[1] - ends[0]) * each / _STEPS for each in range(_STEPS + 1)]
    figure.add_scatter(
        x=[math.exp(each) for each in steps],
        y=[score_of(score, fit.error(math.exp(each))) for each in steps],
        mode="lines",
        line={"color": colour, "dash": "dash", "width": 1},
        name=f"{name}, fitted",
        hoverinfo="skip",
    )
    predicted = fit.predicted
    figure.add_scatter(
        x=[fit.held_out.size] * 2,
        y=[score_of(score, each) for each in (predicted.low, predicted.high)],
        mode="lines",
        line={"color": colour, "width": 6},
        opacity=0.3,
        name=f"{name}, predicted",
        hovertemplate=f"predicted for candidate {fit.held_out.number}<extra></extra>",
    )
