"""The star operation: a product of two linear maps.

Shape suffixes: B batch, C channels, H rows, W columns.
"""

from dataclasses import dataclass
from typing import Annotated

from torch import Tensor, nn

from ...domains import Positive
from ...shapes import Shape
from ..activations import ACTIVATION, activation
from ..base import TokenMixer, Traits
from ..initial import small_start
from ..layers.canonical_forms import ClippedKernel, RoundedRatio
from ..layers.kernel_clipping import KERNEL, depthwise


class Star(nn.Module):
    """``out(proj(act(left(x)) * right(x)))`` of a convolved map; ``out`` is a convolution."""

    def __init__(self, *, channels: int, hidden: int, kernel_size: int, act: str) -> None:
        super().__init__()
        kernel = (kernel_size, kernel_size)
        self.dwconv = depthwise(channels, kernel)
        self.norm1 = nn.BatchNorm2d(channels)
        self.left = nn.Conv2d(channels, hidden, 1)
        self.right = nn.Conv2d(channels, hidden, 1)
        self.act = activation(act)
        self.proj = nn.Conv2d(hidden, channels, 1)
        self.norm2 = nn.BatchNorm2d(channels)
        self.out = depthwise(channels, kernel)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        near_BCHW = self.norm1(self.dwconv(x_BCHW))
        star = self.act(self.left(near_BCHW)) * self.right(near_BCHW)
        return self.out(self.norm2(self.proj(star)))


@dataclass(frozen=True, kw_only=True)
class StarMixer(RoundedRatio, ClippedKernel, TokenMixer):
    """The product of two linear maps, between depthwise convolutions: the block of StarNet.

    Ma et al., 2024, section 4: batch norms follow the first convolution and the output projection.
    StarNet's blocks consist of this mixer and a residual.
    """

    name = "star"
    traits = Traits(
        paper="Ma et al., Rewrite the Stars, 2024, arXiv:2403.19967",
        code="ma-xu/Rewrite-the-Stars",
        reach="regional",
        weights="input-dependent",
        cost="N k^2",
    )

    kernel_size: Annotated[int, KERNEL] = 7
    """Side of both depthwise kernels in pixels, odd, 1 to 31."""
    ratio: Annotated[float, Positive()] = 4.0
    """Ratio of the channels of each of the two maps to the channels."""
    activation: Annotated[str, ACTIVATION] = "relu6"
    """Activation on the left map."""

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        star = Star(
            channels=shape.channels,
            hidden=self.hidden(shape),
            kernel_size=self.kernel_size,
            act=self.activation,
        )
        return small_start(star, biases=False)
