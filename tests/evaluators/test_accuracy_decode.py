"""Decoding of image files: transparency, orientation, first frame and centre."""

from pathlib import Path

import numpy as np
from nas_explorer.evaluators.accuracy.data.decode import decode
from PIL import Image


def pixels(path: Path, channels=3, resolution=2):
    decoded = decode([path], resolution=resolution, channels=channels)
    assert decoded.reasons == (None,)
    return decoded.images[0].astype(int)


def test_transparent_places_become_grey(tmp_path):
    image = Image.new("RGBA", (2, 2), (200, 0, 0, 255))
    image.putpixel((0, 0), (200, 0, 0, 0))
    image.save(tmp_path / "a.png")
    found = pixels(tmp_path / "a.png")
    assert found[:, 0, 0].tolist() == [128, 128, 128]
    assert found[:, 1, 1].tolist() == [200, 0, 0]


def test_orientation_is_applied(tmp_path):
    image = Image.new("L", (16, 16), 0)
    image.paste(255, (0, 0, 16, 8))
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was rotated: the top of the picture is the file's left side
    image.save(tmp_path / "a.jpg", exif=exif, quality=95)
    found = pixels(tmp_path / "a.jpg", channels=1)[0]
    assert (found[:, 1] > 200).all()
    assert (found[:, 0] < 50).all()


def test_the_first_frame_counts(tmp_path):
    frames = [Image.new("L", (4, 4), value) for value in (40, 200)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert (pixels(tmp_path / "a.gif", channels=1) == 40).all()


def test_the_centre_of_a_wide_image_is_kept(tmp_path):
    image = Image.new("L", (12, 4), 0)
    image.paste(255, (4, 0, 8, 4))
    image.save(tmp_path / "a.png")
    assert (pixels(tmp_path / "a.png", channels=1, resolution=4) == 255).all()


def test_small_stripes_are_blended_not_skipped(tmp_path):
    stripes = np.tile(np.array([0, 255], dtype=np.uint8), (64, 32))
    Image.fromarray(stripes).save(tmp_path / "a.png")
    assert (abs(pixels(tmp_path / "a.png", channels=1, resolution=8) - 127) < 12).all()
