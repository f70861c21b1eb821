"""Components that are wired from other components, not built: residuals and blocks."""

from abc import abstractmethod
from dataclasses import dataclass

from torch import nn

from ..shapes import Shape
from .base import Component, field_kinds
from .parts import PartList


@dataclass(frozen=True, kw_only=True)
class Residual(Component):
    """How a branch joins the stream it left."""

    kind = "residual"

    def module(self, shape: Shape, width: int | None) -> nn.Module:
        """Refused: a residual is wired from other parts."""
        raise TypeError("a residual is wired, not built")

    @abstractmethod
    def wire(self, parts: PartList, name: str, stream: str, branch: str) -> str:
        """Add the parts that join ``branch`` to ``stream``; return the name of the result."""


@dataclass(frozen=True, kw_only=True)
class Block(Component):
    """A repeated unit of a stage, wired from other components."""

    kind = "block"

    def module(self, shape: Shape, width: int | None) -> nn.Module:
        """Refused: a block is wired from other parts."""
        raise TypeError("a block is wired, not built")

    @abstractmethod
    def wire(self, parts: PartList, stream: str) -> str:
        """Add the block's parts after part ``stream``; return the name of the last.

        That is the last that was added, or ``stream`` where none was. Which parts it adds, how
        often and where, may depend on its own knobs and on the classes of its layers, not on the
        layers' knobs or the map: costs are summed by that rule. By the same rule, its canonical
        form may have other knobs, but has the same components.
        """

    def why_invalid(self, shape: Shape, width: int | None = None) -> str | None:
        """Return why one of its components cannot work on ``shape``, or none."""
        for field in field_kinds(type(self)):
            component: Component = getattr(self, field)
            if reason := component.why_invalid(shape):
                return f"{field} {component.name}: {reason}"
        return None
