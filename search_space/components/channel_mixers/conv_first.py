"""The perceptron behind a depthwise convolution."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Annotated

from torch import nn

from ...domains import Choice
from ...shapes import Shape
from ..activations import activation
from ..initial import small_start
from ..layers.canonical_forms import SmallKernel
from ..layers.depthwise_branches import DepthwiseBranches
from ..layers.kernel_clipping import KERNEL
from .mlp import Mlp


@dataclass(frozen=True, kw_only=True)
class ConvFirstMlp(SmallKernel, Mlp):
    """Depthwise convolution, batch norm, perceptron: ConvNeXt's block as a channel mixer (FFNet).

    Yun et al., MetaMixer Is All You Need, 2024, arXiv:2406.02021. In FFNet a kernel of 7 is
    trained with one of 3 beside it, and the perceptron has 3 times the channels.
    """

    name = "conv_first_mlp"
    order_free = False

    kernel_size: Annotated[int, KERNEL] = 3
    """Side of the depthwise kernel in pixels, odd, 1 to 31."""
    small_kernel: Annotated[int, Choice((0, 1, 3, 5, 7))] = 0
    """Side of a second kernel trained in parallel, up to ``kernel_size``; 0: none."""

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        channels, hidden = shape.channels, self.hidden(shape)
        branches = [(side, 1) for side in (self.kernel_size, self.small_kernel) if side]
        layers = OrderedDict[str, nn.Module](
            dwconv=DepthwiseBranches(channels, branches),
            fc1=nn.Conv2d(channels, hidden, 1, bias=self.bias),
            act=activation(self.activation),
            fc2=nn.Conv2d(hidden, channels, 1, bias=self.bias),
        )
        return small_start(nn.Sequential(layers))
