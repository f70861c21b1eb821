"""Activation functions, by name: a knob of the components that apply one."""

from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..domains import Choice


class StarReLU(nn.Module):
    """``s * relu(x)^2 + b`` with two learned scalars (Yu et al., MetaFormer Baselines, 2022).

    ``s`` starts at 0.8944 and ``b`` at -0.4472, which give unit variance and zero mean for
    standard normal input (section 3.3); in the released code at 1 and 0.
    """

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor([0.8944]))
        self.bias = nn.Parameter(torch.tensor([-0.4472]))

    def forward(self, x: Tensor) -> Tensor:
        """Map any shape to itself."""
        return self.scale * F.relu(x).square() + self.bias


class SquaredReLU(nn.Module):
    """``relu(x)^2`` (So et al., Primer, 2021)."""

    def forward(self, x: Tensor) -> Tensor:
        """Map any shape to itself."""
        return F.relu(x).square()


class QuickGELU(nn.Module):
    """``x * sigmoid(1.702 x)``, close to GELU (Hendrycks and Gimpel, 2016), as in CvT and CLIP."""

    def forward(self, x: Tensor) -> Tensor:
        """Map any shape to itself."""
        return x * torch.sigmoid(1.702 * x)


ACTIVATIONS: Mapping[str, Callable[[], nn.Module]] = {
    "gelu": nn.GELU,
    "gelu_tanh": partial(nn.GELU, approximate="tanh"),
    "quick_gelu": QuickGELU,
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "silu": nn.SiLU,
    "hard_swish": nn.Hardswish,
    "star_relu": StarReLU,
    "squared_relu": SquaredReLU,
}

ACTIVATION = Choice(tuple(ACTIVATIONS))

STEADY_ACTIVATION = Choice(tuple(name for name in ACTIVATIONS if not name.endswith("_relu")))
"""Activations that grow no faster than their input: repeated squares overflow."""

NONE_OR_ACTIVATION = Choice(("none", *ACTIVATIONS))


def activation(name: str) -> nn.Module:
    """Return a new activation module; ``name`` is one of ``ACTIVATIONS``, or ``none``."""
    return nn.Identity() if name == "none" else ACTIVATIONS[name]()
