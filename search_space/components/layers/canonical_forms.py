"""Canonical forms that several components share: knobs without effect on a given map.

Each class removes one difference and leaves the others to the next class of the component.
"""

from dataclasses import replace
from typing import Self

from ...shapes import Shape, scaled
from ..base import Component, TokenMixer
from .kernel_clipping import reaching_kernel


class RoundedRatio(Component):
    """A component whose hidden channels are a ratio of the map's channels."""

    ratio: float

    def hidden(self, shape: Shape) -> int:
        """Return the hidden channels, at least 1."""
        return scaled(shape.channels, self.ratio)

    def canonical(self, shape: Shape) -> Self:
        """Round the ratio to whole hidden channels."""
        return replace(super().canonical(shape), ratio=self.hidden(shape) / shape.channels)


class ClippedKernel(Component):
    """A component whose kernel is padded with zeros."""

    kernel_size: int

    def canonical(self, shape: Shape) -> Self:
        """Clip the kernel to taps that can reach the map."""
        clipped = reaching_kernel(self.kernel_size, shape)
        return replace(super().canonical(shape), kernel_size=clipped)


class SmallKernel(ClippedKernel):
    """A component whose kernel is trained in parallel with a small one, or with none (0)."""

    small_kernel: int

    def why_invalid(self, shape: Shape, width: int | None = None) -> str | None:
        """The small kernel must fit into the large one."""
        if self.small_kernel <= self.kernel_size:
            return None
        return (
            f"small_kernel must be at most kernel_size, but got small_kernel {self.small_kernel} "
            f"and kernel_size {self.kernel_size}"
        )

    def canonical(self, shape: Shape) -> Self:
        """Clip both kernels to taps that can reach the map."""
        clipped = reaching_kernel(self.small_kernel, shape)
        return replace(super().canonical(shape), small_kernel=clipped)


class WidenedMixer(ClippedKernel, TokenMixer):
    """A mixer whose kernel works on more or fewer channels than the map has."""

    expansion: float

    def inner(self, shape: Shape) -> int:
        """Return the inner channels, at least 1."""
        return scaled(shape.channels, self.expansion)

    def canonical(self, shape: Shape) -> Self:
        """Clip the kernel to taps that can reach the map; round the expansion to whole channels."""
        return replace(super().canonical(shape), expansion=self.inner(shape) / shape.channels)


class DepthwiseMixer(TokenMixer):
    """A mixer whose convolution is depthwise or dense."""

    depthwise: bool

    def canonical(self, shape: Shape) -> Self:
        """With one channel, ``depthwise`` has no effect."""
        return replace(super().canonical(shape), depthwise=self.depthwise or shape.channels == 1)


class ClippedDepthwiseMixer(ClippedKernel, DepthwiseMixer):
    """A depthwise or dense mixer whose kernel is padded with zeros."""
