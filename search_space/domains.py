"""Typed domains: the legal values of one decision."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from .errors import InputError, shown

Value = bool | int | float | str

LARGEST = 10**6
"""The largest legal number in an architecture; larger networks could not be built."""


def same(left: Value, right: Value) -> bool:
    """Whether two values are equal and of the same type: ``True`` is not 1."""
    return left == right and isinstance(left, bool) == isinstance(right, bool)


class Domain(ABC):
    """The legal values of one decision."""

    @property
    @abstractmethod
    def values(self) -> tuple[Value, ...]:
        """All legal values, in ascending order where ``ordered``."""

    @property
    @abstractmethod
    def ordered(self) -> bool:
        """Whether the order of ``values`` has a meaning: neighbours are similar, and larger values
        contain smaller ones.
        """

    @property
    @abstractmethod
    def rule(self) -> str:
        """The rule for a value, as the words that follow "must"."""

    def check(self, name: str, value: object) -> None:
        """Raise ``InputError`` with the rule and the value where ``value`` is not legal."""
        for known in self.values:
            whole_given_broken = isinstance(known, int) and isinstance(value, float)
            if same(cast(Value, value), known) and not whole_given_broken:
                return
        raise InputError(f"{name} must {self.rule}, but got {shown(value)}")


@dataclass(frozen=True)
class Choice(Domain):
    """One of a list of values, ordered only if all are numbers."""

    options: tuple[Value, ...]
    """The legal values: at least one, without repetition."""

    def __init__(self, options: Sequence[Value]) -> None:
        if not options:
            raise InputError("a choice must have at least one value, but got none")
        if len({(type(option) is bool, option) for option in options}) < len(options):
            raise InputError(f"a choice must not repeat a value, but got {list(options)}")
        if all(isinstance(o, int | float) and not isinstance(o, bool) for o in options):
            options = sorted(options)  # type: ignore[type-var]
        object.__setattr__(self, "options", tuple(options))

    @property
    def values(self) -> tuple[Value, ...]:
        """All legal values."""
        return self.options

    @property
    def ordered(self) -> bool:
        """Numbers are ordered; names and booleans are not."""
        return all(isinstance(o, int | float) and not isinstance(o, bool) for o in self.options)

    @property
    def rule(self) -> str:
        """The rule for a value."""
        return f"be one of {', '.join(str(option) for option in self.options)}"


@dataclass(frozen=True)
class IntRange(Domain):
    """The integers ``low, low + step, ...`` up to ``high``."""

    low: int
    """The smallest legal value."""
    high: int
    """Upper bound of the values."""
    step: int = 1
    """Distance between neighbours, at least 1."""

    def __post_init__(self) -> None:
        if self.step < 1:
            raise InputError(f"step must be at least 1, but got {self.step}")
        if self.low > self.high:
            raise InputError(f"min must not exceed max, but got {self.low} and {self.high}")

    @property
    def values(self) -> tuple[int, ...]:
        """All legal values in ascending order."""
        return tuple(range(self.low, self.high + 1, self.step))

    @property
    def ordered(self) -> bool:
        """Integers are ordered."""
        return True

    @property
    def rule(self) -> str:
        """The rule for a value."""
        if self.step == 2 and self.low % 2:
            return f"be odd and from {self.low} to {self.high}"
        grid = "" if self.step == 1 else f" in steps of {self.step}"
        return f"be an integer from {self.low} to {self.high}{grid}"

    def check(self, name: str, value: object) -> None:
        """Raise ``InputError`` with the rule and the value where ``value`` is not legal."""
        legal = (
            isinstance(value, int)
            and not isinstance(value, bool)
            and self.low <= value <= self.high
            and (value - self.low) % self.step == 0
        )
        if not legal:
            if isinstance(value, int) and self.step == 2 and self.low % 2 and value % 2 == 0:
                raise InputError(f"{name} must be odd, but got {shown(value)}")
            raise InputError(f"{name} must {self.rule}, but got {shown(value)}")


@dataclass(frozen=True)
class Positive(Domain):
    """Any positive number up to ``most``; a search space must list values to sample from."""

    whole: bool = False
    """Whether the value must be an integer."""
    most: int = LARGEST
    """The largest legal value."""

    @property
    def values(self) -> tuple[Value, ...]:
        """Raise ``InputError``: the search space must narrow this domain first."""
        raise InputError("an unbounded field must be given its values in the space, but got 'any'")

    @property
    def ordered(self) -> bool:
        """Numbers are ordered."""
        return True

    @property
    def rule(self) -> str:
        """The rule for a value."""
        return f"be a positive {'integer' if self.whole else 'number'} up to {self.most}"

    def check(self, name: str, value: object) -> None:
        """Raise ``InputError`` with the rule and the value where ``value`` is not legal."""
        number = isinstance(value, int if self.whole else int | float)
        if isinstance(value, bool) or not number or not 0 < cast(float, value) <= self.most:
            raise InputError(f"{name} must {self.rule}, but got {shown(value)}")


YES_NO = Choice((False, True))
