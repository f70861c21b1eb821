"""Hard constraints: bounds on metrics that every candidate must satisfy."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

from ..errors import InputError

_DIGITS = r"(?:\d{1,3}(?:[,_]\d{3})+(?!\d)|\d+)"
_NUMBER = rf"[-+]?(?:{_DIGITS}\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_VALUE = rf"({_NUMBER})\s*([A-Za-zµμ%]*)"
_SIGN = r"\s*(<=|>=|==|=|<|>|≤|≥)\s*"
_NAME = r"([A-Za-z_][A-Za-z0-9_]*(?:@[A-Za-z][A-Za-z0-9_]*(?:-[A-Za-z0-9_]+)*)?)"
_BOUND = re.compile(rf"\s*{_NAME}{_SIGN}{_VALUE}\s*")
_TURNED = re.compile(rf"\s*{_VALUE}{_SIGN}{_NAME}\s*")
_RANGE = re.compile(rf"\s*{_NAME}\s+in\s+{_VALUE}\s*\.\.\s*{_VALUE}\s*")
_BETWEEN = re.compile(rf"\s*{_VALUE}\s*(?:<=|≤)\s*{_NAME}\s*(?:<=|≤)\s*{_VALUE}\s*")
_PLAIN = {"≤": "<=", "≥": ">=", "=": "=="}
_FLIPPED = {"<=": ">=", ">=": "<=", "<": ">", ">": "<", "==": "=="}

PREFIXES = {"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9}
"""The factor of each suffix of a number."""

Scale = Callable[[str, str], float]
"""A function from the name of a metric and a unit to the factor of that unit."""


def prefix_scale(metric: str, unit: str) -> float:
    """Return the factor of a plain ``k``, ``M`` or ``G``.

    Raises:
        InputError: If ``unit`` is anything else.
    """
    if unit not in PREFIXES:
        raise InputError(
            f"a bound on {metric} must be a number, or one with k, M or G, but got unit {unit!r}"
        )
    return PREFIXES[unit]


@dataclass(frozen=True, kw_only=True)
class Constraint:
    """``low <= metric <= high``; a strict bound excludes its own value."""

    metric: str
    """Name of the metric."""
    low: float = -math.inf
    """Lower bound in the metric's unit."""
    high: float = math.inf
    """Upper bound in the metric's unit."""
    strict: bool = False
    """Whether the bounds themselves are excluded."""

    @classmethod
    def parse(cls, text: str, scale: Scale = prefix_scale) -> "Constraint":
        """Read ``params<=2e6``, ``macs in 200M..300M`` or ``200M<=macs<=300M``.

        Args:
            text: One constraint.
            scale: The factors of units; by default only k, M and G are known.

        Raises:
            InputError: If the text has another form, a unit is not known, or the range is empty.
        """
        name, bounds, strict = _read(text)
        name = name.lower()
        try:
            low, high = (number * scale(name, unit) for number, unit in bounds)
        except InputError as error:
            raise InputError(f"in {text!r}, {error}") from None
        if low > high:
            raise InputError(f"a range must run from low to high, but got {text!r}")
        return cls(metric=name, low=low, high=high, strict=strict)

    def holds(self, value: float) -> bool:
        """Whether ``value`` satisfies the constraint."""
        if self.strict:
            return self.low < value < self.high
        return self.low <= value <= self.high

    def __str__(self) -> str:
        if self.low == self.high:
            return f"{self.metric}=={self.low:.15g}"
        if math.isfinite(self.low) and math.isfinite(self.high):
            return f"{self.metric} in {self.low:.15g}..{self.high:.15g}"
        sign, value = ("<", self.high) if math.isfinite(self.high) else (">", self.low)
        return f"{self.metric}{sign}{'' if self.strict else '='}{value:.15g}"


_Bound = tuple[float, str]
_NONE: tuple[_Bound, _Bound] = ((-math.inf, ""), (math.inf, ""))


def _read(text: str) -> tuple[str, tuple[_Bound, _Bound], bool]:
    """Return a metric's name, its lower and upper bound with units, and whether they are strict.

    Raises:
        InputError: If the text has another form.
    """
    if match := _BETWEEN.fullmatch(text):
        return match[3], ((_number(match[1]), match[2]), (_number(match[4]), match[5])), False
    if match := _RANGE.fullmatch(text):
        return match[1], ((_number(match[2]), match[3]), (_number(match[4]), match[5])), False
    if match := _BOUND.fullmatch(text):
        name, sign, value = match[1], match[2], (_number(match[3]), match[4])
        sign = _PLAIN.get(sign, sign)
    elif match := _TURNED.fullmatch(text):
        name, sign, value = match[4], match[3], (_number(match[1]), match[2])
        sign = _FLIPPED[_PLAIN.get(sign, sign)]
    else:
        raise InputError(
            f"a constraint must read like 'params<=2e6' or 'macs in 200e6..300e6', but got {text!r}"
        )
    low = value if sign in (">", ">=", "==") else _NONE[0]
    high = value if sign in ("<", "<=", "==") else _NONE[1]
    return name, (low, high), sign in ("<", ">")


def _number(text: str) -> float:
    return float(text.replace(",", "").replace("_", ""))
