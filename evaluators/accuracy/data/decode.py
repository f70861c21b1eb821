"""Decoding of image files to one array of square images."""

import os
import re
import warnings
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from statistics import median_low
from threading import Lock
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from ....search_space.errors import InputError
from .image_files import ImageSource
from .images import INTERPOLATION
from .levels import Levels, Range, extremes, levels_of
from .opening import MEGAPIXELS, TooManyPixelsError, opened_image
from .pixels import SIXTEEN_BITS, Samples, samples_of
from .prepare import eight_bit_images

T = TypeVar("T")

WORKERS = 2
_CHUNK = 256
_LARGE = 50e6
"""Pixels above which files are decoded one at a time, since each needs several bytes per pixel."""
_UNREAD = {
    "a TIFF of a kind": rb"II[*+]\0|MM\0[*+]",
    "HEIC, whatever its ending,": rb"....ftyp(he|mif1|msf1)",
    "JPEG XL, whatever its ending,": rb"\xff\n|\0\0\0\x0cJXL ",
}
"""First bytes of image files of kinds that cannot be read."""
_GREY_MODES = ("1", "L", "LA", "La", "I", "F", *SIXTEEN_BITS)


class _UnreadKindError(ValueError):
    """An image of a kind that cannot be read; the message names the kind."""


@dataclass(frozen=True, kw_only=True)
class Header:
    """Facts from the header of an image file."""

    side: int
    """The shorter side in pixels."""
    grey: bool
    """Whether the image is greyscale, with any number of bits."""
    samples: Samples | None
    """Storage of grey values of more than 8 bits; None for an image of 8 bits."""


@dataclass(frozen=True, kw_only=True)
class Decoded:
    """Decoded images, and the reason for each file that could not be decoded."""

    images: NDArray[np.uint8]
    """``(N, C, R, R)``: an image for each file; those of files that could not be read are
    arbitrary."""
    reasons: tuple[str | None, ...]
    """For each file, why it could not be read, or None."""
    shortened: int
    """Number of colour files with more than 8 bits per channel, of which Pillow keeps 8."""

    @property
    def good(self) -> list[int]:
        """Indices of the files that could be read."""
        return [number for number, reason in enumerate(self.reasons) if reason is None]


def probe(paths: Sequence[ImageSource], *, megapixels: int = MEGAPIXELS) -> list[Header | str]:
    """Return the header of each file, or why it is not read; see ``megapixels``."""
    return _each(partial(_header, megapixels=megapixels), paths)


def default_resolution(headers: Sequence[Header]) -> int:
    """Return the median of the shorter sides, clipped to 8..64, rounded down to a multiple of 4.

    It is a multiple of 4 because stems and downsamplings halve the side.
    """
    return min(64, max(8, median_low([header.side for header in headers]))) // 4 * 4


def measure_levels(paths: Sequence[ImageSource], *, megapixels: int = MEGAPIXELS) -> Levels:
    """Return the levels of a data set, from its files of more than 8 bits.

    Files that cannot be read are skipped; ``decode`` reports them later.
    """
    read = partial(_extremes, megapixels=megapixels)
    found = [each for each in _each(read, paths) if not isinstance(each, str)]
    return levels_of([each for each in found if each is not None])


def decode(
    paths: Sequence[ImageSource],
    *,
    resolution: int,
    channels: int,
    levels: Levels | None = None,
    megapixels: int = MEGAPIXELS,
    out: NDArray[np.uint8] | None = None,
) -> Decoded:
    """Decode files to squares of ``resolution``, as ``eight_bit_images`` does.

    Args:
        paths: The files.
        resolution: Side of the squares in pixels.
        channels: 1 for grey, 3 for colour.
        levels: Levels of black and white, for files of more than 8 bits.
        megapixels: Most millions of pixels of a file.
        out: Array for the result, ``(N, C, R, R)``; None: a new one.

    Raises:
        InputError: If a new array would take more than half of the machine's memory.
    """
    if out is None:
        shape = (len(paths), channels, resolution, resolution)
        _check_memory(shape)
        out = np.empty(shape, dtype=np.uint8)
    images = out

    def fill(numbered: tuple[int, ImageSource]) -> bool:
        number, path = numbered
        with _opened(path, megapixels) as image:
            shortened = _shortened(image)
            images[number] = _pixels(image, resolution, channels, levels or {})
        return shortened

    outcomes = _each(fill, [*enumerate(paths)])
    return Decoded(
        images=images,
        reasons=tuple(each if isinstance(each, str) else None for each in outcomes),
        shortened=sum(each is True for each in outcomes),
    )


def _each(function: Callable[[Any], T], items: Sequence[Any]) -> list[T | str]:
    """Return, in order, the function's result for each item, or why it failed."""

    def attempt(item: Any) -> T | str:
        try:
            return function(item)
        except Exception as error:  # decoders raise anything, from SyntaxError to struct.error
            return _reason(error)

    def attempt_all(start: int) -> list[T | str]:
        return [attempt(item) for item in items[start : start + _CHUNK]]

    with warnings.catch_warnings(), ThreadPoolExecutor(WORKERS) as pool:
        warnings.simplefilter("ignore")  # Pillow warns about files that it can read
        return list(chain.from_iterable(pool.map(attempt_all, range(0, len(items), _CHUNK))))


def _reason(error: Exception) -> str:
    if isinstance(error, TooManyPixelsError):
        return (
            f"{error.pixels / 1e6:.4g} megapixels must be at most {error.megapixels} "
            "(--max-megapixels)"
        )
    if isinstance(error, UnidentifiedImageError):
        return "not an image"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    known = OSError | ValueError | Warning
    named = isinstance(error, known) and str(error)
    return " ".join((str(error) if named else f"{type(error).__name__}: {error}").split())


_one_at_a_time = Lock()


def _turn(image: Image.Image) -> AbstractContextManager[Any]:
    """Return the lock to hold while an image is decoded: one for all large images, else none."""
    return _one_at_a_time if image.width * image.height > _LARGE else nullcontext()


@contextmanager
def _opened(path: ImageSource, megapixels: int) -> Generator[Image.Image]:
    try:
        with opened_image(path if isinstance(path, Path) else path.open(), megapixels) as image:
            yield image
    except UnidentifiedImageError:
        with path.open("rb") if isinstance(path, Path) else path.open() as file:
            start = file.read(12)
        for kind, signature in _UNREAD.items():
            if re.match(signature, start, re.DOTALL):
                raise _UnreadKindError(
                    f"{kind} that cannot be read; convert it to PNG or JPEG"
                ) from None
        raise


def _header(path: ImageSource, *, megapixels: int) -> Header:
    with _opened(path, megapixels) as image:
        return Header(
            side=min(image.size), grey=image.mode in _GREY_MODES, samples=samples_of(image)
        )


def _extremes(path: ImageSource, *, megapixels: int) -> tuple[str, Range] | None:
    with _opened(path, megapixels) as image:
        samples = samples_of(image)
        if samples is None or samples.white is not None:
            return None
        with _turn(image):
            image.load()
            found = extremes(image, samples)
        return None if found is None else (samples.kind, found)


def _shortened(image: Image.Image) -> bool:
    """Return whether an image, not loaded yet, has more bits per channel than Pillow keeps.

    This holds for PNG, TIFF and PPM with more than 8 bits of colour; for JPEG 2000 Pillow does not
    tell.
    """
    if samples_of(image) is not None:
        return False
    for tile in getattr(image, "tile", ()):
        mode, *rest = tile.args if isinstance(tile.args, tuple) else (tile.args,)
        if str(mode).endswith((";16B", ";16L", ";16N")):
            return True
        if tile.codec_name.startswith("ppm") and rest and rest[0] > 255:
            return True
    return False


def _pixels(
    image: Image.Image, resolution: int, channels: int, levels: Levels
) -> NDArray[np.uint8]:
    """Return the square pixels of an image, ``(C, R, R)``."""
    with _turn(image):
        # JPEG could be decoded at a fraction of its size, but the pixels would differ from those
        # of other readers of the file.
        image.load()
        found = eight_bit_images(
            image,
            side=resolution,
            interpolation=INTERPOLATION,
            mode="L" if channels == 1 else "RGB",
            levels=levels,
            megapixels=MEGAPIXELS,
        )
    return found[0].numpy()


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
