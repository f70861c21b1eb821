"""Convolution with few weights whose positions in a large kernel are learned.

Shape suffixes: B batch, C channels (of weights: kernels, one per channel or per pair of channels),
H rows, W columns, K weights of a kernel, S side of the kernel.
"""

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...domains import YES_NO, Choice, IntRange
from ...shapes import Shape
from ..base import Traits
from ..layers.canonical_forms import DepthwiseMixer

_LEAST_SPREAD = {"triangle": 1.0, "gaussian": 0.27}
_START = {"triangle": 0.01, "gaussian": 0.23}
"""Initial learned spread; at zero its gradient would vanish."""


class LearnableSpacing(nn.Module):
    """Builds dense kernels from weights and positions, and convolves with them."""

    no_weight_decay: ClassVar[frozenset[str]] = frozenset({"position_2CK", "spread_2CK"})

    def __init__(
        self,
        *,
        channels: int,
        count: int,
        side: int,
        interpolation: str,
        depthwise: bool,
        bias: bool,
    ) -> None:
        super().__init__()
        self.radius = side // 2
        self.groups = channels if depthwise else 1
        self.inputs = channels // self.groups
        kernels = channels * self.inputs
        self.interpolation = interpolation
        self.weight_CK = nn.Parameter(torch.empty(kernels, count))
        self.position_2CK = nn.Parameter(torch.randn(2, kernels, count) / 2)
        self.spread_2CK = None
        if interpolation in _START:
            start = torch.full((2, kernels, count), _START[interpolation])
            self.spread_2CK = nn.Parameter(start)
        bound = 1 / math.sqrt(self.inputs * count)
        nn.init.uniform_(self.weight_CK, -bound, bound)
        self.bias = nn.Parameter(torch.empty(channels).uniform_(-bound, bound)) if bias else None

    def shares(self, position_CK1: Tensor, axis: int) -> Tensor:
        """Return the share of each weight on each row (axis 0) or column, (C, K, S)."""
        assert self.spread_2CK is not None
        places_S = torch.arange(-self.radius, self.radius + 1, device=position_CK1.device)
        spread_CK1 = self.spread_2CK[axis].abs()[..., None] + _LEAST_SPREAD[self.interpolation]
        distance_CKS = (places_S - position_CK1).abs()
        if self.interpolation == "triangle":
            share_CKS = F.relu(spread_CK1 - distance_CKS)
        else:
            share_CKS = (-0.5 * (distance_CKS / spread_CK1).square()).exp()
        return share_CKS / (share_CKS.sum(-1, keepdim=True) + 1e-7)

    def spread_out(self, position_2CK: Tensor) -> Tensor:
        """Return the dense kernel (C, S, S), each weight spread over many pixels."""
        rows_CKS, columns_CKS = (
            self.shares(position_2CK[axis][..., None], axis) for axis in range(2)
        )
        weighted_CKS = self.weight_CK[..., None] * rows_CKS
        return (weighted_CKS[..., None] * columns_CKS[:, :, None]).sum(1)

    def on_four(self, position_2CK: Tensor) -> Tensor:
        """Return the dense kernel (C, S, S), each weight spread over the four nearest pixels."""
        side = 2 * self.radius + 1
        wide = side + 1  # room for the zero share, and its gradient, beyond the last row
        first_2CK = position_2CK.detach().floor()
        rows_CK, columns_CK = position_2CK - first_2CK
        top_CK, left_CK = first_2CK.long() + self.radius
        upper_CK, lower_CK = self.weight_CK * (1 - rows_CK), self.weight_CK * rows_CK
        corner_CK = top_CK * wide + left_CK
        places = torch.cat((corner_CK, corner_CK + 1, corner_CK + wide, corner_CK + wide + 1), 1)
        values = torch.cat(
            (
                upper_CK * (1 - columns_CK),
                upper_CK * columns_CK,
                lower_CK * (1 - columns_CK),
                lower_CK * columns_CK,
            ),
            dim=1,
        )
        empty = values.new_zeros(len(values), wide * wide)
        whole_CSS = empty.scatter_add(1, places, values).unflatten(1, (wide, wide))
        return whole_CSS[:, :side, :side]

    def kernel(self) -> Tensor:
        """Return the dense kernel (outputs, inputs per group, S, S)."""
        # Clip positions to the kernel, but keep their gradient, which may move them off the edge.
        inside_2CK = self.position_2CK.clamp(-self.radius, self.radius)
        position_2CK = self.position_2CK + (inside_2CK - self.position_2CK).detach()
        dense = self.on_four if self.spread_2CK is None else self.spread_out
        return dense(position_2CK).unflatten(0, (-1, self.inputs))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        return F.conv2d(x_BCHW, self.kernel(), self.bias, padding=self.radius, groups=self.groups)


@dataclass(frozen=True, kw_only=True)
class LearnableSpacingConv(DepthwiseMixer):
    """Dilated convolution with learnable spacings.

    Khalfaoui-Hassani et al., Dilated Convolution with Learnable Spacings, 2021, equations 3 to 7
    (bilinear); Dilated Convolution with Learnable Spacings: beyond bilinear interpolation, 2023,
    arXiv:2306.00817 (triangle, Gaussian). The reference code clips positions after each step and
    initialises triangles with a spread that gets no gradient; here the forward pass clips them. In
    a tied stage the blocks share their positions, as in the reference ConvNeXt.
    """

    name = "learnable_spacing_conv"
    traits = Traits(
        catalogue=("M18",),
        paper="Khalfaoui-Hassani et al., Dilated Convolution with Learnable Spacings, 2021, "
        "arXiv:2112.03740",
        code="K-H-Ismail/Dilated-Convolution-with-Learnable-Spacings-PyTorch",
        reach="regional",
        weights="static",
        cost="N k^2",
    )
    added = ("depthwise",)
    ties = ("position_2CK",)

    kernel_count: Annotated[int, IntRange(1, 128)] = 16
    """Weights of a kernel, 1 to 128."""
    dilated_size: Annotated[int, IntRange(3, 31, 2)] = 17
    """Side of the dense kernel in pixels, odd, 3 to 31."""
    interpolation: Annotated[str, Choice(("bilinear", "triangle", "gaussian"))] = "bilinear"
    """How a weight between pixels is spread: over the four nearest pixels (``bilinear``), or over a
    learned width along each axis."""
    depthwise: Annotated[bool, YES_NO] = True
    """Whether the convolution is depthwise, as in ConvNeXt, else dense, as in ResNet."""
    bias: Annotated[bool, YES_NO] = True
    """Whether the convolution has a bias."""

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        return LearnableSpacing(
            channels=shape.channels,
            count=self.kernel_count,
            side=self.dilated_size,
            interpolation=self.interpolation,
            depthwise=self.depthwise,
            bias=self.bias,
        )
