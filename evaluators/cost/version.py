"""Versions of the code that a cost depends on, so that caches never serve another code.

A module depends on its imports, directly and indirectly. Two kinds of imports are not followed: of
the tables that only list components, since a part depends on its own components and a space on
those that it has; and of the constraints, which select by costs and compute none.

Code is identified by the contents of its files. Their times of change matter only to detect code
that was edited after this process loaded it.
"""

import ast
import hashlib
import os
import re
from collections.abc import Iterable
from functools import cache
from importlib.metadata import version
from pathlib import Path

from ... import search_space
from ...search_space import LOADED

_SPACE = search_space.__name__
_COST = __name__.rpartition(".")[0]

LISTS = (
    f"{_SPACE}.components.tables",
    f"{_SPACE}.components.mixers",
    f"{_SPACE}.components.channel_mixers",
)
"""Modules that list components."""

COUNTING = f"{_COST}.analysis"
"""The module that counts the costs of a part."""

_KEEPING = (f"{_COST}.cache", f"{_COST}.version")  # caches compute no costs

STEPS = (
    f"{_COST}.cost",
    f"{_SPACE}.constraints.build_cost_table",
    f"{_SPACE}.constraints.cost_table",
    f"{_SPACE}.files",
)
"""The modules that make the cost table of a space, apart from its components."""

_IMPORT = re.compile(r"^\s*from (\.+)([\w.]*) import (\([^)]*\)|[^\n]*)", re.MULTILINE)


def sources() -> dict[str, Path]:
    """Return the files of the search spaces and of the costs, by the names of their modules."""
    roots = {_SPACE: Path(search_space.__file__).parent, _COST: Path(__file__).parent}
    return {
        ".".join((name, *path.relative_to(root).with_suffix("").parts)).removesuffix(
            ".__init__"
        ): path
        for name, root in roots.items()
        for path in root.rglob("*.py")
    }


_sources = cache(sources)


@cache
def _text(name: str) -> bytes:
    return _sources()[name].read_bytes().replace(b"\r\n", b"\n")


@cache
def _imported(name: str) -> frozenset[str]:
    """Return the package's modules that a module imports, for types too."""
    is_package = _sources()[name].name == "__init__.py"
    found: set[str] = set()
    for dots, module, names in _IMPORT.findall(_text(name).decode()):
        up = len(dots) - is_package
        base = ".".join((*name.split(".")[: -up or None], *filter(None, [module])))
        inner = {f"{base}.{each}" for each in re.findall(r"\w+", names)}
        found |= (inner & _sources().keys()) or ({base} & _sources().keys())
    return frozenset(found)


@cache
def needed(modules: frozenset[str]) -> frozenset[str]:
    """Return modules of the package with all their dependencies."""
    found = set[str]()
    todo = [each for each in modules if each in _sources()]
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo.extend(filter(_is_followed, _imported(name)))
    return frozenset(found)


def _is_followed(name: str) -> bool:
    return name not in (*LISTS, *_KEEPING) and not name.startswith(f"{_SPACE}.constraints.")


def counted_by(modules: Iterable[str]) -> frozenset[str]:
    """Return all modules that the costs of components in ``modules`` depend on."""
    return needed(frozenset(modules) | {COUNTING})


def tabled_by(modules: Iterable[str]) -> frozenset[str]:
    """Return all modules that the table of a space with components in ``modules`` depends on."""
    return needed(frozenset(modules) | {COUNTING, *STEPS})


def digest(modules: Iterable[str]) -> str | None:
    """Return a digest of the text of modules, wherever they are installed.

    The result is None if the sources are missing, or changed since this process loaded them.
    """
    found = hashlib.sha256()
    names = sorted(modules)
    for name in names:
        path = _sources().get(name)
        if path is None or _changed(path) > LOADED:
            return None
        found.update(f"{name} {len(_text(name))}\n".encode() + _text(name))
    return found.hexdigest()[:32] if names else None


def code_digest(modules: Iterable[str]) -> str | None:
    """Return a digest of the code of modules, without comments and docstrings.

    The digest is slow to compute, and depends on the version of Python.
    """
    if digest(modules) is None:
        return None
    found = hashlib.sha256()
    for name in sorted(modules):
        found.update(f"{name} {_code(name)}\n".encode())
    return found.hexdigest()[:32]


@cache
def _code(name: str) -> str:
    tree = ast.parse(_text(name))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [each for each in body if not _is_docstring(each)]  # pyright: ignore
    return ast.dump(tree)


def _is_docstring(node: object) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _changed(path: Path) -> float:
    """Return the time of a file's last change.

    The system's own time (ctime) is used where it exists, since copying and unpacking often
    preserve the other one.
    """
    stat = path.stat()
    return max(stat.st_mtime, stat.st_ctime) if os.name == "nt" else stat.st_ctime


@cache
def _part_version(modules: frozenset[str]) -> str | None:
    code = digest(counted_by(modules))
    return None if code is None else f"{code}-{version('torch')}"


def part_version(modules: Iterable[str]) -> str | None:
    """Return the version of the code and of torch that count a part; None if not known.

    Args:
        modules: Modules of the part's component and of the components inside it.
    """
    return _part_version(frozenset(modules))


def space_version() -> str | None:
    """Return the version of torch and of all code that the table of any space depends on."""
    components = {each for each in _sources() if each.startswith(f"{_SPACE}.components.")}
    code = digest(tabled_by({*components, *LISTS}))
    return None if code is None else f"{code}-{version('torch')}"
