"""From an image of any size to a square: the shorter side is scaled, the centre cut out.

Sizes, places and rounding are those of torchvision's ``Resize(side)`` and ``CenterCrop(side)``
(and so of timm's transforms), so that images prepared by either have the same pixels.

Legend: B batch, C channels, H height, W width, S side.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

MOST_PIXELS = 2**27
"""Pixels of a scaled image before it is cut, at most."""


def scaled_size(height: int, width: int, side: int) -> tuple[int, int]:
    """Return the height and width at which the shorter of them is ``side``.

    Raises:
        ValueError: If there is no pixel, or the scaled image would have too many.
    """
    short, long = sorted((height, width))
    if short < 1:
        raise ValueError(f"an image must have one pixel at least, but is {width}x{height}")
    scaled = int(side * long / short)
    if side * scaled > MOST_PIXELS:
        raise ValueError(
            f"an image must be less narrow to be scaled to a side of {side} pixels, but is "
            f"{width}x{height}"
        )
    return (side, scaled) if height <= width else (scaled, side)


def crop_start(length: int, side: int) -> int:
    """Return the first of ``side`` pixels in the middle of ``length``; a half goes to the even."""
    return round((length - side) / 2)


def square_image(image: Any, side: int, interpolation: str) -> Any:
    """Return an image scaled, antialiased, and cut to ``side`` x ``side``.

    Args:
        image: Of Pillow, in mode ``L`` or ``RGB``.
        side: In pixels.
        interpolation: ``bilinear`` or ``bicubic``.
    """
    from PIL import Image

    height, width = scaled_size(image.height, image.width, side)
    if (width, height) != image.size:
        image = image.resize((width, height), Image.Resampling[interpolation.upper()])
    left, top = crop_start(width, side), crop_start(height, side)
    return image.crop((left, top, left + side, top + side))


def square_tensor(images_BCHW: Tensor, side: int, interpolation: str) -> Tensor:
    """Return images (B, C, S, S), uint8, as ``square_image`` makes them, within one level.

    Args:
        images_BCHW: uint8.
        side: In pixels.
        interpolation: ``bilinear`` or ``bicubic``.
    """
    height, width = scaled_size(images_BCHW.shape[2], images_BCHW.shape[3], side)
    left, top = crop_start(width, side), crop_start(height, side)
    # One axis after the other, whole levels between them, as Pillow does.
    x_BCHS = _scaled(images_BCHW, (images_BCHW.shape[2], width), interpolation)
    x_BCHS = x_BCHS[..., left : left + side]
    return _scaled(x_BCHS, (height, side), interpolation)[:, :, top : top + side]


def _scaled(images_BCHW: Tensor, size: tuple[int, int], interpolation: str) -> Tensor:
    if images_BCHW.shape[2:] == size:
        return images_BCHW
    x = F.interpolate(images_BCHW.float(), size, mode=interpolation, antialias=True)
    return (x + 0.5).floor().clamp(0, 255).to(torch.uint8)
