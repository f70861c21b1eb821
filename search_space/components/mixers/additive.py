"""Additive token mixing by convolutions, and the local integration that goes with it (CAS-ViT).

Shape suffixes: B batch, C channels, H rows, W columns.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Annotated

from torch import Tensor, nn

from ...domains import YES_NO, Choice, Positive
from ...shapes import Shape
from ..activations import ACTIVATION, activation
from ..base import TokenMixer, Traits
from ..layers.canonical_forms import ClippedKernel, WidenedMixer
from ..layers.gate_and_shortcut import Gate
from ..layers.kernel_clipping import KERNEL, depthwise

_PAPER = (
    "Zhang et al., CAS-ViT: Convolutional Additive Self-attention Vision Transformers for "
    "Efficient Mobile Applications, 2024, arXiv:2408.03703"
)
_CODE = "Tianfang-Zhang/CAS-ViT"


class GlobalMean(nn.Module):
    """The mean over positions."""

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C, 1, 1)."""
        return x_BCHW.mean((2, 3), keepdim=True)


def spatial_gate(channels: int, kernel_size: int) -> nn.Module:
    """Return the product of a map and one factor from 0 to 1 for each position."""
    return Gate(
        nn.Sequential(
            OrderedDict(
                dwconv=depthwise(channels, (kernel_size, kernel_size)),
                norm=nn.BatchNorm2d(channels),
                act=nn.ReLU(),
                pwconv=nn.Conv2d(channels, 1, 1, bias=False),
                sigmoid=nn.Sigmoid(),
            )
        )
    )


def channel_gate(channels: int) -> nn.Module:
    """Return the product of a map and one factor from 0 to 1 for each channel."""
    return Gate(
        nn.Sequential(
            OrderedDict(
                mean=GlobalMean(),
                pwconv=nn.Conv2d(channels, channels, 1, bias=False),
                sigmoid=nn.Sigmoid(),
            )
        )
    )


def context(channels: int, kernel_size: int, domains: str) -> nn.Module:
    """Return the module that queries, or keys, pass before they are added."""
    layers = OrderedDict[str, nn.Module]()
    if domains != "channel":
        layers["spatial"] = spatial_gate(channels, kernel_size)
    if domains != "spatial":
        layers["channel"] = channel_gate(channels)
    return nn.Sequential(layers)


class AdditiveMixing(nn.Module):
    """``proj(mix(context(query) + context(key)) * value)``."""

    def __init__(self, *, channels: int, kernel_size: int, domains: str, qkv_bias: bool) -> None:
        super().__init__()
        kernel = (kernel_size, kernel_size)
        self.qkv = nn.Conv2d(channels, 3 * channels, 1, bias=qkv_bias)
        self.query = context(channels, kernel_size, domains)
        self.key = context(channels, kernel_size, domains)
        self.mix = depthwise(channels, kernel)
        self.proj = depthwise(channels, kernel)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        query, key, value = self.qkv(x_BCHW).chunk(3, dim=1)
        return self.proj(self.mix(self.query(query) + self.key(key)) * value)


@dataclass(frozen=True, kw_only=True)
class ConvAdditiveMixer(ClippedKernel, TokenMixer):
    """Queries and keys, gated by position and channel, are added, convolved, and gate the values.

    Zhang et al., CAS-ViT, 2024. All spatial convolutions are 3x3 there; as in the authors' code the
    output convolution is depthwise.
    """

    name = "conv_additive"
    traits = Traits(
        catalogue=("M08",),
        paper=_PAPER,
        code=_CODE,
        reach="global",
        weights="input-dependent",
        cost="N k^2",
    )

    kernel_size: Annotated[int, KERNEL] = 3
    """Side of the depthwise kernels in pixels, odd, 1 to 31."""
    domains: Annotated[str, Choice(("both", "spatial", "channel"))] = "both"
    """Gates on queries and keys: by position (spatial), by channel, or both in this order."""
    qkv_bias: Annotated[bool, YES_NO] = False
    """Whether queries, keys and values have a bias."""

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        return AdditiveMixing(
            channels=shape.channels,
            kernel_size=self.kernel_size,
            domains=self.domains,
            qkv_bias=self.qkv_bias,
        )


@dataclass(frozen=True, kw_only=True)
class LocalIntegration(WidenedMixer):
    """1x1, batch norm, depthwise, activation, 1x1: the layer before the mixer in CAS-ViT's blocks.

    Zhang et al., CAS-ViT, 2024, as in the authors' code.
    """

    name = "local_integration"
    traits = Traits(
        catalogue=("M08",),
        paper=_PAPER,
        code=_CODE,
        reach="local",
        weights="static",
        cost="N k^2",
    )

    kernel_size: Annotated[int, KERNEL] = 3
    """Side of the depthwise kernel in pixels, odd, 1 to 31."""
    expansion: Annotated[float, Positive()] = 1.0
    """Ratio of inner channels to channels."""
    activation: Annotated[str, ACTIVATION] = "gelu"
    """Activation after the depthwise convolution."""

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        channels, inner = shape.channels, self.inner(shape)
        return nn.Sequential(
            OrderedDict(
                pwconv1=nn.Conv2d(channels, inner, 1),
                norm=nn.BatchNorm2d(inner),
                dwconv=depthwise(inner, (self.kernel_size, self.kernel_size)),
                act=activation(self.activation),
                pwconv2=nn.Conv2d(inner, channels, 1),
            )
        )
