"""Units that users write after numbers, and their factors."""

import re
from collections.abc import Mapping
from dataclasses import replace

from ..search_space.constraints.constraint import PREFIXES, Constraint
from ..search_space.errors import InputError, shown
from .base import Metric, is_known, metric

_MILLISECONDS = {"ns": 1e-6, "us": 1e-3, "µs": 1e-3, "μs": 1e-3, "ms": 1.0, "s": 1e3}
_SMALL = {"n": 1e-9, "u": 1e-6, "µ": 1e-6, "μ": 1e-6, "m": 1e-3}
_OWN_UNITS: Mapping[str, Mapping[str, float]] = {
    "B": {
        **PREFIXES,
        **{f"{prefix}B": scale for prefix, scale in PREFIXES.items()},
        **{f"{letter}iB": 1024.0 ** (1 + place) for place, letter in enumerate("KMG")},
    },
    "ms": {"": 1.0, **_MILLISECONDS},
    "s": {"": 1.0, **{unit: scale / 1e3 for unit, scale in _MILLISECONDS.items()}},
}
"""Accepted units after a bound and their factors, for a metric's own unit."""
_SECONDS = {
    **dict.fromkeys(("", "s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3600.0),
}
_TIME = re.compile(r"(\d+\.?\d*|\.\d+)\s*([a-z]*)\s*")

_PLAIN_NUMBER = r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?"
_PLAIN_BOUND = re.compile(
    r"\b([a-z_][a-z0-9_]*(?:@[a-z][a-z0-9_]*(?:-[a-z0-9_]+)*)?)"
    rf"(?: in {_PLAIN_NUMBER}\.\.|[<>]=?|==){_PLAIN_NUMBER}"
)
"""Pattern of a constraint as ``str`` writes it."""

_FLOPS = "flops"
"""A name accepted in place of ``macs``; one multiply-add is two FLOPs."""


_EXAMPLES = {"%": "90% or 0.9", "ms": "5ms or 0.005s", "B": "10MB or 10MiB"}
"""Format of a value, by unit."""


def _units(found: Metric) -> Mapping[str, float]:
    """Return the accepted units after a bound of a metric, with their factors."""
    if found.share:
        return {"": 1.0, "%": 0.01}
    if found.unit in _OWN_UNITS:
        return _OWN_UNITS[found.unit]
    prefixes = PREFIXES if found.tier == "exact" else PREFIXES | _SMALL
    of_unit = () if found.unit == "1" else (found.unit, f"{found.unit}s", f"{found.unit}s".lower())
    words = (*of_unit, found.name, *found.unit_names)
    named = {f"{letter}{word}": scale for letter, scale in prefixes.items() for word in words}
    return PREFIXES | named


def scale(name: str, unit: str) -> float:
    """Return the factor from a unit to the metric's own unit.

    Args:
        name: Name of a metric, or ``flops``.
        unit: The unit after the number; empty: the metric's own unit.

    Raises:
        InputError: If there is no such metric, or the metric does not have the unit.
    """
    found = replace(metric("macs"), name=_FLOPS, unit="FLOP") if name == _FLOPS else metric(name)
    units = _units(found)
    if unit not in units:
        how = _EXAMPLES.get("%" if found.share else found.unit, "2000000, 2e6 or 2M")
        raise InputError(f"a bound on {name} must be written like {how}, but got unit {unit!r}")
    return units[unit]


def read_constraint(text: str) -> Constraint:
    """Read a constraint with units: ``latency<=5ms``, ``accuracy>=90%``, ``peak_memory<=10MB``.

    A bound on ``flops`` becomes one on MACs, half as large.

    Raises:
        InputError: If the text is not a constraint, the metric is unknown, or no value can satisfy
            it.
    """
    found = Constraint.parse(text, scale)
    if found.metric == _FLOPS:
        return replace(found, metric="macs", low=found.low / 2, high=found.high / 2)
    if metric(found.metric).share and not (found.low <= 1 and found.high >= 0):
        raise InputError(
            f"{found.metric} must be bounded between 0 and 1 (0.9 is 90 %), or in %, "
            f"but got {text!r}"
        )
    return found


def write_value(name: str, value: float, digits: int = 6) -> str:
    """Return a metric's value with its unit: ``9 ms``, ``87.5 %``, ``1024 B``; counts have none.

    Args:
        name: Name of the metric.
        value: The value in the metric's own unit.
        digits: Most significant digits.
    """
    found = metric(name)
    if found.share:
        return f"{100 * value:.{digits}g} %"
    unit = f" {found.unit}" if has_unit(found) else ""
    return f"{value:.{digits}g}{unit}"


def has_unit(found: Metric) -> bool:
    """Whether a value is written with its unit; the names of counts and plain numbers imply it."""
    return found.unit not in ("1", "MAC")


def write_constraint(constraint: Constraint) -> str:
    """Return a constraint with units, which ``read_constraint`` reads back."""
    name = constraint.metric
    bounds = str(constraint).removeprefix(name)
    return name + re.sub(
        _PLAIN_NUMBER, lambda found: write_value(name, float(found[0]), digits=15), bounds
    )


def write_bounds(text: str) -> str:
    """Return a text with units added to its bounds, which must have the form of ``str``."""
    return _PLAIN_BOUND.sub(
        lambda found: (
            write_constraint(Constraint.parse(found[0])) if is_known(found[1]) else found[0]
        ),
        text,
    )


def plural(count: int, word: str) -> str:
    """Return a count with its noun: ``1 worker``, ``2 workers``, ``1,000 images``."""
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def read_metric(name: str) -> str:
    """Return a metric's name from a user's spelling, in any case; FLOPs give MACs.

    Raises:
        InputError: If there is no such metric; the message lists the known metrics.
    """
    lowered = name.strip().lower()
    return "macs" if lowered == _FLOPS else metric(lowered if is_known(lowered) else name).name


def taken_for_macs(text: str) -> str | None:
    """Return a note on the conversion of FLOPs in a constraint or a metric's name, or None."""
    if not re.search(rf"\b{_FLOPS}\b", text.lower()):
        return None
    meant = read_metric(text) if text.strip().isalpha() else read_constraint(text)
    return f"{text} is taken as {meant}: one multiply-add (MAC) is two FLOPs"


def read_seconds(name: str, value: object) -> float:
    """Return a duration in seconds from ``90``, ``90s``, ``10m``, ``1h30m``.

    Raises:
        InputError: If the text has another form.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    text = value.strip().lower() if isinstance(value, str) else ""
    pieces = _TIME.findall(text)
    whole = "".join(match[0] for match in re.finditer(_TIME, text)) == text
    units = {unit for _, unit in pieces}
    if not whole or not units or units - set(_SECONDS) or ("" in units and len(pieces) > 1):
        raise InputError(f"{name} must be a time like 90s, 10m or 1h, but got {shown(value)}")
    return sum(float(number) * _SECONDS[unit] for number, unit in pieces)


def read_whole(
    name: str, value: object, *, unit: str = "", hint: str = "", low: int | None = None
) -> int:
    """Read a whole number: ``100``, ``1e3``, ``2k``, ``1,000``, ``224px``.

    Args:
        name: Name of the number in messages.
        value: The value given.
        unit: Unit that may follow the number.
        hint: Hint in brackets after the rule in messages.
        low: The smallest legal number, or None.

    Raises:
        InputError: If the text has another form, is not whole, or too small.
    """
    number = _whole(name, value, unit, hint)
    if low is not None and number < low:
        raise InputError(f"{name} must be at least {low}, but got {number}")
    return number


def _whole(name: str, value: object, unit: str, hint: str) -> int:
    if type(value) is int:
        return value
    text = value.strip().removesuffix(unit).strip() if isinstance(value, str) else ""
    plain = re.sub(r"(?<=\d)[,_](?=\d{3}(?!\d))", "", text)
    if match := re.fullmatch(r"([-+]?\d+(?:\.\d+)?(?:[eE]\+?\d+)?)([kKM]?)", plain):
        number = float(match[1]) * PREFIXES[match[2]]
        if number.is_integer():
            return int(number)
    more = f" ({hint})" if hint else ""
    raise InputError(f"{name} must be a whole number{more}, but got {shown(value)}")
