"""Shapes of feature maps."""

from typing import NamedTuple


class Shape(NamedTuple):
    """The shape of one image's feature map: channels x height x width."""

    channels: int
    """Number of channels, at least 1."""
    height: int
    """Rows, at least 1."""
    width: int
    """Columns, at least 1."""

    @property
    def tokens(self) -> int:
        """Number of positions: height x width."""
        return self.height * self.width

    def __str__(self) -> str:
        return f"{self.channels}x{self.height}x{self.width}"


def conv_size(size: int, kernel_size: int, stride: int, padding: int) -> int:
    """Return the output side of a convolution without dilation, or 0 where it does not fit.

    Args:
        size: Input side in pixels.
        kernel_size: Kernel side in pixels.
        stride: Stride in pixels.
        padding: Zeros added at each end.
    """
    return max(0, (size + 2 * padding - kernel_size) // stride + 1)


def scaled(count: int, ratio: float) -> int:
    """Return ``count * ratio`` rounded down, at least 1.

    A product just below a whole number, by rounding errors, counts as that number: ``scaled(n, m /
    n) == m``.
    """
    return max(1, int(count * ratio + 1e-6))
