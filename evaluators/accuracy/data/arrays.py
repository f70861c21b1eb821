"""Images in memory, or in a NumPy file: arrays of pixels and labels."""

import hashlib
import os
import tempfile
import zipfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from ....search_space.errors import InputError
from .geometry import square_tensor
from .images import INTERPOLATION, LabelledImages
from .sources import Source


@dataclass(frozen=True, kw_only=True)
class ArrayFile(Source):
    """A NumPy file, ``.npz``, of images and labels.

    The file holds ``images`` (N, H, W) or (N, H, W, C), uint8, C 1 or 3, and ``labels`` (N,),
    integers or texts; optionally also ``validation_images``, ``validation_labels``,
    ``test_images`` and ``test_labels``. The classes are the sorted values of ``labels``. Images
    that are not square are cropped to their centre.
    """

    path: Path
    """Path of the file."""

    @property
    def has_test(self) -> bool:
        """Whether the file holds ``test_images``."""
        return "test_images" in self._names()

    @property
    def test_count(self) -> int | None:
        """Number of images of the file's own test split; None without one."""
        return len(self._array("test_labels")) if self.has_test else None

    def train(self) -> LabelledImages:
        """Read ``images`` and ``labels``.

        Raises:
            InputError: If they are missing or have another form.
        """
        labels = self._array("labels")
        classes = tuple(str(each) for each in np.unique(labels)) if labels.ndim == 1 else ()
        return self._read("", classes)

    def validation(self, train: LabelledImages) -> LabelledImages | None:
        """Read ``validation_images`` and ``validation_labels``; return None without them."""
        there = "validation_images" in self._names()
        return self._read("validation_", train.classes) if there else None

    def test(self, train: LabelledImages) -> LabelledImages | None:
        """Read ``test_images`` and ``test_labels``; return None without them."""
        return self._read("test_", train.classes) if self.has_test else None

    def _read(self, split: str, classes: tuple[str, ...]) -> LabelledImages:
        images, labels = self._array(f"{split}images"), self._array(f"{split}labels")
        pixels = checked_images(f"{split}images of '{self.path}'", images)
        if labels.shape != (len(pixels),):
            raise InputError(
                f"{split}labels of '{self.path}' must be one for each of {len(pixels):,} images, "
                f"but have the shape {labels.shape}"
            )
        place = {name: index for index, name in enumerate(classes)}
        names = [str(each) for each in labels]
        if unknown := sorted({*names} - {*classes}):
            raise InputError(
                f"{split}labels of '{self.path}' must be among those of training, "
                f"but {unknown[0]!r} is not"
            )
        return LabelledImages(
            images=pixels,
            labels=torch.tensor([place[name] for name in names], dtype=torch.int64),
            classes=classes,
        )

    def _names(self) -> list[str]:
        with self._opened() as file:
            return list(file.files)

    def _array(self, name: str) -> NDArray[Any]:
        with self._opened() as file:
            if name not in file.files:
                raise InputError(
                    f"arrays must hold {name!r}, but '{self.path}' holds "
                    f"{', '.join(file.files) or 'nothing'}"
                )
            try:
                return file[name]
            except ValueError as error:  # Python objects, which only pickle can read
                raise InputError(
                    f"{name} of '{self.path}' must be numbers or texts, but got objects"
                ) from error

    def _opened(self) -> Any:
        try:
            found = np.load(self.path, allow_pickle=False)
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise InputError(f"arrays must be a .npz file, but '{self.path}': {error}") from error
        if not hasattr(found, "files"):
            raise InputError(f"arrays must be a .npz file, but '{self.path}' is one array")
        return found


def checked_images(what: str, images: NDArray[Any]) -> torch.Tensor:
    """Return images as a tensor (N, C, S, S), uint8.

    Args:
        what: Name of the images in errors.
        images: (N, H, W) or (N, H, W, C).

    Raises:
        InputError: If they have another form.
    """
    form = f"{images.dtype} {images.shape}"
    channels = images.shape[3] if images.ndim == 4 else 1
    if images.dtype != np.uint8 or images.ndim not in (3, 4) or channels not in (1, 3):
        raise InputError(
            f"{what} must be uint8, (N, H, W) or (N, H, W, C) with C 1 or 3, but are {form}"
        )
    if 0 in images.shape:
        raise InputError(f"{what} must hold images, but are {form}")
    pixels = torch.from_numpy(np.ascontiguousarray(images))
    pixels = pixels.unsqueeze(1) if images.ndim == 3 else pixels.permute(0, 3, 1, 2).contiguous()
    side = min(pixels.shape[2:])
    if pixels.shape[2] != pixels.shape[3]:
        pixels = square_tensor(pixels, side, INTERPOLATION)
    return pixels


def keep_arrays(images: ArrayLike, labels: ArrayLike, folder: Path) -> Path:
    """Write images and labels to a file named by its contents, which workers can read.

    Args:
        images: (N, H, W) or (N, H, W, C), uint8.
        labels: (N,), whole numbers or texts.
        folder: Folder of the file, created if missing.

    Raises:
        InputError: If they have another form.
    """
    pixels, names = np.asarray(images), np.asarray(labels)
    checked_images("images", pixels)
    if names.shape != (len(pixels),) or names.dtype.kind not in "iuU":
        raise InputError(
            f"labels must be whole numbers or texts, one for each of {len(pixels):,} images, "
            f"but are {names.dtype} {names.shape}"
        )
    state = hashlib.blake2b(digest_size=8)
    for each in (pixels, names):
        state.update(f"{each.dtype} {each.shape}".encode() + np.ascontiguousarray(each).tobytes())
    path = folder / f"arrays-{state.hexdigest()}.npz"
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=folder, suffix=".npz")
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(file, images=pixels, labels=names)
        Path(temporary).replace(path)  # atomic
    except BaseException:
        with suppress(OSError):
            Path(temporary).unlink()
        raise
    return path
