"""The figure of a benchmark: hypervolume against trials."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.colors import hex_to_rgb

from ...results.figures.plots import COLOURS, DASHES
from .bench import Curves, Floats


def bench_figure(curves: Sequence[Curves]) -> go.Figure:
    """Return medians over the seeds as lines and quartiles as bands.

    Shows the tight ratio if there is one, else the wide ratio.
    """
    figure = go.Figure()
    for place, each in enumerate(curves):
        figure.add_traces(_traces(each, place))
    kind = "tight" if curves and curves[0].tight_SN is not None else "wide"
    figure.update_layout(
        template="plotly_white",
        xaxis={"title": {"text": "trials"}},
        yaxis={"title": {"text": f"{kind} hypervolume, relative to the table's"}},
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.0, "x": 0},
        margin={"l": 64, "r": 16, "t": 24, "b": 56},
    )
    return figure


def _traces(curves: Curves, place: int) -> list[go.Scatter]:
    shown: Floats = curves.wide_SN if curves.tight_SN is None else curves.tight_SN
    low, middle, high = np.percentile(shown, (25, 50, 75), axis=0)
    trials = np.arange(1, len(middle) + 1)
    colour, dash = COLOURS[place % len(COLOURS)], DASHES[place // len(COLOURS) % len(DASHES)]
    red, green, blue = hex_to_rgb(colour)
    common: dict[str, Any] = {"legendgroup": curves.searcher, "hoverinfo": "skip"}
    band = go.Scatter(
        x=np.concatenate([trials, trials[::-1]]),
        y=np.concatenate([high, low[::-1]]),
        fill="toself",
        fillcolor=f"rgba({red},{green},{blue},0.15)",
        line={"width": 0},
        showlegend=False,
        **common,
    )
    line = go.Scatter(
        x=trials,
        y=middle,
        name=curves.searcher,
        legendgroup=curves.searcher,
        line={"color": colour, "dash": dash},
    )
    return [band, line]
