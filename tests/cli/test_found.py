"""The description of the data that a search prints before it starts."""

from dataclasses import replace

import numpy as np
import pytest
from nas_explorer.cli.found import data_lines
from nas_explorer.evaluators.accuracy.data.dataset import DataSpec, load_search_data
from PIL import Image


@pytest.fixture
def photos(tmp_path):
    for label, name in enumerate(("cat", "dog")):
        (tmp_path / name).mkdir()
        for number in range(10):
            values = np.random.default_rng(100 * label + number).integers(0, 4096, (8, 8))
            Image.fromarray(values.astype(np.uint16)).save(tmp_path / name / f"{number}.png")
        for number in range(4):
            (tmp_path / name / f"phone{number}.HEIC").touch()
    (tmp_path / "empty").mkdir()
    (tmp_path / "dog" / "0.tif").write_bytes(b"no image")
    (tmp_path / "dog" / "copy.png").write_bytes((tmp_path / "dog" / "1.png").read_bytes())
    return tmp_path


def test_it_tells_classes_splits_and_what_is_left_out(photos):
    data = load_search_data(DataSpec(name=f"folder:{photos}"))
    assert [*data_lines(data)] == [
        # Test split: 2 of 10 and 2 of 11 images. Validation: a fifth of the other 8 and 9, 2 each.
        f"Data folder:{photos}: 2 classes (cat, dog), 13 training, 4 validation and 4 test images "
        "of 1x8x8; validation and test taken from the training images; "
        "the search reads no test image",
        "Left out: 'dog/0.tif': not an image",
        "Left out: 'empty': a class folder without images",
        "Left out: 'cat/phone0.HEIC' and 7 more: files ending in .heic are not read; "
        "convert them to JPEG or PNG",
        "Copies: 1 image is an exact copy of another; copies stay in one split",
        "Scale of 16-bit greyscale: 0 is black, 4095 is white",
    ]


def test_bits_of_colour_that_are_not_read_are_said(photos):
    data = load_search_data(DataSpec(name=f"folder:{photos}"))
    said = [[*data_lines(replace(data, shortened=count))][-1] for count in (1, 1200)]
    assert said == [
        "Depth of colour: 1 image has more than 8 bits a channel, of which 8 are read",
        "Depth of colour: 1,200 images have more than 8 bits a channel, of which 8 are read",
    ]


def test_data_of_a_known_name(photos):
    (line,) = data_lines(load_search_data(DataSpec(name="digits")))
    assert line.startswith(
        "Data digits: 10 classes (0, 1, 2, 3, 4, 5 and 4 more), 1,151 training, "
    )
