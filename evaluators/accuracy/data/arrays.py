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
from ...targets import Target, split_target
from .geometry import square_tensor
from .images import INTERPOLATION, LabelledImages
from .scan import few
from .sources import Source
from .target_checks import check_targets


@dataclass(frozen=True, kw_only=True)
class ArrayFile(Source):
    """A NumPy file, ``.npz``, of images and labels.

    The file holds ``images`` (N, H, W) or (N, H, W, C), uint8, C 1 or 3, and ``labels`` (N,),
    integers or texts; optionally also ``validation_images``, ``validation_labels``,
    ``test_images`` and ``test_labels``. The classes are the sorted values of ``labels``. Labels
    (N,) or (N, K) of floats are numbers to predict; (N, K) of 0 and 1, integers or booleans, are K
    labels; ``label_names`` (K,) may name them. Images that are not square are cropped to their
    centre.
    """

    path: Path
    """Path of the file."""
    target: str = ""
    """Kind of target; empty: that of the form of the labels."""

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
        kind = array_target(labels, self.target, f"labels of '{self.path}'")
        if kind != "classes":
            return self._train_outputs(labels, kind)
        classes = tuple(str(each) for each in np.unique(labels)) if labels.ndim == 1 else ()
        return self._read("", classes)

    def _train_outputs(self, labels: NDArray[Any], kind: Target) -> LabelledImages:
        """Return the training images with numbers or labels."""
        count = 1 if labels.ndim == 1 else labels.shape[1]
        names = ("target",) if labels.ndim == 1 else tuple(map(str, range(count)))
        if "label_names" in self._names():
            names = tuple(map(str, self._array("label_names").ravel()))
            if len(names) != count or len({*names}) < count:
                raise InputError(
                    f"label_names of '{self.path}' must be {count} different names, but are "
                    f"{few(names)}"
                )
        found = self._read("", names, kind)
        where = f"'{self.path}'"
        check_targets(kind, found.labels, names, found.hashes, where=where)
        return found

    def validation(self, train: LabelledImages) -> LabelledImages | None:
        """Read ``validation_images`` and ``validation_labels``; return None without them."""
        there = "validation_images" in self._names()
        return self._read("validation_", train.classes, train.target) if there else None

    def test(self, train: LabelledImages) -> LabelledImages | None:
        """Read ``test_images`` and ``test_labels``; return None without them."""
        return self._read("test_", train.classes, train.target) if self.has_test else None

    def _read(
        self, split: str, classes: tuple[str, ...], target: Target = "classes"
    ) -> LabelledImages:
        images, labels = self._array(f"{split}images"), self._array(f"{split}labels")
        pixels = checked_images(f"{split}images of '{self.path}'", images)
        if target != "classes":
            what = f"{split}labels of '{self.path}'"
            values = checked_outputs(what, labels, target, (len(pixels), len(classes)))
            return LabelledImages(images=pixels, labels=values, classes=classes, target=target)
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


def array_target(labels: NDArray[Any], asked: str, what: str) -> Target:
    """Return the kind of target of an array of labels.

    Args:
        labels: The array.
        asked: The kind that is asked for; empty: that of the array's form.
        what: Name of the array in errors.

    Raises:
        InputError: If the array has another form than that of the kind.
    """
    kind, columns = split_target(asked)
    form = f"{labels.dtype} {labels.shape}"
    if columns:
        raise InputError(f"a target of arrays must be without columns, but got {asked!r}")
    floats, matrix = labels.dtype.kind == "f", labels.ndim == 2
    if kind is None:
        kind = "regression" if floats else "labels" if matrix else "classes"
    if kind == "classes" and (floats or matrix):
        raise InputError(
            f"{what} must be whole numbers or texts, (N,), for classes, but are {form}"
        )
    if kind != "classes" and (labels.dtype.kind not in "biuf" or labels.ndim not in (1, 2)):
        raise InputError(f"{what} must be numbers, (N,) or (N, K), for {kind}, but are {form}")
    return kind


def checked_outputs(
    what: str, labels: NDArray[Any], target: Target, shape: tuple[int, int]
) -> torch.Tensor:
    """Return numbers, or labels as 0 and 1, as a tensor (N, K), float64.

    Raises:
        InputError: If they have another shape, are not finite, or labels other than 0 and 1.
    """
    found = labels[:, None] if labels.ndim == 1 else labels
    if found.shape != shape:
        raise InputError(f"{what} must have the shape {shape}, but have {labels.shape}")
    values = torch.from_numpy(np.ascontiguousarray(found).astype(np.float64))
    good = values.isfinite() if target == "regression" else (values == 0) | (values == 1)
    if not bool(good.all()):
        rule = "finite numbers" if target == "regression" else "0 or 1"
        place = int((~good).any(1).nonzero()[0])
        raise InputError(f"{what} must be {rule}, but image {place} has {values[place].tolist()}")
    return values


def keep_arrays(images: ArrayLike, labels: ArrayLike, folder: Path) -> Path:
    """Write images and labels to a file named by its contents, which workers can read.

    Args:
        images: (N, H, W) or (N, H, W, C), uint8.
        labels: (N,), whole numbers or texts; (N,) or (N, K), floats; (N, K), 0 and 1.
        folder: Folder of the file, created if missing.

    Raises:
        InputError: If they have another form.
    """
    pixels, names = np.asarray(images), np.asarray(labels)
    checked_images("images", pixels)
    outputs = names.dtype.kind == "f" or (names.ndim == 2 and names.dtype.kind in "biu")
    if outputs and names.ndim in (1, 2):
        kind = array_target(names, "", "labels")
        checked_outputs(
            "labels", names, kind, (len(pixels), 1 if names.ndim == 1 else len(names[0]))
        )
    elif names.shape != (len(pixels),) or names.dtype.kind not in "iuU":
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
