"""Text forms of numbers."""

from collections.abc import Iterable

from ..evaluators.base import Measurement, metric
from ..evaluators.units import has_unit


def format_value(name: str, value: float | None) -> str:
    """Return a metric's value with a short number and its unit.

    ``93.1 %``, ``12.3 M``, ``12.3 MB``, ``1.23 ms``, ``-``.
    """
    if value is None:
        return "-"
    found = metric(name)
    if found.share:
        return f"{100 * value:.1f} %"
    if found.tier == "exact" or found.unit == "B":
        unit = found.unit if has_unit(found) else ""
        for factor, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
            if abs(value) >= factor * 0.9995:
                return f"{value / factor:#.3g}".rstrip(".") + f" {prefix}{unit}"
        return f"{value:g} {unit}".rstrip()
    return f"{value:.3g} {found.unit if has_unit(found) else ''}".rstrip()


def difference_number(name: str, difference: float) -> str:
    """Return a difference of a metric's values as a number: in points of percent for a share."""
    return f"{100 * difference if metric(name).share else difference:.2g}"


def format_difference(name: str, difference: float) -> str:
    """Return a difference of a metric's values with its unit: ``0.62 points``, ``0.012``."""
    found = metric(name)
    unit = "points" if found.share else found.unit if has_unit(found) else ""
    return f"{difference_number(name, difference)} {unit}".rstrip()


def number_ranges(numbers: Iterable[int]) -> list[str]:
    """Return ascending integers as texts, with consecutive ones as a range.

    ``["0-3", "7"]`` for 0, 1, 2, 3 and 7.
    """
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return [str(first) if first == last else f"{first}-{last}" for first, last in runs]


def format_measurement(measurement: Measurement | None) -> str:
    """Return a value with its 95 % interval as text: ``93.1 % [92.0, 94.1]``."""
    if measurement is None:
        return "-"
    text = format_value(measurement.metric, measurement.value)
    if measurement.low is None or measurement.high is None:
        return text
    low, high = (
        format_value(measurement.metric, end) for end in (measurement.low, measurement.high)
    )
    suffix = text.partition(" ")[2]
    if all(end.partition(" ")[2] == suffix for end in (low, high)):
        low, high = low.partition(" ")[0], high.partition(" ")[0]
    return f"{text} [{low}, {high}]"
