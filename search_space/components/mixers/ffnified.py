"""Attention turned into a perceptron whose keys and values are large kernels (MetaMixer)."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Annotated

from torch import nn

from ...domains import Choice
from ...shapes import Shape
from ..activations import ACTIVATION, activation
from ..base import TokenMixer, Traits
from ..initial import small_start
from ..layers.canonical_forms import SmallKernel
from ..layers.conv_norm import conv_norm
from ..layers.depthwise_branches import DepthwiseBranches
from ..layers.kernel_clipping import KERNEL, depthwise


@dataclass(frozen=True, kw_only=True)
class FfnifiedAttention(SmallKernel, TokenMixer):
    """Query map, key kernels, activation, value kernels: attention without softmax and heads.

    Yun et al., 2024: the products of queries with keys, and of coefficients with values, become
    depthwise convolutions. FFNet trains a 7x7 kernel in parallel with a 3x3 one, each with a batch
    norm; the 3x3 kernels of its first two stages have neither. The paper's MetaMixer, which leaves
    the operations between query, key and value open, is offered in this form only.
    """

    name = "ffnified_attention"
    traits = Traits(
        catalogue=("M40",),
        paper="Yun et al., MetaMixer Is All You Need, 2024, arXiv:2406.02021",
        code="ysj9909/FFNet",
        reach="regional",
        weights="static",
        cost="N k^2",
    )

    kernel_size: Annotated[int, KERNEL] = 7
    """Side of both depthwise kernels in pixels, odd, 1 to 31."""
    small_kernel: Annotated[int, Choice((0, 1, 3, 5, 7))] = 3
    """Side of a kernel trained in parallel with each, up to ``kernel_size``; 0: no kernel, no
    norms."""
    activation: Annotated[str, ACTIVATION] = "gelu"
    """Activation between keys and values."""

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        channels = shape.channels
        layers = OrderedDict(
            query=conv_norm(channels, channels),
            key=self.kernels(channels),
            act=activation(self.activation),
            value=self.kernels(channels),
        )
        return small_start(nn.Sequential(layers))

    def kernels(self, channels: int) -> nn.Module:
        """Build one depthwise convolution."""
        if not self.small_kernel:
            return depthwise(channels, (self.kernel_size, self.kernel_size))
        return DepthwiseBranches(channels, [(self.kernel_size, 1), (self.small_kernel, 1)])
