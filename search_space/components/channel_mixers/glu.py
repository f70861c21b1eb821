"""Gated perceptrons at each position.

Shape suffixes: B batch, C channels, D hidden channels, H rows, W columns.
"""

from dataclasses import dataclass, replace
from typing import Annotated, Self

from torch import Tensor, nn

from ...domains import YES_NO, Positive
from ...shapes import Shape, scaled
from ..activations import ACTIVATION, activation
from ..base import ChannelMixer
from ..initial import fan_out_start, small_start
from ..layers.kernel_clipping import depthwise


class GatedMlp(nn.Module):
    """``fc2(act(local(gate)) * value)``, gate and value from one linear map."""

    def __init__(
        self, *, channels: int, hidden: int, act: str, bias: bool, local: nn.Module | None
    ) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, 2 * hidden, 1, bias=bias)
        self.local = local
        self.act = activation(act)
        self.fc2 = nn.Conv2d(hidden, channels, 1, bias=bias)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        gate_BDHW, value_BDHW = self.fc1(x_BCHW).chunk(2, dim=1)
        if self.local is not None:
            gate_BDHW = self.local(gate_BDHW)
        return self.fc2(self.act(gate_BDHW) * value_BDHW)


@dataclass(frozen=True, kw_only=True)
class Glu(ChannelMixer):
    """Gated linear unit (Dauphin et al., 2017), as a channel mixer (Shazeer, 2020)."""

    name = "glu"
    order_free = True

    ratio: Annotated[float, Positive()] = 4.0
    """Ratio of hidden channels to channels in a perceptron of equal size. This unit has two thirds
    of that ratio, since it has three linear maps instead of two (Shazeer, section 2)."""
    activation: Annotated[str, ACTIVATION] = "silu"
    """Activation on the gate."""
    bias: Annotated[bool, YES_NO] = True
    """Whether both maps have a bias."""

    def hidden(self, shape: Shape) -> int:
        """Return the hidden channels, at least 1."""
        return scaled(shape.channels, 2 * self.ratio / 3)

    def canonical(self, shape: Shape) -> Self:
        """Round the ratio to whole hidden channels."""
        return replace(self, ratio=1.5 * self.hidden(shape) / shape.channels)

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        return small_start(self.perceptron(shape, local=None))

    def perceptron(self, shape: Shape, local: nn.Module | None) -> GatedMlp:
        """Build the perceptron; ``local`` convolves the gate."""
        return GatedMlp(
            channels=shape.channels,
            hidden=self.hidden(shape),
            act=self.activation,
            bias=self.bias,
            local=local,
        )


@dataclass(frozen=True, kw_only=True)
class ConvGlu(Glu):
    """Convolutional GLU: a 3x3 depthwise convolution on the gate (Shi, TransNeXt, 2024)."""

    name = "conv_glu"
    order_free = False
    catalogue = ("M56",)

    activation: Annotated[str, ACTIVATION] = "gelu"
    """Activation on the gate."""

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        hidden = self.hidden(shape)
        local = depthwise(hidden, (3, 3))
        perceptron = small_start(self.perceptron(shape, local))
        fan_out_start(local)
        return perceptron
