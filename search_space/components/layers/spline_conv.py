"""Convolution whose kernel entries are learned functions of a pixel's value (Kolmogorov-Arnold).

Shape suffixes: B batch, C channels, D output channels, G basis functions, H rows, W columns,
I input channels of a group, K side of the kernel, X basis functions of all channels in a row.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..activations import activation


def spline_basis(x_BCHW: Tensor, *, grid_size: int, order: int, span: float) -> Tensor:
    """Return the B-splines (B, C, G, H, W) of ``order`` on ``grid_size`` equal cells.

    De Boor's recursion on the uniform grid [-span, span] with ``order`` more cells at each end; G
    is grid_size + order. The functions sum to 1 on [-span, span].
    """
    cells = grid_size + 2 * order
    u_BC1HW = ((x_BCHW + span) * (grid_size / (2 * span)) + order)[:, :, None]
    starts = torch.arange(cells, device=x_BCHW.device, dtype=x_BCHW.dtype)[:, None, None]
    u_BCGHW = u_BC1HW - starts  # distance from each function's start, in cells
    basis_BCGHW = ((u_BCGHW >= 0) & (u_BCGHW < 1)).to(x_BCHW.dtype)
    for degree in range(1, order + 1):
        u_BCGHW = u_BCGHW[:, :, :-1]
        rising = u_BCGHW * basis_BCGHW[:, :, :-1]
        falling = (degree + 1 - u_BCGHW) * basis_BCGHW[:, :, 1:]
        basis_BCGHW = (rising + falling) / degree
    return basis_BCGHW


class SplineConv2d(nn.Module):
    """A convolution in which ``base * act(x) + scale * spline(x)`` replaces weight times pixel.

    Liu et al., KAN: Kolmogorov-Arnold Networks, 2024, arXiv:2404.19756, equations 2.10 to 2.12;
    as a convolution Bodner et al., Convolutional Kolmogorov-Arnold Networks, 2024,
    arXiv:2406.13155.
    """

    def __init__(
        self,
        *,
        channels: int,
        width: int,
        kernel_size: int,
        grid_size: int,
        order: int,
        span: float,
        act: str,
        groups: int = 1,
    ) -> None:
        """Prepare the weights.

        Args:
            channels: Channels of the input.
            width: Channels of the output.
            kernel_size: Side of the kernel in pixels, odd.
            grid_size: Cells of the splines' grid.
            order: Degree of the splines' pieces.
            span: Half of the grid's length; the grid is [-span, span].
            act: Activation of the term beside the spline.
            groups: Groups of channels; as many groups as channels make it depthwise.
        """
        super().__init__()
        self.grid_size, self.order, self.span, self.groups = grid_size, order, span, groups
        self.padding = kernel_size // 2
        self.act = activation(act)
        entries = (width, channels // groups, kernel_size, kernel_size)
        self.base_DIKK = nn.Parameter(torch.empty(entries))
        self.scale_DIKK = nn.Parameter(torch.empty(entries))
        for weight in (self.base_DIKK, self.scale_DIKK):
            nn.init.kaiming_uniform_(weight, a=math.sqrt(5))
        functions = grid_size + order
        noise = torch.rand(width, entries[1] * functions, kernel_size, kernel_size) - 0.5
        self.spline_DXKK = nn.Parameter(0.1 * noise / grid_size)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, D, H, W)."""
        base = F.conv2d(self.act(x_BCHW), self.base_DIKK, padding=self.padding, groups=self.groups)
        x_BCHW = x_BCHW.to(self.base_DIKK.dtype)
        basis_BCGHW = spline_basis(
            x_BCHW, grid_size=self.grid_size, order=self.order, span=self.span
        )
        scale_DXKK = self.scale_DIKK.repeat_interleave(basis_BCGHW.shape[2], dim=1)
        basis_BXHW = basis_BCGHW.flatten(1, 2)
        weight_DXKK = scale_DXKK * self.spline_DXKK
        return base + F.conv2d(basis_BXHW, weight_DXKK, padding=self.padding, groups=self.groups)
