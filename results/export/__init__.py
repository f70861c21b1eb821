"""Export with proof: write a network as a model file, and read it back."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .base import ExportError
    from .export import export_model
    from .load import load_model, load_preparation
    from .proof import Proof

__all__ = ["ExportError", "Proof", "export_model", "load_model", "load_preparation"]

_PLACES = {
    "ExportError": "base",
    "Proof": "proof",
    "export_model": "export",
    "load_model": "load",
    "load_preparation": "load",
}


def __getattr__(name: str) -> object:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # torch takes seconds to import

    return getattr(import_module(f".{_PLACES[name]}", __name__), name)
