"""Ranges of the scatter plot's axes: the study, and the published networks near it."""

from collections.abc import Sequence

import numpy as np

from ..analysis.columns import Columns, Numbers
from ..figures.view import View
from .references import Reference

_NEAR = 0.5  # share of the study's range added at each end
_EDGE = 0.06


def near_range(own: Numbers, others: Numbers, *, logarithmic: bool) -> tuple[float, float] | None:
    """Return the ends of an axis in plotly's form; None if all values fit, for plotly's choice.

    Args:
        own: Values of the study; those that are not finite, or not above zero on a logarithmic
            axis, are ignored.
        others: Values of published networks.
        logarithmic: Whether the ends are logarithms to base ten; networks within a decade are then
            near.
    """
    if logarithmic:
        own, others = (np.log10(each[each > 0]) for each in (own, others))
    own = own[np.isfinite(own)]
    if not len(own):
        return None
    low, high = own.min(), own.max()
    near = max(_NEAR * (high - low), 1.0 if logarithmic else _NEAR * abs(high))
    mask = (others >= low - near) & (others <= high + near)
    if mask.all():
        return None
    seen = np.concatenate([own, others[mask]])
    low, high = float(seen.min()), float(seen.max())
    edge = _EDGE * (high - low) or near / 2
    return low - edge, high + edge


def whole_range(values: Sequence[float], *, logarithmic: bool) -> tuple[float, float] | None:
    """Return plotly's own ends of an axis for all values; None for a single value.

    Args:
        values: The drawn values.
        logarithmic: Whether the ends are logarithms to base ten, of the values above zero.
    """
    scaled = np.array(values, np.float64)
    scaled = np.log10(scaled[scaled > 0]) if logarithmic else scaled
    if not len(scaled) or np.ptp(scaled) == 0:
        return (scaled[0] - 0.5, scaled[0] + 0.5) if logarithmic and len(scaled) else None
    edge = _EDGE * np.ptp(scaled)
    return float(scaled.min() - edge), float(scaled.max() + edge)


def axis_range(
    axis: str, view: View, columns: Columns, references: Sequence[Reference]
) -> tuple[float, float] | None:
    """Return the ends of an axis, ``x`` or ``y``; see ``near_range``."""
    if "far" in view.extras:
        return None
    name = getattr(view, axis)
    others = np.array([each.values[name] for each in references if name in each.values])
    return near_range(columns.value(name), others, logarithmic=axis in (view.scales or ()))


def beyond_note(view: View, columns: Columns, references: Sequence[Reference]) -> str:
    """Return a note on the published networks beyond the axes."""
    outside = set[int]()
    for axis, name in (("x", view.x), ("y", view.y)):
        ends = axis_range(axis, view, columns, references)
        if ends is None:
            continue
        low, high = (10**end for end in ends) if axis in (view.scales or ()) else ends
        outside |= {
            place
            for place, each in enumerate(references)
            if name in each.values and not low <= each.values[name] <= high
        }
    if not outside:
        return ""
    return (
        f"{len(outside):,} published networks are beyond the axes: tick far networks to see them."
    )
