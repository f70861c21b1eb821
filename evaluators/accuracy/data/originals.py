"""Validation images before preparation."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from .dataset import SearchData, load_search_data
from .image_files import ImageSource, StoredImage
from .opening import opened_image


def validation_originals(data: SearchData, indices: Sequence[int]) -> list[Path | Image.Image]:
    """Return the files of some validation images, or Pillow images if they have no files.

    Raises:
        InputError: If the data can no longer be read.
    """
    if data.validation_files:
        files = [data.validation_files[index] for index in indices]
        limit = data.spec.max_megapixels
        return [each if isinstance(each, Path) else _loaded(each, limit) for each in files]
    own = load_search_data(replace(data.spec, resolution=None))
    return [_image(own.validation_images[index]) for index in indices]


def sample(data: SearchData, most: int, pixels: float) -> list[int]:
    """Return indices of evenly spaced validation images: ``most``, or fewer of large files.

    Args:
        data: The data.
        most: Most images.
        pixels: Approximate bound of the pixels of all files; at least 32 images are taken.
    """
    count = min(most, len(data.validation_labels))
    if data.validation_files:
        first = [
            _size(path, data.spec.max_megapixels) for path in _spread(data.validation_files, 32)
        ]
        count = min(count, max(32, int(pixels * len(first) / max(1, sum(first)))))
    return _spread(range(len(data.validation_labels)), count)


def _spread(items: Sequence[Any], count: int) -> list[Any]:
    count = min(count, len(items))
    return [items[place * len(items) // count] for place in range(count)]


def _loaded(file: StoredImage, megapixels: int) -> Image.Image:
    with opened_image(file.open(), megapixels) as image:
        image.load()
        return image.copy()


def _size(path: ImageSource, megapixels: int) -> int:
    try:
        with opened_image(path if isinstance(path, Path) else path.open(), megapixels) as image:
            return image.width * image.height
    except Exception:  # a missing or changed file: its reader reports it
        return 0


def _image(levels_CHW: torch.Tensor) -> Image.Image:
    """Return an array of uint8 levels as a Pillow image."""
    channels = levels_CHW.shape[0]
    pixels = levels_CHW[0] if channels == 1 else levels_CHW.permute(1, 2, 0)
    return Image.fromarray(pixels.contiguous().numpy())
