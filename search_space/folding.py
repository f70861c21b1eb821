"""Modules that train in one form and run in a smaller one that computes the same.

Ding et al., RepVGG: Making VGG-style ConvNets Great Again, 2021, arXiv:2101.03697, section 3.3.
"""

from abc import abstractmethod
from copy import deepcopy

from torch import nn


class Foldable(nn.Module):
    """A module whose branches fold into fewer operations once it is trained."""

    @abstractmethod
    def folded(self) -> nn.Module:
        """Return a new module that computes what this one does in evaluation mode."""


def fold(module: nn.Module) -> nn.Module:
    """Return a copy of ``module`` in which everything foldable is folded; for evaluation only."""
    return _fold(deepcopy(module).eval())


def _fold(module: nn.Module) -> nn.Module:
    if isinstance(module, Foldable):
        return _fold(module.folded().eval())
    for name, child in module.named_children():
        setattr(module, name, _fold(child))
    return module
