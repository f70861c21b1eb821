"""A search space with its costs as arrays, and its file format."""

import io
import json
import zipfile
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ...search_space.constraints.cost_table import CostedGraph, from_arrays, to_arrays
from ...search_space.counting.size import Size
from ...search_space.shapes import Shape


@dataclass(frozen=True, eq=False, kw_only=True)
class CostedSpace:
    """A search space as a table of choices with their costs."""

    name: str
    """Name of the space."""
    input: Shape
    """Shape of one image."""
    classes: int
    """Number of classes."""
    walks_differ: bool
    """Whether all walks lead to different architectures."""
    size: Size
    """Number of architectures."""
    never_built: tuple[str, ...]
    """Components that are named but can never be built; see ``SearchSpace.never_built``."""
    table: CostedGraph
    """The space's cost table, with all exact metrics."""


def encoded(space: CostedSpace) -> bytes:
    """Return a space as the bytes of an uncompressed NumPy file."""
    names = ("name", "input", "classes", "walks_differ", "never_built")
    about = {name: getattr(space, name) for name in names} | {"size": asdict(space.size)}
    arrays: dict[str, Any] = to_arrays(space.table)
    file = io.BytesIO()
    np.savez(file, about=np.array(json.dumps(about)), **arrays)
    return file.getvalue()


def decoded(data: bytes) -> CostedSpace:
    """Return the space from the bytes of ``encoded``.

    Raises:
        ValueError: If the data are incomplete.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            about: dict[str, Any] = json.loads(str(arrays["about"]))
            size: dict[str, Any] = about["size"]
            size["interval"] = size["interval"] and tuple(size["interval"])
            about["input"], about["size"] = Shape(*about["input"]), Size(**size)
            about["never_built"] = tuple(about["never_built"])
            return CostedSpace(**about, table=from_arrays(arrays))
    except (OSError, EOFError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise ValueError(str(error)) from error
