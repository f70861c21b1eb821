"""Actions of the user in figures, as changes of the view."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ...search_space.errors import InputError
from ..figures.filters import Between, Filter, Inside, with_filter
from ..figures.view import View
from .parallel import Axis, read_box


def act(view: View, axes: Callable[[], Sequence[Axis]], done: object) -> View:
    """Return the view after an action in a figure.

    Args:
        view: The view before the action.
        axes: Function that returns the parallel axes.
        done: The action, as ``assets/dashboard.js`` reports it: ``what`` is ``scatter``,
            ``parallel`` or ``click``; the rest is plotly's description.

    Raises:
        InputError: If a selection is invalid.
    """
    match done:
        case {"what": "scatter", "selected": {**selected}}:
            return select(view, _checked(selected))
        case {"what": "parallel", "selected": {**selected}}:
            return drag(view, axes(), _checked(selected))
        case {"what": "click", "candidate": int(number)}:
            return replace(view, candidate=number)
        case _:
            return view


def select(view: View, selected: Mapping[str, Any]) -> View:
    """Return the view filtered by a box or a lasso drawn in the scatter plot."""
    for new in selection_filters(view, selected):
        view = replace(view, filters=with_filter(view.filters, new), start=0)
    return view


def selection_filters(view: View, selected: Mapping[str, Any]) -> list[Filter]:
    """Return the filters of a box or a lasso drawn in the scatter plot."""
    if box := selected.get("range"):
        ends = [(name, sorted(box[axis])) for axis, name in (("x", view.x), ("y", view.y))]
        return [Between(column=name, low=low, high=high) for name, (low, high) in ends]
    if line := selected.get("lassoPoints"):
        points = tuple(zip(*(map(_drawn, line[axis]) for axis in "xy"), strict=True))
        scales = view.scales or ()
        return [
            Inside(x=view.x, y=view.y, logarithmic=("x" in scales, "y" in scales), points=points)
        ]
    return []


def _checked(selected: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a selection if it is a box, a lasso or empty."""
    for name, fewest, most in (("range", 2, 2), ("lassoPoints", 1, 10_000)):
        match selected.get(name):
            case None:
                pass
            case {"x": [*x], "y": [*y]} if fewest <= len(x) == len(y) <= most and all(
                map(_is_number, (*x, *y))
            ):
                pass
            case given:
                raise InputError(f"a selection must be of points in x and y, but got {given!r:.80}")
    return selected


def _is_number(end: object) -> bool:
    return isinstance(end, int | float) and abs(end) < float("inf")


def _drawn(end: float) -> float:
    """Round a drawn coordinate, since the address holds all points of a lasso."""
    return float(f"{end:.7g}")


def drag(view: View, axes: Sequence[Axis], selected: Mapping[str, Any]) -> View:
    """Return the view filtered by a box drawn over parallel axes."""
    for new in read_box(axes, selected):
        view = replace(view, filters=with_filter(view.filters, new), start=0)
    return view
