"""Mixers that multiply a map by a gate computed from it.

Shape suffixes: B batch, C channels, H rows, W columns.
"""

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Annotated, Self

from torch import Tensor, nn

from ...domains import YES_NO, IntRange, Positive
from ...shapes import Shape
from ..activations import ACTIVATION, activation
from ..base import TokenMixer, Traits
from ..initial import fan_out_start
from ..layers.canonical_forms import RoundedRatio
from ..layers.gate_and_shortcut import Gate, Shortcut
from ..layers.kernel_clipping import depthwise
from ..norms import ChannelLayerNorm

LARGEST_DECOMPOSED = 63
"""The largest kernel that can be decomposed, in pixels."""


@dataclass(frozen=True, kw_only=True)
class LargeKernelAttention(TokenMixer):
    """A map gated by a large kernel in three parts: local, dilated, 1x1 (Guo et al., 2022).

    Section 3.1: a (2d-1) x (2d-1) depthwise kernel, a ceil(K/d) x ceil(K/d) one of dilation d and a
    1x1 convolution replace a K x K kernel. In VAN two 1x1 convolutions surround it, the first with
    GELU, and the authors' code adds the input to the result.
    """

    name = "large_kernel_attention"
    traits = Traits(
        catalogue=("M61",),
        paper="Guo et al., Visual Attention Network, 2022, arXiv:2202.09741",
        code="Visual-Attention-Network/VAN-Classification",
        reach="regional",
        weights="input-dependent",
        cost="N ((2d-1)^2 + (k/d)^2)",
    )

    kernel_size: Annotated[int, IntRange(1, LARGEST_DECOMPOSED)] = 21
    """Side of the kernel that is decomposed, K, in pixels, 1 to 63."""
    dilation: Annotated[int, IntRange(1, 8)] = 3
    """Dilation d of the second kernel in pixels; an odd one needs an odd ceil(K/d)."""
    projected: Annotated[bool, YES_NO] = True
    """Whether two 1x1 convolutions surround it, the first with an activation."""
    activation: Annotated[str, ACTIVATION] = "gelu"
    """Activation after the first 1x1 convolution."""
    shortcut: Annotated[bool, YES_NO] = True
    """Whether the input is added to the result."""

    @property
    def taps(self) -> int:
        """Side of the dilated kernel in weights."""
        return -(-self.kernel_size // self.dilation)

    def why_invalid(self, shape: Shape, width: int | None = None) -> str | None:
        """An odd dilation needs a dilated kernel with a central tap."""
        if self.dilation * (self.taps - 1) % 2 == 0:
            return None
        return (
            f"kernel_size over dilation, rounded up, must be odd where dilation is, but got "
            f"{self.kernel_size} / {self.dilation}"
        )

    def canonical(self, shape: Shape) -> Self:
        """Take the largest kernel with the same decomposition; reset knobs without effect.

        Kernels are not clipped to small maps: VAN's last stage has such kernels, and its printed
        figures count them in full.
        """
        return replace(
            self,
            kernel_size=min(LARGEST_DECOMPOSED, self.dilation * self.taps),
            activation=self.activation if self.projected else "gelu",
        )

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        channels, reach = shape.channels, self.dilation * (self.taps - 1) // 2
        local = 2 * self.dilation - 1
        gate = Gate(
            nn.Sequential(
                OrderedDict(
                    local=depthwise(channels, (local, local)),
                    dilated=nn.Conv2d(
                        channels,
                        channels,
                        self.taps,
                        padding=reach,
                        dilation=self.dilation,
                        groups=channels,
                    ),
                    pointwise=nn.Conv2d(channels, channels, 1),
                )
            )
        )
        module: nn.Module = gate
        if self.projected:
            module = nn.Sequential(
                OrderedDict(
                    proj_1=nn.Conv2d(channels, channels, 1),
                    act=activation(self.activation),
                    gate=gate,
                    proj_2=nn.Conv2d(channels, channels, 1),
                )
            )
        return fan_out_start(Shortcut(module) if self.shortcut else module)


class GatedLinear(nn.Module):
    """``fc2(norm(act(gate)) * norm(value))``, gate and value from one linear map, one norm."""

    def __init__(self, *, channels: int, hidden: int, act: str, bias: bool, norm: bool) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, 2 * hidden, 1, bias=bias)
        self.act = activation(act)
        self.norm = ChannelLayerNorm(hidden, eps=1e-5, bias=True) if norm else nn.Identity()
        self.fc2 = nn.Conv2d(hidden, channels, 1, bias=bias)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        gate, value = self.fc1(x_BCHW).chunk(2, dim=1)
        return self.fc2(self.norm(self.act(gate)) * self.norm(value))


@dataclass(frozen=True, kw_only=True)
class GatedLinearMixer(RoundedRatio, TokenMixer):
    """A gated linear unit in place of attention, without spatial mixing (Activator, 2024).

    Abdullah and Aydin: the channel mixer after it may be left out (``none``). Their code normalises
    gate and value with the same weights.
    """

    name = "gated_linear"
    traits = Traits(
        catalogue=("M03",),
        paper="Abdullah and Aydin, Activator: GLU Activation Function as the Core Component of a "
        "Vision Transformer, 2024, arXiv:2405.15953",
        code="Abdullah-88/Activator",
        reach="none",
        weights="input-dependent",
        cost="N",
    )
    renamed = (("normed", "norm"),)

    ratio: Annotated[float, Positive()] = 2.0
    """Ratio of hidden channels, of gate and of value, to channels."""
    activation: Annotated[str, ACTIVATION] = "gelu"
    """Activation on the gate."""
    normed: Annotated[bool, YES_NO] = True
    """Whether gate and value are layer-normalised before their product."""
    bias: Annotated[bool, YES_NO] = True
    """Whether the linear maps have a bias."""

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        return GatedLinear(
            channels=shape.channels,
            hidden=self.hidden(shape),
            act=self.activation,
            bias=self.bias,
            norm=self.normed,
        )
