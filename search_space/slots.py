"""Slots: where a space offers components, with a domain for each of their knobs."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

from .architecture import canonical_component
from .base import Component
from .choosers import Chooser
from .domains import Choice, Domain, Value
from .shapes import Shape


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One decision and its value."""

    path: str
    """Name of the decision, relative to its slot."""
    domain: Domain
    """All values it can have."""
    value: Value
    """The one chosen."""

    def under(self, prefix: str) -> "Answer":
        """Return the same decision with ``prefix`` before its path."""
        path = f"{prefix}.{self.path}" if self.path else prefix
        return Answer(path=path, domain=self.domain, value=self.value)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One choice: what it is, and the decisions that give it."""

    component: Component | None = None
    """The component, in canonical form; none where a bare value is chosen."""
    value: Value | None = None
    """The bare value; none where a component is chosen."""
    answers: tuple[Answer, ...] = ()
    """The decisions, in the order in which they are asked."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Option:
    """One component that a slot offers."""

    cls: type[Component]
    """The component."""
    knobs: Mapping[str, Domain]
    """Field to domain, for the fields that the space names."""
    slots: "Mapping[str, Slot]"
    """Field to slot, for the fields that are components."""

    def rows(self, shape: Shape, width: int | None, prefix: str) -> Iterator[Row]:
        """Yield every concrete component that works on ``shape``, in canonical form.

        ``prefix`` stands before the paths of its decisions.
        """
        nested = {name: slot.rows(shape, width) for name, slot in self.slots.items()}
        for component, answers in self.products(nested, prefix):
            if component.refuses(shape, width) is None:
                yield Row(component=canonical_component(component, shape), answers=answers)

    def products(
        self, nested: Mapping[str, Sequence[Row]], prefix: str
    ) -> Iterator[tuple[Component, tuple[Answer, ...]]]:
        """Yield every choice of knobs and nested components; one value alone is not asked."""
        knobs = [
            [
                (name, value, (Answer(path=prefix + name, domain=domain, value=value),))
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
                    row.component,
                    tuple(each.under(f"{prefix}{name}") for each in row.answers),
                )
                for row in rows
            ]
            for name, rows in nested.items()
        ]
        for chosen in product(*knobs, *components):
            component = self.cls(**{name: value for name, value, _ in chosen})
            yield component, tuple(answer for _, _, each in chosen for answer in each)

    def own_rows(self) -> tuple[Row, ...]:
        """Return the component with each choice of its own knobs, its components at default."""
        bare = Option(cls=self.cls, knobs=self.knobs, slots={})
        return tuple(
            Row(component=component, answers=answers)
            for component, answers in bare.products({}, "")
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class Slot:
    """A place for one component, and the options for it."""

    kind: type[Component]
    """What belongs there."""
    options: tuple[Option, ...]
    """What the space offers, at least one."""

    @cached_property
    def names(self) -> Choice:
        """The decision between the options."""
        return Choice(tuple(option.cls.name for option in self.options))

    def rows(self, shape: Shape, width: int | None = None) -> tuple[Row, ...]:
        """Return every component that can stand here, once each, in canonical form.

        Of several descriptions of one component the first is kept.
        """
        found: dict[Component | None, Row] = {}
        several = len(self.options) > 1
        for option in self.options:
            name = option.cls.name
            choice = (Answer(path="", domain=self.names, value=name),) if several else ()
            for row in option.rows(shape, width, f"{name}." if several else ""):
                whole = Row(component=row.component, answers=choice + row.answers)
                found.setdefault(row.component, whole)
        return tuple(found.values())

    def decisions(self, path: str) -> Iterator[tuple[str, Domain]]:
        """Yield every decision that can be open here: its path and its domain."""
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


def value_row(domain: Domain, value: Value) -> Row:
    """Return the choice of a bare value; a decision only where the domain has more than one."""
    alone = len(domain.values) == 1
    answers = () if alone else (Answer(path="", domain=domain, value=value),)
    return Row(value=value, answers=answers)


def choose_row(
    rows: Sequence[Row],
    possible: Sequence[int],
    path: str,
    chooser: Chooser,
    decisions: dict[str, Value],
) -> int:
    """Ask for one of ``rows``, decision by decision, and note the answers in ``decisions``.

    Args:
        rows: The choices.
        possible: The indices of those that can be had; at least one.
        path: Where the paths of the decisions begin.
        chooser: Who answers; asked only where more than one value is left.
        decisions: Takes every answer, those without an alternative too.

    Returns:
        The index of the row chosen.
    """
    depth = 0
    while len(possible) > 1 or depth < len(rows[possible[0]].answers):
        answer = rows[possible[0]].answers[depth]
        full = f"{path}.{answer.path}" if answer.path else path
        offered = {rows[index].answers[depth].value for index in possible}
        value = choose_value(full, answer.domain, offered, chooser)
        decisions[full] = value
        possible = [index for index in possible if rows[index].answers[depth].value == value]
        depth += 1
    return possible[0]


def choose_value(path: str, domain: Domain, offered: Collection[Value], chooser: Chooser) -> Value:
    """Ask for one of ``offered``, in the order of the domain, unless only one is left."""
    left = [value for value in domain.values if value in offered]
    assert left, f"nothing is allowed at {path}"
    value = left[0] if len(left) == 1 else chooser.choose(path, domain, left)
    assert value in left, f"{value!r} is not allowed at {path}"
    return value
