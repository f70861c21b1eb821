"""The data of the scatter plot: each candidate once, by its role."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..analysis.columns import STATUSES, Columns
from ..analysis.front import Mask
from .filters import kept
from .view import View

Rows = NDArray[np.intp]


@dataclass(frozen=True, kw_only=True, eq=False)
class ScatterData:
    """Rows of candidates by their role in the scatter plot."""

    shown: Rows
    """Complete, kept candidates with both metrics."""
    front: Rows
    """Candidates of ``shown`` that no kept candidate dominates in the objectives, left to right;
    ties within the intervals are among them."""
    unclear: Rows
    """Dominated candidates of ``shown`` that none dominates beyond the intervals."""
    stairs: Sequence[Rows]
    """Candidates of ``shown`` that none dominates in the two metrics alone, left to right: one
    array per set of comparable candidates."""
    alone: bool
    """Whether the objectives differ from the two metrics, so that the front differs too."""
    context: Rows
    """Complete candidates with both metrics that a filter leaves out."""
    others: dict[str, Rows]
    """Incomplete, kept candidates with both metrics, by status."""
    without: dict[tuple[str, str], Rows]
    """Kept candidates with one of the metrics, by status and the axis of the missing metric."""
    nowhere: int
    """Number of kept candidates with neither metric."""


def scatter_data(columns: Columns, view: View, objectives: Sequence[str]) -> ScatterData:
    """Return the candidates by their role in the plot.

    Args:
        columns: The candidates.
        view: The view, with its two metrics and filters.
        objectives: Metrics that define dominance, whatever the two metrics are.
    """
    metrics = (view.x, view.y)
    mask, complete = kept(view.filters, columns), columns.comparable(metrics)
    shown = np.flatnonzero(mask & complete)
    front = columns.front(objectives, mask)
    best = np.intersect1d(front, shown)
    unclear = np.intersect1d(columns.front(objectives, mask, intervals=True), shown)
    alone = set(metrics) != set(objectives)
    has = {axis: np.isfinite(columns.value(getattr(view, axis))) for axis in "xy"}
    some = STATUSES if "infeasible" in view.extras else ("complete", "baseline")
    kinds = {name: mask & columns.has_status(name) for name in some}
    return ScatterData(
        shown=shown,
        front=_rising(best, columns, view.x),
        unclear=np.setdiff1d(unclear, front),
        stairs=[
            _rising(each, columns, view.x) for each in columns.fronts(metrics, mask, ties=False)
        ],
        alone=alone,
        context=np.flatnonzero(complete & ~mask),
        others={
            name: np.flatnonzero(rows & has["x"] & has["y"])
            for name, rows in kinds.items()
            if name != "complete"
        },
        without={
            (name, lacked): np.flatnonzero(rows & has[other] & ~has[lacked])
            for name, rows in kinds.items()
            for lacked, other in ("yx", "xy")
        },
        nowhere=int(sum((rows & ~has["x"] & ~has["y"]).sum() for rows in kinds.values())),
    )


def _rising(rows: Rows, columns: Columns, name: str) -> Rows:
    return rows[np.argsort(columns.value(name)[rows], kind="stable")]


def without_note(view: View, drawn: ScatterData) -> str:
    """Return a note on the candidates without a metric: how many, and where they are drawn."""
    texts: list[str] = []
    for lacked, other in ("yx", "xy"):
        count = sum(len(rows) for (_, axis), rows in drawn.without.items() if axis == lacked)
        if count:
            names = (getattr(view, axis) for axis in (lacked, other))
            texts.append("{:,} without {} are ticks along {}.".format(count, *names))
    if drawn.nowhere:
        texts.append(f"{drawn.nowhere:,} have neither.")
    return " ".join(texts)


def dominator_rows(columns: Columns, row: int, objectives: Sequence[str], mask: Mask) -> Rows:
    """Return the rows of ``mask`` that dominate one row, by the rule of ``pareto_front``.

    The result is empty if the row is not comparable.
    """
    both = columns.comparable(objectives)
    if not both[row]:
        return np.empty(0, np.intp)
    timed = columns.timed(objectives)
    both = both & (timed == timed[row])
    losses = columns.losses(objectives)
    best, worst = columns.loss_intervals(objectives)
    better = (losses <= losses[row]).all(axis=1) & (worst < best[row]).any(axis=1)
    return np.flatnonzero(both & mask & better)
