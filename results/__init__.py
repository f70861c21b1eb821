"""Storage, comparison, display and export of the candidates of searches."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .export import load_model, load_preparation

__all__ = ["load_model", "load_preparation"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import export  # torch takes seconds to import

    return getattr(export, name)
