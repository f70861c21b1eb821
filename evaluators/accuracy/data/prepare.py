"""Preparation of images in any common form for a network.

Exported source files contain these functions. They need only torch, and Pillow only for Pillow
images and paths.

Legend: B batch, C channels, H height, W width, S side.
"""

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any

import torch
from torch import Tensor

from .geometry import square_image, square_tensor
from .opening import opened_image
from .pixels import plain


def prepare_images(
    images: Any,
    *,
    side: int,
    interpolation: str,
    mean: Sequence[float],
    std: Sequence[float],
    levels: Mapping[str, Sequence[float]],
    megapixels: int,
) -> Tensor:
    """Return the network's input (B, C, S, S), float32.

    Args:
        images: A path or a Pillow image; a NumPy array (H, W, C) or (B, H, W, C), uint8; a tensor
        (C, H, W) or (B, C, H, W), uint8 or from 0 to 1; or a list of these. Without a channel
        axis, images are grey.
        side: Height and width in pixels: the shorter side is scaled to it, then the centre is
        cropped.
        interpolation: ``bilinear`` or ``bicubic``.
        mean: Mean subtracted from each channel, 0 to 255.
        std: Deviation that each channel is then divided by.
        levels: Levels of black and white by kind, for files of more than 8 bits: see ``plain``.
        megapixels: Most millions of pixels of a file, whatever Pillow's own limit.

    Raises:
        ValueError: If ``images`` is none of these, or a file has too many pixels.
    """
    mode = "L" if len(mean) == 1 else "RGB"
    found = eight_bit_images(
        images,
        side=side,
        interpolation=interpolation,
        mode=mode,
        levels=levels,
        megapixels=megapixels,
    )
    x = found.float()
    middle = torch.tensor(mean, device=x.device).view(1, -1, 1, 1)
    scale = torch.tensor([1 / each for each in std], device=x.device).view(1, -1, 1, 1)
    return (x - middle) * scale


def eight_bit_images(
    images: Any,
    *,
    side: int,
    interpolation: str,
    mode: str,
    levels: Mapping[str, Sequence[float]],
    megapixels: int,
) -> Tensor:
    """Return images (B, C, S, S), uint8, in mode ``L`` or ``RGB``; see ``prepare_images``."""

    def of_pillow(image: Any) -> Tensor:
        square = square_image(plain(image, mode, levels), side, interpolation)
        flat = torch.frombuffer(bytearray(square.tobytes()), dtype=torch.uint8)
        return flat.view(1, side, side, len(mode)).permute(0, 3, 1, 2)

    if isinstance(images, list | tuple) and images:
        parts = [
            eight_bit_images(
                each,
                side=side,
                interpolation=interpolation,
                mode=mode,
                levels=levels,
                megapixels=megapixels,
            )
            for each in images
        ]
        return torch.cat(parts)
    if isinstance(images, str | PathLike):
        with opened_image(images, megapixels) as opened:
            return of_pillow(opened)
    if hasattr(images, "getexif"):  # a Pillow image; Pillow is not imported for others
        return of_pillow(images)
    if isinstance(images, Tensor):
        x = _of_tensor(images)
    elif hasattr(images, "__array_interface__"):
        x = _of_array(images)
    else:
        raise ValueError(
            "images must be a path, an image of Pillow, a NumPy array, a tensor or a list of "
            f"these that is not empty, but got {type(images).__name__}"
        )
    return square_tensor(_in_channels(x, len(mode)), side, interpolation)


def _of_array(array: Any) -> Tensor:
    """Return a NumPy array of images as (B, C, H, W)."""
    if array.dtype != "uint8" or not 2 <= array.ndim <= 4:
        raise ValueError(
            "a NumPy array of images must be uint8 and (H, W), (H, W, C) or (B, H, W, C), but is "
            f"{array.dtype} and {array.shape}"
        )
    x = torch.from_numpy(array.copy())  # a copy, since the array may be read-only or strided
    x = x[:, :, None] if x.ndim == 2 else x
    x_BHWC = x if x.ndim == 4 else x[None]
    if x_BHWC.shape[3] not in (1, 3):
        raise ValueError(
            "a NumPy array of images must have 1 or 3 channels as its last axis, but is "
            f"{array.shape}; a tensor has them before height and width, and what is transparent "
            "should be given as an image of Pillow or a path"
        )
    return x_BHWC.permute(0, 3, 1, 2)


def _of_tensor(images: Tensor) -> Tensor:
    """Return a tensor of images as (B, C, H, W), uint8."""
    shape = tuple(images.shape)
    x = images[None] if images.ndim == 2 else images
    x_BCHW = x if x.ndim == 4 else x[None]
    if x_BCHW.ndim != 4 or x_BCHW.shape[1] not in (1, 3):
        raise ValueError(
            "a tensor of images must be (H, W), (C, H, W) or (B, C, H, W) with 1 or 3 channels, "
            f"but is {shape}; with channels last give a NumPy array"
        )
    if images.dtype == torch.uint8:
        return x_BCHW
    if not images.is_floating_point():
        raise ValueError(f"a tensor of images must be uint8 or float, but is {images.dtype}")
    if images.numel() and not bool(((images >= 0) & (images <= 1)).all()):
        raise ValueError(
            f"a float tensor of images must lie from 0 to 1, but has {images.min():.6g} to "
            f"{images.max():.6g}; from 0 to 255 it must be uint8"
        )
    return (x_BCHW.float() * 255 + 0.5).floor().to(torch.uint8)


def _in_channels(images_BCHW: Tensor, channels: int) -> Tensor:
    """Return images in grey or in colour; grey has ITU-R BT.601's weights, as in Pillow."""
    if images_BCHW.shape[1] == channels:
        return images_BCHW
    if channels == 3:
        return images_BCHW.expand(-1, 3, -1, -1)
    red, green, blue = images_BCHW.int().unbind(1)
    grey = (19595 * red + 38470 * green + 7471 * blue + 32768) >> 16
    return grey[:, None].to(torch.uint8)
