"""Scaling and cropping: the pixels are torchvision's for every margin."""

import numpy as np
import pytest
from nas_explorer.evaluators.accuracy.data.geometry import crop_start, scaled_size, square_image
from PIL import Image
from torchvision import transforms

SIZES = [(8, 9), (9, 8), (8, 10), (8, 11), (13, 8), (8, 8), (5, 7), (3, 3), (40, 61), (61, 40)]
"""Widths and heights: odd and even margins, wide and high, smaller and larger than 8."""


def test_the_shorter_side_is_scaled_and_the_longer_one_rounded_down():
    assert scaled_size(480, 640, 64) == (64, 85)  # 64 x 640 / 480 = 85.3
    assert scaled_size(640, 480, 64) == (85, 64)
    assert scaled_size(3, 3, 8) == (8, 8)


def test_half_a_pixel_goes_to_the_even_side():
    assert [crop_start(length, 8) for length in (8, 9, 10, 11, 13)] == [0, 0, 1, 2, 2]


@pytest.mark.parametrize("size", SIZES, ids="{0[0]}x{0[1]}".format)
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_pixels_are_those_of_torchvision(size, interpolation):
    noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    image = Image.fromarray(noise)
    mode = transforms.InterpolationMode(interpolation)
    theirs = transforms.Compose([transforms.Resize(8, mode), transforms.CenterCrop(8)])(image)
    assert np.array_equal(square_image(image, 8, interpolation), theirs)


def test_a_margin_of_one_pixel_shifts_nothing():
    digit = np.random.default_rng(0).integers(0, 256, (9, 8), dtype=np.uint8)
    assert np.array_equal(square_image(Image.fromarray(digit), 8, "bicubic"), digit[:8])
