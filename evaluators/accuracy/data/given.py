"""Data as they are given from Python."""

from pathlib import Path
from typing import Any

from ....search_space.errors import InputError
from .arrays import keep_arrays
from .names import data_name, kind_of
from .torch_dataset import is_dataset, keep_dataset


def given_data(data: Any, folder: Path) -> str:
    """Return the name of data; what is only in memory is written to a file first.

    Args:
        data: A name, a path, a map-style data set of PyTorch, or a pair of images and labels.
        folder: Folder of the written files.

    Raises:
        InputError: If ``data`` is none of these.
    """
    if isinstance(data, str):
        return data
    if isinstance(data, Path):
        return data_name(f"{kind_of(str(data))}:{data}")
    if not isinstance(data, tuple | list) and is_dataset(data):
        return f"shards:{keep_dataset(data, folder)}"
    if not isinstance(data, tuple | list) or len(data) != 2:
        raise InputError(
            "data must be a name, a path, a data set of PyTorch, or a pair of images and labels, "
            f"but got {type(data).__name__}"
        )
    images, labels = data
    return f"arrays:{keep_arrays(images, labels, folder)}"
