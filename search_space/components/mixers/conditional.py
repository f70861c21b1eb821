"""Convolutions whose kernel is a combination of several, weighed by the image or by the user.

Shape suffixes: B batch, C channels, H rows, W columns, E experts, O output channels, I input
channels of a group, k and l sides of a kernel, P parameters.
"""

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...domains import YES_NO, IntRange
from ...shapes import Shape
from ..base import Traits
from ..layers.canonical_forms import ClippedDepthwiseMixer
from ..layers.folding import Foldable
from ..layers.kernel_clipping import KERNEL
from .dynamic_kernels import convolve_each


class KernelBank(nn.Module):
    """Several kernels of one shape, combined into one before the convolution."""

    no_weight_decay: ClassVar[frozenset[str]] = frozenset({"bias_EO"})

    def __init__(
        self,
        *,
        count: int,
        channels: int,
        kernel_size: int,
        depthwise: bool,
        bias: bool,
        width: int | None = None,
    ) -> None:
        super().__init__()
        inputs, outputs = 1 if depthwise else channels, width or channels
        bound = 1 / math.sqrt(inputs * kernel_size**2)  # as torch's own convolutions start
        weight = torch.empty(count * outputs, inputs, kernel_size, kernel_size)
        self.weight = nn.Parameter(weight.uniform_(-bound, bound))
        start_EO = torch.empty(count, outputs)
        self.bias_EO = nn.Parameter(start_EO.uniform_(-bound, bound)) if bias else None
        self.count, self.kernel_size = count, kernel_size
        self.groups = channels if depthwise else 1

    def combined(self, share_BE: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the combined kernels (B, O, I, k, k) and biases (B, O) for weights (B, E)."""
        weight_EOIkl = self.weight.unflatten(0, (self.count, -1))
        kernels_BOIkl = (share_BE @ weight_EOIkl.flatten(1)).unflatten(1, weight_EOIkl.shape[1:])
        return kernels_BOIkl, None if self.bias_EO is None else share_BE @ self.bias_EO


class ConditionalConv(nn.Module):
    """A convolution whose kernel is combined for each image, by weights from its mean features."""

    def __init__(self, channels: int, bank: KernelBank) -> None:
        super().__init__()
        self.routing = nn.Linear(channels, bank.count)
        self.experts = bank

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        share_BE = self.routing(x_BCHW.mean((2, 3))).sigmoid()
        return convolve_each(x_BCHW, *self.experts.combined(share_BE))


@dataclass(frozen=True, kw_only=True)
class CondConv(ClippedDepthwiseMixer):
    """Convolution with a kernel for each image: experts weighed by a sigmoid of the pooled map.

    Yang et al., CondConv, 2019, equations 1 and 2. More experts add parameters, and multiply-adds
    only for combining kernels, once per image.
    """

    name = "cond_conv"
    traits = Traits(
        catalogue=("M11",),
        paper="Yang et al., CondConv: Conditionally Parameterized Convolutions for Efficient "
        "Inference, 2019, arXiv:1904.04971",
        code="tensorflow/tpu",
        reach="global",
        weights="input-dependent",
        cost="N k^2",
    )

    kernel_size: Annotated[int, KERNEL] = 3
    """Side of the kernel in pixels, odd, 1 to 31."""
    experts: Annotated[int, IntRange(1, 64)] = 4
    """Number of kernels to combine, 1 to 64."""
    depthwise: Annotated[bool, YES_NO] = True
    """Whether the convolution is depthwise, else dense."""
    bias: Annotated[bool, YES_NO] = False
    """Whether each expert has a bias."""

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        return ConditionalConv(shape.channels, _bank(self, self.experts, shape))


class TunableKernels(Foldable):
    """A convolution whose kernel is combined by parameters that the user sets."""

    omega_P: Tensor

    def __init__(self, bank: KernelBank, hidden: int) -> None:
        super().__init__()
        count = bank.count
        self.kernels = bank
        self.mapping = (
            nn.Sequential(nn.Linear(count, hidden), nn.ReLU(), nn.Linear(hidden, count))
            if hidden
            else nn.Identity()
        )
        self.register_buffer("omega_P", torch.full((count,), 1 / count))

    def _kernel(self) -> tuple[Tensor, Tensor | None]:
        share_1E = self.mapping(self.omega_P[None])
        kernel_1OIkl, bias_1O = self.kernels.combined(share_1E)
        return kernel_1OIkl[0], None if bias_1O is None else bias_1O[0]

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        side, groups = self.kernels.kernel_size, self.kernels.groups
        return F.conv2d(x_BCHW, *self._kernel(), padding=side // 2, groups=groups)

    def folded(self) -> nn.Module:
        """Return the convolution with the kernel for the current parameters."""
        kernel_OIkl, bias_O = self._kernel()
        channels, side, groups = len(kernel_OIkl), self.kernels.kernel_size, self.kernels.groups
        conv = nn.Conv2d(channels, channels, side, padding=side // 2, groups=groups, device="meta")
        conv.weight = nn.Parameter(kernel_OIkl)
        conv.bias = None if bias_O is None else nn.Parameter(bias_O)
        return conv


def tune(network: nn.Module, omega_P: Tensor) -> None:
    """Set the parameters of all tunable convolutions in ``network`` to the same values.

    In training, draw them anew at each step and weigh the losses by the same numbers.
    """
    for module in network.modules():
        if isinstance(module, TunableKernels):
            module.omega_P.copy_(omega_P)


@dataclass(frozen=True, kw_only=True)
class TunableConv(ClippedDepthwiseMixer):
    """Convolution whose kernel interpolates several by parameters that the user sets.

    Maggioni et al., Tunable Convolutions, 2023, section 3.2. The parameters are not learned:
    ``tune`` sets them, in training and after; at first they are equal and sum to one. For fixed
    parameters the module folds into one convolution.
    """

    name = "tunable_conv"
    traits = Traits(
        catalogue=("M57",),
        paper="Maggioni et al., Tunable Convolutions with Parametric Multi-Loss Optimization, "
        "2023, arXiv:2304.00898",
        reach="local",
        weights="static",
        cost="N k^2",
    )

    kernel_size: Annotated[int, KERNEL] = 3
    """Side of the kernel in pixels, odd, 1 to 31."""
    kernels: Annotated[int, IntRange(2, 16)] = 2
    """Number of kernels and parameters, one for each loss, 2 to 16."""
    depthwise: Annotated[bool, YES_NO] = True
    """Whether the convolution is depthwise, else dense."""
    hidden: Annotated[int, IntRange(0, 256)] = 0
    """Hidden units of a perceptron from parameters to kernel weights; 0: no perceptron."""
    bias: Annotated[bool, YES_NO] = True
    """Whether each kernel has a bias."""

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        return TunableKernels(_bank(self, self.kernels, shape), self.hidden)


def _bank(mixer: CondConv | TunableConv, count: int, shape: Shape) -> KernelBank:
    return KernelBank(
        count=count,
        channels=shape.channels,
        kernel_size=mixer.kernel_size,
        depthwise=mixer.depthwise,
        bias=mixer.bias,
    )
