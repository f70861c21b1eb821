"""Lists of image files as data sets: the same images give the same data, wherever they are."""

import csv
import io
import os
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from nas_explorer.evaluators.accuracy.data.csv_file import CsvFile
from nas_explorer.evaluators.accuracy.data.dataset import (
    DataSpec,
    SearchData,
    load_search_data,
    load_test_split,
)
from nas_explorer.evaluators.accuracy.data.file_reader import FileReader
from nas_explorer.evaluators.accuracy.data.names import data_name
from nas_explorer.evaluators.accuracy.data.originals import validation_originals
from nas_explorer.evaluators.accuracy.data.permit import ReadingPermit
from nas_explorer.evaluators.accuracy.data.torch_dataset import keep_dataset
from nas_explorer.search_space.errors import InputError
from PIL import Image

CLASSES = ("cat", "dog", "emu")
COUNT = 12
Splits = dict[str, list[tuple[Path, str]]]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of colour images of several sizes, of three classes."""
    root = tmp_path_factory.mktemp("pictures")
    random = np.random.default_rng(0)
    for place, name in enumerate(CLASSES):
        (root / name).mkdir()
        for number in range(COUNT):
            pixels = random.integers(0, 256, (12 + number % 3, 16 + place, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / name / f"{number:02d}.png")
    return root


def files(root: Path) -> list[tuple[Path, str]]:
    return [(path, name) for name in CLASSES for path in sorted((root / name).iterdir())]


def in_splits(root: Path) -> Splits:
    """Divide the files by their numbers."""
    found: Splits = {"train": [], "val": [], "test": []}
    for path, name in files(root):
        number = int(path.stem)
        found["train" if number < 6 else "val" if number < 9 else "test"].append((path, name))
    return found


def as_csv(place: Path, splits: Splits, *, delimiter: str = ",", column: bool = True) -> str:
    with (place / "list.csv").open("w", newline="") as file:
        table = csv.writer(file, delimiter=delimiter)
        table.writerow(["Path", "note", "Label", *(["split"] if column else [])])
        for split, each in splits.items():
            for path, name in each:
                relative = os.path.relpath(path, place)
                table.writerow([relative, "", name, *([split] if column else [])])
    return f"csv:{place / 'list.csv'}"


def as_shards(place: Path, splits: Splits) -> str:
    for split, each in splits.items():
        with tarfile.open(place / f"{split}-000.tar", "w") as archive:
            for number, (path, name) in enumerate(each):
                archive.add(path, f"{number:05d}.png")
                info = tarfile.TarInfo(f"{number:05d}.cls")
                info.size = len(name)
                archive.addfile(info, io.BytesIO(name.encode()))
    return f"shards:{place}"


def as_hub(place: Path, splits: Splits, *, parquet: bool) -> str:
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=list(CLASSES))}
    )
    names = {"train": "train", "val": "validation", "test": "test"}
    tables = {
        names[split]: datasets.Dataset.from_dict(
            {"image": [str(p) for p, _ in each], "label": [CLASSES.index(n) for _, n in each]},
            features=features,
        )
        for split, each in splits.items()
    }
    if parquet:
        (place / "data").mkdir()
        for name, table in tables.items():
            table.to_parquet(place / "data" / f"{name}-00000-of-00001.parquet")
    else:
        datasets.DatasetDict(tables).save_to_disk(str(place))
    return f"hf:{place}"


class Pairs(torch.utils.data.Dataset[tuple[Image.Image, int]]):
    """The pictures as a data set of PyTorch."""

    classes = CLASSES

    def __init__(self, root: Path) -> None:
        self.files = files(root)

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, place: int) -> tuple[Image.Image, int]:
        path, name = self.files[place]
        return Image.open(path), CLASSES.index(name)


def load(name: str) -> SearchData:
    return load_search_data(DataSpec(name=data_name(name), resolution=8))


def as_folder(place: Path, splits: Splits) -> str:
    for split, each in splits.items():
        for path, name in each:
            (place / split / name).mkdir(parents=True, exist_ok=True)
            (place / split / name / path.name).symlink_to(path)
    return f"folder:{place}"


@pytest.mark.parametrize("kind", ["csv", "shards", "hf", "parquet"])
def test_the_same_splits_give_the_same_data(kind: str, pictures: Path, tmp_path: Path) -> None:
    splits = in_splits(pictures)
    (tmp_path / "folder").mkdir()
    folder = load(as_folder(tmp_path / "folder", splits))
    place = tmp_path / "other"
    place.mkdir()
    if kind == "csv":
        name = as_csv(place, splits)
    elif kind == "shards":
        name = as_shards(place, splits)
    else:
        name = as_hub(place, splits, parquet=kind == "parquet")
    found = load(name)
    assert found.fingerprint == folder.fingerprint
    assert found.own_validation and found.own_test and found.test_count == 9
    assert found.classes == CLASSES and len(found.train_labels) == 18
    permit = ReadingPermit(scope="test", number=1)
    tests = [load_test_split(each.spec, permit=permit).digest() for each in (found, folder)]
    assert tests[0] == tests[1]
    # The proof of an export prepares the originals itself.
    originals = validation_originals(found, [0, 5])
    assert torch.equal(
        found.preparation(originals),
        found.preparation([folder.validation_files[place] for place in (0, 5)]),
    )


def test_without_splits_they_are_cut_from_the_same_images(pictures: Path, tmp_path: Path) -> None:
    everything = {"train": files(pictures)}
    expected = load(f"folder:{pictures}").fingerprint
    assert load(as_csv(tmp_path, everything, delimiter=";", column=False)).fingerprint == expected
    assert load(as_shards(tmp_path, everything)).fingerprint == expected
    path = keep_dataset(Pairs(pictures), tmp_path / "cache")
    assert load(str(path)).fingerprint == expected
    assert keep_dataset(Pairs(pictures), tmp_path / "cache") == path
    assert [each.name for each in (tmp_path / "cache").iterdir()] == [path.name]


def test_stored_images_are_decoded_once(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = DataSpec(name=as_shards(tmp_path, in_splits(pictures)), resolution=8)
    first = load_search_data(spec, cache=tmp_path / "cache")
    from nas_explorer.evaluators.accuracy.data import file_reader

    monkeypatch.setattr(file_reader, "decode", None)
    again = load_search_data(spec, cache=tmp_path / "cache")
    assert again.fingerprint == first.fingerprint
    with (tmp_path / "train-000.tar").open("r+b") as file:  # a changed archive is read again
        os.utime(file.fileno(), ns=(1, 1))
    with pytest.raises(TypeError):
        load_search_data(spec, cache=tmp_path / "cache")


def test_labels_that_are_numbers_are_in_their_order(pictures: Path, tmp_path: Path) -> None:
    numbered = [(path, str(8 + place % 3)) for place, (path, _) in enumerate(files(pictures))]
    assert load(as_csv(tmp_path, {"train": numbered})).classes == ("8", "9", "10")


def test_what_is_not_read_is_named(pictures: Path, tmp_path: Path) -> None:
    broken, missing = tmp_path / "broken.png", tmp_path / "missing.png"
    broken.write_bytes(b"no image")
    (tmp_path / "list.csv").write_text(
        "image,label\n"
        + "".join(f"{path},{name}\n" for path, name in files(pictures))
        + f"{broken},cat\n{missing},dog\n{pictures / 'cat' / '00.png'},\n\n"
    )
    found = load(str(tmp_path / "list.csv"))
    assert found.left_out[0].startswith("1 row without label, the first in line ")
    assert found.unreadable == (
        ("broken.png", "not an image"),
        ("missing.png", "No such file or directory"),
    )
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for number, (path, _) in enumerate(files(pictures)):
            archive.add(path, f"{number:05d}.png")
            info = tarfile.TarInfo(f"{number:05d}.json")
            text = b'{"caption": "none"}' if not number else b'{"label": %d}' % (number % 2)
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text))
    found = load(str(tmp_path / "a.tar"))
    assert found.classes == ("0", "1")
    assert found.left_out == ("1 image without a label: '00000'",)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "one column named image or path .*, but '.*' has none"),
        ("image,class,label\n", "one column named label .*'class', 'label'"),
        ("image,kind\n", "one column named label .*'image', 'kind'"),
        ("image,label,split\na.png,cat,eval\n", "train, val and test, but line 2 .*'eval'"),
        ("image,label\na.png,cat\nb.png,cat\n", "at least 2 classes, but holds 'cat'"),
        ("image,label\na.png,cat\nb.png,cat\nc.png,dog\n", "fewer of 'dog'"),
        ("image,label\na.png,c\nb.png,c\nc.png,d\nd.png,d\n", "fewer of 'c', 'd'; 4 could not"),
        ("image,label,split\na.png,c,\n", "one of train, val and test, but line 2 .* has ''"),
        (
            "image,label,split\na.png,c,train\nb.png,d,train\nc.png,e,val\n",
            "'e' only in the validation split",
        ),
        ("image,label\n\xff", "text in UTF-8"),
        ('image,label\na.png,"cat\nb.png,dog\nc.png,dog\n', "closed quotes, but got"),
    ],
)
def test_a_bad_csv_file_is_refused(content: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_bytes(content.encode("latin-1"))
    with pytest.raises(InputError, match=said):
        load(str(tmp_path / "list.csv"))


def test_a_pipe_is_not_read(pictures: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "list.csv").write_text("image,label\npipe.png,cat\n")
    with pytest.raises(InputError, match=r"regular file, but '.*pipe.png' is not"):
        load(str(tmp_path / "list.csv"))


def test_bad_shards_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"must be a \.tar file or a folder of them"):
        load(f"shards:{tmp_path}")
    (tmp_path / "a.tar").write_bytes(b"no archive")
    with pytest.raises(InputError, match="uncompressed tar files, but"):
        load(f"shards:{tmp_path}")
    with pytest.raises(InputError, match=r"shards must exist, but got 'nowhere\.tar'"):
        data_name("nowhere.tar")


def test_a_folder_that_is_no_data_set_of_hugging_face_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    with pytest.raises(InputError, match="data set folder of Hugging Face, but got"):
        load(f"hf:{tmp_path}")
    import datasets

    datasets.Dataset.from_dict({"text": ["a"], "label": [0]}).save_to_disk(str(tmp_path / "texts"))
    with pytest.raises(InputError, match=r"one feature of type Image, but .* has none"):
        load(f"hf:{tmp_path / 'texts'}")


@pytest.mark.parametrize(
    ("item", "said"),
    [
        (3, "an image and a label, but item 0 is int"),
        ((torch.zeros(3, 4, 4), None), "a number or a text, but got None"),
        ((torch.zeros(3, 4, 4), ["a", "b"]), "must be numbers, but got"),
        ((torch.zeros(3, 4, 4), np.zeros((2, 2))), "must be numbers, but got array"),
        ((Image.new("F", (4, 4)), 0), "a mode that PNG holds, .* but item 0"),
        ((torch.zeros(2, 4, 4), 0), "a form that can be read, but item 0"),
        ((torch.full((3, 4, 4), 2.0), 0), "from 0 to 1"),
    ],
)
def test_a_bad_item_of_a_data_set_is_refused(item: object, said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=said):
        keep_dataset([item], tmp_path)
    assert not list(tmp_path.iterdir())


def test_tensors_keep_their_pixels(tmp_path: Path) -> None:
    pixels = torch.randint(0, 256, (8, 3, 6, 6), dtype=torch.uint8)
    items = [(each, place % 2) for place, each in enumerate(pixels)]
    found = load_search_data(
        DataSpec(name=str(data_name(str(keep_dataset(items, tmp_path)))), resolution=None)
    )
    assert found.resolution == 8 and found.channels == 3  # the least default side
    own = load_search_data(
        DataSpec(name=data_name(str(keep_dataset(items, tmp_path))), resolution=6)
    )
    known = {each.numpy().tobytes() for each in pixels}
    assert {each.numpy().tobytes() for each in own.train_images} <= known


class Named(list[tuple[object, object]]):
    """A data set with names of its classes."""

    classes = ("cat", "dog")


@pytest.mark.parametrize("label", [-1, 2])
def test_a_label_beyond_the_classes_is_refused(label: int, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"from 0 to 1, as the .*, but got {label}"):
        keep_dataset(Named([(torch.zeros(3, 4, 4), label)]), tmp_path)


def test_images_of_print_are_taken_as_from_a_file(tmp_path: Path) -> None:
    keep_dataset([(Image.new("CMYK", (4, 4)), 0), (Image.new("YCbCr", (4, 4)), 1)], tmp_path)
    with tarfile.open(next(tmp_path.iterdir())) as archive:
        modes = {
            Image.open(archive.extractfile(each)).mode  # type: ignore[arg-type]
            for each in archive.getnames()
            if each.endswith(".png")
        }
    assert modes == {"RGB"}


def test_labels_of_the_same_number_have_one_order(tmp_path: Path) -> None:
    labels = ["0" * count + "1" for count in range(20)]  # in a set, in an order of the process
    (tmp_path / "list.csv").write_text("image,label\n" + "".join(f"a.png,{e}\n" for e in labels))
    reader = FileReader(resolution=None, megapixels=1, cache=None)
    found = CsvFile(path=tmp_path / "list.csv", reader=reader).classes
    assert found == tuple(reversed(labels))


def test_spaces_after_commas_are_no_part_of_a_value(pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text(
        '"image", "label"\n' + "".join(f'"{path}", "{name}"\n' for path, name in files(pictures))
    )
    assert load(str(tmp_path / "list.csv")).classes == CLASSES


def test_archives_belong_to_the_split_that_their_name_has(pictures: Path, tmp_path: Path) -> None:
    splits = in_splits(pictures)
    for split, name in (("train", "birds1k-train-00.TAR"), ("test", "birds1k-test-00.tar")):
        (tmp_path / split).mkdir()
        as_shards(tmp_path / split, {split: splits[split]})
        next((tmp_path / split).rglob("*.tar")).replace(tmp_path / name)
        with tarfile.open(tmp_path / name, "a") as archive:
            archive.add(splits[split][0][0], "note.v1.png")
    found = load(f"shards:{tmp_path}")
    assert found.own_test and found.test_count == len(splits["test"])
    assert len(found.train_labels) + len(found.validation_labels) == len(splits["train"])
    assert "2 images with a dot before its ending: 'note.v1.png' and 1 more" in found.left_out
    (tmp_path / "birds1k-test-00.tar").replace(tmp_path / "birds1k-train-test.tar")
    with pytest.raises(InputError, match=r"must tell one split, but .* has train and test"):
        load(f"shards:{tmp_path}")


def test_images_of_hugging_face_without_a_label_are_left_out(
    pictures: Path, tmp_path: Path
) -> None:
    datasets = pytest.importorskip("datasets")
    rows = [(str(path), name) for path, name in files(pictures)]
    features = datasets.Features({"image": datasets.Image(), "label": datasets.Value("string")})
    labels = [None, None, *(name for _, name in rows[2:])]
    images = [*(path for path, _ in rows[:-1]), None]
    table = datasets.Dataset.from_dict({"image": images, "label": labels}, features=features)
    table.save_to_disk(str(tmp_path / "set"))
    found = load(f"hf:{tmp_path / 'set'}")
    assert found.classes == CLASSES
    assert "2 images of split 'train' without a label" in found.left_out
    assert [why for _, why in found.unreadable] == ["no image in this row"]


def test_a_class_of_hugging_face_without_a_training_image_is_left_out(
    pictures: Path, tmp_path: Path
) -> None:
    datasets = pytest.importorskip("datasets")
    names = ["ant", *CLASSES, "yak"]
    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=names)}
    )
    rows = files(pictures)
    given = {"image": [str(p) for p, _ in rows], "label": [names.index(n) for _, n in rows]}
    datasets.Dataset.from_dict(given, features=features).save_to_disk(str(tmp_path / "set"))
    found = load(f"hf:{tmp_path / 'set'}")
    assert found.classes == CLASSES
    assert "2 classes without a training image: 'ant', 'yak'" in found.left_out
