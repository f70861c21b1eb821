"""The kind of target of an archive, from what its members state."""

from dataclasses import dataclass
from typing import Any

from ....search_space.errors import InputError, shown
from ....search_space.json_fields import is_list
from ...targets import Target, split_target
from .cells import Cell, binary, number


@dataclass(frozen=True, kw_only=True)
class Stated:
    """A label as a member of an archive states it."""

    value: Any
    """A text, a number, or a list of numbers."""
    names: tuple[str, ...] = ()
    """Names of the numbers of a list; empty: none are stated."""


class OutputForm:
    """Reads labels that all have one form: names of classes, or as many numbers each."""

    def __init__(self, *, asked: str) -> None:
        """Set the kind of target that is asked for; empty: that of the first label."""
        kind, columns = split_target(asked)
        if columns:
            raise InputError(
                f"a target of shards must be without columns, as in {kind}, but got {asked!r}"
            )
        self._asked: Target | None = kind
        self._found: Target | None = None
        self._names: tuple[str, ...] = ()

    @property
    def target(self) -> Target:
        """Kind of target."""
        kind: Target = self._found or self._asked or "classes"
        return kind

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the numbers or labels; empty for classes."""
        return self._names

    def read(self, stated: Stated | None, where: str) -> tuple[str, tuple[float, ...]]:
        """Return the name of the class, or the numbers; both are empty without a label.

        Args:
            stated: The label.
            where: Name of its place in errors.

        Raises:
            InputError: If its form differs from that of the labels before it, or from what is asked
                for.
        """
        if stated is None:
            return "", ()
        kind: Target = self._asked or _kind(stated.value)
        if self._found not in (None, kind):
            raise InputError(
                f"the labels of all images must have one form, {self._found}, but {where} has "
                f"{shown(stated.value)}"
            )
        self._found = kind
        if kind == "classes":
            if is_list(stated.value):
                raise InputError(f"a class must be one name, but {where} has {shown(stated.value)}")
            return str(stated.value).strip(), ()
        listed = stated.value if is_list(stated.value) else [stated.value]
        read = number if kind == "regression" else binary
        values = tuple(read(Cell(text=str(each), column="label", where=where)) for each in listed)
        names = stated.names or numbered(len(values))
        if not self._names:
            self._names = names
        if len(values) != len(names) or names != self._names or not values:
            raise InputError(
                f"every image must have {len(self._names)} numbers, {', '.join(self._names)}, but "
                f"{where} has {shown(stated.value)}"
            )
        return "", values


def numbered(count: int) -> tuple[str, ...]:
    """Return names of outputs that have none."""
    return ("target",) if count == 1 else tuple(map(str, range(count)))


def _kind(value: Any) -> Target:
    """Return the kind of target of a label: a number with a decimal point is one of regression."""
    if is_list(value):
        whole = all(isinstance(each, int) and each in (0, 1) for each in value)
        return "labels" if whole else "regression"
    return "regression" if isinstance(value, float) else "classes"
