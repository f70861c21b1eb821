"""A map modulated by a large kernel's response.

Shape suffixes: B batch, C channels, H rows, W columns.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Annotated

from torch import Tensor, nn

from ...shapes import Shape
from ..activations import ACTIVATION, activation
from ..base import TokenMixer, Traits
from ..initial import small_start
from ..layers.canonical_forms import ClippedKernel
from ..layers.kernel_clipping import KERNEL, depthwise


class Modulation(nn.Module):
    """A 1x1 convolution of ``context(x) * value(x)``."""

    def __init__(self, channels: int, kernel_size: int, act: str) -> None:
        super().__init__()
        self.context = nn.Sequential(
            OrderedDict(
                pwconv=nn.Conv2d(channels, channels, 1),
                act=activation(act),
                dwconv=depthwise(channels, (kernel_size, kernel_size)),
            )
        )
        self.value = nn.Conv2d(channels, channels, 1)
        self.proj = nn.Conv2d(channels, channels, 1)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        return self.proj(self.context(x_BCHW) * self.value(x_BCHW))


@dataclass(frozen=True, kw_only=True)
class ConvModulation(ClippedKernel, TokenMixer):
    """A large kernel in place of attention's scores weighs the values (CFSR's ConvFormer).

    Wu et al., 2024, section 3.2: ``(dwconv(gelu(W1 x)) * W2 x)`` and an output map; earlier in
    Conv2Former (Hou et al., 2022, arXiv:2211.11943), with kernels of 7 and 11.
    """

    name = "conv_modulation"
    traits = Traits(
        catalogue=("M55",),
        paper="Wu et al., Transforming Image Super-Resolution: A ConvFormer-based Efficient "
        "Approach, 2024, arXiv:2401.05633",
        code="Aitical/CFSR",
        reach="regional",
        weights="input-dependent",
        cost="N k^2",
    )

    kernel_size: Annotated[int, KERNEL] = 9
    """Side of the depthwise kernel in pixels, odd, 1 to 31."""
    activation: Annotated[str, ACTIVATION] = "gelu"
    """Activation before the depthwise convolution."""

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        return small_start(Modulation(shape.channels, self.kernel_size, self.activation))
