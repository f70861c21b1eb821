"""Components that are wired from other components, not built: residuals and blocks."""

from abc import abstractmethod
from dataclasses import dataclass

from torch import nn

from ..shapes import Shape
from .base import Component, field_kinds
from .parts import PartList


@dataclass(frozen=True, kw_only=True)
class Residual(Component):
    """A residual: how a branch is joined to its input, the stream."""

    kind = "residual"

    def module(self, shape: Shape, width: int | None) -> nn.Module:
        """Raise ``TypeError``: a residual is wired from other parts."""
        raise TypeError("a residual is wired, not built")

    @abstractmethod
    def wire(self, parts: PartList, name: str, stream: str, branch: str) -> str:
        """Add the parts that join ``branch`` to ``stream``; return the name of the result."""


@dataclass(frozen=True, kw_only=True)
class Block(Component):
    """A repeated unit of a stage, wired from other components."""

    kind = "block"

    def module(self, shape: Shape, width: int | None) -> nn.Module:
        """Raise ``TypeError``: a block is wired from other parts."""
        raise TypeError("a block is wired, not built")

    @abstractmethod
    def wire(self, parts: PartList, stream: str) -> str:
        """Add the block's parts after the part ``stream``; return the name of the last part.

        The result is ``stream`` if no part was added. The added parts and their inputs may depend
        on the block's own knobs and on the classes of its layers, but not on the layers' knobs or
        the map: the sums of costs rely on this. The canonical form may have other knobs, but must
        have the same components.
        """

    def why_knobs_invalid(self, shape: Shape) -> str | None:
        """Return why the block's own knobs cannot work on ``shape``, or None.

        Spaces offer the knobs that can; the components inside are checked on their own.
        """
        return None

    def why_invalid(self, shape: Shape, width: int | None = None) -> str | None:
        """Return why the block's own knobs or one of its components cannot work on ``shape``."""
        if reason := self.why_knobs_invalid(shape):
            return reason
        for field in field_kinds(type(self)):
            component: Component = getattr(self, field)
            if reason := component.why_invalid(shape):
                return f"{field} {component.name}: {reason}"
        return None
