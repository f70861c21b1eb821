"""From image files to one array of square images."""

import os
import warnings
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from statistics import median_low
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from ...search_space.errors import InputError

T = TypeVar("T")

WORKERS = 2
_CHUNK = 256
_SIXTEEN_BITS = ("I;16", "I;16L", "I;16B", "I;16N")
_GREY_MODES = ("1", "L", "LA", "La", "I", "F", *_SIXTEEN_BITS)
_BACKGROUND = 128
_ORIENTATION = 0x0112


@dataclass(frozen=True, kw_only=True)
class Header:
    """What the start of an image file says."""

    side: int
    """The shorter side in pixels."""
    grey: bool
    """Whether its mode is one of greyscale, whatever the bits."""


@dataclass(frozen=True, kw_only=True)
class Decoded:
    """Images and what became of each file."""

    images: NDArray[np.uint8]
    """``(N, C, R, R)``: the files that could be read, in order."""
    reasons: tuple[str | None, ...]
    """For each file none, or why it could not be read."""


def probe(paths: Sequence[Path]) -> list[Header | str]:
    """Return for each file its header, or why it has none."""
    return _each(_header, paths)


def default_resolution(headers: Sequence[Header]) -> int:
    """Return the median of the shorter sides, cut to 8..64 and down to a multiple of 4.

    A multiple of 4, because stems and downsamplings halve the side.
    """
    return min(64, max(8, median_low([header.side for header in headers]))) // 4 * 4


def decode(paths: Sequence[Path], *, resolution: int, channels: int) -> Decoded:
    """Decode files to squares of ``resolution``: shorter side scaled, centre cut out, antialiased.

    Of an animation the first frame is taken; EXIF orientation is applied; transparent places
    become mid-grey; 16-bit greyscale is divided by 257, and 32-bit and float greyscale, which have
    no white of their own, are stretched between their extremes.

    Raises:
        InputError: If the result would take more than half of the machine's memory.
    """
    shape = (len(paths), channels, resolution, resolution)
    _check_memory(shape)
    images = np.empty(shape, dtype=np.uint8)

    def fill(numbered: tuple[int, Path]) -> None:
        number, path = numbered
        images[number] = _pixels(path, resolution, channels)

    reasons = tuple(
        each if isinstance(each, str) else None for each in _each(fill, list(enumerate(paths)))
    )
    good = [number for number, reason in enumerate(reasons) if reason is None]
    return Decoded(images=images if len(good) == len(paths) else images[good], reasons=reasons)


def _each(function: Callable[[Any], T], items: Sequence[Any]) -> list[T | str]:
    """Return ``function`` of each item, or the reason why it failed; order kept."""

    def attempt(item: Any) -> T | str:
        try:
            return function(item)
        except Exception as error:  # decoders raise anything, from SyntaxError to struct.error
            return _reason(error)

    def attempt_all(start: int) -> list[T | str]:
        return [attempt(item) for item in items[start : start + _CHUNK]]

    with _strict_pillow(), ThreadPoolExecutor(WORKERS) as pool:
        return list(chain.from_iterable(pool.map(attempt_all, range(0, len(items), _CHUNK))))


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "not an image"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    named = isinstance(error, OSError | Image.DecompressionBombError | Warning) and str(error)
    return " ".join((str(error) if named else f"{type(error).__name__}: {error}").split())


@contextmanager
def _strict_pillow() -> Generator[None]:
    """Refuse decompression bombs already where Pillow warns, and silence its other warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def _header(path: Path) -> Header:
    with Image.open(path) as image:
        return Header(side=min(image.size), grey=image.mode in _GREY_MODES)


def _pixels(path: Path, resolution: int, channels: int) -> NDArray[np.uint8]:
    """Return ``(C, R, R)``."""
    with Image.open(path) as opened:
        # JPEG can be decoded at 1/2, 1/4 or 1/8 of its size; twice the target is kept for the
        # antialiased step that follows.
        opened.draft(None, (2 * resolution, 2 * resolution))
        opened.load()
        image = _upright(opened)
        image = _plain(image, "L" if channels == 1 else "RGB")
    width, height = image.size
    side = min(width, height)
    if (width, height) != (resolution, resolution):
        left, top = (width - side) / 2, (height - side) / 2
        box = (left, top, left + side, top + side)
        image = image.resize((resolution, resolution), Image.Resampling.BICUBIC, box=box)
    pixels = np.asarray(image, dtype=np.uint8)
    return pixels[None] if channels == 1 else pixels.transpose(2, 0, 1)


def _upright(image: Image.Image) -> Image.Image:
    try:
        turned = image.getexif().get(_ORIENTATION, 1) != 1
    except Exception:  # broken EXIF data says nothing about the pixels
        return image
    return ImageOps.exif_transpose(image) if turned else image


def _plain(image: Image.Image, mode: str) -> Image.Image:
    """Return the image with 8 bits a channel and no alpha, in mode ``L`` or ``RGB``."""
    if image.mode in _SIXTEEN_BITS:
        levels = np.asarray(image).astype(np.uint16)
        image = Image.fromarray((levels // 257).astype(np.uint8))
    elif image.mode in ("I", "F"):
        image = Image.fromarray(_stretched(np.asarray(image, dtype=np.float64)))
    elif image.has_transparency_data:
        image = image.convert("RGBA")
        ground = Image.new("RGBA", image.size, (_BACKGROUND,) * 3 + (255,))
        image = Image.alpha_composite(ground, image)
    return image if image.mode == mode else image.convert(mode)


def _stretched(values: NDArray[np.float64]) -> NDArray[np.uint8]:
    finite = np.nan_to_num(values, posinf=0.0, neginf=0.0)
    low, high = finite.min(), finite.max()
    return ((finite - low) * (255 / max(high - low, 1e-12))).round().astype(np.uint8)


def _check_memory(shape: tuple[int, int, int, int]) -> None:
    if not hasattr(os, "sysconf"):  # Windows
        return
    needed = float(np.prod(shape, dtype=np.float64))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > memory / 2:
        raise InputError(
            f"decoded images must take at most half of the memory ({memory / 2e9:.1f} GB), but "
            f"{shape[0]} images of {shape[2]}x{shape[3]} take {needed / 1e9:.1f} GB: "
            "give a lower resolution"
        )
