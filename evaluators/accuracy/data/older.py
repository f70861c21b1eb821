"""Images as scaled by earlier versions, to check candidates that were trained on them.

Earlier versions decoded JPEG files at a fraction of their size and cropped the centre at subpixel
offsets before scaling. Images without files were scaled in one step.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from .dataset import DataSpec, SearchData, load_parts
from .images import LabelledImages
from .opening import opened_image
from .pixels import plain


def load_older_data(spec: DataSpec) -> SearchData:
    """Return the data of ``load_search_data`` as scaled by earlier versions.

    Raises:
        InputError: If the data cannot be read or used.
    """
    return load_parts(spec, cache=None, sized=_scaled)


def _scaled(data: LabelledImages, spec: DataSpec) -> LabelledImages:
    if data.files:
        return replace(data, images=_decoded(data, spec.max_megapixels), known_hashes=None)
    side = spec.resolution
    if side in (None, data.resolution):
        return data
    scaled = [
        F.interpolate(each.float(), (side, side), mode="bilinear", antialias=True)
        for each in data.chunks()
    ]
    levels = torch.cat(scaled).round().clamp(0, 255).to(torch.uint8)
    return replace(data, images=levels, known_hashes=None)


def _decoded(data: LabelledImages, megapixels: int) -> Tensor:
    form = (data.resolution, data.channels, megapixels)
    found = [_square(path, *form) for path in data.files if isinstance(path, Path)]
    return torch.from_numpy(np.stack(found))


def _square(path: Path, side: int, channels: int, megapixels: int) -> NDArray[np.uint8]:
    with opened_image(path, megapixels) as opened:
        opened.draft(None, (2 * side, 2 * side))
        opened.load()
        image = plain(opened, "L" if channels == 1 else "RGB", {})
    width, height = image.size
    if (width, height) != (side, side):
        short = min(width, height)
        left, top = (width - short) / 2, (height - short) / 2
        box = (left, top, left + short, top + short)
        image = image.resize((side, side), Image.Resampling.BICUBIC, box=box)
    pixels = np.asarray(image, dtype=np.uint8)
    return pixels[None] if channels == 1 else pixels.transpose(2, 0, 1)
