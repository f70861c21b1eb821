"""Data of older studies, whose images were not scaled as in torchvision."""

import numpy as np
import pytest
from nas_explorer.evaluators.accuracy.data.dataset import DataSpec, load_search_data
from nas_explorer.evaluators.accuracy.data.older import load_older_data
from PIL import Image


@pytest.mark.parametrize(
    ("size", "same"), [((8, 8), True), ((8, 10), True), ((8, 9), False), ((20, 31), False)]
)
def test_only_images_that_are_scaled_or_cut_between_pixels_differ(tmp_path, size, same):
    draws = np.random.default_rng(0)
    for number in range(12):
        folder = tmp_path / f"class {number % 2}"
        folder.mkdir(exist_ok=True)
        pixels = draws.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    spec = DataSpec(name=f"folder:{tmp_path}", resolution=8)
    older, new = load_older_data(spec), load_search_data(spec)
    assert (older.fingerprint == new.fingerprint) is same
    assert older.validation_files == new.validation_files
    if size == (8, 9):  # the middle of 9 rows, half a pixel down: two rows blended
        first = np.asarray(Image.open(older.validation_files[0])).astype(float)
        blended = (first[3] + first[4]) / 2
        found = older.validation_images[0, :, 3].T.numpy()
        assert abs(found - blended).mean() < abs(found - first[3]).mean()
        assert np.array_equal(new.validation_images[0, :, 3].T.numpy(), first[3])


def test_digits_that_are_scaled_differ_by_a_little():
    spec = DataSpec(name="digits", resolution=16)
    older, new = load_older_data(spec), load_search_data(spec)
    assert older.validation_labels.equal(new.validation_labels)
    difference = (older.validation_images.int() - new.validation_images.int()).abs()
    assert 0 < difference.float().mean() < 10
    assert older.fingerprint != new.fingerprint
