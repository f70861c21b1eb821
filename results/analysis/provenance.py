"""How a measurement was had, as people read it."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from ...evaluators.base import Measurement

_UNITS = {"seconds": "s", "mhz": "MHz", "c": "°C", "w": "W"}  # by the last word of a name
_TIMES = ("median", "low", "high")  # in the unit of the metric
_SHARES = ("validation", "baseline")
_LEFT_OUT = ("learning_curve", "root")  # shown elsewhere; a folder of the machine that measured


def described(measurement: Measurement) -> dict[str, str]:
    """Return how a measurement was had: what, and its value with its unit.

    What nobody knows is left out, and so are folders; all of it is in the record.
    """
    return _told(measurement.provenance, measurement.unit)


def _told(data: Mapping[str, Any], unit: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in data.items():
        if key in _LEFT_OUT or value is None:
            continue
        words = key.split("_")
        if words[-1] in _UNITS:
            name, unit_of = " ".join(words[:-1]) or "time", _UNITS[words[-1]]
        else:
            name, unit_of = " ".join(words), unit if key in _TIMES else ""
        found[name] = f"{_text(key, value, unit)} {unit_of}".rstrip()
    return found


def _text(key: str, value: Any, unit: str) -> str:
    if isinstance(value, Mapping):
        inner = _told(cast(Mapping[str, Any], value), unit)
        return ", ".join(
            text if name == "name" else f"{name} {text}" for name, text in inner.items()
        )
    if isinstance(value, list | tuple):
        between = " x " if key == "image" else ", "
        return between.join(_text("", each, unit) for each in cast(Sequence[Any], value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if key in _SHARES:
        return f"{100 * value:.3g} %"
    if key == "resolution":
        return f"{value} pixels"
    if key == "fingerprint":
        return str(value)[:12]
    return f"{value:.4g}" if isinstance(value, float) else str(value)
