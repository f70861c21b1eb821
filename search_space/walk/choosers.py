"""Choosers: they make the decisions of a walk through a search space."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol, TypeVar

from ..domains import Domain, Value, same
from ..errors import InputError

W = TypeVar("W")

Decisions = Mapping[str, Value]
"""The decisions of a walk: from path to value."""


class Chooser(Protocol):
    """Makes the decisions of a walk, one after the other."""

    def choose(self, path: str, domain: Domain, allowed: Sequence[Value]) -> Value:
        """Return a value for one decision.

        Args:
            path: Name of the decision, such as ``stages.0.width``.
            domain: All values of the decision; the same for a path on every walk.
            allowed: The values of the domain, in its order, that lead to an architecture here.

        Returns:
            One of ``allowed``.
        """
        ...


class RandomChooser:
    """Chooses uniformly among the allowed values."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def choose(self, path: str, domain: Domain, allowed: Sequence[Value]) -> Value:
        """Return a random allowed value."""
        return allowed[int(self._random.random() * len(allowed))]


class ReplayChooser:
    """Repeats stored decisions; another chooser decides if a value is missing or not allowed."""

    def __init__(self, decisions: Decisions, otherwise: Chooser | None = None) -> None:
        self._decisions = decisions
        self._otherwise = otherwise

    def choose(self, path: str, domain: Domain, allowed: Sequence[Value]) -> Value:
        """Return the stored value.

        Raises:
            InputError: If no stored value is allowed and there is no other chooser.
        """
        if path in self._decisions:
            stored = self._decisions[path]
            for value in allowed:
                if same(value, stored):
                    return value
        if self._otherwise is not None:
            return self._otherwise.choose(path, domain, allowed)
        raise InputError(
            f"{path} must be one of {', '.join(map(str, allowed))}, "
            f"but got {self._decisions.get(path)!r}"
        )


class FirstChooser:
    """Chooses the first allowed value."""

    def choose(self, path: str, domain: Domain, allowed: Sequence[Value]) -> Value:
        """Return the first allowed value."""
        return allowed[0]


class RecordingChooser:
    """Passes every decision on to another chooser and records the allowed values."""

    def __init__(self, inner: Chooser) -> None:
        self._inner = inner
        self.offered: dict[str, tuple[Value, ...]] = {}
        """The allowed values of each decision, by path."""

    def choose(self, path: str, domain: Domain, allowed: Sequence[Value]) -> Value:
        """Return the other chooser's value."""
        self.offered[path] = tuple(allowed)
        return self._inner.choose(path, domain, allowed)


class MutationChooser:
    """Repeats stored decisions and changes each with a given probability.

    In an ordered domain the value changes to a neighbouring allowed value, else to any other. New
    decisions that follow from a change are random.
    """

    def __init__(self, decisions: Decisions, seed: int, rate: float) -> None:
        self._random = random.Random(seed)
        self._fresh = RandomChooser(self._random.getrandbits(32))
        self._replay = ReplayChooser(decisions, self._fresh)
        self._rate = rate

    def choose(self, path: str, domain: Domain, allowed: Sequence[Value]) -> Value:
        """Return the stored value, or with probability ``rate`` another."""
        value = self._replay.choose(path, domain, allowed)
        if len(allowed) < 2 or self._random.random() >= self._rate:
            return value
        at = allowed.index(value)
        if domain.ordered:
            return allowed[
                self._random.choice([i for i in (at - 1, at + 1) if 0 <= i < len(allowed)])
            ]
        return allowed[self._random.choice([i for i in range(len(allowed)) if i != at])]


class CrossoverChooser:
    """Takes each decision from one of two parents, at random (uniform crossover)."""

    def __init__(self, first: Decisions, second: Decisions, seed: int) -> None:
        self._random = random.Random(seed)
        fresh = RandomChooser(self._random.getrandbits(32))
        self._choosers = (
            ReplayChooser(first, ReplayChooser(second, fresh)),
            ReplayChooser(second, ReplayChooser(first, fresh)),
        )

    def choose(self, path: str, domain: Domain, allowed: Sequence[Value]) -> Value:
        """Return the value of one of the parents."""
        return self._choosers[self._random.getrandbits(1)].choose(path, domain, allowed)


class EnumerationChooser:
    """Enumerates all walks: walk again until ``advance`` returns False."""

    def __init__(self) -> None:
        self._places: list[int] = []
        self._counts: list[int] = []
        self._depth = 0

    def choose(self, path: str, domain: Domain, allowed: Sequence[Value]) -> Value:
        """Return the next value that has not been chosen here."""
        if self._depth == len(self._places):
            self._places.append(0)
            self._counts.append(len(allowed))
        self._depth += 1
        return allowed[self._places[self._depth - 1]]

    def advance(self) -> bool:
        """Move on to the next walk; return False after the last."""
        self._depth = 0
        while self._places and self._places[-1] + 1 == self._counts[-1]:
            self._places.pop()
            self._counts.pop()
        if not self._places:
            return False
        self._places[-1] += 1
        return True


def enumerate_walks(walk: Callable[[Chooser], W]) -> Iterator[W]:
    """Yield every walk once, in a fixed order.

    Args:
        walk: A function that walks through a space with a chooser.
    """
    chooser = EnumerationChooser()
    while True:
        yield walk(chooser)
        if not chooser.advance():
            return
