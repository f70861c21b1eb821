"""Opening of image files up to our own size limit, whatever Pillow's limit is.

Exported source files contain these functions; see ``pixels``.
"""

import re
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from threading import Lock
from typing import Any

MEGAPIXELS = 250
"""Largest image file in millions of pixels: more than phones and most cameras take; decoding needs
2 to 4 GB."""


class TooManyPixelsError(ValueError):
    """An image file with more pixels than the limit."""

    def __init__(self, path: Any, pixels: int, megapixels: int) -> None:
        """Make the message from the file, its number of pixels and the limit in megapixels."""
        self.pixels = pixels
        self.megapixels = megapixels
        super().__init__(
            f"an image file must have at most {megapixels} megapixels, but {str(path)!r} has "
            f"{pixels / 1e6:.4g}; an image that Pillow has opened may have more"
        )


class PillowLimit:
    """Pillow's process-wide pixel limit, replaced while files are open under our limit.

    Several threads may be inside at once: the highest of their limits holds, and the last one to
    leave restores the former limit.
    """

    def __init__(self) -> None:
        """Make the limit without changing Pillow's yet."""
        self._lock = Lock()
        self._limits: list[int] = []
        self._before: int | None = None
        self._silence = warnings.catch_warnings()

    @contextmanager
    def at(self, pixels: int) -> Generator[None]:
        """Let Pillow open files of up to ``pixels`` without a warning.

        Args:
            pixels: The largest number of pixels of a file.
        """
        from PIL import Image

        with self._lock:
            if not self._limits:
                self._before = Image.MAX_IMAGE_PIXELS
                self._silence = warnings.catch_warnings()
                self._silence.__enter__()
                warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            self._limits.append(pixels)
            Image.MAX_IMAGE_PIXELS = max(self._limits)
        try:
            yield
        finally:
            with self._lock:
                self._limits.remove(pixels)
                if self._limits:
                    Image.MAX_IMAGE_PIXELS = max(self._limits)
                else:
                    Image.MAX_IMAGE_PIXELS = self._before
                    self._silence.__exit__(None, None, None)


PILLOW_LIMIT = PillowLimit()


@contextmanager
def opened_image(path: Any, megapixels: int) -> Generator[Any]:
    """Open an image file within a context; all image files are opened by this function.

    Args:
        path: Path of the file.
        megapixels: Most millions of pixels of the file, whatever Pillow's own limit.

    Raises:
        TooManyPixelsError: If the file has more.
    """
    from PIL import Image

    most = megapixels * 1_000_000
    with PILLOW_LIMIT.at(most):
        try:
            opened = Image.open(path)
        except (
            Image.DecompressionBombError
        ) as error:  # raised before the size of the image is known
            found = re.search(r"\d+(?= pixels)", str(error))
            raise TooManyPixelsError(path, int(found[0]) if found else 0, megapixels) from None
        with opened:
            pixels = opened.width * opened.height
            if pixels > most:
                raise TooManyPixelsError(path, pixels, megapixels)
            yield opened
