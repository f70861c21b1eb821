"""Labelled images held decoded in memory."""

import hashlib
from dataclasses import dataclass, field, replace
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional as F

from .levels import Levels, Range

_CHUNK = 1024


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelledImages:
    """Images of one size with their labels."""

    images: Tensor
    """``(N, C, H, W)``, uint8; C is 1 or 3."""
    labels: Tensor
    """``(N,)``, int64, from 0 to ``len(classes) - 1``."""
    classes: tuple[str, ...]
    """Names of the classes, by label."""
    unreadable: tuple[tuple[str, str], ...] = ()
    """Files left out because they could not be read: path and reason."""
    levels: Levels = field(default_factory=dict[str, Range])
    """What became black and white in files of more than 8 bits."""

    def __len__(self) -> int:
        return self.images.shape[0]

    @property
    def channels(self) -> int:
        """1 for greyscale images, 3 for colour."""
        return self.images.shape[1]

    @property
    def resolution(self) -> int:
        """Side of the images in pixels."""
        return self.images.shape[2]

    def take(self, indices: Tensor) -> Self:
        """Return a copy of the images at ``indices`` (1-d, int64), in that order."""
        return replace(self, images=self.images[indices], labels=self.labels[indices])

    def resized(self, resolution: int) -> Self:
        """Return the images at another resolution, antialiased."""
        if resolution == self.resolution:
            return self
        size = (resolution, resolution)
        chunks = [
            F.interpolate(chunk.float(), size, mode="bilinear", antialias=True)
            .round_()
            .clamp_(0, 255)
            .to(torch.uint8)
            for chunk in self.images.split(_CHUNK)
        ]
        return replace(self, images=torch.cat(chunks))

    def statistics(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Return mean and standard deviation of each channel, in units of a pixel step (0..255).

        The deviation is at least one step, so that constant images can be normalised.
        """
        levels = torch.arange(256, dtype=torch.float64)
        means: list[float] = []
        deviations: list[float] = []
        for channel in range(self.channels):
            # Counts instead of sums: exact, and the same on any number of threads.
            counts = torch.bincount(self.images[:, channel].flatten(), minlength=256).double()
            shares = counts / counts.sum()
            mean = float((shares * levels).sum())
            variance = float((shares * (levels - mean) ** 2).sum())
            means.append(mean)
            deviations.append(max(variance**0.5, 1.0))
        return tuple(means), tuple(deviations)

    def digest(self) -> str:
        """Return a hash of pixels, labels and class names."""
        state = hashlib.blake2b(digest_size=16)
        state.update(repr((tuple(self.images.shape), self.classes)).encode())
        for tensor in (self.images, self.labels):
            state.update(tensor.contiguous().numpy().data)
        return state.hexdigest()
