"""The figure of a study's progress: the hypervolume of the front over the candidates."""

import numpy as np
import plotly.graph_objects as go

from ..analysis.compare import corners, growths
from ..figures.plots import VERMILLION
from ..figures.snapshot import Snapshot
from ..figures.theme import new_figure, said


def progress(snapshot: Snapshot) -> tuple[go.Figure, str]:
    """Return the figure of the hypervolume over the finished candidates, and its note."""
    columns, objectives = snapshot.columns, snapshot.settings.objectives
    (grown,) = growths([columns], [np.ones(len(columns), np.bool_)], objectives)
    figure = new_figure(
        xaxis={"title": {"text": "candidates finished"}},
        yaxis={"title": {"text": "hypervolume"}, "rangemode": "tozero"},
    )
    if not len(grown.row_N):
        return said(figure, "No candidate is complete yet."), ""
    at = corners(grown.volume_N)
    figure.add_scatter(
        x=at + 1,
        y=grown.volume_N[at],
        customdata=columns.number_N[grown.row_N[at]],
        mode="lines" if len(at) > 1 else "markers",  # one point gives no line
        line={"shape": "hv", "color": VERMILLION},
        hovertemplate="%{y:.4f} after %{x}, candidate %{customdata}<extra></extra>",
    )
    note = (
        f"Share of the space of {', '.join(objectives)} that the front dominates: 1 would be the "
        "best value seen of each at once. Counts are on a logarithmic scale."
    )
    return figure, note
