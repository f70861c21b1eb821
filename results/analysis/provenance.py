"""The provenance of a measurement as text for people."""

from collections.abc import Mapping
from typing import Any

from ...evaluators.base import Measurement
from ...evaluators.targets import OUTPUTS, stated_target
from ...search_space.json_fields import is_list, is_mapping

_UNITS = {"seconds": "s", "mhz": "MHz", "c": "°C", "w": "W"}  # units by the last word of a key
_TIMES = ("median", "low", "high")  # keys in the unit of the metric
_SHARES = ("validation", "baseline")
_LEFT_OUT = ("learning_curve", "root")  # keys shown elsewhere, and folders of the measuring machine


def described(measurement: Measurement) -> dict[str, str]:
    """Return the provenance of a measurement: from key to value with unit.

    Unknown values and folders are left out; the record holds everything.
    """
    return _described(measurement.provenance, measurement.unit)


def _described(data: Mapping[str, Any], unit: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in data.items():
        if key in _LEFT_OUT or value is None:
            continue
        words = key.split("_")
        if words[-1] in _UNITS:
            name, unit_of = " ".join(words[:-1]) or "time", _UNITS[words[-1]]
        else:
            name, unit_of = " ".join(words), unit if key in _TIMES else ""
            if key == "classes" and (target := stated_target(data)) != "classes":
                name = OUTPUTS[target]
        found[name] = f"{_text(key, value, unit)} {unit_of}".rstrip()
    return found


def _text(key: str, value: Any, unit: str) -> str:
    if is_mapping(value):
        inner = _described(value, unit)
        return ", ".join(
            text if name == "name" else f"{name} {text}" for name, text in inner.items()
        )
    if is_list(value):
        between = " x " if key == "image" else ", "
        return between.join(_text("", each, unit) for each in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if key in _SHARES:
        return f"{100 * value:.3g} %"
    if key == "resolution":
        return f"{value} pixels"
    if key == "fingerprint":
        return str(value)[:12]
    return f"{value:.4g}" if isinstance(value, float) else str(value)
