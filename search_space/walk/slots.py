"""Slots: places of a space where components are chosen, with a domain for each knob."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import product
from typing import TypeVar

from ..components.base import Component
from ..components.canonical import canonical_component
from ..domains import Choice, Domain, Value
from ..errors import InputError
from ..shapes import Shape
from .choosers import Chooser

C = TypeVar("C", bound=Component)


@dataclass(frozen=True, kw_only=True)
class Decision:
    """One decision and its value."""

    path: str
    """Name of the decision, relative to its slot."""
    domain: Domain
    """All values of the decision."""
    value: Value
    """The chosen value."""

    def under(self, prefix: str) -> "Decision":
        """Return the decision with ``prefix`` before its path."""
        return Decision(path=self.path_under(prefix), domain=self.domain, value=self.value)

    def path_under(self, prefix: str) -> str:
        """Return the path with ``prefix`` before it."""
        return f"{prefix}.{self.path}" if self.path else prefix


@dataclass(frozen=True, kw_only=True)
class SlotChoice:
    """One choice: a component or a bare value, and the decisions that lead to it."""

    component: Component | None = None
    """The component, in canonical form; None for a bare value."""
    value: Value | None = None
    """The bare value; None for a component."""
    decisions: tuple[Decision, ...] = ()
    """The decisions, in the order of the walk."""

    def made(self, kind: type[C]) -> C:
        """Return the component, which must be of this kind."""
        assert isinstance(self.component, kind)
        return self.component


Product = tuple[Component, tuple[Decision, ...]]
"""A component, and the decisions on its knobs and nested components that lead to it."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Option:
    """One component of a slot, with domains for its fields."""

    cls: type[Component]
    """The component's class."""
    knobs: Mapping[str, Domain]
    """The domains of the fields that the space names."""
    slots: "Mapping[str, Slot]"
    """The slots of the fields that are components."""
    named: bool = False
    """Whether the space names the component, rather than ``any`` or nothing."""
    _own: "dict[str, tuple[Product, ...]]" = field(default_factory=dict, init=False, repr=False)
    """The choices without nested components, by prefix: they are the same for all shapes."""

    def choices(self, shape: Shape, width: int | None, prefix: str) -> Iterator[SlotChoice]:
        """Yield every concrete component that works on ``shape``, in canonical form.

        ``prefix`` is put before the paths of the decisions.
        """
        nested = {name: slot.choices(shape, width) for name, slot in self.slots.items()}
        for component, decisions in self.products(nested, prefix):
            if component.why_invalid(shape, width) is None:
                yield SlotChoice(
                    component=canonical_component(component, shape), decisions=decisions
                )

    def products(
        self, nested: Mapping[str, Sequence[SlotChoice]], prefix: str
    ) -> "Iterator[Product]":
        """Yield every choice of knobs and nested components; a single value is no decision."""
        if nested:
            yield from self._products(nested, prefix)
            return
        if prefix not in self._own:
            self._own[prefix] = tuple(self._products({}, prefix))
        yield from self._own[prefix]

    def _products(
        self, nested: Mapping[str, Sequence[SlotChoice]], prefix: str
    ) -> "Iterator[Product]":
        """Yield the choices of ``products``, without its cache."""
        knobs = [
            [
                (name, value, (Decision(path=prefix + name, domain=domain, value=value),))
                if len(domain.values) > 1
                else (name, value, ())
                for value in domain.values
            ]
            for name, domain in self.knobs.items()
        ]
        components = [
            [
                (
                    name,
                    choice.component,
                    tuple(each.under(f"{prefix}{name}") for each in choice.decisions),
                )
                for choice in choices
            ]
            for name, choices in nested.items()
        ]
        for chosen in product(*knobs, *components):
            component = self.cls(**{name: value for name, value, _ in chosen})
            yield component, tuple(decision for _, _, each in chosen for decision in each)

    def own_choices(self) -> tuple[SlotChoice, ...]:
        """Return the component for each choice of its own knobs, with default nested components."""
        return tuple(
            SlotChoice(component=component, decisions=decisions)
            for component, decisions in self.products({}, "")
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class Slot:
    """A place for one component, with the options for it."""

    kind: type[Component]
    """The kind of component."""
    options: tuple[Option, ...]
    """The components that the space offers, at least one."""

    def only(self, keep: Callable[[type[Component]], bool], what: str, path: str) -> "Slot":
        """Return the slot without the components that ``keep`` rejects, nested ones included.

        Args:
            keep: A function from a class to whether it stays.
            what: What the components that stay can do, for the error.
            path: Full name of the slot, for the error.

        Raises:
            InputError: If no component would stay.
        """
        options = tuple(
            replace(
                option,
                slots={
                    name: s.only(keep, what, f"{path}.{name}") for name, s in option.slots.items()
                },
            )
            for option in self.options
            if keep(option.cls)
        )
        if not options:
            names = ", ".join(option.cls.name for option in self.options)
            raise InputError(
                f"{path} must keep one {self.kind.kind} at least that {what}, but got {names}"
            )
        return replace(self, options=options)

    def classes(self) -> Iterator[type[Component]]:
        """Yield every component class of the slot, nested ones included."""
        for option in self.options:
            yield option.cls
            for slot in option.slots.values():
                yield from slot.classes()

    @cached_property
    def names(self) -> Choice:
        """The decision between the options."""
        return Choice(tuple(option.cls.name for option in self.options))

    @cached_property
    def by_name(self) -> "Mapping[str, Option]":
        """The options by the names of their components."""
        return {option.cls.name: option for option in self.options}

    def choices(self, shape: Shape, width: int | None = None) -> tuple[SlotChoice, ...]:
        """Return every component of the slot that works on ``shape``, once each, in canonical form.

        Of several descriptions of one component the first is kept.
        """
        found: dict[Component | None, SlotChoice] = {}
        several = len(self.options) > 1
        for option in self.options:
            name = option.cls.name
            named = (Decision(path="", domain=self.names, value=name),) if several else ()
            for choice in option.choices(shape, width, f"{name}." if several else ""):
                whole = SlotChoice(component=choice.component, decisions=named + choice.decisions)
                found.setdefault(choice.component, whole)
        return tuple(found.values())

    def decisions(self, path: str) -> Iterator[tuple[str, Domain]]:
        """Yield every possible decision of the slot: its path and its domain."""
        several = len(self.options) > 1
        if several:
            yield path, self.names
        for option in self.options:
            prefix = f"{path}.{option.cls.name}" if several else path
            for name, domain in option.knobs.items():
                if len(domain.values) > 1:
                    yield f"{prefix}.{name}", domain
            for name, slot in option.slots.items():
                yield from slot.decisions(f"{prefix}.{name}")


def value_choice(domain: Domain, value: Value) -> SlotChoice:
    """Return the choice of a bare value; it has a decision if the domain has several values."""
    alone = len(domain.values) == 1
    decisions = () if alone else (Decision(path="", domain=domain, value=value),)
    return SlotChoice(value=value, decisions=decisions)


@dataclass(frozen=True, eq=False, kw_only=True)
class TreeNode:
    """One decision between choices: an inner node of a decision tree."""

    path: str
    """Full name of the decision."""
    domain: Domain
    """All values of the decision."""
    branches: "tuple[tuple[Value, int, TreeNode | int], ...]"
    """For each value, in the order of the domain: the value, the choices it leaves (a bit mask),
    and the next decision or the number of the choice."""

    @cached_property
    def values(self) -> tuple[Value, ...]:
        """The values of ``branches``."""
        return tuple(value for value, _, _ in self.branches)

    @cached_property
    def all(self) -> int:
        """All choices below this decision, as a bit mask."""
        return sum(choices for _, choices, _ in self.branches)


def decision_tree(choices: Sequence[SlotChoice], path: str) -> TreeNode | int:
    """Return the decision tree that leads to each of ``choices``.

    Args:
        choices: At least one, no two with the same decisions.
        path: Prefix of the paths of the decisions.
    """
    return _subtree(choices, range(len(choices)), 0, path)


def _subtree(
    choices: Sequence[SlotChoice], indices: Sequence[int], depth: int, path: str
) -> TreeNode | int:
    first = choices[indices[0]].decisions
    if depth == len(first):
        assert len(indices) == 1, f"two choices have the same decisions at {path}"
        return indices[0]
    groups: dict[Value, list[int]] = {}
    for index in indices:
        groups.setdefault(choices[index].decisions[depth].value, []).append(index)
    branches: list[tuple[Value, int, TreeNode | int]] = []
    for value in first[depth].domain.values:
        if group := groups.get(value):
            bits = sum([1 << index for index in group])
            branches.append((value, bits, _subtree(choices, group, depth + 1, path)))
    return TreeNode(
        path=first[depth].path_under(path), domain=first[depth].domain, branches=tuple(branches)
    )


def decide(
    tree: TreeNode | int, possible: int, chooser: Chooser, decisions: dict[str, Value]
) -> int:
    """Return the number of one choice, made decision by decision; record it in ``decisions``.

    Args:
        tree: The decision tree.
        possible: The allowed choices, as a bit mask; at least one.
        chooser: It decides where several values are allowed.
        decisions: Receives every decision, including those with one allowed value.
    """
    while isinstance(tree, TreeNode):
        left = tree.branches
        if possible & tree.all != tree.all:
            left = [branch for branch in left if branch[1] & possible]
            assert left, f"nothing is allowed at {tree.path}"
        value, _, after = left[0]
        if len(left) > 1:
            values = tree.values if left is tree.branches else [branch[0] for branch in left]
            value = chooser.choose(tree.path, tree.domain, values)
            assert value in values, f"{value!r} is not allowed at {tree.path}"
            after = left[values.index(value)][2]
        decisions[tree.path] = value
        tree = after
    return tree
