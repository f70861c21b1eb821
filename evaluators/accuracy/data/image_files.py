"""Image files before decoding: on disk, or stored inside another file."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path


@dataclass(frozen=True, kw_only=True, eq=False)
class StoredImage:
    """An image file that is stored inside another file, such as an archive or a table."""

    name: str
    """Path of the other file, and the place in it."""
    read: Callable[[], bytes]
    """Function that returns the bytes of the image file."""

    def open(self) -> BytesIO:
        """Return the image file, open for reading."""
        return BytesIO(self.read())


ImageSource = Path | StoredImage
"""Where the bytes of an image file are."""


@dataclass(frozen=True, kw_only=True)
class ImageFile:
    """An image file to decode."""

    path: ImageSource
    """Place of the file."""
    label: int | tuple[float, ...]
    """Index of the class; numbers, or labels as 0 and 1."""
    size: int
    """Size in bytes; of a stored image, that of the file that holds it."""
    changed: tuple[int, int]
    """Times of the last change of content and of metadata (mtime, ctime) in nanoseconds; of a
    stored image, those of the file that holds it."""

    @property
    def place(self) -> bytes:
        """Absolute path of the file, or the name of the stored image."""
        if isinstance(self.path, StoredImage):
            return self.path.name.encode("utf-8", "backslashreplace")
        return os.fsencode(self.path.absolute())
