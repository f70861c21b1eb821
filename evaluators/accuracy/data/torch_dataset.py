"""A data set of PyTorch, written to an archive that worker processes can read."""

import hashlib
import io
import json
import os
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from ....search_space.errors import InputError
from .prepare import eight_bit_images

_UNKNOWN_TO_PNG = ("CMYK", "YCbCr", "LAB", "HSV")
"""Colour modes of Pillow that are converted to RGB, as on reading a file in them."""


def is_dataset(data: Any) -> bool:
    """Return whether ``data`` has the form of a map-style data set of PyTorch."""
    if isinstance(data, Mapping) or hasattr(data, "__array__"):
        return False
    return hasattr(type(data), "__getitem__") and hasattr(type(data), "__len__")


def keep_dataset(data: Any, folder: Path) -> Path:
    """Write all items to a tar archive named by its contents; see ``TarShards``.

    Images are written as PNG files of 8 bits, so that no pixel changes. Tensors and arrays that are
    not square are cropped to their centre.

    Args:
        data: Map-style data set of pairs: an image of Pillow, or a tensor or array that
            ``prepare_images`` takes, and a target. A target is a class, a whole number or a text;
            numbers to predict, a float or a tensor or list of floats; or labels, a tensor or list
            of 0 and 1. An attribute ``classes``, also of the data set that a ``Subset`` is part of,
            holds the names of classes that are numbers, of labels, or of numbers to predict.
        folder: Folder of the archive, created if missing.

    Raises:
        InputError: If an item has another form.
    """
    folder.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=folder, suffix=".tar")
    state = hashlib.blake2b(digest_size=8)
    try:
        with os.fdopen(handle, "wb") as file, tarfile.open(fileobj=file, mode="w") as archive:
            names = _class_names(data)
            for place in range(len(data)):
                image, label = _pair(data[place], place)
                for ending, content in (("png", _png(image, place)), _target(label, names)):
                    info = tarfile.TarInfo(f"{place:08d}.{ending}")
                    info.size = len(content)
                    archive.addfile(info, io.BytesIO(content))
                    state.update(f"{info.name} {info.size} ".encode() + content)
        path = folder / f"dataset-{state.hexdigest()}.tar"
        if path.exists():  # its time of change names the decoded images in the cache
            Path(temporary).unlink()
        else:
            Path(temporary).replace(path)  # atomic
    except BaseException:
        with suppress(OSError):
            Path(temporary).unlink()
        raise
    return path


def _pair(item: Any, place: int) -> tuple[Any, Any]:
    if not isinstance(item, tuple | list) or len(item) != 2:
        raise InputError(
            f"an item of a data set must be an image and a label, but item {place} is "
            f"{type(item).__name__}"
        )
    return item[0], item[1]


def _class_names(data: Any) -> Sequence[str] | None:
    """Return the names of the classes; those of the whole for a part (``Subset``)."""
    for _ in range(10):
        names = getattr(data, "classes", None)
        if names is not None or not hasattr(data, "dataset"):
            return names
        data = data.dataset
    return None


def _target(label: Any, names: Sequence[str] | None) -> tuple[str, bytes]:
    """Return ending and content of the member that holds a target."""
    value = label.tolist() if hasattr(label, "tolist") else label
    if isinstance(value, float):
        value = [value]
    elif isinstance(value, list) and len(value) == 1 and isinstance(value[0], int | str):
        (value,) = value
    if not isinstance(value, list | tuple):
        return "cls", _name(value, names)
    listed = [int(each) if isinstance(each, bool) else each for each in value]
    if not listed or not all(isinstance(each, int | float) for each in listed):
        raise InputError(f"a target of several values must be numbers, but got {label!r}")
    stated = {"names": list(map(str, names))} if names and len(names) == len(listed) else {}
    return "json", json.dumps({"label": listed, **stated}).encode()


def _name(value: Any, names: Sequence[str] | None) -> bytes:
    if not isinstance(value, int | str) or not str(value).strip():
        raise InputError(f"a label must be a number or a text, but got {value!r}")
    if isinstance(value, int) and names is not None:
        if not 0 <= value < len(names):
            raise InputError(
                f"a label must be from 0 to {len(names) - 1}, as the data set's classes, but got "
                f"{value}"
            )
        value = names[value]
    return str(value).encode()


def _png(image: Any, place: int) -> bytes:
    from PIL import Image

    if not hasattr(image, "getexif"):
        image = Image.fromarray(_pixels(image, place).numpy())
    elif image.mode in _UNKNOWN_TO_PNG:
        image = image.convert("RGB")
    out = io.BytesIO()
    try:
        image.save(out, "PNG", compress_level=1)
    except OSError as error:
        raise InputError(
            f"an image must have a mode that PNG holds, such as L or RGB, but item {place}: {error}"
        ) from None
    return out.getvalue()


def _pixels(image: Any, place: int) -> torch.Tensor:
    """Return the pixels of a tensor or an array as (H, W) or (H, W, 3), uint8."""
    try:
        shape = image.shape
        grey = len(shape) == 2 or 1 in (shape[0], shape[-1])
        found = eight_bit_images(
            image,
            side=min(_sides(image)),
            interpolation="bicubic",
            mode="L" if grey else "RGB",
            levels={},
            megapixels=1,
        )[0]
    except (ValueError, AttributeError, TypeError) as error:
        raise InputError(
            f"an image must have a form that can be read, but item {place}: {error}"
        ) from None
    return found[0] if grey else found.permute(1, 2, 0).contiguous()


def _sides(image: Any) -> tuple[int, int]:
    shape = tuple(image.shape)
    if len(shape) == 2:
        return shape
    return shape[1:] if isinstance(image, torch.Tensor) else shape[:2]
