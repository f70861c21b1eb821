"""Resizing of an image to a square: the shorter side is scaled, then the centre cropped.

Sizes, offsets and rounding are those of torchvision's ``Resize(side)`` and ``CenterCrop(side)``
(and so of timm's transforms), so both give the same pixels.

Legend: B batch, C channels, H height, W width, S side.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

MOST_PIXELS = 2**27
"""Most pixels of a scaled image before the crop."""


def scaled_size(height: int, width: int, side: int) -> tuple[int, int]:
    """Return height and width scaled so that the shorter one is ``side``.

    Raises:
        ValueError: If the image has no pixel, or the scaled one would have too many.
    """
    short, long = sorted((height, width))
    if short < 1:
        raise ValueError(f"an image must have one pixel at least, but is {width}x{height}")
    scaled = int(side * long / short)
    if side * scaled > MOST_PIXELS:
        raise ValueError(
            f"an image must not be too narrow to be scaled to a side of {side} pixels, but is "
            f"{width}x{height}"
        )
    return (side, scaled) if height <= width else (scaled, side)


def crop_start(length: int, side: int) -> int:
    """Return the start of a centred crop of ``side`` out of ``length``; halves round to even."""
    return round((length - side) / 2)


def square_image(image: Any, side: int, interpolation: str) -> Any:
    """Return an image scaled with antialiasing and cropped to ``side`` x ``side``.

    Args:
        image: A Pillow image in mode ``L`` or ``RGB``.
        side: Side of the result in pixels.
        interpolation: ``bilinear`` or ``bicubic``.
    """
    from PIL import Image

    height, width = scaled_size(image.height, image.width, side)
    if (width, height) != image.size:
        image = image.resize((width, height), Image.Resampling[interpolation.upper()])
    left, top = crop_start(width, side), crop_start(height, side)
    return image.crop((left, top, left + side, top + side))


def square_tensor(images_BCHW: Tensor, side: int, interpolation: str) -> Tensor:
    """Return images (B, C, S, S), uint8, equal to those of ``square_image`` within one level.

    Args:
        images_BCHW: Images, uint8.
        side: Side of the result in pixels.
        interpolation: ``bilinear`` or ``bicubic``.
    """
    height, width = scaled_size(images_BCHW.shape[2], images_BCHW.shape[3], side)
    left, top = crop_start(width, side), crop_start(height, side)
    # One axis after the other, with rounding to integers between, as in Pillow.
    x_BCHS = _scaled(images_BCHW, (images_BCHW.shape[2], width), interpolation)
    x_BCHS = x_BCHS[..., left : left + side]
    return _scaled(x_BCHS, (height, side), interpolation)[:, :, top : top + side]


def _scaled(images_BCHW: Tensor, size: tuple[int, int], interpolation: str) -> Tensor:
    if images_BCHW.shape[2:] == size:
        return images_BCHW
    x = F.interpolate(images_BCHW.float(), size, mode=interpolation, antialias=True)
    return (x + 0.5).floor().clamp(0, 255).to(torch.uint8)
