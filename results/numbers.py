"""Numbers as people read them."""

from ..evaluators.base import metric


def format_value(name: str, value: float | None) -> str:
    """Return a metric's value as people read it.

    ``93.1 %``, ``12.3 M``, ``12.3 MB``, ``1.23 ms``, ``-``.
    """
    if value is None:
        return "-"
    found = metric(name)
    if found.direction == "maximize" and found.unit == "1":
        return f"{100 * value:.1f} %"
    if found.tier == "exact":
        unit = found.unit if found.unit == "B" else ""  # what else is counted says so by its name
        for factor, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
            if abs(value) >= factor * 0.9995:
                return f"{value / factor:#.3g}".rstrip(".") + f" {prefix}{unit}"
        return f"{value:g} {unit}".rstrip()
    return f"{value:.3g} {found.unit}"
