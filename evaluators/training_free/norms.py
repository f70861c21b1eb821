"""The normalisations inside a network."""

from collections.abc import Generator, Iterable
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ...search_space.components.norms import ChannelLayerNorm, ChannelRMSNorm

NORMS = (
    nn.modules.batchnorm._BatchNorm,  # pyright: ignore[reportPrivateUsage]
    nn.GroupNorm,
    nn.LayerNorm,
    nn.RMSNorm,
    ChannelLayerNorm,
    ChannelRMSNorm,
)
"""Modules that divide by a size of their input. A learned scale and bias alone is no norm."""


def norms_of(network: nn.Module) -> list[nn.Module]:
    """Return the normalisations inside a network."""
    return [each for each in network.modules() if isinstance(each, NORMS)]


def skip(norms: Iterable[nn.Module]) -> None:
    """Let normalisations return their input, in this network alone."""
    for each in norms:
        each.forward = _unchanged


def _unchanged(x: Tensor) -> Tensor:
    return x


def mean_square(norm: nn.Module, x: Tensor) -> Tensor:
    """Return the mean of the squares by which a norm divides its input, in float64.

    Args:
        norm: One of ``NORMS``.
        x: Its input, (B, C, H, W), or (..., C) for torch's own layer and RMS norm.
    """
    wide = x.detach().double()
    if isinstance(norm, nn.LayerNorm | nn.RMSNorm):
        axes = tuple(range(-len(norm.normalized_shape), 0))
    elif isinstance(norm, nn.GroupNorm):
        wide = wide.reshape(len(wide), norm.num_groups, -1)
        axes = (2,)
    elif isinstance(norm, ChannelLayerNorm | ChannelRMSNorm):
        axes = (1,)
    else:
        axes = (0, *range(2, wide.ndim))
    if isinstance(norm, nn.RMSNorm | ChannelRMSNorm):
        return wide.square().mean(axes).mean()
    return wide.var(axes, correction=0).mean()


@contextmanager
def log_divisors(network: nn.Module) -> Generator[list[Tensor]]:
    """Collect the logarithm of what each norm divides by, in the runs inside the context."""
    found: list[Tensor] = []

    def hook(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        found.append(0.5 * torch.log(mean_square(norm, inputs[0])))

    handles = [each.register_forward_pre_hook(hook) for each in norms_of(network)]
    try:
        yield found
    finally:
        for each in handles:
            each.remove()
