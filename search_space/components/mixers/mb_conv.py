"""The inverted residual of EfficientNet, with fixed kernels or kernels combined for each image.

Shape suffixes: B batch, C channels, H rows, W columns, E experts.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated

from torch import Tensor, nn

from ...domains import Choice, IntRange, Positive
from ...shapes import Shape, scaled
from ..activations import ACTIVATION, activation
from ..base import Downsampling, TokenMixer, Traits
from ..initial import fan_out_deviation, fan_out_start
from ..layers.canonical_forms import ClippedKernel, RoundedRatio
from ..layers.conv_norm import SqueezeExcite
from ..layers.kernel_clipping import KERNEL
from .conditional import KernelBank
from .dynamic_kernels import convolve_each

EXPERTS = IntRange(0, 64)
"""Legal numbers of experts; 0: one kernel for all images."""


class RoutedConv(nn.Module):
    """A convolution without bias whose kernel is combined from experts, and a batch norm."""

    def __init__(
        self,
        experts: int,
        channels: int,
        width: int,
        kernel_size: int = 1,
        *,
        stride: int = 1,
        depthwise: bool = False,
        eps: float,
    ) -> None:
        super().__init__()
        self.bank = KernelBank(
            count=experts,
            channels=channels,
            width=width,
            kernel_size=kernel_size,
            depthwise=depthwise,
            bias=False,
        )
        outputs = 1 if depthwise else width
        deviation = fan_out_deviation(outputs, kernel_size**2)
        nn.init.normal_(self.bank.weight, std=deviation)
        self.norm = nn.BatchNorm2d(width, eps=eps)
        self.stride = stride

    def forward(self, x_BCHW: Tensor, share_BE: Tensor) -> Tensor:
        """Map (B, C, H, W), with the weight of each expert, to the output."""
        kernels_BOIkl, _ = self.bank.combined(share_BE)
        return self.norm(convolve_each(x_BCHW, kernels_BOIkl, stride=self.stride))


class PlainConv(nn.Module):
    """A convolution without bias, and a batch norm."""

    def __init__(
        self,
        channels: int,
        width: int,
        kernel_size: int = 1,
        *,
        stride: int = 1,
        depthwise: bool = False,
        eps: float,
    ) -> None:
        super().__init__()
        groups = channels if depthwise else 1
        geometry = (kernel_size, stride, kernel_size // 2)
        self.conv = nn.Conv2d(channels, width, *geometry, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(width, eps=eps)

    def forward(self, x_BCHW: Tensor, share_BE: Tensor | None) -> Tensor:
        """Map (B, C, H, W) to the output."""
        return self.norm(self.conv(x_BCHW))


class MobileConv(nn.Module):
    """Expansion, depthwise convolution, squeeze-and-excitation and projection."""

    def __init__(
        self,
        channels: int,
        width: int,
        hidden: int,
        squeezed: int,
        *,
        act: str,
        stride: int,
        kernel_size: int,
        experts: int,
        eps: float,
    ) -> None:
        super().__init__()
        make: Callable[..., nn.Module] = partial(PlainConv, eps=eps)
        if experts:
            make = partial(RoutedConv, experts, eps=eps)
        self.expand = make(channels, hidden) if hidden != channels else None
        self.act = activation(act)
        self.dwconv = make(hidden, hidden, kernel_size, stride=stride, depthwise=True)
        self.squeeze = SqueezeExcite(hidden, squeezed, act=act)
        self.project = make(hidden, width)
        self.routing = nn.Linear(channels, experts) if experts else None
        if self.routing is not None:
            bound = 1 / math.sqrt(channels + experts)
            nn.init.uniform_(self.routing.weight, -bound, bound)
            nn.init.zeros_(self.routing.bias)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to the output."""
        share_BE = None
        if self.routing is not None:  # one routing for all three convolutions
            share_BE = self.routing(x_BCHW.mean((2, 3))).sigmoid()
        if self.expand is not None:
            x_BCHW = self.act(self.expand(x_BCHW, share_BE))
        x_BCHW = self.squeeze(self.act(self.dwconv(x_BCHW, share_BE)))
        return self.project(x_BCHW, share_BE)


@dataclass(frozen=True, kw_only=True)
class MbConv(RoundedRatio, ClippedKernel, TokenMixer):
    """The inverted residual of EfficientNet, or, with experts, of CondConv.

    Tan and Le, EfficientNet, 2019, section 4; Yang et al., CondConv, 2019, section 3.2: one routing
    for its three convolutions. Squeeze-and-excitation has a quarter of the input's channels.
    """

    name = "mb_conv"
    traits = Traits(
        catalogue=("M11",),
        paper="Tan and Le, EfficientNet: Rethinking Model Scaling for Convolutional Neural "
        "Networks, 2019, arXiv:1905.11946; Yang et al., CondConv: Conditionally Parameterized "
        "Convolutions for Efficient Inference, 2019, arXiv:1904.04971",
        code="tensorflow/tpu",
        reach="global",
        weights="input-dependent",
        cost="N k^2",
    )

    kernel_size: Annotated[int, KERNEL] = 3
    """Side of the depthwise kernel in pixels, odd, 1 to 31."""
    ratio: Annotated[float, Positive()] = 6.0
    """Ratio of hidden channels to channels; at 1 there is no expansion."""
    experts: Annotated[int, EXPERTS] = 0
    """Kernels that are combined for each image, 1 to 64; 0: one kernel for all images."""
    activation: Annotated[str, ACTIVATION] = "silu"
    """Activation after the first two convolutions, and inside squeeze-and-excitation."""
    eps: Annotated[float, Positive()] = 1e-5
    """Added to the variance in batch norms; 1e-3 in TensorFlow's networks."""

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        return mobile_conv(self, shape.channels, shape.channels, 1)


@dataclass(frozen=True, kw_only=True)
class MbConvDownsampling(RoundedRatio, Downsampling):
    """EfficientNet's inverted residual for the start of a stage, without a residual.

    Tan and Le, EfficientNet, 2019, arXiv:1905.11946; see ``mb_conv``. Zero padding is equal on both
    sides; TensorFlow has none on the left where the map's side is even.
    """

    name = "mb_conv"

    kernel_size: Annotated[int, Choice((3, 5, 7))] = 3
    """Side of the depthwise kernel in pixels, odd, 3 to 7."""
    stride: Annotated[int, Choice((1, 2))] = 2
    """Step in pixels; 1 changes only the channels."""
    ratio: Annotated[float, Positive()] = 6.0
    """Ratio of hidden to input channels; at 1 there is no expansion."""
    experts: Annotated[int, EXPERTS] = 0
    """Kernels that are combined for each image, 1 to 64; 0: one kernel for all images."""
    activation: Annotated[str, ACTIVATION] = "silu"
    """Activation after the first two convolutions, and inside squeeze-and-excitation."""
    eps: Annotated[float, Positive()] = 1e-5
    """Added to the variance in batch norms; 1e-3 in TensorFlow's networks."""

    def out_size(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width of the output: halves, rounded up."""
        return -(-height // self.stride), -(-width // self.stride)

    def build(self, shape: Shape, width: int) -> nn.Module:
        """Build the module."""
        return mobile_conv(self, shape.channels, width, self.stride)


def mobile_conv(
    what: MbConv | MbConvDownsampling, channels: int, width: int, stride: int
) -> nn.Module:
    """Build the module of both components."""
    module = MobileConv(
        channels,
        width,
        scaled(channels, what.ratio),
        scaled(channels, 0.25),
        act=what.activation,
        stride=stride,
        kernel_size=what.kernel_size,
        experts=what.experts,
        eps=what.eps,
    )
    return fan_out_start(module)
