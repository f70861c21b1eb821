"""A trained network that others begin with or learn from."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from ...search_space.architecture.architecture import Architecture


@dataclass(frozen=True, kw_only=True)
class Source:
    """A network whose weights are inherited."""

    name: str
    """Text for the user, such as ``timm:convnext_atto``."""
    architecture: Architecture
    """The network."""
    weights: Mapping[str, Tensor]
    """Its state."""
    classes: tuple[str, ...] | None = None
    """Names of its classes; None: not known, so its classifier is not inherited."""
