"""Canonical forms that several mixers share: knobs without effect on a given map."""

from dataclasses import replace
from typing import Self

from ...shapes import Shape, scaled
from ..base import TokenMixer
from ..layers.kernel_clipping import reaching_kernel


class WidenedMixer(TokenMixer):
    """A mixer whose kernel works on more or fewer channels than the map has."""

    kernel_size: int
    expansion: float

    def inner(self, shape: Shape) -> int:
        """Return the inner channels, at least 1."""
        return scaled(shape.channels, self.expansion)

    def canonical(self, shape: Shape) -> Self:
        """Clip the kernel to taps that can meet a pixel; round the expansion to whole channels."""
        return replace(
            self,
            kernel_size=reaching_kernel(self.kernel_size, shape),
            expansion=self.inner(shape) / shape.channels,
        )


class DepthwiseMixer(TokenMixer):
    """A mixer whose convolution is depthwise or dense."""

    depthwise: bool

    def canonical(self, shape: Shape) -> Self:
        """With one channel, ``depthwise`` has no effect."""
        return replace(self, depthwise=self.depthwise or shape.channels == 1)


class ClippedDepthwiseMixer(DepthwiseMixer):
    """A depthwise or dense mixer whose kernel is padded with zeros."""

    kernel_size: int

    def canonical(self, shape: Shape) -> Self:
        """Clip the kernel to taps that can meet a pixel; one channel needs no ``depthwise``."""
        clipped = reaching_kernel(self.kernel_size, shape)
        return replace(super().canonical(shape), kernel_size=clipped)
