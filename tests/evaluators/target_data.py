"""Small image lists with numbers and labels as targets."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from nas_explorer.evaluators.accuracy.data.dataset import DataSpec, SearchData, load_search_data
from PIL import Image

COUNT = 60
Rows = list[list[object]]


def images(count: int = COUNT, side: int = 8) -> np.ndarray:
    """Return grey images whose upper and left halves are brighter or darker, (N, S, S), uint8."""
    random = np.random.default_rng(0)
    found = random.integers(0, 60, (count, side, side))
    found[:, : side // 2] += random.integers(0, 90, (count, 1, 1))
    found[:, :, : side // 2] += random.integers(0, 90, (count, 1, 1))
    return found.astype(np.uint8)


def numbers(pixels: np.ndarray) -> np.ndarray:
    """Return brightness of the upper and of the left half, in other units, (N, 2)."""
    half = pixels.shape[1] // 2
    return np.stack(
        [1000 + pixels[:, :half].mean((1, 2)), pixels[:, :, :half].mean((1, 2)) / 50], 1
    )


def labels(pixels: np.ndarray) -> np.ndarray:
    """Return whether the upper and the left half are bright, (N, 2), 0 and 1."""
    found = numbers(pixels)
    return (found > np.median(found, 0)).astype(np.int64)


def write_images(folder: Path, pixels: np.ndarray) -> list[str]:
    """Write PNG files; return their names."""
    names = [f"{place:03d}.png" for place in range(len(pixels))]
    for name, each in zip(names, pixels, strict=True):
        Image.fromarray(each).save(folder / name)
    return names


def write_csv(path: Path, header: Sequence[str], rows: Rows) -> str:
    """Write a CSV file; return its name as data."""
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return f"csv:{path}"


def load(name: str, target: str = "", cache: Path | None = None) -> SearchData:
    return load_search_data(DataSpec(name=name, target=target), cache=cache)
