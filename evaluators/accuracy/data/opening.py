"""Image files opened: up to a size of our own, whatever limit Pillow has.

Source files of exports hold these functions; see ``pixels``.
"""

import re
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from threading import Lock
from typing import Any

MEGAPIXELS = 250
"""Of a file, at most: more than telephones and most cameras take, and 2 to 4 GB to decode."""


class TooManyPixelsError(ValueError):
    """An image file of more pixels than are read."""

    def __init__(self, path: Any, pixels: int, megapixels: int) -> None:
        """Say which file, how many it has and how many it may have."""
        self.pixels = pixels
        self.megapixels = megapixels
        super().__init__(
            f"an image file must have at most {megapixels} megapixels, but {str(path)!r} has "
            f"{pixels / 1e6:.4g}; an image that Pillow has opened may have more"
        )


class PillowLimit:
    """Pillow's limit, which is one for the whole process, while files are open by ours.

    Several threads may be inside at once: the highest of their limits holds, and the last to
    leave puts back what was there.
    """

    def __init__(self) -> None:
        """Change nothing yet."""
        self._lock = Lock()
        self._limits: list[int] = []
        self._before: int | None = None
        self._silence = warnings.catch_warnings()

    @contextmanager
    def at(self, pixels: int) -> Generator[None]:
        """Let Pillow read ``pixels`` of a file, and up to twice as many without its warning.

        Args:
            pixels: Number of pixels of a file.
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
    """Open an image file to read its pixels inside; the one way in which files are opened.

    Args:
        path: Of the file.
        megapixels: Millions of pixels that it may have, whatever Pillow's own limit.

    Raises:
        TooManyPixelsError: If it has more.
    """
    from PIL import Image

    most = megapixels * 1_000_000
    with PILLOW_LIMIT.at(most):
        try:
            opened = Image.open(path)
        except Image.DecompressionBombError as error:  # before it says how large the image is
            found = re.search(r"\d+(?= pixels)", str(error))
            raise TooManyPixelsError(path, int(found[0]) if found else 0, megapixels) from None
        with opened:
            pixels = opened.width * opened.height
            if pixels > most:
                raise TooManyPixelsError(path, pixels, megapixels)
            yield opened
