"""Units that users write after numbers, and their factors."""

import re
from dataclasses import replace

from ..search_space.constraints.constraint import PREFIXES, Constraint
from ..search_space.errors import InputError, shown
from .base import METRICS, metric

_BYTES = {
    **{f"{prefix}B": scale for prefix, scale in PREFIXES.items()},
    **{f"{letter}iB": 1024.0 ** (1 + place) for place, letter in enumerate("KMG")},
}
_MILLISECONDS = {"ns": 1e-6, "us": 1e-3, "µs": 1e-3, "μs": 1e-3, "ms": 1.0, "s": 1e3}
_SECONDS = {
    **dict.fromkeys(("", "s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3600.0),
}
_TIME = re.compile(r"(\d+\.?\d*|\.\d+)\s*([a-z]*)\s*")

_PLAIN_NUMBER = r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?"
_PLAIN_BOUND = re.compile(
    rf"\b(?:{'|'.join(METRICS)})(?: in {_PLAIN_NUMBER}\.\.|[<>]=?|==){_PLAIN_NUMBER}"
)
"""Pattern of a constraint as written by ``str``."""

_FLOPS = "flops"
"""Name that users may bound instead of MACs; one multiply-add is two FLOPs."""


def _counts(*words: str) -> dict[str, float]:
    """Return the units of a count with their factors: a prefix, a word, or both."""
    return {f"{prefix}{word}": scale for prefix, scale in PREFIXES.items() for word in ("", *words)}


_UNITS = {
    "accuracy": {"": 1.0, "%": 0.01},
    "latency": {"": 1.0, **_MILLISECONDS},
    "params": _counts("params", "parameters"),
    "macs": _counts("MAC", "MACs", "macs"),
    _FLOPS: _counts("FLOP", "FLOPs", "flops"),
}
"""Factor by metric and unit."""

_EXAMPLES = {"accuracy": "90% or 0.9", "latency": "5ms or 0.005s", "B": "10MB or 10MiB"}
"""Examples of values by metric or unit, for messages."""


def scale(name: str, unit: str) -> float:
    """Return the factor from a unit to the metric's own unit.

    Args:
        name: Name of a metric, or ``flops``.
        unit: The unit after the number; empty: the metric's own unit.

    Raises:
        InputError: If there is no such metric, or the metric does not have the unit.
    """
    found = metric(name).unit if name != _FLOPS else ""
    units = _UNITS.get(name) or (PREFIXES | _BYTES if found == "B" else _counts())
    if unit not in units:
        how = _EXAMPLES.get(name) or _EXAMPLES.get(found) or "2000000, 2e6 or 2M"
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
    if metric(found.metric).direction == "maximize" and not (found.low <= 1 and found.high >= 0):
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
    if found.direction == "maximize" and found.unit == "1":
        return f"{100 * value:.{digits}g} %"
    unit = "" if found.tier == "exact" and found.unit != "B" else f" {found.unit}"
    return f"{value:.{digits}g}{unit}"


def write_constraint(constraint: Constraint) -> str:
    """Return a constraint with units, which ``read_constraint`` reads back."""
    name = constraint.metric
    bounds = str(constraint).removeprefix(name)
    return name + re.sub(
        _PLAIN_NUMBER, lambda found: write_value(name, float(found[0]), digits=15), bounds
    )


def write_bounds(text: str) -> str:
    """Return a text with units added to the bounds in it that ``str`` wrote."""
    return _PLAIN_BOUND.sub(lambda found: write_constraint(Constraint.parse(found[0])), text)


def plural(count: int, word: str) -> str:
    """Return a number of things: ``1 worker``, ``2 workers``, ``1,000 images``."""
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def read_metric(name: str) -> str:
    """Return a metric's name from a user's spelling, in any case; FLOPs give MACs.

    Raises:
        InputError: If there is no such metric; the message lists the known metrics.
    """
    lowered = name.strip().lower()
    return "macs" if lowered == _FLOPS else metric(lowered if lowered in METRICS else name).name


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
