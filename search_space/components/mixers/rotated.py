"""Adaptive rotated convolution: kernels rotated by angles predicted from the image.

Shape suffixes: B batch, C channels, H rows, W columns, E kernels, O output channels, I input
channels of a group, k side of a kernel, p and q elements of a kernel (k x k).
"""

import math
from dataclasses import dataclass, replace
from typing import Annotated, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...domains import YES_NO, Choice, IntRange, Positive
from ...shapes import Shape
from ..base import Traits
from ..layers.canonical_forms import DepthwiseMixer
from ..layers.kernel_clipping import depthwise
from ..layers.portable import softsign
from ..norms import ChannelLayerNorm
from .dynamic_kernels import convolve_each


def rotations(theta_BE: Tensor, kernel_size: int) -> Tensor:
    """Return the matrices that rotate a kernel counterclockwise by angles in radians, (B, E, p, q).

    The result is at least float32. Each element is interpolated bilinearly between four; beyond the
    edge the nearest is used (Pu et al., 2023, figure 4; for 3 x 3 their matrix).
    """
    cos, sin = theta_BE.cos()[..., None], theta_BE.sin()[..., None]
    edge = (kernel_size - 1) / 2
    line = torch.arange(kernel_size, device=theta_BE.device) - edge
    row_p, column_p = line.repeat_interleave(kernel_size), line.repeat(kernel_size)
    from_rows_BEp = (cos * row_p + sin * column_p).clamp(-edge, edge)
    from_columns_BEp = (cos * column_p - sin * row_p).clamp(-edge, edge)
    near_rows_BEpq = F.relu(1 - (from_rows_BEp[..., None] - row_p).abs())
    near_columns_BEpq = F.relu(1 - (from_columns_BEp[..., None] - column_p).abs())
    return near_rows_BEpq * near_columns_BEpq


class RotatedKernels(nn.Module):
    """A convolution with the sum of kernels that are rotated and weighed for each image."""

    def __init__(
        self, *, channels: int, kernels: int, kernel_size: int, max_angle: float, groups: int
    ) -> None:
        super().__init__()
        self.routing_conv = depthwise(channels, (3, 3), bias=False)
        self.routing_norm = ChannelLayerNorm(channels, 1e-5, True)
        self.share = nn.Linear(channels, kernels)
        self.angle = nn.Linear(channels, kernels, bias=False)
        for layer in (self.routing_conv, self.share, self.angle):
            nn.init.trunc_normal_(layer.weight, std=0.02)
        weight = torch.empty(kernels * channels, channels // groups, kernel_size, kernel_size)
        # He's normal by fan-out, as in the reference code.
        std = math.sqrt(2 / (kernels * (channels // groups) * kernel_size**2))
        self.weight = nn.Parameter(nn.init.normal_(weight, std=std))
        self.kernels, self.kernel_size = kernels, kernel_size
        self.max_angle = math.radians(max_angle)

    def routed(self, x_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        """Return the weight and the angle in radians of each kernel, (B, E) each."""
        seen_BC = F.relu(self.routing_norm(self.routing_conv(x_BCHW))).mean((2, 3))
        theta_BE = softsign(self.angle(seen_BC)) * self.max_angle
        return self.share(seen_BC).sigmoid(), theta_BE

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        share_BE, theta_BE = self.routed(x_BCHW)
        turned_BEpq = rotations(theta_BE, self.kernel_size) * share_BE[..., None, None]
        turned_BEpq = turned_BEpq.to(self.weight.dtype)  # rotations are float32 at least
        weight_EOIq = self.weight.flatten(2).unflatten(0, (self.kernels, -1))
        # One kernel at a time: all together, torch would copy the weights to reorder them.
        kernels_BOIp = sum(
            torch.einsum("bpq,oiq->boip", turned_BEpq[:, number], weight_EOIq[number])
            for number in range(self.kernels)
        )
        assert isinstance(kernels_BOIp, Tensor)
        return convolve_each(x_BCHW, kernels_BOIp.unflatten(3, self.weight.shape[2:]))


@dataclass(frozen=True, kw_only=True)
class RotatedConv(DepthwiseMixer):
    """Convolution with the sum of kernels rotated by predicted angles, for each image.

    Pu et al., Adaptive Rotated Convolution, 2023, section 3. Weights and angles come from a
    depthwise 3x3 convolution, norm, ReLU and the mean over positions. The reference code, which has
    3x3 kernels alone, also drops 0.2 of that mean in training.
    """

    name = "rotated_conv"
    traits = Traits(
        catalogue=("M05",),
        paper="Pu et al., Adaptive Rotated Convolution for Rotated Object Detection, 2023, "
        "arXiv:2303.07820",
        code="LeapLabTHU/ARC",
        reach="global",
        weights="input-dependent",
        cost="N k^2",
    )

    kernel_size: Annotated[int, Choice((3, 5, 7, 9))] = 3
    """Side of the kernels in pixels, odd, 3 to 9."""
    kernels: Annotated[int, IntRange(1, 16)] = 4
    """Number of kernels that are rotated and summed, 1 to 16."""
    max_angle: Annotated[float, Positive()] = 40.0
    """Bound of the rotation angle in degrees."""
    depthwise: Annotated[bool, YES_NO] = False
    """Whether the convolution is depthwise, else dense."""

    def canonical(self, shape: Shape) -> Self:
        """Reset ``depthwise`` with one channel, and the rotation on a single position."""
        return replace(
            super().canonical(shape),
            max_angle=RotatedConv.max_angle if shape.tokens == 1 else self.max_angle,
        )

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        return RotatedKernels(
            channels=shape.channels,
            kernels=self.kernels,
            kernel_size=self.kernel_size,
            max_angle=self.max_angle,
            groups=shape.channels if self.depthwise else 1,
        )
