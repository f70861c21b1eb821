"""Initial weights."""

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
    """Keep torch's own initial weights in modules built inside this context.

    The initial weights of published networks suit wide networks and long schedules. Narrow networks
    learn too slowly from them in a few epochs, so a short training starts from torch's own.
    """
    token = _TORCH.set(True)
    try:
        yield
    finally:
        _TORCH.reset(token)


def keeps_torch_start() -> bool:
    """Whether modules keep torch's own initial weights now."""
    return _TORCH.get()


def small_start(module: M, *, biases: bool = True) -> M:
    """Draw small normal weights for convolutions and linear maps; return the module.

    The standard deviation is 0.02, biases are zero, as in ConvNeXt, MetaFormer, ResMLP, LIT and
    others. Torch draws from a uniform distribution whose width falls with the number of inputs.

    Args:
        module: The module, whose submodules are included.
        biases: Whether biases are set to zero, else kept.
    """
    if _TORCH.get():
        return module
    for each in module.modules():
        if isinstance(each, nn.Conv2d | nn.Linear):
            # Truncated at five deviations. The reference codes truncate at 2, where older versions
            # of torch return the bound itself for about one number in 2^24.
            nn.init.trunc_normal_(each.weight, std=0.02, a=-0.1, b=0.1)
            if each.bias is not None and biases:
                nn.init.zeros_(each.bias)
    return module


def fan_out_deviation(outputs: int, taps: int = 1) -> float:
    """Return the deviation of weights from each input to ``outputs`` outputs by ``taps`` taps.

    It keeps the size of gradients where half of the outputs are rectified (He et al., Delving Deep
    into Rectifiers, 2015, arXiv:1502.01852, equation 14).
    """
    return math.sqrt(2 / (outputs * taps))


def fan_out_start(module: M, *, grouped: bool = True) -> M:
    """Draw He's normal weights by fan-out for convolutions; return the module.

    The deviation is that of ``fan_out_deviation``; biases are zero.

    Args:
        module: The module, whose submodules are included.
        grouped: Whether only the outputs of one group count, as in VAN and EfficientNet, else those
        of all groups, as in torch and ResNeXt.
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


def glorot_start(module: M, *, gain: float = 1.0, bias: float = 1e-6) -> M:
    """Draw Glorot's uniform weights for linear maps, as in ViT; return the module.

    The variance is 2 / (inputs + outputs) (Glorot and Bengio,
    Understanding the Difficulty of Training Deep Feedforward Neural Networks, 2010, equation 16).

    Args:
        module: The module, whose submodules are included.
        gain: Factor of the deviation of weights.
        bias: Deviation of biases; 1e-6 in ViT (Dosovitskiy et al., 2020, reference code).
    """
    if _TORCH.get():
        return module
    for each in module.modules():
        if isinstance(each, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(each.weight, gain=gain)
            if each.bias is not None:
                nn.init.normal_(each.bias, std=bias)
    return module


def fan_in_start(module: M) -> M:
    """Draw normal weights by fan-in for convolutions and linear maps, as in HaloNet; return the
    module.

    The deviation is one over the root of the inputs of an output; biases are zero.
    """
    if _TORCH.get():
        return module
    for each in module.modules():
        if isinstance(each, nn.Conv2d | nn.Linear):
            deviation = each.weight[0].numel() ** -0.5
            nn.init.trunc_normal_(each.weight, std=deviation, a=-5 * deviation, b=5 * deviation)
            if each.bias is not None:
                nn.init.zeros_(each.bias)
    return module
