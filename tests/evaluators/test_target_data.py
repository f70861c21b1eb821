"""Numbers and labels as targets: how they are read, split, fingerprinted, and refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from nas_explorer.evaluators.accuracy.data import cache, file_reader
from nas_explorer.evaluators.accuracy.data.constant_score import constant_score
from nas_explorer.evaluators.accuracy.data.dataset import (
    DataSpec,
    load_search_data,
    load_test_split,
)
from nas_explorer.evaluators.accuracy.data.given import given_data
from nas_explorer.evaluators.accuracy.data.image_rows import ImageRows
from nas_explorer.evaluators.accuracy.data.permit import ReadingPermit
from nas_explorer.evaluators.accuracy.data.preparation import Preparation
from nas_explorer.evaluators.accuracy.data.target_checks import strata
from nas_explorer.evaluators.targets import read_target, split_target, stated_target
from nas_explorer.search_space.errors import InputError
from PIL import Image

from .target_data import COUNT, Rows, images, labels, load, numbers, write_csv, write_images

PIXELS = images()
NUMBERS, LABELS = numbers(PIXELS), labels(PIXELS)
HEADER = ("image", "above", "left")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of images with lists of their numbers, labels and names of labels."""
    root = tmp_path_factory.mktemp("targets")
    names = write_images(root, PIXELS)
    write_csv(root / "numbers.csv", HEADER, rows(names, NUMBERS.tolist()))
    write_csv(root / "labels.csv", HEADER, rows(names, LABELS.tolist()))
    texts = ["|".join(n for n, on in zip(HEADER[1:], row, strict=True) if on) for row in LABELS]
    write_csv(root / "names.csv", ("file", "tags"), rows(names, [[each] for each in texts]))
    return root


def rows(names: list[str], values: list[Any]) -> Rows:
    return [[name, *each] for name, each in zip(names, values, strict=True)]


def test_a_target_is_read_in_its_exact_spelling() -> None:
    assert read_target("Regression: age, weight ") == "regression:age,weight"
    assert [read_target(each) for each in ("multi-label", "classification", "labels:a")] == [
        "labels",
        "classes",
        "labels:a",
    ]
    assert split_target("regression:age,weight") == ("regression", ("age", "weight"))
    assert split_target("") == (None, ()) and stated_target({}) == "classes"
    with pytest.raises(InputError, match=r"one of classes, labels, regression.*mean 'regression'"):
        read_target("regresion")
    for text in ("regression:", "labels:a,,b", "labels:a,a", "classes:a,b"):
        with pytest.raises(InputError, match="got"):
            read_target(text)


def test_numbers_of_a_csv_file(folder: Path) -> None:
    data = load(f"csv:{folder / 'numbers.csv'}", "regression")
    assert (data.target, data.classes, data.spec.target) == ("regression", HEADER[1:], "regression")
    assert data.train_labels.dtype == torch.float64
    assert data.train_labels.shape == (len(data.train_images), 2)
    found = torch.cat([data.train_labels, data.validation_labels])
    known = {tuple(each) for each in NUMBERS.tolist()}
    assert {tuple(each) for each in found.tolist()} <= known and len(found) < COUNT
    one = load(f"csv:{folder / 'numbers.csv'}", "regression:left")
    assert one.classes == ("left",) and one.fingerprint != data.fingerprint
    assert one.train_labels.shape[1] == 1
    assert data.recipe.label_smoothing == 0.0 and data.augmentation == "none"


def test_labels_in_columns_and_as_names_are_the_same_data(folder: Path) -> None:
    columns = load(f"csv:{folder / 'labels.csv'}", "labels")
    names = load(f"csv:{folder / 'names.csv'}", "labels")
    assert columns.target == names.target == "labels"
    assert columns.classes == names.classes == ("above", "left")
    assert torch.equal(columns.train_labels, names.train_labels)
    assert {*columns.train_labels.flatten().tolist()} == {0.0, 1.0}
    as_numbers = load(f"csv:{folder / 'labels.csv'}", "regression")
    assert as_numbers.fingerprint != columns.fingerprint


def test_the_kind_and_the_split_are_kept_in_records(folder: Path, tmp_path: Path) -> None:
    assert "target" not in DataSpec(name="digits").to_json()
    data = load(f"csv:{folder / 'numbers.csv'}", "regression", tmp_path)
    again = load(f"csv:{folder / 'numbers.csv'}", "regression", tmp_path)  # from the cache
    assert again.fingerprint == data.fingerprint and again.target == "regression"
    assert DataSpec.from_json(data.spec.to_json()) == data.spec
    prepared = Preparation.of({"preparation": data.preparation.to_json()})
    assert prepared == data.preparation and prepared.target == "regression"
    permit = ReadingPermit.__new__(ReadingPermit)
    test = load_test_split(data.spec, permit=permit)
    assert test.target == "regression" and test.labels.shape == (data.test_count, 2)


def test_the_fingerprint_of_classes_is_that_of_earlier_records() -> None:
    found = load_search_data(DataSpec(name="digits", seed=3))
    earlier = "7a378e1b0b9c7903bd4d7afb8a4453f26cfbcfba2d8ac7bc4168d867f5ada80b"
    assert (found.fingerprint, found.spec) == (earlier, DataSpec(name="digits", seed=3))


def test_numbers_are_divided_by_quantiles() -> None:
    values = torch.arange(100.0, dtype=torch.float64).flip(0)[:, None]
    groups, count = strata("regression", values)
    assert count == 10 and torch.equal(groups.bincount(), torch.full((10,), 10))
    groups, count = strata("regression", torch.zeros(50, 1, dtype=torch.float64))
    assert groups.unique().tolist() == [1] and count == 2


def test_labels_are_divided_by_the_rarest() -> None:
    found = torch.tensor([[1, 1, 0], [1, 0, 0], [1, 0, 1], [0, 0, 0]], dtype=torch.float64)
    assert strata("labels", found)[0].tolist() == [1, 0, 2, 3]


def test_constant_scores_worked_by_hand() -> None:
    assert constant_score("classes", torch.tensor([0]), torch.tensor([0, 0, 1, 2])) == 0.5
    train = torch.tensor([[1.0], [3.0]], dtype=torch.float64)
    # Mean 2; of the split 1, variance 1: R2 is -(2 - 1)^2 / 1.
    split = torch.tensor([[0.0], [2.0]], dtype=torch.float64)
    assert constant_score("regression", train, split) == pytest.approx(-1.0)
    given = torch.tensor([[1.0, 0], [0, 0], [0, 0], [1, 0]], dtype=torch.float64)
    assert constant_score("labels", given, given) == 0.5


def changed(folder: Path, place: Path, line: int, column: int, text: str, source: str) -> str:
    """Copy a list with one cell changed, its images named by whole paths."""
    lines = [each.split(",") for each in (folder / source).read_text().splitlines()]
    lines = [lines[0], *([str(folder / first), *rest] for first, *rest in lines[1:])]
    lines[line][column] = text
    path = place / "list.csv"
    path.write_text("\n".join(",".join(each) for each in lines))
    return f"csv:{path}"


@pytest.mark.parametrize(
    ("source", "target", "text", "says"),
    [
        ("numbers.csv", "regression", "tall", "must be a number, but line 3 .*'tall' in column"),
        (
            "numbers.csv",
            "regression",
            "nan",
            "must be finite, but line 3 .*'nan' in column 'above'",
        ),
        ("numbers.csv", "regression", "-inf", "must be finite"),
        ("labels.csv", "labels", "2", "must hold 0 or 1, but line 3 .*'2' in column 'above'"),
        ("numbers.csv", "regression:height", "1", "one of above, left, but got 'height'"),
        (
            "numbers.csv",
            "",
            "1",
            "has 'image', 'above', 'left'; --target classes:COLUMN, regression or labels takes",
        ),
    ],
)
def test_a_bad_cell_or_column_is_refused_in_one_line(
    folder: Path, tmp_path: Path, source: str, target: str, text: str, says: str
) -> None:
    with pytest.raises(InputError, match=says) as caught:
        load(changed(folder, tmp_path, 2, 1, text, source), target)
    assert "\n" not in str(caught.value)


def test_an_empty_cell_and_a_missing_image_are_left_out_and_said(
    folder: Path, tmp_path: Path
) -> None:
    data = load(changed(folder, tmp_path, 5, 2, "", "numbers.csv"), "regression")
    assert any(
        each.startswith("1 row without number, the first in line ") for each in data.left_out
    )
    data = load(changed(folder, tmp_path, 5, 0, "gone.png", "numbers.csv"), "regression")
    assert [name for name, _ in data.unreadable] == ["gone.png"]


@pytest.mark.parametrize(
    ("target", "column", "says"),
    [
        ("regression", [3] * COUNT, "must vary, but in .*'value' is 3 for every image"),
        (
            "labels",
            [1] * COUNT,
            "at least 2 different images with it and 2 without it, but .*has 0",
        ),
        ("labels", [0] * (COUNT - 1) + [1], "has 1 with 'value'"),
        ("regression", [1, 2], "at least 10 different readable images, but .*has 2"),
    ],
)
def test_what_cannot_be_learned_is_refused(
    folder: Path, tmp_path: Path, target: str, column: list[int], says: str
) -> None:
    listed: Rows = [[str(folder / f"{n:03d}.png"), each] for n, each in enumerate(column)]
    with pytest.raises(InputError, match=says):
        load(write_csv(tmp_path / "list.csv", ("image", "value"), listed), target)


def test_arrays_tell_their_kind_by_their_form(tmp_path: Path) -> None:
    floats = load(given_data((PIXELS, NUMBERS), tmp_path))
    assert (floats.target, floats.classes) == ("regression", ("0", "1"))
    assert floats.spec.target == "regression"
    one = load(given_data((PIXELS, NUMBERS[:, 0]), tmp_path))
    assert one.classes == ("target",)
    binary = load(given_data((PIXELS, LABELS), tmp_path))
    assert binary.target == "labels"
    whole = given_data((PIXELS, LABELS[:, 0]), tmp_path)
    assert load(whole).target == "classes"
    assert load(whole, "classes").fingerprint == load(whole).fingerprint
    assert load(whole, "regression").target == "regression"
    with pytest.raises(InputError, match="0 or 1, but image 0 has"):
        given_data((PIXELS, LABELS + 1), tmp_path)
    with pytest.raises(InputError, match="finite numbers"):
        given_data((PIXELS, np.full(COUNT, np.nan)), tmp_path)
    np.savez(tmp_path / "named.npz", images=PIXELS, labels=NUMBERS, label_names=["a", "b"])
    assert load(f"arrays:{tmp_path / 'named.npz'}").classes == ("a", "b")


class Items(torch.utils.data.Dataset[Any]):
    """Images with targets of any kind."""

    def __init__(self, targets: Any, classes: tuple[str, ...] | None = None) -> None:
        self.targets = targets
        if classes is not None:
            self.classes = classes

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, place: int) -> tuple[Any, Any]:
        return torch.from_numpy(PIXELS[place]), self.targets[place]


def test_a_data_set_of_pytorch_tells_its_kind_by_its_items(tmp_path: Path) -> None:
    floats = load(given_data(Items(torch.from_numpy(NUMBERS), ("a", "b")), tmp_path))
    assert (floats.target, floats.classes) == ("regression", ("a", "b"))
    arrays = load(given_data((PIXELS, NUMBERS), tmp_path))
    assert torch.equal(floats.train_labels, arrays.train_labels)
    one = load(given_data(Items([float(each) for each in NUMBERS[:, 0]]), tmp_path))
    assert one.classes == ("target",)
    binary = load(given_data(Items(torch.from_numpy(LABELS)), tmp_path))
    assert (binary.target, binary.classes) == ("labels", ("0", "1"))
    mixed = [*map(float, NUMBERS[:30, 0]), *["a"] * 30]
    with pytest.raises(InputError, match="must have one form, regression"):
        load(given_data(Items(mixed), tmp_path))


def hub(place: Path, **columns: Any) -> str:
    """Save a data set of Hugging Face; a column is a list, or a list and its feature."""
    datasets = pytest.importorskip("datasets")
    given = {"image": ([Image.fromarray(each) for each in PIXELS], datasets.Image())}
    given |= {n: each if isinstance(each, tuple) else (each, None) for n, each in columns.items()}
    table = datasets.Dataset.from_dict({name: each for name, (each, _) in given.items()})
    for name, (_, feature) in given.items():
        table = table if feature is None else table.cast_column(name, feature)
    table.save_to_disk(str(place))
    return f"hf:{place}"


def test_numbers_of_hugging_face(folder: Path, tmp_path: Path) -> None:
    above, left = NUMBERS.T.tolist()
    name = hub(tmp_path / "two", above=above, left=left)
    found = load(name, "regression")
    assert found.fingerprint == load(f"csv:{folder / 'numbers.csv'}", "regression").fingerprint
    assert load(name, "regression:left").classes == ("left",)
    # Without a kind, the type of the column tells it.
    lists = load(hub(tmp_path / "lists", label=NUMBERS.tolist()))
    assert (lists.target, lists.classes, lists.spec.target) == (
        "regression",
        ("0", "1"),
        "regression",
    )
    assert torch.equal(lists.train_labels, found.train_labels)
    with pytest.raises(InputError, match="must be one of above, left, but got 'high'"):
        load(name, "regression:high")
    with pytest.raises(InputError, match="--target classes:COLUMN, regression:COLUMN or labels"):
        load(name)


def test_labels_of_hugging_face(folder: Path, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    expected = load(f"csv:{folder / 'labels.csv'}", "labels")
    above, left = LABELS.T.tolist()
    places = [[n for n in (0, 1) if row[n]] for row in LABELS.tolist()]
    names = [[HEADER[1 + n] for n in each] for each in places]
    stated = datasets.List(datasets.ClassLabel(names=[*HEADER[1:], "below"]))
    for number, (columns, target) in enumerate(
        [
            ({"above": above, "left": left}, "labels"),
            ({"labels": (places, stated)}, ""),
            ({"labels": names}, ""),
            ({"tags": ["|".join(each) for each in names], "note": above}, "labels:tags"),
        ]
    ):
        found = load(hub(tmp_path / str(number), **columns), target)
        assert found.fingerprint == expected.fingerprint
        lost = "1 label without a training image: 'below'" in found.left_out
        assert lost == (number == 1)
    hot = load(hub(tmp_path / "hot", label=LABELS.tolist()))
    assert (hot.target, hot.classes) == ("labels", ("0", "1"))


def test_a_class_of_hugging_face_counts_before_labels(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    numbers = [int(each) for each in LABELS[:, 0]]
    single, tags = datasets.ClassLabel(names=["dark", "bright"]), [[0], [1], [0, 1]] * (COUNT // 3)
    several = (tags, datasets.List(datasets.ClassLabel(names=["a", "b"])))
    for name, columns, classes in (
        ("typed", {"tags": several, "label": (numbers, single)}, ("dark", "bright")),
        ("plain", {"tags": several, "label": numbers}, ("0", "1")),
        ("both", {"labels": [["a"]] * COUNT, "label": numbers}, ("0", "1")),
    ):
        found = load(hub(tmp_path / name, **columns))
        assert (found.target, set(found.classes)) == ("classes", {*classes})
    two = hub(tmp_path / "two", one=(numbers, single), other=(numbers, single), tags=several)
    with pytest.raises(InputError, match=r"has 'one', 'other' among .* --target classes:COLUMN"):
        load(two)
    assert load(two, "classes:other").target == "classes"
    assert load(hub(tmp_path / "lists", tags=several, labels=numbers)).classes == ("a", "b")


@pytest.mark.parametrize(
    ("column", "target", "says"),
    [
        ([0.5] * COUNT, "", "must vary, but in .*'label' is 0.5 for every image"),
        ([1.5, float("nan"), *range(COUNT - 2)], "", "finite, but row 1 of split 'train' of .*nan"),
        (["tall"] * COUNT, "regression", "a number, but row 0 of .*'tall' in column 'label'"),
        ([[1.5], *[[1.5, 2.5]] * (COUNT - 1)], "", r"must have 1 numbers, 'label', but row 1"),
        ([[0, 4], *[[2]] * (COUNT - 1)], "", r"of ClassLabel or of texts, but row 0 of .*\[0, 4\]"),
        ([[1, 0]] * COUNT, "classes", r"a whole number or a text, but got \[1, 0\]"),
    ],
)
def test_bad_targets_of_hugging_face_are_refused_in_one_line(
    tmp_path: Path, column: list[Any], target: str, says: str
) -> None:
    with pytest.raises(InputError, match=says) as caught:
        load(hub(tmp_path / "set", label=column), target)
    assert "\n" not in str(caught.value)


def test_images_of_hugging_face_without_a_number_are_left_out(tmp_path: Path) -> None:
    column = [None, *NUMBERS[1:, 0].tolist()]
    found = load(hub(tmp_path / "set", age=column, other=[1] * COUNT), "regression:age")
    assert "1 image of split 'train' without a number" in found.left_out


def test_a_part_of_a_data_set_keeps_the_names_of_classes(tmp_path: Path) -> None:
    whole = Items([int(each) for each in LABELS[:, 0]], ("dark", "bright"))
    part, _ = torch.utils.data.random_split(whole, [40, 20])
    assert load(given_data(part, tmp_path)).classes == ("bright", "dark")


def test_data_that_have_classes_alone_refuse_another_target() -> None:
    with pytest.raises(InputError, match="must come with data of csv, arrays, shards, hf, but got"):
        load("digits", "regression")


def test_numbers_beside_images_in_a_mapped_file(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resident = load(f"csv:{folder / 'numbers.csv'}", "regression")
    for module in (cache, file_reader):
        monkeypatch.setattr(module, "RESIDENT_BYTES", 100)
    for _ in range(2):  # written, then read
        mapped = load(f"csv:{folder / 'numbers.csv'}", "regression", tmp_path)
        assert isinstance(mapped.train_images, ImageRows)
        assert mapped.fingerprint == resident.fingerprint
