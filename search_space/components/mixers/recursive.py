"""Convolution that is applied several times with the same weights."""

from dataclasses import dataclass
from typing import Annotated

from torch import nn

from ...domains import YES_NO, IntRange
from ...shapes import Shape
from ..activations import STEADY_ACTIVATION
from ..base import Traits
from ..layers.canonical_forms import ClippedDepthwiseMixer
from ..layers.kernel_clipping import KERNEL
from ..layers.recursive_conv import RecursiveConvs


@dataclass(frozen=True, kw_only=True)
class RecursiveConv(ClippedDepthwiseMixer):
    """One group of convolutions applied several times: the reach grows, the weights are shared.

    Zhang and LeCun, Byte-Level Recursive Convolutional Auto-Encoder for Text, 2018,
    arXiv:1802.01817, the basis of Malik et al.; here in two dimensions, and without the pooling
    after each application, which ``RecursiveDownsampling`` has.
    """

    name = "recursive_conv"
    traits = Traits(
        catalogue=("Q03",),
        paper="Malik et al., Efficient Purely Convolutional Text Encoding, 2018, arXiv:1808.01160",
        reach="local",
        weights="static",
        cost="N r k^2",
    )

    kernel_size: Annotated[int, KERNEL] = 3
    """Side of the kernels in pixels, odd, 1 to 31."""
    layers: Annotated[int, IntRange(1, 8)] = 1
    """Convolutions of the group, 1 to 8, each with an activation."""
    recursions: Annotated[int, IntRange(1, 16)] = 2
    """How often the group is applied, 1 to 16."""
    depthwise: Annotated[bool, YES_NO] = True
    """Whether the convolution is depthwise; the paper's is dense."""
    activation: Annotated[str, STEADY_ACTIVATION] = "relu"
    """Activation after each convolution."""
    residual: Annotated[bool, YES_NO] = True
    """Whether each application adds its input before the last activation."""
    bias: Annotated[bool, YES_NO] = True
    """Whether the convolutions have a bias."""

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        return RecursiveConvs(
            channels=shape.channels,
            kernel_size=self.kernel_size,
            layers=self.layers,
            recursions=self.recursions,
            groups=shape.channels if self.depthwise else 1,
            act=self.activation,
            bias=self.bias,
            residual=self.residual,
        )
