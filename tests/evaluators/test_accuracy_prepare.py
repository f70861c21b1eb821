"""Preparation of images in memory: the result equals that for their files."""

import json
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from nas_explorer.evaluators.accuracy.data.decode import decode
from nas_explorer.evaluators.accuracy.data.opening import PILLOW_LIMIT
from nas_explorer.evaluators.accuracy.data.preparation import Preparation
from PIL import Image

COLOUR = Preparation(
    side=8,
    interpolation="bicubic",
    mean=(100.0, 110.0, 120.5),
    std=(50.0, 60.0, 70.0),
    classes=("a", "b"),
)
GREY = Preparation(side=8, interpolation="bicubic", mean=(100.0,), std=(50.0,), classes=("a", "b"))
SIZES = [(8, 9), (11, 8), (30, 21), (21, 31), (5, 6), (8, 8)]
"""Heights and widths: odd and even margins, wide and high, scaled up, down and not at all."""


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def steps(one: torch.Tensor, other: torch.Tensor, preparation: Preparation) -> float:
    """Return the largest difference in levels of 255."""
    std = torch.tensor(preparation.std).view(1, -1, 1, 1)
    return ((one - other) * std).abs().max().item()


@pytest.mark.parametrize("size", SIZES, ids="{0[0]}x{0[1]}".format)
@pytest.mark.parametrize("preparation", [GREY, COLOUR], ids=["grey", "colour"])
def test_whatever_is_given_the_same_is_made(tmp_path, size, preparation):
    pixels = noise(*size)
    path = tmp_path / "a.png"
    Image.fromarray(pixels).save(path)
    levels = decode([path], resolution=8, channels=len(preparation.mean)).images
    expected = preparation(torch.from_numpy(levels))  # of the right size: only normalised
    assert expected.shape == (1, len(preparation.mean), 8, 8)
    assert torch.equal(preparation(path), expected)
    assert torch.equal(preparation(str(path)), expected)
    assert torch.equal(preparation(Image.fromarray(pixels)), expected)
    tensor = torch.from_numpy(pixels).permute(2, 0, 1)
    for given in (pixels, pixels[None], tensor, tensor[None], tensor / 255):
        assert steps(preparation(given), expected, preparation) < 1.01
    assert torch.equal(preparation([path, pixels, tensor[None]])[0], expected[0])


def test_a_level_is_normalised_by_mean_and_deviation():
    white = np.full((8, 8), 255, dtype=np.uint8)
    assert torch.allclose(GREY(white), torch.tensor(3.1))  # (255 - 100) / 50
    assert torch.allclose(GREY(torch.ones(1, 8, 8)), torch.tensor(3.1))
    assert torch.allclose(COLOUR(white)[0, :, 0, 0], torch.tensor([3.1, 145 / 60, 134.5 / 70]))


def test_grey_is_made_of_colour_as_pillow_does():
    pixels = noise(8, 8)
    theirs = torch.from_numpy(np.array(Image.fromarray(pixels).convert("L")))
    assert torch.equal(GREY(pixels), GREY(theirs))


def test_transparent_places_of_an_image_of_pillow_become_grey():
    image = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    assert torch.equal(COLOUR(image), COLOUR(np.full((8, 8, 3), 128, dtype=np.uint8)))


def test_an_array_of_any_strides_is_taken():
    pixels = noise(9, 8)
    pixels.setflags(write=False)
    assert torch.equal(COLOUR(pixels[::-1, ::-1]), COLOUR(np.ascontiguousarray(pixels[::-1, ::-1])))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (np.zeros((3, 8, 8), dtype=np.uint8), "as its last axis, but is \\(3, 8, 8\\)"),
        (np.zeros((8, 8, 4), dtype=np.uint8), "what is transparent"),
        (np.zeros((8, 8, 3)), "must be uint8 .* but is float64"),
        (torch.zeros(8, 8, 3, dtype=torch.uint8), "with channels last give a NumPy array"),
        (torch.full((3, 8, 8), 200.0), "from 0 to 1, but has 200 to 200"),
        (torch.zeros(3, 8, 8, dtype=torch.int64), "must be uint8 or float, but is torch.int64"),
        (torch.zeros(3, 0, 8), "one pixel at least, but is 8x0"),
        (np.zeros((1, 3_000_000), dtype=np.uint8), "too narrow"),
        ([], "not empty, but got list"),
        (8, "but got int"),
    ],
)
def test_what_is_no_image_is_refused(given, says):
    with pytest.raises(ValueError, match=says):
        COLOUR(given)


def test_pillow_is_needed_for_its_own_images_alone(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "PIL", None)
    assert COLOUR([torch.zeros(3, 9, 8), noise(9, 8), noise(8, 9)]).shape == (3, 3, 8, 8)
    with pytest.raises(ImportError, match="PIL"):
        COLOUR(tmp_path / "a.png")


def test_it_goes_through_json():
    whole = Preparation(
        side=8,
        interpolation="bicubic",
        mean=(1.0,),
        std=(2.0,),
        levels={"integer": (0.0, 4095.0)},
        megapixels=300,
        classes=("a", "b"),
    )
    reported = json.loads(json.dumps(whole.described()))
    assert Preparation.of({"preparation": reported}) == whole
    for rule in ("0 to 4095", "grey 128", "at most 300 megapixels", "16 bits of colour the upper"):
        assert rule in reported["decoding"]
    for key, value in [
        ("levels", {"integer": [1.0, 0.0]}),
        ("levels", {"import os": [0.0, 1.0]}),
        ("mean", [1.0, 2.0]),
        ("std", [0.0]),
        ("size", [0, 0]),
        ("megapixels", 0),
    ]:
        assert Preparation.of({"preparation": {**reported, key: value}}) is None


def test_paths_may_be_of_any_kind(tmp_path):
    Image.new("L", (8, 8), 100).save(tmp_path / "a.png")
    assert torch.equal(GREY(Path(tmp_path / "a.png")), torch.zeros(1, 1, 8, 8))


@pytest.mark.parametrize("ending", ["png", "tif"])  # for TIFF, Pillow checks again on decoding
def test_files_above_pillows_limit_are_prepared(tmp_path, monkeypatch, ending):
    pixels = noise(100, 100)
    Image.fromarray(pixels).save(tmp_path / f"a.{ending}")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)  # rejects more than twice as many
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = COLOUR(tmp_path / f"a.{ending}")
    assert torch.equal(found, COLOUR(Image.fromarray(pixels)))
    assert Image.MAX_IMAGE_PIXELS == 100


@pytest.mark.parametrize(("side", "size"), [(1001, "1.002"), (1500, "2.25")])
def test_files_of_more_megapixels_are_refused_in_one_line(tmp_path, side, size):
    Image.new("1", (side, side)).save(tmp_path / "a.png")  # above the limit; above twice as many
    says = rf"at most 1 megapixels, but '.*a\.png' has {size}; an image that Pillow has opened may"
    with warnings.catch_warnings(), pytest.raises(ValueError, match=says):
        warnings.simplefilter("error")
        replace(GREY, megapixels=1)(tmp_path / "a.png")
    assert GREY(tmp_path / "a.png").shape == (1, 1, 8, 8)


def test_threads_inside_share_the_highest_limit_and_the_last_puts_pillows_back(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    low, high = PILLOW_LIMIT.at(200), PILLOW_LIMIT.at(300)
    seen = []
    for step in (low.__enter__, high.__enter__):
        step()
        seen.append(Image.MAX_IMAGE_PIXELS)
    for leaving in (high, low):
        leaving.__exit__(None, None, None)
        seen.append(Image.MAX_IMAGE_PIXELS)
    assert seen == [200, 300, 200, 100]
