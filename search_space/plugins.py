"""Plug-ins: what is added to the tables from outside the package.

A plug-in comes from an installed package that declares an entry point, or from a module of the
user that calls ``register``. This module knows neither tables nor what is in them.
"""

import importlib
import importlib.util
import logging
import sys
from collections.abc import Callable, Iterable
from hashlib import sha256
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, TypeVar

from .errors import InputError

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

COMPONENTS = "nas_explorer.components"
"""Group of the entry points of components."""

_OUTSIDE: set[str] = set()
"""Groups to which something was added from outside."""


def add(table: dict[str, _T], name: str, entry: _T, *, kind: str, group: str) -> None:
    """Add an entry from outside the package to a table.

    A class defined again (in a notebook, or by a module loaded twice) takes the place of its
    earlier form.

    Args:
        table: Name to entry.
        name: The entry's name in files and on the command line.
        entry: What is added.
        kind: What it is, as in ``"token mixer"``.
        group: Group of the entry points of that kind.

    Raises:
        InputError: If something else has that name.
    """
    if name in table and _place(table[name]) != _place(entry):
        raise InputError(
            f"the name of a {kind} must be free, but got {name!r} of {_place(entry)}, "
            f"which is that of {_place(table[name])}"
        )
    table[name] = entry
    _OUTSIDE.add(group)


def _place(entry: Any) -> str:
    """Return where an entry is defined: module and class."""
    found = getattr(entry, "place", entry)  # some tables hold more than the class
    return found if isinstance(found, str) else f"{found.__module__}:{found.__qualname__}"


def resolved(entry: str | type[_T], package: str) -> type[_T]:
    """Return the class that an entry of a table stands for.

    Args:
        entry: The class, or its module and its name, as in ``local:LocalEngine``.
        package: Name of the package that the module is in.
    """
    if not isinstance(entry, str):
        return entry
    module, name = entry.split(":")
    return getattr(importlib.import_module(f".{module}", package), name)


def has_outside(group: str) -> bool:
    """Whether plug-ins of a group are registered or installed."""
    return group in _OUTSIDE or bool(entry_points(group=group))


def load_installed(group: str, register: Callable[[Any], object]) -> None:
    """Register what installed packages declare as entry points of a group.

    A package that cannot be loaded is left out with a warning: it must not close all others.
    """
    for point in sorted(entry_points(group=group), key=lambda each: (each.name, each.value)):
        try:
            register(point.load())
        except Exception as error:
            _log.warning("left out: plug-in %s = %s; %s", point.name, point.value, _line(error))


def load_plugins(names: Iterable[str]) -> tuple[str, ...]:
    """Import the user's modules, which register what they hold; one that is loaded stays.

    Args:
        names: Each the name of a module, looked for in the present folder too, or the path of a
            ``.py`` file.

    Returns:
        The names under which any process on this machine finds them: paths are absolute.

    Raises:
        InputError: If one is missing or cannot be imported.
    """
    return tuple(dict.fromkeys(map(_load, names)))


def load_present(names: Iterable[str]) -> list[str]:
    """Import modules as ``load_plugins`` does; return a line for each that cannot be had."""
    missing: list[str] = []
    for name in names:
        try:
            _load(name)
        except InputError as error:
            missing.append(str(error))
    return missing


def _load(name: str) -> str:
    path = Path(name if name.endswith(".py") else f"{name}.py").expanduser().resolve()
    is_file = path.is_file()
    if name.endswith(".py") and not is_file:
        raise InputError(f"a plug-in must be there, but got {name!r}: no such file")
    _look_in(path.parent if is_file else Path.cwd())
    try:
        if is_file:
            _load_file(path)
        else:
            importlib.import_module(name)
    except InputError as error:
        raise InputError(f"plug-in {name!r}: {error}") from error
    except Exception as error:
        raise InputError(
            f"a plug-in must be a module that can be imported, but got {name!r}: {_line(error)}"
        ) from error
    return str(path) if is_file else name


def _look_in(folder: Path) -> None:
    """Let a plug-in import what lies beside it; spawned processes get the same path."""
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
        importlib.invalidate_caches()


def _load_file(path: Path) -> None:
    """Import a file, under a name of its own that hides no other module."""
    name = f"nas_plugin_{path.stem}_{sha256(str(path).encode()).hexdigest()[:8]}"
    if name in sys.modules:
        return
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None, "a .py file has a loader"
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise


def _line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())
