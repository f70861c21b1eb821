"""Plug-ins: entries that installed packages or the user's modules add to the tables.

An installed package declares an entry point; a module of the user calls ``register``. This module
does not depend on the tables or their entries.
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
"""Groups that have plug-ins."""


def add(table: dict[str, _T], name: str, entry: _T, *, kind: str, group: str) -> None:
    """Add an entry from outside the package to a table.

    A class that is defined again (in a notebook, or by a module loaded twice) replaces its earlier
    definition.

    Args:
        table: Name to entry.
        name: The entry's name in files and on the command line.
        entry: The entry.
        kind: The kind of the entry, as in ``"token mixer"``.
        group: Group of the entry points of that kind.

    Raises:
        InputError: If another entry has that name.
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
    """Return the class of an entry of a table.

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
    """Register the entry points that installed packages declare for a group.

    A package that cannot be loaded is left out with a warning, so that the others still work.
    """
    for point in sorted(entry_points(group=group), key=lambda each: (each.name, each.value)):
        try:
            register(point.load())
        except Exception as error:
            _log.warning("left out: plug-in %s = %s; %s", point.name, point.value, _line(error))


def load_plugins(names: Iterable[str]) -> tuple[str, ...]:
    """Import the user's modules, which register their plug-ins; a loaded module is not loaded
    again.

    Args:
        names: Names of modules, which are also searched in the current folder, or paths of ``.py``
            files.

    Returns:
        Names that work in any process on this machine: paths are absolute.

    Raises:
        InputError: If a module is missing or cannot be imported.
    """
    return tuple(dict.fromkeys(map(_load, names)))


def load_present(names: Iterable[str]) -> list[str]:
    """Import modules as ``load_plugins`` does; return a line for each that fails."""
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
    """Let a plug-in import modules of its own folder; spawned processes get the same path."""
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
        importlib.invalidate_caches()


def _load_file(path: Path) -> None:
    """Import a file under a unique name that hides no other module."""
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
