"""Checks of the classes that plug-ins register."""

import inspect
import re
import sys
from pathlib import Path
from typing import Any

from .errors import InputError, shown

NAME = "[a-z][a-z0-9_]*"
"""Pattern of the names that files and the command line take."""

_ENDING = r"\.[a-z0-9_]+"
_WILDCARD = "any"


def check_class(cls: Any, name: object, kind: str) -> None:
    """Check a class that is to be added to a table.

    Raises:
        InputError: If it is no class, is abstract, lacks an attribute that its base declares, or
            its name cannot be used in files and on the command line.
    """
    if not isinstance(cls, type):
        raise InputError(f"a plug-in must be a class, but got {shown(cls)} for the {kind}")
    if not isinstance(name, str):
        raise InputError(
            f"a plug-in must state its name, but the {kind} {cls.__qualname__} states {shown(name)}"
        )
    if not re.fullmatch(_ENDING if hasattr(cls, "ending") else NAME, name) or name == _WILDCARD:
        near = re.sub("[^a-z0-9]+", "_", name.lower()).strip("_0123456789")
        hint = f"; {near!r} would be right" if re.fullmatch(NAME, near) and near != name else ""
        raise InputError(
            f"a plug-in's name must be small letters, digits and _, and not {_WILDCARD}, but the "
            f"{kind} {cls.__qualname__} has {shown(name)}{hint}"
        )
    lacking = sorted(getattr(cls, "__abstractmethods__", ())) or _not_stated(cls)
    if lacking:
        raise InputError(
            f"a plug-in must define all that its base class declares, but the {kind} "
            f"{cls.__qualname__} lacks {', '.join(lacking)}"
        )


def _not_stated(cls: type) -> list[str]:
    """Return the class variables that the bases of a class declare, but nobody sets."""
    return [
        name
        for base in cls.__mro__
        for name, annotation in inspect.get_annotations(base).items()
        if "ClassVar" in str(annotation) and not hasattr(cls, name)
    ]


def source_of(module: str) -> str:
    """Return the file of a loaded module, or its name if it has none, such as a notebook's."""
    file = getattr(sys.modules.get(module), "__file__", None)
    return str(Path(file).resolve()) if file else module


def same_definition(one: object, other: object) -> bool:
    """Whether two classes come from one place, such as a file that was loaded under two names."""
    if not isinstance(one, type) or not isinstance(other, type):
        return one == other
    return one.__qualname__ == other.__qualname__ and (
        source_of(one.__module__) == source_of(other.__module__)
    )
