"""Large kernels that are trained with parallel branches and run as one convolution.

Shape suffixes: B batch, C channels, H rows, W columns.
"""

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Annotated, Self

from torch import nn

from ...domains import Choice, IntRange, Positive
from ...shapes import Shape
from ..activations import ACTIVATION, activation
from ..base import TokenMixer, Traits
from ..initial import small_start
from ..layers.canonical_forms import WidenedMixer
from ..layers.conv_norm import conv_norm
from ..layers.depthwise_branches import DepthwiseBranches
from ..layers.kernel_clipping import KERNEL, reaching_kernel


@dataclass(frozen=True, kw_only=True)
class ReparamLargeKernel(WidenedMixer):
    """A large depthwise kernel, trained with a parallel small one, between 1x1 convolutions
    (RepLKNet).

    Ding et al., 2022, sections 3 and 4.1, guidelines 3 and 4: batch norm after every convolution,
    ReLU after the first two. The branches fold into one kernel; the 1x1 convolutions keep their
    norms.
    """

    name = "reparam_large_kernel"
    traits = Traits(
        paper="Ding et al., Scaling Up Your Kernels to 31x31: Revisiting Large Kernel Design in "
        "CNNs, 2022, arXiv:2203.06717",
        code="DingXiaoH/RepLKNet-pytorch",
        reach="regional",
        weights="static",
        cost="N k^2",
    )

    kernel_size: Annotated[int, KERNEL] = 13
    """Side of the large kernel in pixels, odd, 1 to 31."""
    small_kernel: Annotated[int, Choice((0, 1, 3, 5, 7, 9, 11, 13))] = 5
    """Side of the parallel small kernel in pixels, odd; 0: none."""
    expansion: Annotated[float, Positive()] = 1.0
    """Ratio of inner channels to channels."""
    activation: Annotated[str, ACTIVATION] = "relu"
    """Activation after the first 1x1 convolution and after the large kernel."""

    def canonical(self, shape: Shape) -> Self:
        """Clip the kernels to taps that can reach the map, and round the expansion."""
        small, large = sorted((self.small_kernel, self.kernel_size))
        kernel_size, small_kernel = reaching_kernel(large, shape), reaching_kernel(small, shape)
        widened = super().canonical(shape)
        return replace(widened, kernel_size=kernel_size, small_kernel=small_kernel)

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        channels, inner = shape.channels, self.inner(shape)
        sides = sorted((self.kernel_size, self.small_kernel), reverse=True)
        branches = [(side, 1) for side in sides if side]
        return nn.Sequential(
            OrderedDict(
                pwconv1=conv_norm(channels, inner, act=self.activation),
                dwconv=DepthwiseBranches(inner, branches),
                act=activation(self.activation),
                pwconv2=conv_norm(inner, channels),
            )
        )


# Kernel side: sides and dilations of the parallel branches.
_DILATED = {
    17: ((5, 1), (9, 2), (3, 4), (3, 5), (3, 7)),
    15: ((5, 1), (7, 2), (3, 3), (3, 5), (3, 7)),
    13: ((5, 1), (7, 2), (3, 3), (3, 4), (3, 5)),
    11: ((5, 1), (5, 2), (3, 3), (3, 4), (3, 5)),
    9: ((5, 1), (5, 2), (3, 3), (3, 4)),
    7: ((5, 1), (3, 2), (3, 3)),
}


@dataclass(frozen=True, kw_only=True)
class DilatedReparamConv(TokenMixer):
    """A large depthwise kernel trained in parallel with dilated small ones (UniRepLKNet).

    Ding et al., 2024, section 3.1 (dilated reparam block): each branch has a batch norm, another
    follows the sum, and all fold into one convolution. Kernels of 3 and 5 have no branches, as in
    the reference code's blocks.
    """

    name = "dilated_reparam_conv"
    traits = Traits(
        paper="Ding et al., UniRepLKNet: A Universal Perception Large-Kernel ConvNet, 2024, "
        "arXiv:2311.15599",
        code="AILab-CVC/UniRepLKNet",
        reach="regional",
        weights="static",
        cost="N k^2",
    )

    kernel_size: Annotated[int, IntRange(3, 17, 2)] = 13
    """Side of the kernel in pixels, odd, 3 to 17; it determines the branches."""

    def canonical(self, shape: Shape) -> Self:
        """Clip a kernel without branches to taps that can reach the map."""
        if self.kernel_size in _DILATED:
            return self
        return replace(self, kernel_size=max(3, reaching_kernel(self.kernel_size, shape)))

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        dilated = _DILATED.get(self.kernel_size, ())
        branches = [(self.kernel_size, 1), *dilated]
        return small_start(DepthwiseBranches(shape.channels, branches, normed=bool(dilated)))
