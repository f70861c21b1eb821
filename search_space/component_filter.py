"""A choice of components, by which the slots of a space are narrowed."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # torch takes seconds to import
    from .components.base import Component


@dataclass(frozen=True, kw_only=True)
class ComponentFilter:
    """The components that a space keeps."""

    what: str
    """What the kept ones do, for errors: "takes maps of any size"."""
    key: str
    """Text that is equal for filters that keep the same components of this package."""
    keep: "Callable[[type[Component]], bool]"
    """A function from a class to whether it stays."""


ANY_RESOLUTION = ComponentFilter(
    what="takes maps of any size", key="any resolution", keep=lambda cls: cls.any_size_program()
)
"""Keeps the components that do not tie networks to images of one size."""
