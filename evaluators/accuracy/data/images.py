"""Decoded labelled images in memory."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain
from typing import Self

import torch
from torch import Tensor

from ...targets import Target
from .copies import picture_hashes
from .geometry import square_tensor
from .image_files import ImageSource
from .image_rows import Images, taken
from .levels import Levels, Range

INTERPOLATION = "bicubic"
"""Interpolation of scaled images."""


_CHUNK = 1024


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelledImages:
    """Images of one size with their labels."""

    images: Images
    """``(N, C, H, W)``, uint8; C is 1 or 3."""
    labels: Tensor
    """Classes ``(N,)``, int64, from 0 to ``len(classes) - 1``; numbers, or labels as 0 and 1,
    ``(N, K)``, float64."""
    classes: tuple[str, ...]
    """Names of the classes, by label; of the numbers or labels, by column."""
    target: Target = "classes"
    """Kind of target."""
    unreadable: tuple[tuple[str, str], ...] = ()
    """Files left out because they could not be read: path and reason."""
    left_out: tuple[str, ...] = ()
    """Other files and images left out, with reasons, one sentence each."""
    levels: Levels = field(default_factory=dict[str, Range])
    """Values scaled to black and to white in files of more than 8 bits."""
    shortened: int = 0
    """Number of colour files with more than 8 bits per channel, of which 8 are read; parts of the
    images keep the number of the whole."""
    files: tuple[ImageSource, ...] = ()
    """File of each image; empty if images have no files of their own."""
    known_hashes: Tensor | None = None
    """The value of ``hashes``; None: not computed yet."""

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

    @cached_property
    def hashes(self) -> Tensor:
        """A hash of each image's pixels, ``(N, 16)``, uint8."""
        if self.known_hashes is not None:
            return self.known_hashes
        return torch.cat([picture_hashes(each) for each in self.chunks()])

    def chunks(self) -> Iterator[Tensor]:
        """Yield all images in order, some at a time; one empty chunk if there are none."""
        yield from self.images.split(_CHUNK) if len(self) else [self.images[:0]]

    def take(self, indices: Tensor) -> Self:
        """Return a copy of the images at ``indices`` (1-d, int64), in that order."""
        files = tuple(self.files[index] for index in indices.tolist()) if self.files else ()
        return replace(
            self,
            images=taken(self.images, indices),
            labels=self.labels[indices],
            files=files,
            known_hashes=self.hashes[indices],
        )

    def resized(self, resolution: int) -> Self:
        """Return the images at another resolution, antialiased."""
        if resolution == self.resolution:
            return self
        chunks = [square_tensor(chunk, resolution, INTERPOLATION) for chunk in self.chunks()]
        return replace(self, images=torch.cat(chunks), known_hashes=None)

    def statistics(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Return mean and standard deviation of each channel, in pixel levels (0..255).

        The deviation is at least one level, so that constant images can be normalised.
        """
        levels = torch.arange(256, dtype=torch.float64)
        # Histograms instead of sums: exact, and equal for any number of threads.
        found = torch.zeros(self.channels, 256, dtype=torch.int64)
        for chunk in self.chunks():
            for channel in range(self.channels):
                found[channel] += torch.bincount(chunk[:, channel].flatten(), minlength=256)
        means: list[float] = []
        deviations: list[float] = []
        for counts in found.double():
            shares = counts / counts.sum()
            mean = float((shares * levels).sum())
            variance = float((shares * (levels - mean) ** 2).sum())
            means.append(mean)
            deviations.append(max(variance**0.5, 1.0))
        return tuple(means), tuple(deviations)

    def digest(self) -> str:
        """Return a hash of pixels, targets, their names and their kind."""
        state = hashlib.blake2b(digest_size=16)
        kind = () if self.target == "classes" else (self.target,)
        state.update(repr((tuple(self.images.shape), self.classes, *kind)).encode())
        for tensor in chain(self.chunks(), [self.labels]):
            state.update(tensor.contiguous().numpy().data)
        return state.hexdigest()
