"""Weights at the start."""

import math
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from torch import nn

M = TypeVar("M", bound=nn.Module)

_TORCH = ContextVar("_TORCH", default=False)


@contextmanager
def torch_start() -> Generator[None]:
    """Leave the weights of what is built inside as torch draws them: by the number of inputs.

    The starts of published networks suit wide networks and long schedules. With them narrow ones
    learn too slowly in a few epochs, so a short training starts from torch's own weights.
    """
    token = _TORCH.set(True)
    try:
        yield
    finally:
        _TORCH.reset(token)


def small_start(module: M, *, biases: bool = True) -> M:
    """Draw the weights of convolutions and linear maps anew; return the module.

    A normal distribution of standard deviation 0.02 and biases of zero: so start ConvNeXt,
    MetaFormer, ResMLP, LIT and others, where torch draws uniformly, the wider the fewer inputs
    there are.

    Args:
        module: What is drawn anew, with all that it holds.
        biases: Whether biases start at zero; else they stay as they are.
    """
    if _TORCH.get():
        return module
    for each in module.modules():
        if isinstance(each, nn.Conv2d | nn.Linear):
            # Cut off at five deviations: with bounds of two units, as the reference codes have
            # them, older versions of torch draw about one number in 2^24 at the bound itself.
            nn.init.trunc_normal_(each.weight, std=0.02, a=-0.1, b=0.1)
            if each.bias is not None and biases:
                nn.init.zeros_(each.bias)
    return module


def fan_out_deviation(outputs: int, taps: int = 1) -> float:
    """Return the standard deviation of weights: from each input to so many outputs by so many taps.

    It keeps the size of gradients where half of the outputs are rectified (He et al., Delving Deep
    into Rectifiers, 2015, arXiv:1502.01852, equation 14).
    """
    return math.sqrt(2 / (outputs * taps))


def fan_out_start(module: M, *, grouped: bool = True) -> M:
    """Draw the weights of convolutions anew for rectifiers; return the module.

    A normal distribution of the deviation of ``fan_out_deviation``, and biases of zero.

    Args:
        module: What is drawn anew, with all that it holds.
        grouped: Whether outputs of one group count, as in VAN and EfficientNet; else those of all
            groups, as torch counts them and ResNeXt starts.
    """
    if _TORCH.get():
        return module
    for each in module.modules():
        if isinstance(each, nn.Conv2d):
            outputs = each.out_channels // (each.groups if grouped else 1)
            deviation = fan_out_deviation(outputs, math.prod(each.kernel_size))
            nn.init.normal_(each.weight, std=deviation)
            if each.bias is not None:
                nn.init.zeros_(each.bias)
    return module


def glorot_start(module: M) -> M:
    """Draw the weights of perceptrons anew as in ViT; return the module.

    A uniform distribution of variance 2 over inputs and outputs together (Glorot and Bengio,
    Understanding the Difficulty of Training Deep Feedforward Neural Networks, 2010, equation 16),
    and biases of standard deviation 1e-6 (Dosovitskiy et al., 2020, reference code).
    """
    if _TORCH.get():
        return module
    for each in module.modules():
        if isinstance(each, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(each.weight)
            if each.bias is not None:
                nn.init.normal_(each.bias, std=1e-6)
    return module
