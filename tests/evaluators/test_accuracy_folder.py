import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from nas_explorer.evaluators.accuracy.data import cache as cache_module
from nas_explorer.evaluators.accuracy.data import file_reader
from nas_explorer.evaluators.accuracy.data.dataset import (
    DataSpec,
    load_search_data,
    load_test_split,
)
from nas_explorer.evaluators.accuracy.data.decode import Header, probe
from nas_explorer.evaluators.accuracy.data.permit import ReadingPermit
from nas_explorer.search_space.errors import InputError
from PIL import Image

PERMIT = ReadingPermit(scope="test", number=1)


def picture(mode="RGB", size=(12, 10), seed=0):
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)).convert(
        mode
    )


def fill(
    root: Path,
    classes=("cat", "dog"),
    count=5,
    mode="RGB",
    size=(12, 10),
    ending="png",
    seed=0,
):
    for label, name in enumerate(classes):
        (root / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            path = root / name / f"{number}.{ending}"
            picture(mode, size, seed=seed + 100 * label + number).save(path)
    return root


def load(root: Path, **options):
    return load_search_data(DataSpec(name=f"folder:{root}", **options))


def refusal(root: Path, **options) -> str:
    with pytest.raises(InputError) as caught:
        load(root, **options)
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_classes_are_the_folders_and_the_splits_do_not_overlap(tmp_path):
    data = load(fill(tmp_path, count=10), resolution=8)
    assert data.classes == ("cat", "dog")
    # Test split: 2 of the 10 images of a class. Validation: a fifth of the other 8 (2, rounded).
    assert data.train_images.shape == (12, 3, 8, 8)
    assert torch.bincount(data.validation_labels).tolist() == [2, 2]
    test = load_test_split(data.spec, permit=PERMIT)
    assert torch.bincount(test.labels).tolist() == [2, 2]
    seen = [
        image.numpy().tobytes()
        for image in torch.cat([data.train_images, data.validation_images, test.images])
    ]
    assert len(set(seen)) == 20


def test_another_seed_gives_another_split(tmp_path):
    root = fill(tmp_path, count=10)
    assert load(root, seed=1).fingerprint == load(root, seed=1).fingerprint
    assert load(root, seed=1).fingerprint != load(root, seed=2).fingerprint


def test_parts_in_folders_are_taken_as_they_are(tmp_path):
    fill(tmp_path / "Train", count=4)
    fill(tmp_path / "valid", count=3, seed=1000)
    fill(tmp_path / "test", count=2, seed=2000)
    data = load(tmp_path)
    assert len(data.train_labels) == 8
    assert len(data.validation_labels) == 6
    assert len(load_test_split(data.spec, permit=PERMIT)) == 4


def test_a_search_never_opens_the_test_folder(tmp_path, monkeypatch):
    fill(tmp_path / "train", count=4)
    fill(tmp_path / "test", count=2, seed=2000)
    opened = []
    original = Image.open
    monkeypatch.setattr(Image, "open", lambda path: opened.append(path) or original(path))
    spec = load(tmp_path).spec
    assert opened
    assert not [path for path in opened if "test" in path.relative_to(tmp_path).parts]
    load_test_split(spec, permit=PERMIT)
    assert [path for path in opened if "test" in path.relative_to(tmp_path).parts]


def test_a_test_folder_without_classes_does_not_count(tmp_path):
    fill(tmp_path / "train", count=5)
    (tmp_path / "test").mkdir()
    picture().save(tmp_path / "test" / "1.png")
    data = load(tmp_path)
    assert len(data.train_labels) + len(data.validation_labels) == 8
    assert len(load_test_split(data.spec, permit=PERMIT)) == 2


def test_resolution_is_the_median_of_the_shorter_sides(tmp_path):
    fill(tmp_path, count=3, size=(40, 27))
    picture(size=(90, 80)).save(tmp_path / "cat" / "large.png")
    # 27, down to a multiple of 4.
    assert load(tmp_path).resolution == 24


@pytest.mark.parametrize(("side", "expected"), [(3, 8), (300, 64)])
def test_resolution_is_cut_to_a_range(tmp_path, side, expected):
    assert load(fill(tmp_path, count=2, size=(side, side))).resolution == expected


MODES = {
    "grey.png": lambda path: picture("L").save(path),
    "grey_alpha.png": lambda path: picture("LA").save(path),
    "bits.png": lambda path: picture("1").save(path),
    "palette.png": lambda path: picture("P").save(path),
    "palette.GIF": lambda path: picture("P").save(path),
    "alpha.png": lambda path: picture("RGBA").save(path),
    "print.jpg": lambda path: picture("CMYK").save(path),
    "video.jpeg": lambda path: picture("YCbCr").save(path),
    "sixteen.png": lambda path: Image.fromarray(
        np.arange(120, dtype=np.uint16).reshape(10, 12) * 500
    ).save(path),
    "integers.tiff": lambda path: picture("I").save(path),
    "floats.tif": lambda path: picture("F").save(path),
    "moving.gif": lambda path: picture("P").save(
        path, save_all=True, append_images=[picture("P", seed=1)]
    ),
    "moving.webp": lambda path: picture().save(
        path, save_all=True, append_images=[picture(seed=1)]
    ),
    "long.png": lambda path: picture(size=(2000, 2)).save(path),
    "dot.bmp": lambda path: picture(size=(1, 1)).save(path),
}


def test_images_of_any_mode_and_size_are_read(tmp_path):
    fill(tmp_path, count=2)
    for name, save in MODES.items():
        save(tmp_path / "cat" / name)
    data = load(tmp_path, resolution=8)
    assert data.unreadable == ()
    assert data.channels == 3
    total = len(data.train_labels) + len(data.validation_labels)
    assert total + len(load_test_split(data.spec, permit=PERMIT)) == 4 + len(MODES)


def test_one_channel_is_kept_if_all_images_are_grey(tmp_path):
    fill(tmp_path, mode="L")
    assert load(tmp_path).channels == 1
    picture("RGB").save(tmp_path / "cat" / "colour.png")
    assert load(tmp_path).channels == 3


def broken_files(folder: Path) -> set[str]:
    """Write files with image endings that are no images."""
    whole = io.BytesIO()
    picture(size=(64, 64)).save(whole, "JPEG")
    (folder / "truncated.jpg").write_bytes(whole.getvalue()[:700])
    png = io.BytesIO()
    picture(size=(64, 64)).save(png, "PNG")
    (folder / "truncated.png").write_bytes(png.getvalue()[:-400])
    (folder / "empty.png").write_bytes(b"")
    (folder / "text.jpg").write_text("no image")
    (folder / "dangling.png").symlink_to(folder / "nowhere.png")
    return {"truncated.jpg", "truncated.png", "empty.png", "text.jpg", "dangling.png"}


@pytest.mark.parametrize(
    ("start", "reason"),
    [
        (b"\0\0\0\x18ftypheic", "HEIC, whatever its ending, that cannot be read; convert it to"),
        (b"\xff\n\xfa", "JPEG XL, whatever its ending, that cannot be read; convert it to"),
        (b"II*\0\x08\0\0\0\0\0\0\0", "a TIFF of a kind that cannot be read; convert it to"),
        (b"text", "not an image"),
    ],
)
def test_an_image_of_another_kind_is_known_by_its_content(tmp_path, start, reason):
    fill(tmp_path, count=3)
    (tmp_path / "cat" / "photo.jpg").write_bytes(start)
    ((path, reported),) = load(tmp_path).unreadable
    assert path == "cat/photo.jpg" and reported.startswith(reason)


def test_unreadable_files_are_named_and_left_out(tmp_path):
    fill(tmp_path, count=5)
    names = broken_files(tmp_path / "dog")
    data = load(tmp_path)
    assert {path for path, _ in data.unreadable} == {f"dog/{name}" for name in names}
    assert all(reason and "\n" not in reason for _, reason in data.unreadable)
    whole = len(data.train_labels) + len(data.validation_labels)
    assert whole + len(load_test_split(data.spec, permit=PERMIT)) == 10


def test_unreadable_files_of_two_parts_are_two(tmp_path):
    for seed, part in enumerate(("train", "val")):
        fill(tmp_path / part, seed=1000 * seed)
        (tmp_path / part / "dog" / "broken.png").write_bytes(b"no image")
    for _ in range(2):  # decoded, then from the cache
        data = load_search_data(DataSpec(name=f"folder:{tmp_path}"), cache=tmp_path / ".cache")
        assert data.unreadable == (
            ("train/dog/broken.png", "not an image"),
            ("val/dog/broken.png", "not an image"),
        )
        assert len(data.validation_files) == 10


def test_files_of_too_many_pixels_are_named_and_left_out(tmp_path):
    fill(tmp_path, count=3)
    for name, size in (("warned", (1000, 1200)), ("refused", (1500, 1500))):
        # Above the limit, and above twice the limit.
        Image.new("1", size).save(tmp_path / "cat" / f"{name}.png")
    before = Image.MAX_IMAGE_PIXELS
    data = load(tmp_path, max_megapixels=1, resolution=8)
    assert data.unreadable == (
        ("cat/refused.png", "2.25 megapixels must be at most 1 (--max-megapixels)"),
        ("cat/warned.png", "1.2 megapixels must be at most 1 (--max-megapixels)"),
    )
    (left_out,) = load(tmp_path, max_megapixels=2, resolution=8).unreadable
    assert left_out[0] == "cat/refused.png"
    assert before == Image.MAX_IMAGE_PIXELS


def test_photographs_of_200_megapixels_are_read(tmp_path):
    whole = io.BytesIO()
    Image.new("L", (1, 1)).save(whole, "PNG")
    start = b"IHDR" + struct.pack(">II", 16_320, 12_240) + whole.getvalue()[24:29]
    large = whole.getvalue()[:12] + start + struct.pack(">I", zlib.crc32(start))
    (tmp_path / "a.png").write_bytes(large + whole.getvalue()[33:])
    (header,) = probe([tmp_path / "a.png"])
    assert isinstance(header, Header) and header.side == 12_240


def test_other_files_are_ignored(tmp_path):
    fill(tmp_path, count=5)
    fill(tmp_path, classes=("__MACOSX", ".hidden"), count=2)
    (tmp_path / "readme.txt").write_text("hello")
    (tmp_path / "cat" / "Thumbs.db").write_bytes(b"x")
    (tmp_path / "cat" / "._0.png").write_bytes(b"x")
    os.mkfifo(tmp_path / "cat" / "pipe.png")  # reading the pipe would never end
    data = load(tmp_path)
    assert data.classes == ("cat", "dog")
    assert data.unreadable == ()
    assert data.left_out == ("'cat/pipe.png': not a regular file",)


def test_images_in_subfolders_of_a_class_count(tmp_path):
    fill(tmp_path, count=2)
    fill(tmp_path / "cat", classes=("2023", "2024"), count=1)
    data = load(tmp_path)
    total = len(data.train_labels) + len(data.validation_labels)
    assert total + len(load_test_split(data.spec, permit=PERMIT)) == 6


def test_names_of_any_bytes_can_be_stored(tmp_path):
    fill(tmp_path, count=3)
    strange = os.fsdecode(b"caf\xe9")
    (tmp_path / strange).mkdir()
    for number in range(3):
        picture(seed=number).save(tmp_path / strange / f"{number}.png")
    (tmp_path / strange / "x.png").write_bytes(b"")
    data = load_search_data(DataSpec(name=f"folder:{tmp_path}"), cache=tmp_path / ".cache")
    assert data.classes == ("caf\\xe9", "cat", "dog") and data.preparation.classes == data.classes
    assert data.unreadable == (("caf\\xe9/x.png", "not an image"),)


def test_a_home_folder_may_be_abbreviated(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    fill(tmp_path / "images")
    assert load(Path("~/images")).classes == ("cat", "dog")


@pytest.mark.parametrize("name", ["nowhere", "x" * 5000, "zero\0byte", "~nobody-of-that-name"])
def test_a_missing_folder_is_refused(tmp_path, name):
    assert "must name an existing folder" in refusal(tmp_path / name)
    assert "must name an existing folder" in refusal(Path(name))


def test_a_file_is_refused(tmp_path):
    (tmp_path / "images.zip").write_bytes(b"PK")
    assert "but got the file" in refusal(tmp_path / "images.zip")


def test_an_empty_folder_is_refused(tmp_path):
    assert "holds no folders (0 images)" in refusal(tmp_path)


def test_images_without_classes_are_refused(tmp_path):
    picture().save(tmp_path / "a.png")
    assert "holds no folders (1 image)" in refusal(tmp_path)


def test_one_class_is_refused(tmp_path):
    fill(tmp_path, classes=("cat",))
    assert "holds only 'cat'" in refusal(tmp_path)


def test_a_folder_around_the_data_set_is_explained(tmp_path):
    fill(tmp_path / "pets" / "train")
    assert f"did you mean 'folder:{tmp_path}/pets'?" in refusal(tmp_path)


def test_parts_are_not_taken_for_classes(tmp_path):
    # A usual layout of competitions: images without class folders, labels in a table.
    fill(tmp_path, classes=("train", "test"))
    assert "holds only 'test', 'train'" in refusal(tmp_path)


def test_a_message_is_one_line_whatever_the_name(tmp_path):
    assert "nowhere\\n" in refusal(tmp_path / "nowhere\n")


def test_an_empty_class_is_named_and_left_out(tmp_path):
    fill(tmp_path)
    (tmp_path / "bird").mkdir()
    data = load(tmp_path)
    assert data.classes == ("cat", "dog")
    assert data.left_out == ("'bird': a class folder without images",)


def test_a_class_is_not_left_out_because_its_images_cannot_be_read(tmp_path):
    fill(tmp_path)
    (tmp_path / "bird").mkdir()
    for number in range(3):
        (tmp_path / "bird" / f"{number}.HEIC").write_bytes(b"")
    assert refusal(tmp_path).endswith(
        "has fewer of 'bird'; 'bird/0.HEIC' and 2 more: files ending in .heic are not read; "
        "convert them to JPEG or PNG"
    )


def test_a_class_left_with_one_image_is_refused(tmp_path):
    fill(tmp_path, classes=("cat",), count=3)
    fill(tmp_path, classes=("dog",), count=1)
    (tmp_path / "dog" / "1.png").write_text("broken")
    text = refusal(tmp_path)
    assert "at least 2 different readable images" in text
    assert "has fewer of 'dog'; 1 could not be read, the first 'dog/1.png'" in text


def test_a_folder_of_broken_images_is_refused(tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        broken_files(tmp_path / name)
    assert "10 could not be read" in refusal(tmp_path)


def test_other_classes_in_the_test_folder_are_refused(tmp_path):
    fill(tmp_path / "train", classes=("cat", "dog"))
    fill(tmp_path / "test", classes=("cat", "wolf"))
    text = refusal(tmp_path)
    assert "'wolf' only in" in text
    assert "'dog' only in the train folder" in text


def test_an_unreadable_test_folder_is_refused_when_it_is_read(tmp_path):
    fill(tmp_path / "train")
    for name in ("cat", "dog"):
        (tmp_path / "test" / name).mkdir(parents=True)
        (tmp_path / "test" / name / "a.png").write_bytes(b"")
    spec = load(tmp_path).spec
    with pytest.raises(InputError, match="must hold a readable image"):
        load_test_split(spec, permit=PERMIT)


def test_a_locked_folder_is_refused(tmp_path, monkeypatch):
    fill(tmp_path)
    original = os.scandir

    def locked(path):
        if Path(path) == tmp_path / "dog":
            raise PermissionError(13, "Permission denied", str(path))
        return original(path)

    monkeypatch.setattr(os, "scandir", locked)
    assert f"'{tmp_path}/dog': Permission denied" in refusal(tmp_path)


def test_more_than_fits_in_memory_is_refused(tmp_path, monkeypatch):
    fill(tmp_path)
    monkeypatch.setattr(os, "sysconf", lambda name: 50)
    assert "give a lower resolution" in refusal(tmp_path)


class TestCache:
    @pytest.fixture
    def root(self, tmp_path):
        fill(tmp_path / "images", count=4)
        (tmp_path / "images" / "cat" / "broken.png").write_bytes(b"")
        return tmp_path / "images"

    def test_what_is_kept_is_not_decoded_again(self, root, tmp_path, monkeypatch):
        spec = DataSpec(name=f"folder:{root}")
        before = load_search_data(spec, cache=tmp_path / "cache")
        monkeypatch.setattr(file_reader, "decode", None)
        after = load_search_data(spec, cache=tmp_path / "cache")
        assert after.fingerprint == before.fingerprint
        assert after.unreadable == before.unreadable == (("cat/broken.png", "not an image"),)
        assert torch.equal(after.train_images, before.train_images)
        assert {path.name for path in root.iterdir()} == {"cat", "dog"}

    def test_a_changed_file_is_decoded_again(self, root, tmp_path):
        spec = DataSpec(name=f"folder:{root}")
        before = load_search_data(spec, cache=tmp_path / "cache")
        picture(seed=77).save(root / "cat" / "0.png")
        assert load_search_data(spec, cache=tmp_path / "cache").fingerprint != before.fingerprint

    def test_another_resolution_is_decoded_again(self, root, tmp_path):
        for side in (8, 16):
            spec = DataSpec(name=f"folder:{root}", resolution=side)
            assert load_search_data(spec, cache=tmp_path / "cache").resolution == side

    @pytest.mark.parametrize("content", [b"", b"x" * 1000, None])
    def test_a_damaged_file_is_replaced(self, root, tmp_path, content):
        spec = DataSpec(name=f"folder:{root}")
        before = load_search_data(spec, cache=tmp_path / "cache")
        (kept,) = (tmp_path / "cache").iterdir()
        whole = kept.read_bytes()
        kept.write_bytes(whole[:-10] if content is None else content)
        assert load_search_data(spec, cache=tmp_path / "cache").fingerprint == before.fingerprint
        assert kept.read_bytes() == whole

    def test_a_folder_that_cannot_be_made_is_not_fatal(self, root, tmp_path, caplog):
        (tmp_path / "cache").write_text("in the way")
        load_search_data(DataSpec(name=f"folder:{root}"), cache=tmp_path / "cache")
        assert "not kept" in caplog.text

    def test_a_full_disk_is_not_fatal_and_leaves_nothing(self, root, tmp_path, monkeypatch, caplog):
        def full(tensors, path, metadata):
            path.write_bytes(b"half")
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(cache_module, "save_file", full)
        load_search_data(DataSpec(name=f"folder:{root}"), cache=tmp_path / "cache")
        assert "No space left" in caplog.text
        assert list((tmp_path / "cache").iterdir()) == []
