"""Kernel sides, and their clipping to small maps."""

from torch import nn

from ...domains import IntRange
from ...shapes import Shape

KERNEL = IntRange(1, 31, 2)
"""Odd kernel sides, so that a map keeps its size."""


def reaching_kernel(kernel_size: int, shape: Shape) -> int:
    """Return the largest useful side of a zero-padded kernel: outer taps would meet only padding.

    On a side of n pixels two positions are at most n - 1 apart, so of a larger kernel only the
    central 2n - 1 taps ever touch a pixel.
    """
    return min(kernel_size, 2 * max(shape.height, shape.width) - 1)


def reaching_wide(kernel_size: int, shape: Shape) -> int:
    """Return ``reaching_kernel``, but at least 3 for a kernel of more than 1."""
    return min(kernel_size, max(3, reaching_kernel(kernel_size, shape)))


def depthwise(channels: int, kernel: tuple[int, int], *, bias: bool = True) -> nn.Conv2d:
    """Return a depthwise convolution that keeps the size of the map (odd sides)."""
    padding = (kernel[0] // 2, kernel[1] // 2)
    return nn.Conv2d(channels, channels, kernel, padding=padding, groups=channels, bias=bias)
