"""Deformable convolution."""

import math
from dataclasses import dataclass, replace
from typing import Annotated, Self

from torch import nn

from ...domains import YES_NO, Choice, IntRange, Positive
from ...shapes import Shape
from ..base import Traits
from ..layers.canonical_forms import DepthwiseMixer
from ..layers.deformable_conv import DeformableConv2d
from ..layers.kernel_clipping import KERNEL, reaching_kernel


@dataclass(frozen=True, kw_only=True)
class DeformableConv(DepthwiseMixer):
    """Convolution with predicted offsets, in the forms that CoDeNet compares.

    Huang et al., CoDeNet: Efficient Deployment of Input-Adaptive Object Detection on Embedded
    FPGAs, 2020 (first called Algorithm-hardware Co-design for Deformable Convolution), section 3:
    dense or depthwise, with free offsets, limited ones, or a square that one number per position
    widens. The 1x1 convolution before the paper's depthwise form is left out.
    """

    name = "deformable_conv"
    traits = Traits(
        catalogue=("M06",),
        paper="Huang et al., CoDeNet: Efficient Deployment of Input-Adaptive Object Detection on "
        "Embedded FPGAs, 2020, arXiv:2006.08357; Dai et al., Deformable Convolutional Networks, "
        "2017, arXiv:1703.06211",
        code="DequanWang/CoDeNet",
        reach="regional",
        weights="input-dependent",
        cost="N k^2",
    )

    kernel_size: Annotated[int, IntRange(1, 11, 2)] = 3
    """Side of the kernel in pixels, odd, 1 to 11."""
    depthwise: Annotated[bool, YES_NO] = True
    """Whether each channel has a kernel of its own, or all are summed."""
    offsets: Annotated[str, Choice(("free", "limited", "square"))] = "free"
    """``free``, ``limited``: one offset for each tap, without or with a limit; ``square``: one
    number per position that widens the kernel's square (and never narrows it)."""
    max_offset: Annotated[float, Positive()] = 8.0
    """Limit of an offset along an axis in pixels; without effect on free offsets. For the square,
    the limit of the tap next to the centre."""
    modulation: Annotated[bool, YES_NO] = False
    """Whether each tap is scaled by a predicted number from 0 to 1 (Zhu et al., 2018)."""
    offset_kernel_size: Annotated[int, KERNEL] = 3
    """Side of the kernel that predicts the offsets, in pixels, odd, 1 to 31."""
    bias: Annotated[bool, YES_NO] = True
    """Whether the convolution has a bias; the prediction always has one."""

    def why_invalid(self, shape: Shape, width: int | None = None) -> str | None:
        """A square needs more than one tap."""
        if self.offsets == "square" and self.kernel_size == 1:
            return "kernel_size must be 3 or more where offsets is square, but got 1"
        return None

    def canonical(self, shape: Shape) -> Self:
        """Reset the limit of free offsets; clip the kernel of the prediction to the map.

        With one channel, ``depthwise`` has no effect.
        """
        return replace(
            super().canonical(shape),
            max_offset=DeformableConv.max_offset if self.offsets == "free" else self.max_offset,
            offset_kernel_size=reaching_kernel(self.offset_kernel_size, shape),
        )

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        return DeformableConv2d(
            channels=shape.channels,
            width=shape.channels,
            kernel_size=self.kernel_size,
            offset_kernel_size=self.offset_kernel_size,
            padding=self.kernel_size // 2,
            offset_padding=self.offset_kernel_size // 2,
            groups=shape.channels if self.depthwise else 1,
            square=self.offsets == "square",
            max_offset=math.inf if self.offsets == "free" else self.max_offset,
            modulation=self.modulation,
            bias=self.bias,
        )
