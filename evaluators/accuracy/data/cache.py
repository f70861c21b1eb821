"""A cache of decoded images on disk, which later processes map into memory."""

import hashlib
import json
import logging
import math
import os
import shutil
import struct
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from ....search_space.errors import InputError
from .image_files import ImageFile
from .image_rows import RESIDENT_BYTES, ImageRows
from .images import LabelledImages

_LOG = logging.getLogger(__name__)
_VERSION = "4"  # raised when the cached content of the same files changes


@dataclass(frozen=True, kw_only=True)
class DecodedCache:
    """A folder of decoded image sets. Failures of the cache are logged and never fatal."""

    folder: Path
    """The folder, created at first use."""

    def path(self, files: Sequence[ImageFile], *options: object) -> Path:
        """Return the file for ``files`` decoded with ``options``.

        The name depends on the path, label, size and time of change of every file.
        """
        state = hashlib.blake2b(digest_size=16)
        state.update(repr((_VERSION, PIL.__version__, options)).encode())
        for file in files:
            state.update(repr((file.place, file.label, file.size, file.changed)).encode())
        return self.folder / f"images-{state.hexdigest()}.safetensors"

    def read(self, path: Path) -> LabelledImages | None:
        """Return the data written to ``path``, mapped into memory, or None."""
        try:
            with safe_open(path, framework="pt") as file:
                metadata = json.loads(file.metadata()["labelled_images"])
                images = file.get_tensor("images")
                large = images.numel() > RESIDENT_BYTES
                return LabelledImages(
                    images=ImageRows(images, torch.arange(len(images))) if large else images,
                    labels=file.get_tensor("labels"),
                    classes=tuple(metadata["classes"]),
                    unreadable=tuple((name, why) for name, why in metadata["unreadable"]),
                    levels={kind: (low, high) for kind, (low, high) in metadata["levels"].items()},
                    shortened=metadata["shortened"],
                    known_hashes=file.get_tensor("hashes"),
                )
        except FileNotFoundError:
            return None
        except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
            _LOG.warning("ignoring the decoded images in %s: %s", path, error)
            return None

    def scratch(self, shape: tuple[int, int, int, int]) -> NDArray[np.uint8]:
        """Return an array in a file without a name, which is removed with the array.

        It is in the folder of temporary files if nothing can be written to the cache.

        Raises:
            InputError: If the disk has no room for it and for the file that is kept, or nothing can
                be written to either folder.
        """
        size, folder = math.prod(shape), self._writable()
        free = shutil.disk_usage(folder).free
        times = 2 if folder == self.folder else 1
        if times * size > free:
            raise InputError(
                f"decoded images must fit {'twice ' if times == 2 else ''}into '{folder}' "
                f"({free / 1e9:.1f} GB free), but {shape[0]} images of {shape[2]}x{shape[3]} take "
                f"{size / 1e9:.1f} GB: give a lower resolution"
            )
        with tempfile.TemporaryFile(dir=folder) as file:
            file.truncate(size)
            return np.memmap(file, dtype=np.uint8, mode="r+", shape=shape)

    def _writable(self) -> Path:
        """Return the folder, or that of temporary files if nothing can be written to it.

        Raises:
            InputError: If nothing can be written to either.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.folder):
                return self.folder
        except OSError as error:
            reason = error.strerror
        try:
            other = Path(tempfile.gettempdir())
            with tempfile.TemporaryFile(dir=other):
                pass
        except OSError:
            raise InputError(
                f"decoded images must be written to '{self.folder}', but it cannot be written to "
                f"({reason}), nor can the folder of temporary files"
            ) from None
        _LOG.warning(
            "decoded images are kept in %s for this run alone, since %s cannot be written to: %s",
            *(other, self.folder, reason),
        )
        return other

    def write(self, path: Path, data: LabelledImages) -> bool:
        """Write ``data`` atomically; return whether it was written."""
        partial = path.with_suffix(f".{os.getpid()}.partial")
        metadata = {
            "classes": data.classes,
            "unreadable": data.unreadable,
            "levels": dict(data.levels),
            "shortened": data.shortened,
        }
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            _write(partial, data, {"labelled_images": json.dumps(metadata)})
            partial.replace(path)
            return True
        except (OSError, SafetensorError) as error:
            _LOG.warning("decoded images are not kept in %s: %s", self.folder, error)
            _remove(partial)
            return False


def _write(path: Path, data: LabelledImages, metadata: Mapping[str, str]) -> None:
    """Write a safetensors file; images of a mapped file are never in memory all at once."""
    small = {"labels": data.labels, "hashes": data.hashes}
    if isinstance(data.images, torch.Tensor):
        save_file({"images": data.images, **small}, path, dict(metadata))
        return
    header: dict[str, Any] = {"__metadata__": metadata}
    end = 0
    numbers = "F64" if data.labels.is_floating_point() else "I64"
    for name, each, kind in (
        ("labels", data.labels, numbers),  # first, so that it is aligned to its 8 bytes
        ("hashes", data.hashes, "U8"),
        ("images", data.images, "U8"),
    ):
        begin, end = end, end + each.shape.numel() * (1 if kind == "U8" else 8)
        header[name] = {"dtype": kind, "shape": list(each.shape), "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for part in chain([data.labels, data.hashes], data.chunks()):
            file.write(part.contiguous().numpy().data)


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:
        _LOG.debug("could not remove %s", path)


def image_cache() -> Path:
    """Return the cache folder of decoded images."""
    return Path("runs") / "cache"
