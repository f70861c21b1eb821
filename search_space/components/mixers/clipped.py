"""Canonical forms that several mixers share: which knobs do not matter on a map."""

from dataclasses import replace
from typing import Self

from ...shapes import Shape, scaled
from ..base import TokenMixer
from ..layers.kernel_clipping import reaching_kernel


class WidenedMixer(TokenMixer):
    """A kernel on inner channels of which there are more or fewer than outside."""

    kernel_size: int
    expansion: float

    def inner(self, shape: Shape) -> int:
        """Return the inner channels, at least 1."""
        return scaled(shape.channels, self.expansion)

    def canonical(self, shape: Shape) -> Self:
        """Clip the kernel to what the map can fill, and the expansion to whole channels."""
        return replace(
            self,
            kernel_size=reaching_kernel(self.kernel_size, shape),
            expansion=self.inner(shape) / shape.channels,
        )


class DepthwiseMixer(TokenMixer):
    """A convolution of each channel by itself, or of all with all."""

    depthwise: bool

    def canonical(self, shape: Shape) -> Self:
        """One channel has nothing to mix with."""
        return replace(self, depthwise=self.depthwise or shape.channels == 1)


class ClippedDepthwiseMixer(DepthwiseMixer):
    """Such a convolution, with a kernel padded by zeros."""

    kernel_size: int

    def canonical(self, shape: Shape) -> Self:
        """Clip the kernel to what the map can fill; one channel has nothing to mix with."""
        clipped = reaching_kernel(self.kernel_size, shape)
        return replace(super().canonical(shape), kernel_size=clipped)
