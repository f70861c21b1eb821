"""Modules that train in one form and run in a smaller, equivalent one.

Ding et al., RepVGG: Making VGG-style ConvNets Great Again, 2021, arXiv:2101.03697, section 3.3.
"""

from abc import abstractmethod
from copy import deepcopy

import torch
from torch import Tensor, nn


class Foldable(nn.Module):
    """A module whose branches fold into fewer operations once it is trained."""

    @abstractmethod
    def folded(self) -> nn.Module:
        """Return a new module that computes the same as this one in evaluation mode.

        The caller turns gradients off.
        """


def foldable(module: nn.Module) -> bool:
    """Whether anything in ``module`` folds."""
    return any(isinstance(each, Foldable) for each in module.modules())


def fold(module: nn.Module) -> nn.Module:
    """Return a copy of ``module`` in which everything foldable is folded; for evaluation only."""
    with torch.no_grad():
        return _fold(deepcopy(module).eval(), {})


def _fold(module: nn.Module, done: dict[nn.Module, nn.Module]) -> nn.Module:
    """Fold ``module``; shared submodules stay shared."""
    if module in done:
        return done[module]
    if isinstance(module, Foldable):
        done[module] = _fold(module.folded().eval(), done)
        return done[module]
    done[module] = module
    for name, child in list(module.named_modules(remove_duplicate=False)):
        if name and "." not in name:
            setattr(module, name, _fold(child, done))
    return module


def normed_kernel(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Return kernel and bias of the convolution that equals ``conv`` followed by ``norm``."""
    mean, var = norm.running_mean, norm.running_var
    assert mean is not None and var is not None
    scale = norm.weight / (var + norm.eps).sqrt()
    start = mean if conv.bias is None else mean - conv.bias
    return conv.weight * scale[:, None, None, None], norm.bias - start * scale


def with_kernel(conv: nn.Conv2d, kernel: Tensor, bias: Tensor | None) -> nn.Conv2d:
    """Return a convolution like ``conv`` with another kernel and bias.

    ``conv`` has no dilation. The kernel may have other sides, odd ones where ``conv`` pads; the
    output keeps its size.
    """
    sides = (kernel.shape[2], kernel.shape[3])
    more = [(side - old) // 2 for side, old in zip(sides, conv.kernel_size, strict=True)]
    assert not isinstance(conv.padding, str)
    folded = nn.Conv2d(
        conv.in_channels,
        conv.out_channels,
        sides,
        (conv.stride[0], conv.stride[1]),
        (conv.padding[0] + more[0], conv.padding[1] + more[1]),
        groups=conv.groups,
        bias=bias is not None,
        device="meta",  # draws no random numbers
    )
    folded.weight = nn.Parameter(kernel)
    if bias is not None:
        folded.bias = nn.Parameter(bias)
    return folded
