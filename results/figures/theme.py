"""Style of the dashboard's figures, whose text and lines have the page's colours."""

from typing import Any

import plotly.graph_objects as go

from .plots import BLUE, COLOURS

GREY = "#8A8A8A"
"""A grey that is visible on white and on black."""
SCALE = [[0.0, BLUE], [1.0, COLOURS[4]]]
"""Colour scale of numbers, clear with any colour vision, on white and on black."""

_LOOKS: Any = {
    "template": None,
    "paper_bgcolor": "rgba(0,0,0,0)",
    "plot_bgcolor": "rgba(0,0,0,0)",
    "font": {"family": "system-ui, sans-serif", "size": 13},
    "legend": {"orientation": "h", "yanchor": "bottom", "y": 1.0, "x": 0},
    "hoverlabel": {"align": "left"},
    "margin": {"l": 56, "r": 16, "t": 16, "b": 48},
}


def new_figure(**layout: Any) -> go.Figure:
    """Return an empty figure."""
    return go.Figure(layout={**_LOOKS, **layout})  # updating a layout takes six times as long


def themed(figure: go.Figure, **layout: Any) -> go.Figure:
    """Remove background and template from a figure, so that the page's colours show."""
    return figure.update_layout({**_LOOKS, **layout})


def said(figure: go.Figure, text: str) -> go.Figure:
    """Return an empty figure with a line of text."""
    figure.add_annotation(text=text, showarrow=False, x=0.5, y=0.5, xref="paper", yref="paper")
    figure.update_xaxes(visible=False).update_yaxes(visible=False)
    return figure
