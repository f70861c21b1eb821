"""Parallel convolutions, most of them depthwise, that fold into one.

Shape suffixes: B batch, C channels, H rows, W columns.
"""

from collections.abc import Sequence
from math import gcd

import torch
from torch import Tensor, nn

from .folding import Foldable, normed_kernel, with_kernel


class Branch(nn.Module):
    """A convolution and a batch norm: depthwise, with as many groups as divide both channels, or
    with the groups given.
    """

    def __init__(
        self,
        channels: int,
        kernel_size: int,
        dilation: int,
        *,
        width: int,
        stride: int,
        groups: int | None = None,
    ) -> None:
        super().__init__()
        self.dilation = dilation
        padding = dilation * (kernel_size // 2)
        self.conv = nn.Conv2d(
            channels,
            width,
            kernel_size,
            stride,
            padding,
            dilation,
            groups=groups or gcd(channels, width),
            bias=False,
        )
        self.norm = nn.BatchNorm2d(width)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to the output, perhaps strided or with other channels."""
        return self.norm(self.conv(x_BCHW))

    def spread(self, side: int) -> tuple[Tensor, Tensor]:
        """Return kernel and bias of the equal convolution without dilation and norm.

        Args:
            side: Side of that kernel, at least the dilated side of this one.
        """
        taps, bias = normed_kernel(self.conv, self.norm)
        kernel = taps.new_zeros(*taps.shape[:2], side, side)
        start = side // 2 - self.dilation * (taps.shape[2] // 2)
        places = slice(start, side - start, self.dilation)
        kernel[:, :, places, places] = taps
        return kernel, bias


class DepthwiseBranches(Foldable):
    """The sum of convolutions, each with a batch norm, and optionally a last norm."""

    def __init__(
        self,
        channels: int,
        branches: Sequence[tuple[int, int]],
        *,
        normed: bool = False,
        width: int | None = None,
        stride: int = 1,
        groups: int | None = None,
    ) -> None:
        """Build the branches.

        Args:
            channels: Channels of the map.
            branches: Kernel sides and dilations; the first is the largest and not dilated.
            normed: Whether a batch norm follows the sum.
            width: Output channels, by default the input's.
            stride: Step in pixels.
            groups: Groups of channels; by default as many as divide input and output channels.
        """
        super().__init__()
        width = width or channels
        built = [
            Branch(channels, *branch, width=width, stride=stride, groups=groups)
            for branch in branches
        ]
        self.side = branches[0][0]
        self.large = built[0]
        self.others = nn.ModuleList(built[1:])
        self.norm = nn.BatchNorm2d(width) if normed else None

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to the output, perhaps strided or with other channels."""
        sum_BCHW = self.large(x_BCHW)
        for branch in self.others:
            sum_BCHW = sum_BCHW + branch(x_BCHW)
        return sum_BCHW if self.norm is None else self.norm(sum_BCHW)

    def folded(self) -> nn.Module:
        """Return one convolution."""
        kernel, bias = self.large.spread(self.side)
        for branch in self.others:
            assert isinstance(branch, Branch)
            more, shift = branch.spread(self.side)
            kernel, bias = kernel + more, bias + shift
        conv = with_kernel(self.large.conv, kernel, bias)
        return conv if self.norm is None else with_kernel(conv, *normed_kernel(conv, self.norm))


class NormedShortcut(Foldable):
    """A map plus a batch norm and a 1x1 convolution of it; folds into one 1x1 convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels)
        self.conv = nn.Conv2d(channels, channels, 1, bias=False)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        return x_BCHW + self.conv(self.norm(x_BCHW))

    def folded(self) -> nn.Module:
        """Return one 1x1 convolution."""
        mean, var = self.norm.running_mean, self.norm.running_var
        assert mean is not None and var is not None
        scale = self.norm.weight / (var + self.norm.eps).sqrt()
        matrix = self.conv.weight.flatten(1)
        bias = matrix @ (self.norm.bias - mean * scale)
        whole = matrix * scale + torch.eye(len(matrix), device=matrix.device, dtype=matrix.dtype)
        return with_kernel(self.conv, whole[:, :, None, None], bias)
