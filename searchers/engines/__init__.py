"""The engines by name; each is imported at first use."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from ...search_space.errors import unknown_name

if TYPE_CHECKING:  # processes that only host workers load this package and must stay small
    from .base import Engine

# Name on the command line: module in this folder, class.
ENGINES = {
    "local": ("local", "LocalEngine"),
    "ray": ("ray", "RayEngine"),
}


def load_engine(name: str) -> type[Engine]:
    """Return the engine class of a name.

    Raises:
        InputError: If there is none, or a package that it needs is not installed.
    """
    if name not in ENGINES:
        raise unknown_name("engine", name, ENGINES)
    module, attribute = ENGINES[name]
    return getattr(import_module(f".{module}", __name__), attribute)
