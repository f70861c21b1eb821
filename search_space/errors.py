"""Errors with a one-line message: bad input (the rule, then the value), or failed work."""

import reprlib
from collections.abc import Iterable
from difflib import get_close_matches

_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 80

_MANY = 24
"""Maximum number of known names in a message."""


_ALIKE = 0.65
"""Least similarity of a name to be suggested: the share of equal letters of both names."""


class InputError(ValueError):
    """The user's input cannot be used.

    The message is one line: the rule, then the value given. The command line prints it and exits
    with code 2.
    """


class WorkError(Exception):
    """The input was right, but the work failed.

    The message is one line. The command line prints it and exits with code 1.
    """


def shown(value: object) -> str:
    """Return ``repr(value)`` for a message: one line, shortened where it is long."""
    text = _SHORT.repr(value)
    return text if len(text) <= 120 else f"{text[:117]}..."


def unknown_name(kind: str, given: object, known: Iterable[str]) -> InputError:
    """Return the error for an unknown name, with the known names and the nearest one.

    Args:
        kind: Kind of the named thing, as in ``"token mixer"``.
        given: The name given.
        known: The names in the table.
    """
    names = sorted(known)
    lowered = {name.lower(): name for name in names}
    text = str(given).lower()
    near = get_close_matches(text, lowered, n=1, cutoff=_ALIKE)
    if not near and len(text) > 2:  # a beginning, such as "max" of "maximize", is not close
        near = [name for name in lowered if name.startswith(text)]
    hint = f"; did you mean {lowered[near[0]]!r}?" if near else ""
    if len(names) > _MANY:
        names = [*names[:3], f"... ({len(names)} in all)"]
    return InputError(f"{kind} must be one of {', '.join(names)}, but got {shown(given)}{hint}")


def known_name(kind: str, given: object, known: Iterable[str]) -> str:
    """Return the name in a table that matches, regardless of capitals, hyphens and the like.

    Args:
        kind: Kind of the named thing, as in ``"searcher"``.
        given: The name given.
        known: The names in the table.

    Raises:
        InputError: If no name matches; the message is that of ``unknown_name``.
    """
    names = tuple(known)
    if given in names:
        return str(given)
    plain = "".join(filter(str.isalnum, str(given).lower()))
    for name in names:
        if plain == "".join(filter(str.isalnum, name.lower())):
            return name
    raise unknown_name(kind, given, names)
