"""The engines by name; each is imported at first use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...search_space.errors import unknown_name
from ...search_space.plugins import add, load_installed, resolved

if TYPE_CHECKING:  # processes that only host workers import this package and must stay small
    from .base import Engine

GROUP = "nas_explorer.engines"
"""Group of the entry points of engines."""

# Name on the command line: module in this folder and class, or the class.
ENGINES: dict[str, str | type[Engine]] = {"local": "local:LocalEngine", "ray": "ray:RayEngine"}


def load_engine(name: str) -> type[Engine]:
    """Return the engine class of a name.

    Raises:
        InputError: If the name is unknown, or a package that the engine needs is not installed.
    """
    if name not in ENGINES:
        raise unknown_name("engine", name, ENGINES)
    return resolved(ENGINES[name], __name__)


def register_engine(cls: type[Engine]) -> None:
    """Add an engine to the table.

    Raises:
        InputError: If the class is incomplete, or the name is missing, not valid or taken.
    """
    add(ENGINES, getattr(cls, "name", None), cls, kind="engine", group=GROUP)


load_installed(GROUP, register_engine)
