"""Parts that take some of their parameters from an equal part before them."""

from dataclasses import dataclass

from torch import nn

from ..shapes import Shape
from .base import Component


@dataclass(frozen=True, kw_only=True)
class Tied(Component):
    """A component whose parameters named in ``ties`` are those of an equal one before it.

    The lender is the last part before it of the same component, not tied, on maps of the same
    shape. What they share is among the parameters of the lender alone, so costs stay a sum over
    parts. A stage makes such parts (see ``Stage.tied``); no space offers them.
    """

    name = "tied"
    kind = "tied part"

    of: Component
    """What it is but for that."""

    def label(self) -> str:
        """Return the label of what it is, and that it is tied."""
        return f"{self.of.label()}, tied"

    def out_shape(self, shape: Shape, width: int | None) -> Shape:
        """Return the shape of the output."""
        return self.of.out_shape(shape, width)

    def module(self, shape: Shape, width: int | None) -> nn.Module:
        """Build the module; until ``tie`` is called, random constants stand for what it borrows."""
        module = self.of.module(shape, width)
        for name in self.of.ties:
            constant = module.get_parameter(name).detach()
            delattr(module, name)
            module.register_buffer(name, constant, persistent=False)
        return module

    def tie(self, module: nn.Module, lender: nn.Module) -> None:
        """Have ``module``, which this component built, use the parameters of the lender's."""
        for name in self.of.ties:
            setattr(module, name, lender.get_parameter(name))


def untied(component: Component) -> Component:
    """Return what a tied part is but for that; any other component is returned as it is."""
    return component.of if isinstance(component, Tied) else component
