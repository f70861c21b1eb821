"""How far a study has come: what its front dominates, candidate by candidate."""

import numpy as np
import plotly.graph_objects as go

from ..columns import Columns
from ..front import Losses, hypervolume_growth, unit_losses
from ..plots import VERMILLION
from .scatter import Rows
from .source import Snapshot
from .theme import new_figure, said


def finished_rows(columns: Columns, objectives: tuple[str, ...]) -> Rows:
    """Return the rows comparable in the objectives, in the order in which they finished."""
    rows = np.flatnonzero(columns.comparable(objectives))
    return rows[np.argsort(columns.order_N[rows], kind="stable")]


def corners(values: Losses) -> Rows:
    """Return the places where a staircase changes, and the last one."""
    if not len(values):
        return np.empty(0, np.intp)
    steps = np.flatnonzero(np.diff(values, prepend=-1.0))
    return np.union1d(steps, [len(values) - 1])


def progress(snapshot: Snapshot) -> tuple[go.Figure, str]:
    """Return the figure of the hypervolume over the finished candidates, and its note."""
    columns, objectives = snapshot.columns, snapshot.settings.objectives
    rows = finished_rows(columns, objectives)
    figure = new_figure(
        xaxis={"title": {"text": "candidates finished"}},
        yaxis={"title": {"text": "hypervolume"}, "rangemode": "tozero"},
    )
    if not len(rows):
        return said(figure, "No candidate is complete yet."), ""
    grown = hypervolume_growth(unit_losses(columns.losses(objectives)[rows], objectives))
    at = corners(grown)
    figure.add_scatter(
        x=at + 1,
        y=grown[at],
        customdata=columns.number_N[rows[at]],
        mode="lines",
        line={"shape": "hv", "color": VERMILLION},
        hovertemplate="%{y:.4f} after %{x}, candidate %{customdata}<extra></extra>",
    )
    note = (
        f"Share of the space of {', '.join(objectives)} that the front dominates: 1 would be the "
        "best value seen of each at once. Counts go by their logarithm."
    )
    return figure, note
