"""Tied parts, which share some parameters with an equal earlier part."""

from dataclasses import dataclass

from torch import nn

from ..shapes import Shape
from .base import Component


@dataclass(frozen=True, kw_only=True)
class Tied(Component):
    """A component whose parameters named in ``ties`` are those of an equal earlier part.

    The lender is the last earlier part of the same component that is not tied, on maps of the same
    shape. Only the lender counts the shared parameters, so costs remain a sum over parts. Tied
    stages make such parts (see ``Stage.tied``); no space offers them.
    """

    name = "tied"
    kind = "tied part"

    of: Component
    """The component without ties."""

    def label(self) -> str:
        """Return the label of the component, marked as tied."""
        return f"{self.of.label()}, tied"

    def out_shape(self, shape: Shape, width: int | None) -> Shape:
        """Return the shape of the output."""
        return self.of.out_shape(shape, width)

    def module(self, shape: Shape, width: int | None) -> nn.Module:
        """Build the module; shared parameters are random constants until ``tie`` is called."""
        module = self.of.module(shape, width)
        for name in self.of.ties:
            constant = module.get_parameter(name).detach()
            delattr(module, name)
            module.register_buffer(name, constant, persistent=False)
        return module

    def tie(self, module: nn.Module, lender: nn.Module) -> None:
        """Replace the shared parameters of ``module``, built by this component, by the lender's."""
        for name in self.of.ties:
            setattr(module, name, lender.get_parameter(name))


def untied(component: Component) -> Component:
    """Return the untied component of a tied one; return any other component unchanged."""
    return component.of if isinstance(component, Tied) else component
