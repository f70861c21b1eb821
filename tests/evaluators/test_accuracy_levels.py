"""Brightness of images with more than 8 bits: images that differ only in brightness stay
different."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from nas_explorer.evaluators.accuracy.data.dataset import (
    DataSpec,
    load_search_data,
    load_test_split,
)
from nas_explorer.evaluators.accuracy.data.decode import decode, measure_levels
from nas_explorer.evaluators.accuracy.data.levels import levels_of
from nas_explorer.evaluators.accuracy.data.permit import ReadingPermit
from PIL import Image

PERMIT = ReadingPermit(scope="test", number=1)


def write_tiff(path: Path, values, *, bits: int, white_is_zero=False, form=1, order="<"):
    """Write greyscale as an uncompressed TIFF of one strip; ``form``: 1 unsigned, 2 signed, 3
    float.

    Pillow cannot write 12 bits or WhiteIsZero.
    """
    values = np.asarray(values)
    height, width = values.shape
    if bits == 12:
        digits = "".join(f"{value:012b}" for value in values.flatten())
        data = int(digits, 2).to_bytes(len(digits) // 8, "big")
    else:
        letter = {1: "u", 2: "i", 3: "f"}[form]
        data = values.astype(f"{order}{letter}{bits // 8}").tobytes()
    tags = {256: width, 257: height, 258: bits, 259: 1, 262: 0 if white_is_zero else 1}
    tags |= {273: 8, 277: 1, 278: height, 279: len(data), 339: form}
    table = struct.pack(order + "H", len(tags))
    for tag, value in sorted(tags.items()):
        table += struct.pack(order + "HHII", tag, 4, 1, value)
    start = struct.pack(order + "2sHI", b"II" if order == "<" else b"MM", 42, 8 + len(data))
    path.write_bytes(start + data + table + bytes(4))


def write_pgm(path: Path, values, *, white: int):
    values = np.asarray(values)
    data = values.astype(">u2" if white > 255 else "u1").tobytes()
    path.write_bytes(b"P5 %d %d %d\n" % (values.shape[1], values.shape[0], white) + data)


def greys(*paths: Path) -> list[list[list[int]]]:
    decoded = decode(paths, resolution=2, channels=1, levels=measure_levels(paths))
    assert decoded.reasons == (None,) * len(paths)
    return decoded.images[:, 0].tolist()


RAMP = np.array([[0, 1000], [2048, 4095]])
"""12 bits; of 255: 0, 1000 * 255 / 4095 = 62.3, 127.5, 255."""
RAMP_OF_255 = [[0, 62], [127, 255]]


@pytest.mark.parametrize("white", [1023, 4095, 65535])
def test_the_white_of_a_pgm_is_the_one_it_states(tmp_path, white):
    write_pgm(tmp_path / "a.pgm", [[0, white // 4], [white // 2, white]], white=white)
    write_pgm(tmp_path / "b.pgm", np.full((2, 2), white // 4), white=white)
    full, dark = greys(tmp_path / "a.pgm", tmp_path / "b.pgm")
    assert full[0][0] == 0 and full[1][1] == 255
    # A quarter of white, 63.7 of 255 (1023 // 4 is a little less), in both.
    assert full[0][1] in (63, 64) and dark == [[full[0][1]] * 2] * 2


def test_twelve_bits_of_a_tiff(tmp_path):
    write_tiff(tmp_path / "a.tif", RAMP, bits=12)
    write_tiff(tmp_path / "b.tif", RAMP // 4, bits=12)
    full, dark = greys(tmp_path / "a.tif", tmp_path / "b.tif")
    assert full == RAMP_OF_255
    assert dark == [[0, 15], [31, 63]]  # 250, 512 and 1023 * 255 / 4095


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("ending", ["tif", "png"])
def test_twelve_bits_in_sixteen_are_scaled_by_all_files(tmp_path, order, ending):
    for name, values in (("bright", RAMP), ("dark", RAMP // 4)):
        if ending == "tif":
            write_tiff(tmp_path / f"{name}.tif", values, bits=16, order=order)
        else:
            Image.fromarray(values.astype(np.uint16)).save(tmp_path / f"{name}.png")
    found = greys(tmp_path / f"bright.{ending}", tmp_path / f"dark.{ending}")
    assert found == [RAMP_OF_255, [[0, 15], [31, 63]]]


def test_all_sixteen_bits(tmp_path):
    Image.fromarray(np.array([[0, 257], [32896, 65535]], dtype=np.uint16)).save(tmp_path / "a.png")
    assert greys(tmp_path / "a.png") == [[[0, 1], [128, 255]]]


@pytest.mark.parametrize(("bits", "form"), [(8, 1), (16, 1), (32, 3)])
def test_zero_is_white_where_a_file_says_so(tmp_path, bits, form):
    values = np.array([[0, 64], [191, 255]])
    write_tiff(tmp_path / "a.tif", values, bits=bits, form=form, white_is_zero=True)
    assert greys(tmp_path / "a.tif") == [[[255, 191], [64, 0]]]


@pytest.mark.parametrize("order", ["<", ">"])
def test_numbers_share_one_range(tmp_path, order):
    write_tiff(tmp_path / "a.tif", [[-1.0, 0.0], [0.0, 1.0]], bits=32, form=3, order=order)
    write_tiff(tmp_path / "b.tif", [[0.0, 0.5], [np.nan, np.inf]], bits=32, form=3, order=order)
    assert greys(tmp_path / "a.tif", tmp_path / "b.tif") == [
        [[0, 128], [128, 255]],
        [[128, 191], [0, 0]],
    ]


def test_portable_floats_have_no_white_of_their_own(tmp_path):
    for name, rows in (("a", [0.5, 1.0, 0.0, 0.25]), ("b", [0.0, 0.0, 0.0, 0.5])):
        (tmp_path / f"{name}.pfm").write_bytes(b"Pf\n2 2\n-1.0\n" + struct.pack("<4f", *rows))
    # Rows from the bottom to the top.
    assert greys(tmp_path / "a.pfm", tmp_path / "b.pfm") == [
        [[0, 64], [128, 255]],
        [[0, 128], [0, 0]],
    ]


def test_signed_integers_share_one_range(tmp_path):
    write_tiff(tmp_path / "a.tif", [[-1000, 0], [0, 1000]], bits=16, form=2)
    write_tiff(tmp_path / "b.tif", [[0, 0], [0, 500]], bits=16, form=2)
    found = greys(tmp_path / "a.tif", tmp_path / "b.tif")
    assert found == [[[0, 128], [128, 255]], [[128, 128], [128, 191]]]


def test_integers_of_32_bits_have_no_sign(tmp_path):
    write_tiff(tmp_path / "a.tif", [[0, 2**30], [2**31, 2**32 - 1]], bits=32)
    assert greys(tmp_path / "a.tif") == [[[0, 64], [128, 255]]]


def test_a_dead_pixel_does_not_set_the_scale():
    found = [("sixteen_bit", (0.0, 4000.0))] * 200 + [("sixteen_bit", (0.0, 65535.0))]
    assert levels_of(found) == {"sixteen_bit": (0, 4095)}
    found = [("float", (0.0, 1.0))] * 200 + [("float", (-9999.0, 1e30))]
    assert levels_of(found) == {"float": (0, 1)}


def test_a_value_may_mean_transparent(tmp_path):
    image = Image.fromarray(np.array([[0, 65535], [65535, 300]], dtype=np.uint16))
    image.save(tmp_path / "a.png", transparency=300)
    assert greys(tmp_path / "a.png") == [[[0, 255], [255, 128]]]


def test_an_image_without_a_known_scale_is_named(tmp_path):
    write_tiff(tmp_path / "a.tif", [[0.0, 1.0]], bits=32, form=3)
    (reason,) = decode([tmp_path / "a.tif"], resolution=2, channels=1).reasons
    assert reason == "black and white of float values are not known"


def test_the_test_split_has_the_scale_of_the_training_images(tmp_path):
    for part, top in (("train", 4095), ("test", 60)):
        for name, share in (("dark", 0.5), ("bright", 1.0)):
            folder = tmp_path / part / name
            folder.mkdir(parents=True)
            for number in range(4):
                values = np.full((8, 8), round(share * top), dtype=np.uint16)
                values[0, number] = 0
                Image.fromarray(values).save(folder / f"{number}.png")
    for _ in range(2):  # decoded, then from the cache
        data = load_search_data(DataSpec(name=f"folder:{tmp_path}"), cache=tmp_path / ".cache")
        assert data.levels == {"sixteen_bit": (0, 4095)}
        assert (
            load_test_split(data.spec, cache=tmp_path / ".cache", permit=PERMIT).images.max() == 3
        )


def write_png(path: Path, *, colour: int, channels: int, bits: int = 16) -> None:
    """Write 2x2 pixels, all channels of value 0x1234 (of 8 bits: 0x12)."""
    row = b"\0" + bytes([0x12, 0x34][: bits // 8] * channels * 2)
    chunks = {
        b"IHDR": struct.pack(">IIBBBBB", 2, 2, bits, colour, 0, 0, 0),
        b"IDAT": zlib.compress(row * 2),
        b"IEND": b"",
    }
    framed = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks.items()
    )
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(framed))


def test_colour_of_more_than_8_bits_is_counted(tmp_path):
    for name, colour, channels in (("rgb", 2, 3), ("grey_alpha", 4, 2), ("rgba", 6, 4)):
        write_png(tmp_path / f"{name}.png", colour=colour, channels=channels)
    (tmp_path / "a.ppm").write_bytes(b"P6 2 2 4095\n" + bytes([0x01, 0x23] * 12))
    deep = [*tmp_path.iterdir()]
    write_png(tmp_path / "grey.png", colour=0, channels=1)  # all bits of the value are used
    write_png(tmp_path / "eight.png", colour=2, channels=3, bits=8)
    found = decode([*deep, tmp_path / "grey.png", tmp_path / "eight.png"], resolution=2, channels=3)
    assert found.reasons == (None,) * 6 and found.shortened == 4
    assert (found.images[deep.index(tmp_path / "rgb.png")] == 0x12).all()


def test_the_data_say_how_many_images_lose_bits_of_colour(tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
        for number in range(8):
            Image.new("RGB", (8, 8), (number, 0, ord(name))).save(tmp_path / name / f"{number}.png")
    write_png(tmp_path / "a" / "deep.png", colour=2, channels=3)
    for _ in range(2):  # decoded, then from the cache
        data = load_search_data(DataSpec(name=f"folder:{tmp_path}"), cache=tmp_path / ".cache")
        assert data.shortened == 1
