"""Array files as data sets: the training reads exactly their content."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nas_explorer.evaluators.accuracy.data.arrays import ArrayFile, keep_arrays
from nas_explorer.evaluators.accuracy.data.dataset import (
    DataSpec,
    load_search_data,
    load_test_split,
)
from nas_explorer.evaluators.accuracy.data.names import data_name
from nas_explorer.evaluators.accuracy.data.permit import ReadingPermit
from nas_explorer.search_space.errors import InputError

PERMIT = ReadingPermit(scope="test", number=1)

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3), dtype=np.uint8)
LABELS = np.arange(40) % 4


def saved(folder: Path, **arrays: Any) -> Path:
    path = folder / "data.npz"
    np.savez(path, **arrays)
    return path


def test_what_is_kept_is_read_back(tmp_path: Path) -> None:
    path = keep_arrays(PIXELS, LABELS, tmp_path / "cache")
    assert keep_arrays(PIXELS, LABELS, tmp_path / "cache") == path
    assert keep_arrays(PIXELS, LABELS + 1, tmp_path / "cache") != path
    found = ArrayFile(path=path).train()
    assert np.array_equal(found.images.permute(0, 2, 3, 1).numpy(), PIXELS)
    assert found.classes == ("0", "1", "2", "3") and found.labels.tolist() == LABELS.tolist()
    data = load_search_data(DataSpec(name=f"arrays:{path}"))
    assert (data.channels, data.resolution) == (3, 8) and not data.own_test
    assert len(data.train_labels) + len(data.validation_labels) + (data.test_count or 0) == 40


def test_its_own_splits_are_kept_apart(tmp_path: Path) -> None:
    path = saved(
        tmp_path,
        images=PIXELS[:20, ..., 0],
        labels=[f"class {each}" for each in LABELS[:20]],
        validation_images=PIXELS[20:30, ..., 0],
        validation_labels=[f"class {each}" for each in LABELS[20:30]],
        test_images=PIXELS[30:, ..., 0],
        test_labels=[f"class {each}" for each in LABELS[30:]],
    )
    spec = DataSpec(name=f"arrays:{path}")
    data = load_search_data(spec)
    assert data.own_validation and data.own_test and data.test_count == 10 and data.channels == 1
    assert np.array_equal(data.validation_images[:, 0].numpy(), PIXELS[20:30, ..., 0])
    assert np.array_equal(
        load_test_split(spec, permit=PERMIT).images[:, 0].numpy(), PIXELS[30:, ..., 0]
    )


def test_the_middle_is_taken_of_what_is_not_square(tmp_path: Path) -> None:
    path = saved(tmp_path, images=PIXELS[:, 1:7], labels=LABELS)
    found = ArrayFile(path=path).train()
    assert np.array_equal(found.images.permute(0, 2, 3, 1).numpy(), PIXELS[:, 1:7, 1:7])


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"images": PIXELS}, "must hold 'labels'"),
        ({"images": PIXELS, "labels": LABELS[:3]}, "one for each of 40 images"),
        ({"images": PIXELS / 255, "labels": LABELS}, "must be uint8"),
        ({"images": PIXELS[:0], "labels": LABELS[:0]}, "must hold images"),
        ({"images": PIXELS, "labels": np.array([object()] * 40)}, "but got objects"),
        (
            {
                "images": PIXELS,
                "labels": LABELS,
                "validation_images": PIXELS,
                "validation_labels": LABELS + 1,
            },
            "'4' is not",
        ),
    ],
)
def test_other_arrays_are_refused(tmp_path: Path, arrays: dict[str, Any], said: str) -> None:
    path = saved(tmp_path, **arrays)
    with pytest.raises(InputError, match=said):
        load_search_data(DataSpec(name=f"arrays:{path}"))


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    path.write_bytes(b"not a file of arrays")
    with pytest.raises(InputError, match=r"must be a \.npz file"):
        load_search_data(DataSpec(name=data_name(str(path))))
    with path.open("wb") as file:
        np.save(file, LABELS)
    with pytest.raises(InputError, match="is one array"):
        load_search_data(DataSpec(name=data_name(f"arrays:{path}")))
    path.unlink()
    with pytest.raises(InputError, match="must exist"):
        data_name(str(path))
