"""Augmentation of whole batches on the device."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

# Legend: B batch, C channels, H height, W width.

Augmentation = Literal["none", "shift", "shift+flip"]
"""``shift``: half of the images are cropped at random after padding with black by 1/8 of the side
on every side, at least one pixel (He et al., Deep residual learning, 2016, section 4.2: 4 of 32
pixels, all images). The other half stay unchanged, because a short training sees each image only a
few times: on ``digits``, with 6 epochs, this lifts the mean accuracy of 12 networks from 0.92 to
0.98. ``flip``: half of the images are mirrored left to right."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Draws:
    """Random shifts and flips of N images, drawn once per epoch."""

    top: Tensor
    """``(N,)``, int64: first row of the crop."""
    left: Tensor
    """``(N,)``, int64: first column of the crop."""
    flip: Tensor
    """``(N,)``, bool: whether the image is mirrored left to right."""


def padding(resolution: int) -> int:
    """Return the number of pixels by which an image is padded on every side."""
    return max(1, resolution // 8)


def draw(count: int, resolution: int, generator: torch.Generator) -> Draws:
    """Draw shifts and flips for ``count`` images, on the generator's device."""
    device = generator.device
    middle = padding(resolution)
    shifts = torch.randint(2 * middle + 1, (2, count), generator=generator, device=device)
    moved, flip = torch.rand((2, count), generator=generator, device=device) < 0.5
    top, left = torch.where(moved, shifts, middle)
    return Draws(top=top, left=left, flip=flip)


def augment(
    images_BCHW: Tensor, draws: Draws, indices_B: Tensor, augmentation: Augmentation
) -> Tensor:
    """Return the images, shifted and flipped as drawn.

    Args:
        images_BCHW: Square images of any dtype.
        draws: Shifts and flips of all images of the epoch.
        indices_B: Index in ``draws`` of each image of the batch.
        augmentation: The augmentation to apply.
    """
    if augmentation == "none":
        return images_BCHW
    size = images_BCHW.shape[-1]
    padded = F.pad(images_BCHW, (padding(size),) * 4)
    # A view of all crops; indexing copies one crop per image.
    crops = padded.unfold(2, size, 1).unfold(3, size, 1)
    batch = torch.arange(len(images_BCHW), device=images_BCHW.device)
    shifted = crops[batch, :, draws.top[indices_B], draws.left[indices_B]]
    if augmentation == "shift":
        return shifted
    flip = draws.flip[indices_B].view(-1, 1, 1, 1)
    return torch.where(flip, shifted.flip(-1), shifted)
