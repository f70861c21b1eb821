"""Images in a file that is mapped into memory, for data sets that are larger than the memory."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

RESIDENT_BYTES = 2**30
"""Most bytes of images that are kept in memory; more are read from the mapped file by batches."""


class ImageRows:
    """Chosen images of a mapped file, with the operations of a tensor that data sets need.

    The operating system keeps the parts of the file in memory that are used, and drops them when
    memory is short. All processes share them.
    """

    def __init__(self, base: Tensor, index: Tensor, device: torch.device | str = "cpu") -> None:
        """Choose images.

        Args:
            base: All images, ``(N, C, H, W)``, uint8, mapped from a file.
            index: Indices of the chosen images, ``(M,)``, int64.
            device: Device of the images that are read.
        """
        self._base = base
        self._index = index
        self._device = torch.device(device)

    @property
    def shape(self) -> torch.Size:
        """``(M, C, H, W)``."""
        return torch.Size((len(self._index), *self._base.shape[1:]))

    def __len__(self) -> int:
        return len(self._index)

    def __getitem__(self, places: Tensor | Sequence[int] | slice | int) -> Tensor:
        """Read the images at the places."""
        own = places.cpu() if isinstance(places, Tensor) else places
        return self._base[self._index[own]].to(self._device)

    def split(self, size: int) -> Iterator[Tensor]:
        """Read all images in order, ``size`` at a time."""
        for start in range(0, len(self), size):
            yield self[start : start + size]

    def take(self, indices: Tensor) -> "ImageRows":
        """Return the images at ``indices`` without reading them."""
        return ImageRows(self._base, self._index[indices], self._device)

    def to(self, device: torch.device) -> "Images":
        """Return the images for a device: read at once if its memory is large enough."""
        if device.type == "cuda":
            free, _ = torch.cuda.mem_get_info(device)
            if 2 * self.shape.numel() < free:
                parts = [each.to(device) for each in self.split(1024)]
                return torch.cat(parts)
        return ImageRows(self._base, self._index, device)


Images = Tensor | ImageRows
"""Images ``(N, C, H, W)``, uint8, in memory or in a mapped file."""


def taken(images: Images, indices: Tensor) -> Images:
    """Return the images at ``indices`` (1-d, int64), in that order."""
    return images[indices] if isinstance(images, Tensor) else images.take(indices)
