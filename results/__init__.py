"""Keep, compare, show and export what was measured."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .export import load_model

__all__ = ["load_model"]


def __getattr__(name: str) -> object:
    if name != "load_model":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .export import load_model  # torch takes seconds to import

    return load_model
