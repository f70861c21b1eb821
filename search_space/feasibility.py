"""Hard constraints: bounds on metrics that every candidate must keep."""

import math
import re
from dataclasses import dataclass

from .errors import InputError

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?[kKMG]?"
_BOUND = re.compile(rf"^\s*([a-z_]+)\s*(<=|>=|==|=|<|>)\s*({_NUMBER})\s*$")
_RANGE = re.compile(rf"^\s*([a-z_]+)\s+in\s+({_NUMBER})\s*\.\.\s*({_NUMBER})\s*$")
_SUFFIX = {"k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9}


def _number(text: str) -> float:
    return float(text[:-1]) * _SUFFIX[text[-1]] if text[-1] in _SUFFIX else float(text)


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
    def parse(cls, text: str) -> "Constraint":
        """Read ``params<=2e6``, ``latency<5``, ``macs in 200e6..300e6``; k, M and G are allowed.

        Raises:
            InputError: If the text has another form, or the range is empty.
        """
        if match := _BOUND.match(text):
            name, sign, value = match[1], match[2], _number(match[3])
            low = value if sign in (">", ">=", "=", "==") else -math.inf
            high = value if sign in ("<", "<=", "=", "==") else math.inf
            return cls(metric=name, low=low, high=high, strict=sign in ("<", ">"))
        if match := _RANGE.match(text):
            low, high = _number(match[2]), _number(match[3])
            if low > high:
                raise InputError(f"a range must run from low to high, but got {text!r}")
            return cls(metric=match[1], low=low, high=high)
        raise InputError(
            f"a constraint must read like 'params<=2e6' or 'macs in 200e6..300e6', but got {text!r}"
        )

    def holds(self, value: float) -> bool:
        """Whether ``value`` keeps the bounds."""
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
