"""A cache of decoded images on disk, which later processes map into memory."""

import hashlib
import json
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import PIL
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from .image_files import ImageFile
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
                return LabelledImages(
                    images=file.get_tensor("images"),
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

    def write(self, path: Path, data: LabelledImages) -> None:
        """Write ``data`` atomically."""
        partial = path.with_suffix(f".{os.getpid()}.partial")
        metadata = {
            "classes": data.classes,
            "unreadable": data.unreadable,
            "levels": dict(data.levels),
            "shortened": data.shortened,
        }
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            save_file(
                {"images": data.images, "labels": data.labels, "hashes": data.hashes},
                partial,
                {"labelled_images": json.dumps(metadata)},
            )
            partial.replace(path)
        except (OSError, SafetensorError) as error:
            _LOG.warning("decoded images are not kept in %s: %s", self.folder, error)
            _remove(partial)


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:
        _LOG.debug("could not remove %s", path)


def image_cache() -> Path:
    """Return the cache folder of decoded images."""
    return Path("runs") / "cache"
