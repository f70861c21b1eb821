"""Choosers: who answers when a search space is walked."""

import random
from collections.abc import Mapping, Sequence
from typing import Protocol

from ..domains import Domain, Value, same
from ..errors import InputError

Decisions = Mapping[str, Value]
"""What was chosen on a walk: path to value."""


class Chooser(Protocol):
    """Answers one open decision after the other."""

    def choose(self, path: str, domain: Domain, allowed: Sequence[Value]) -> Value:
        """Choose a value.

        Args:
            path: Name of the decision, such as ``stages.0.width``.
            domain: All values it can ever have; the same for a path on every walk.
            allowed: The values of the domain, in its order, that lead to an architecture here.

        Returns:
            One of ``allowed``.
        """
        ...


class RandomChooser:
    """Chooses uniformly among what is allowed at each decision."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def choose(self, path: str, domain: Domain, allowed: Sequence[Value]) -> Value:
        """Choose any allowed value."""
        return allowed[int(self._random.random() * len(allowed))]


class ReplayChooser:
    """Repeats stored decisions; asks another chooser where they say nothing that is allowed."""

    def __init__(self, decisions: Decisions, otherwise: Chooser | None = None) -> None:
        self._decisions = decisions
        self._otherwise = otherwise

    def choose(self, path: str, domain: Domain, allowed: Sequence[Value]) -> Value:
        """Choose the stored value.

        Raises:
            InputError: If there is none that is allowed, and no other chooser.
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
    """Takes the first value that is allowed."""

    def choose(self, path: str, domain: Domain, allowed: Sequence[Value]) -> Value:
        """Choose the first."""
        return allowed[0]


class RecordingChooser:
    """Passes every decision on to another chooser and keeps what was allowed."""

    def __init__(self, inner: Chooser) -> None:
        self._inner = inner
        self.offered: dict[str, tuple[Value, ...]] = {}
        """Path to the values that were allowed there."""

    def choose(self, path: str, domain: Domain, allowed: Sequence[Value]) -> Value:
        """Choose what the other chooser does."""
        self.offered[path] = tuple(allowed)
        return self._inner.choose(path, domain, allowed)


class MutationChooser:
    """Repeats stored decisions but changes each with a probability.

    An ordered value moves to a neighbour among the allowed ones, another to any other. What the
    change opens anew is chosen at random.
    """

    def __init__(self, decisions: Decisions, seed: int, rate: float) -> None:
        self._random = random.Random(seed)
        self._fresh = RandomChooser(self._random.getrandbits(32))
        self._replay = ReplayChooser(decisions, self._fresh)
        self._rate = rate

    def choose(self, path: str, domain: Domain, allowed: Sequence[Value]) -> Value:
        """Choose the stored value, or with probability ``rate`` another."""
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
        """Choose what one of the parents has."""
        return self._choosers[self._random.getrandbits(1)].choose(path, domain, allowed)


class EnumerationChooser:
    """Takes every way once: walk again until ``advance`` says that there is no more."""

    def __init__(self) -> None:
        self._places: list[int] = []
        self._counts: list[int] = []
        self._depth = 0

    def choose(self, path: str, domain: Domain, allowed: Sequence[Value]) -> Value:
        """Choose the next value that has not been taken here."""
        if self._depth == len(self._places):
            self._places.append(0)
            self._counts.append(len(allowed))
        self._depth += 1
        return allowed[self._places[self._depth - 1]]

    def advance(self) -> bool:
        """Turn to the next way; return false after the last."""
        self._depth = 0
        while self._places and self._places[-1] + 1 == self._counts[-1]:
            self._places.pop()
            self._counts.pop()
        if not self._places:
            return False
        self._places[-1] += 1
        return True
