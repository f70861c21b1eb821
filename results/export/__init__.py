"""Export with proof: write a network as a model file, and read it back."""

from .base import ExportError
from .export import export_model
from .load import load_model
from .proof import Proof

__all__ = ["ExportError", "Proof", "export_model", "load_model"]
