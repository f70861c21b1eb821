"""Weights at the start."""

from typing import TypeVar

from torch import nn

M = TypeVar("M", bound=nn.Module)


def small_start(module: M) -> M:
    """Draw the weights of convolutions and linear maps anew; return the module.

    A normal distribution of standard deviation 0.02, cut off at two units as in torch, and biases
    of zero: so start ConvNeXt, MetaFormer, ResMLP, LIT and others, where torch draws uniformly, the
    wider the fewer inputs there are.
    """
    for each in module.modules():
        if isinstance(each, nn.Conv2d | nn.Linear):
            nn.init.trunc_normal_(each.weight, std=0.02)
            if each.bias is not None:
                nn.init.zeros_(each.bias)
    return module
