"""Labels of a metric's axis: title, number format, ends."""

from collections.abc import Collection, Sequence
from math import ceil, isfinite, log10
from typing import Any

from ...evaluators.base import metric
from ...evaluators.units import has_unit
from ..analysis.front import is_count


def axis_title(name: str) -> str:
    """Return the metric's name with its unit, if it has one."""
    found = metric(name)
    return f"{name} [{found.unit}]" if has_unit(found) else name


def tick_format(name: str, values: Collection[float] = ()) -> str | None:
    """Return the number format of a metric's axis: percent for shares, SI prefixes for counts.

    Args:
        name: The metric.
        values: The values on the axis. The closer together they are, the more digits are shown.
    """
    if is_share(name):
        return f".{share_digits(values)}~%"
    return "~s" if is_count(name) else None


def is_share(name: str) -> bool:
    """Whether a metric is shown in percent."""
    return metric(name).share


def share_digits(values: Collection[float]) -> int:
    """Return the fewest decimals of a percentage at which about five axis labels differ."""
    span = max(values) - min(values) if values else 0.0
    return min(6, max(1, ceil(-log10(100 * span / 5)))) if span > 0 else 1


def flat_ends(name: str, values: Collection[float]) -> list[float] | None:
    """Return the ends of a linear axis for equal values; None if the values differ.

    For equal values plotly would choose an axis of whole numbers.

    Args:
        name: The metric.
        values: The values on the axis.
    """
    known = [value for value in values if isfinite(value)]
    if not known or min(known) < max(known):
        return None
    half = 0.05 if is_share(name) else abs(known[0]) / 10 or 1.0
    return [known[0] - half, known[0] + half]


def log_tick(values: Collection[float]) -> str | int | None:
    """Return plotly's tick setting for labels at 1, 2, 5 ..., or at powers of ten on a longer axis.

    On other axes plotly chooses the labels by the space available.

    Args:
        values: The values on the axis; those not above zero are ignored.
    """
    seen = [value for value in values if value > 0]
    ratio = max(seen) / min(seen) if seen else 1.0
    return None if ratio <= 5 else "D2" if ratio < 300 else 1 if ratio < 1e9 else None


def metric_axis(
    name: str, ends: Collection[float], reach: Sequence[float] | None, *, logarithmic: bool
) -> dict[str, Any]:
    """Return the axis of a metric as plotly's settings.

    Args:
        name: The metric.
        ends: Values on the axis, at least the smallest and the largest.
        reach: Range of the axis in its own scale; None: chosen by plotly.
        logarithmic: Whether the axis is logarithmic.
    """
    return {
        "title": {"text": axis_title(name)},
        "type": "log" if logarithmic else "linear",
        "dtick": log_tick(ends) if logarithmic else None,
        "tickformat": tick_format(name, ends),
        "automargin": True,
        "range": reach,
    }
