"""The pool of candidates that a model chooses from: fresh samples, and variants of the front."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from ...search_space.domains import Value
from ...search_space.seeds import derive_seed
from ...search_space.walk.assembly import Walk
from ...search_space.walk.choosers import CrossoverChooser, MutationChooser, RandomChooser
from ..space_protocol import Space

Decisions = Mapping[str, Value]

_SHORT = 24
"""Largest number of decisions of a space whose walks are short."""


@dataclass(frozen=True, kw_only=True)
class PoolSizes:
    """The numbers of walks of each kind in a pool."""

    fresh: int = 640
    """Random walks."""
    fresh_new: int = 8
    """Random walks that are replaced from one proposal to the next."""
    parents: int = 24
    """Maximum number of members of the front that are varied."""
    mutants: int = 24
    """Mutants of each parent."""
    crossings: int = 6
    """Children of each parent with the next one."""
    renewal: int = 3
    """Proposals after which one mutant of each parent is replaced."""

    @classmethod
    def of(cls, decisions: int) -> "PoolSizes":
        """Return the sizes for a number of decisions: fewer walks where each takes longer."""
        if decisions <= _SHORT:
            return cls()
        return cls(fresh=224, fresh_new=6, parents=12, mutants=12, crossings=3)


@dataclass(frozen=True, eq=False)
class Member:
    """A member of the pool."""

    key: str
    """``decisions_key`` of the decisions."""
    walk: Walk
    """The walk."""


class Parent(Protocol):
    """A member of the front from which variants are made."""

    @property
    def key(self) -> str:
        """``decisions_key`` of the decisions."""
        ...

    @property
    def decisions(self) -> Decisions:
        """The decisions of the member."""
        ...


_Plan = tuple[str, Parent | None, Parent | None, int]


class Pool:
    """Walks through a space; walks that pools share are made once.

    The pool of a proposal depends on the seed, the proposal's number and the parents alone. Most of
    it is that of the proposal before, since a walk through a large space takes a millisecond.
    """

    def __init__(self, space: Space, seed: int, sizes: PoolSizes | None = None) -> None:
        """Start without walks.

        Args:
            space: The space.
            seed: Seed of all walks.
            sizes: Numbers of walks; None: those for the number of decisions.
        """
        self._space = space
        self._seed = seed
        self._sizes = sizes or PoolSizes.of(len(space.decisions()))
        self._made: dict[tuple[str, str, str, int], Member] = {}

    def members(self, number: int, parents: Sequence[Parent]) -> list[Member]:
        """Return the pool of a proposal, without repeated decisions.

        Args:
            number: Number of the proposal.
            parents: Members of the front, in an order that depends on the history alone.
        """
        chosen = spread(parents, self._sizes.parents)
        before, self._made = self._made, {}  # what this pool does not need is dropped
        found: dict[str, Member] = {}
        for plan in self._plans(number, chosen):
            kind, one, other, index = plan
            key = (kind, one.key if one else "", other.key if other else "", index)
            member = before.get(key) or self._member(key, one, other)
            self._made[key] = member
            found.setdefault(member.key, member)
        return list(found.values())

    def _plans(self, number: int, parents: Sequence[Parent]) -> Iterator[_Plan]:
        sizes = self._sizes
        first = number * sizes.fresh_new
        for index in range(first, first + sizes.fresh):
            yield "fresh", None, None, index
        first = number // sizes.renewal
        for place, each in enumerate(parents):
            for index in range(first, first + sizes.mutants):
                yield "mutant", each, None, index
            if len(parents) > 1:
                other = parents[(place + 1) % len(parents)]
                for index in range(first, first + sizes.crossings):
                    yield "child", each, other, index

    def _member(
        self, key: tuple[str, str, str, int], one: Parent | None, other: Parent | None
    ) -> Member:
        seed = derive_seed(self._seed, *key)
        if one is None:
            chooser = RandomChooser(seed)
        elif other is not None:
            chooser = CrossoverChooser(one.decisions, other.decisions, seed)
        else:
            changes = 1 + random.Random(seed).randrange(3)
            rate = min(1.0, changes / max(1, len(one.decisions)))
            chooser = MutationChooser(one.decisions, seed, rate)
        walk = self._space.walk(chooser)
        return Member(key=decisions_key(walk.decisions), walk=walk)


def decisions_key(decisions: Decisions) -> str:
    """Return a text that is the same for the same decisions in any order."""
    return repr(sorted(decisions.items()))


_Item = TypeVar("_Item")


def spread(items: Sequence[_Item], count: int) -> Sequence[_Item]:
    """Return at most ``count`` items, evenly spread over the sequence, both ends included."""
    if len(items) <= count:
        return items
    return [items[round(place * (len(items) - 1) / (count - 1))] for place in range(count)]
