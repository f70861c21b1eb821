"""Plug-ins: entries that installed packages or the user's modules add to the tables.

An installed package declares an entry point; a module of the user calls ``register``. This module
does not depend on the tables or their entries.
"""

import importlib
import importlib.util
import logging
import sys
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from .errors import InputError
from .plugin_checks import check_class, same_definition, source_of

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

COMPONENTS = "nas_explorer.components"
"""Group of the entry points of components."""

_GROUPS = tuple(
    f"nas_explorer.{each}"
    for each in ("components", "evaluators", "recipe_options", "searchers", "formats", "engines")
)

_OUTSIDE: set[str] = set()
"""Groups that have plug-ins."""

_FILE = "nas_plugin_"
"""Start of the names of modules that are loaded from files."""


@dataclass(frozen=True)
class _Change:
    """A change of a table by a user's module."""

    table: dict[str, Any]
    name: str
    before: Any
    """The former entry, or None."""
    entry: Any

    @property
    def plugin(self) -> Any:
        """The class of the entry; some tables hold more than the class."""
        return getattr(self.entry, "place", self.entry)

    @property
    def module(self) -> str:
        """Name of the module of the class; empty for other entries."""
        return self.plugin.__module__ if isinstance(self.plugin, type) else ""


_CHANGES: list[_Change] = []
"""The changes of the tables by the user's modules, in order."""

_LOADED: set[str] = set()
"""Names of the user's modules that were loaded and registered something."""


def add(table: dict[str, _T], name: object, entry: _T, *, kind: str, group: str) -> None:
    """Check an entry from outside the package, and add it to a table.

    A class that is defined again (in a notebook, or by a file that is loaded under two names)
    replaces its earlier definition.

    Args:
        table: Name to entry.
        name: The entry's name in files and on the command line.
        entry: The class, or an object that holds it as ``place``.
        kind: The kind of the entry, as in ``"token mixer"``.
        group: Group of the entry points of that kind.

    Raises:
        InputError: If another entry has that name, or ``check_class`` refuses the class.
    """
    cls = getattr(entry, "place", entry)
    check_class(cls, name, kind)
    assert isinstance(name, str)
    taken = table.get(name)
    if taken is not None and not same_definition(cls, getattr(taken, "place", taken)):
        raise InputError(
            f"the name of this {kind} must be free, but got {name!r} of {_place(entry)}, which is "
            f"the name of {_place(taken)}"
        )
    put(table, name, entry)
    _OUTSIDE.add(group)


def put(table: dict[str, _T], name: str, entry: _T) -> None:
    """Set an entry of a table; if the plug-in that is being loaded fails, it is undone."""
    _CHANGES.append(_Change(table, name, table.get(name), entry))
    table[name] = entry


def registered() -> list[type[Any]]:
    """Return the classes that the user's modules registered, without those of loaded files.

    Workers load the same files and installed packages themselves.
    """
    return [
        each.plugin
        for each in _CHANGES
        if isinstance(each.plugin, type)
        and each.table.get(each.name) is each.entry
        and not each.plugin.__module__.startswith(_FILE)
    ]


def _place(entry: Any) -> str:
    """Return where an entry is defined: module and class."""
    found = getattr(entry, "place", entry)
    return found if isinstance(found, str) else f"{found.__module__}:{found.__qualname__}"


@contextmanager
def _undone_on_error() -> Generator[int]:
    """Undo the changes of the tables if the body fails; give the number of earlier changes."""
    known, outside, modules = len(_CHANGES), set(_OUTSIDE), set(sys.modules)
    try:
        yield known
    except BaseException:
        for each in reversed(_CHANGES[known:]):
            if each.before is None:
                each.table.pop(each.name, None)
            else:
                each.table[each.name] = each.before
            if each.module not in modules:  # imported again, it registers again
                sys.modules.pop(each.module, None)
        del _CHANGES[known:]
        _OUTSIDE.intersection_update(outside)
        raise


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
            with _undone_on_error() as known:
                register(point.load())
            del _CHANGES[known:]  # an installed package stays, whatever module loads it first
        except (Exception, SystemExit) as error:
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
        with _undone_on_error() as known:
            module = _file_module(path) if is_file else importlib.import_module(name)
            _check_registers(module, known)
    except InputError as error:
        raise InputError(f"plug-in {name!r}: {error}") from error
    except (Exception, SystemExit) as error:
        raise InputError(
            f"a plug-in must be a module that can be imported, but got {name!r}: {_line(error)}"
        ) from error
    return str(path) if is_file else name


def _check_registers(module: ModuleType, known: int) -> None:
    """Check that a module, or what it imports, has registered something.

    Args:
        module: The module.
        known: Number of changes of the tables before the module was loaded.

    Raises:
        InputError: If it has not.
    """
    name = module.__name__
    if len(_CHANGES) == known and name not in _LOADED and not _is_known(module):
        raise InputError(
            "it must register a component, metric, recipe option, searcher, engine or format, but "
            "it registers nothing"
        )
    _LOADED.add(name)


def _is_known(module: ModuleType) -> bool:
    """Whether a module that was loaded before, or a package, has registered something."""
    held = list(vars(module).values())
    sources = {source_of(each.__name__) for each in (module, *held) if isinstance(each, ModuleType)}
    package = f"{module.__name__}."
    for each in _CHANGES:
        if each.module.startswith(package) or source_of(each.module) in sources:
            return True
        if any(each.plugin is value for value in held):
            return True
    return any(
        f"{point.module}.".startswith(package)
        for group in _GROUPS
        for point in entry_points(group=group)
    )


def _look_in(folder: Path) -> None:
    """Let a plug-in import modules of its own folder; spawned processes get the same path."""
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
        importlib.invalidate_caches()


def _file_module(path: Path) -> ModuleType:
    """Return the module of a file: the one already loaded, by whatever name, or a new one.

    A new module has a unique name that hides no other module.
    """
    for module in list(sys.modules.values()):
        file = getattr(module, "__dict__", {}).get("__file__")  # runs no code of lazy modules
        if isinstance(file, str) and Path(file).name == path.name and Path(file).resolve() == path:
            return module
    name = f"{_FILE}{path.stem}_{sha256(str(path).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None, "a .py file has a loader"
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())
