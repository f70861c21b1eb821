"""Layouts of image folders: splits and classes are recognised, and ambiguous layouts are errors."""

import os
from pathlib import Path

import pytest
from nas_explorer.evaluators.accuracy.data.layout import find_classes, find_layout, same_classes
from nas_explorer.evaluators.accuracy.data.scan import scan
from nas_explorer.search_space.errors import InputError


def make(root: Path, *files: str) -> Path:
    """Make empty files; a name that ends in a slash is a folder."""
    for file in files:
        path = root / file
        (path if file.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
        if not file.endswith("/"):
            path.touch()
    return root


def classes(root: Path) -> tuple[str, ...]:
    return find_classes(find_layout(root).train).names


def refusal(root: Path) -> str:
    with pytest.raises(InputError) as caught:
        classes(root)
    assert "\n" not in str(caught.value)
    return str(caught.value)


PARTS = ("train/a/1.png", "train/b/1.png", "test/a/1.png", "test/b/1.png")


class TestParts:
    @pytest.mark.parametrize("name", ["val", "Valid", "validation", "dev"])
    def test_a_validation_folder_has_many_names(self, tmp_path, name):
        found = find_layout(make(tmp_path, *PARTS, f"{name}/a/1.png"))
        assert found.validation == tmp_path / name and found.test == tmp_path / "test"

    @pytest.mark.parametrize("pair", [("val", "valid"), ("dev", "val"), ("test", "Testing")])
    def test_two_folders_for_one_part_are_refused(self, tmp_path, pair):
        make(tmp_path, "train/a/1.png", *(f"{name}/a/1.png" for name in pair))
        names = ", ".join(map(repr, sorted(pair)))
        assert f"must lie in one folder, but '{tmp_path}' holds {names}" in refusal(tmp_path)

    @pytest.mark.parametrize("name", ["eval", "holdout", "car", "test_images", "unlabelled"])
    def test_other_images_beside_the_parts_are_refused(self, tmp_path, name):
        make(tmp_path, *PARTS, f"{name}/deep/er/1.jpg")
        assert f"also holds images in '{name}': put a folder" in refusal(tmp_path)

    def test_what_holds_no_images_is_named(self, tmp_path):
        make(tmp_path, *PARTS, "docs/notes.txt", "docs/README", "labels.csv", "a.jpg", "b.jpg")
        make(tmp_path, "val/1.png", "__MACOSX/train/1.png", ".git/x.png")
        assert find_layout(tmp_path).left_out == (
            "'docs': a folder without images",
            "'val': its images lie in no class folders",
            "'a.jpg' and 1 more: in no class folder",
        )


class TestClasses:
    def test_test_images_do_not_become_a_class(self, tmp_path):
        text = refusal(make(tmp_path, "ok/1.png", "nok/1.png", "test/ok/1.png", "test/nok/1.png"))
        assert "'test' may be either beside 'nok', 'ok': put a folder for each class into" in text

    def test_classes_beside_a_train_folder_are_not_lost(self, tmp_path):
        make(tmp_path, "car/1.png", "plane/1.png", "train/car/1.png", "train/plane/1.png")
        assert "beside 'train' there may be 'val' and 'test', but" in refusal(tmp_path)

    @pytest.mark.parametrize(
        "folders",
        [
            ("ok", "nok", "test"),
            ("ok", "nok", "eval"),
            ("ok", "nok", "hold-out/ok"),
            ("seg_train/seg_train/sea", "seg_test/seg_test/sea", "seg_pred"),
            ("trainA", "trainB", "testA", "testB"),
            ("train_images", "valid_images"),
            ("training_set/cats", "test_set/cats"),
        ],
    )
    def test_what_may_be_a_part_is_refused(self, tmp_path, folders):
        make(tmp_path, *(f"{folder}/1.png" for folder in folders))
        assert "must hold either classes or splits" in refusal(tmp_path)

    @pytest.mark.parametrize(
        "names",
        [
            ("plane", "train"),
            ("invalid", "valid"),
            ("hold", "release"),
            ("bullet train", "car"),
            ("test tube", "bottle"),
            ("attest", "contest"),
        ],
    )
    def test_names_of_parts_may_be_names_of_classes(self, tmp_path, names):
        make(tmp_path, *(f"{name}/1.png" for name in names))
        assert classes(tmp_path) == tuple(sorted(names))

    def test_in_a_train_folder_any_name_is_a_class(self, tmp_path):
        make(tmp_path, "train/test/1.png", "train/eval/x/1.png")
        assert classes(tmp_path) == ("eval", "test")

    @pytest.mark.parametrize("part", ["test", "Val"])
    def test_parts_inside_classes_are_refused(self, tmp_path, part):
        make(tmp_path, "cat/train/1.png", f"cat/{part}/2.png", "dog/train/1.png")
        text = refusal(tmp_path)
        assert (
            f"splits must contain the classes, as in 'test/cat', but '{tmp_path}/cat' hol" in text
        )
        assert text.endswith(f"holds '{part}'")

    def test_an_empty_folder_is_no_class(self, tmp_path):
        make(tmp_path, "cat/1.png", "dog/no_ending", "bird/", "test/", "notes/a.txt")
        found = find_classes(find_layout(tmp_path).train)
        assert found.names == ("cat", "dog")
        assert found.left_out == tuple(
            f"'{name}': a class folder without images" for name in ("bird", "notes", "test")
        )

    def test_one_class_and_an_empty_folder_are_refused(self, tmp_path):
        text = refusal(make(tmp_path, "images/1.png", "labels/1.txt"))
        assert text.endswith("holds only 'images'; no images are in 'labels'")

    def test_a_class_may_be_empty_in_another_part(self, tmp_path):
        make(tmp_path, *PARTS, "val/a/1.png", "val/b/")
        same_classes(tmp_path / "val", ("a", "b"))
        with pytest.raises(InputError, match="'b' only in"):
            same_classes(tmp_path / "test", ("a",))


class TestScan:
    def found(self, root: Path) -> list[str]:
        return [str(file.path.relative_to(root)) for file in scan(root, ("a", "b")).files]

    def test_links_are_followed(self, tmp_path):
        root = tmp_path / "images"
        make(tmp_path, "store/x/1.png", "store/2.png", "images/a/", "images/b/z.png", "other/3.png")
        (root / "a" / "folder").symlink_to(tmp_path / "store")
        (root / "a" / "file.png").symlink_to(tmp_path / "other" / "3.png")
        assert self.found(root) == ["a/file.png", "a/folder/2.png", "a/folder/x/1.png", "b/z.png"]
        (root / "c").symlink_to(tmp_path / "other")
        assert find_classes(root).names == ("a", "b", "c")

    def test_loops_of_links_end_and_are_named(self, tmp_path):
        make(tmp_path, "a/1.png", "b/2.png")
        (tmp_path / "a" / "again").symlink_to(tmp_path / "a")
        (tmp_path / "a" / "up").symlink_to(tmp_path)
        (tmp_path / "b" / "self").symlink_to(tmp_path / "b" / "self")
        # The link leads to the files of b, so a holds them too.
        assert self.found(tmp_path) == [
            "a/1.png",
            "a/up/b/2.png",
            "a/up/b/self",
            "b/2.png",
            "b/self",
        ]
        assert [*scan(tmp_path, ("a", "b")).left_out(tmp_path)] == [
            "'a/again' and 1 more: a link to a folder that is read already"
        ]

    def test_other_endings_are_named_by_kind(self, tmp_path):
        make(tmp_path, "a/1.JPG", "a/2.heic", "a/3.HEIC", "a/4.jxl", "a/5.xml", "a/6", "a/LICENSE")
        make(tmp_path, "b/.DS_Store", "b/Thumbs.db", "b/@eaDir/1.jpg", "b/._2.jpg", "b/1.qoi")
        assert self.found(tmp_path) == ["a/1.JPG", "a/6", "b/1.qoi"]
        convert = "; convert them to JPEG or PNG"
        assert [*scan(tmp_path, ("a", "b")).left_out(tmp_path)] == [
            f"'a/2.heic' and 1 more: files ending in .heic are not read{convert}",
            f"'a/4.jxl': files ending in .jxl are not read{convert}",
            "'a/5.xml': files ending in .xml are not read",
            "'a/LICENSE': text files are not read",
        ]

    def test_files_come_before_folders_by_name(self, tmp_path):
        make(tmp_path, "a/x/1.png", "a/z.png", "a/B.png", "a/c/2.png", "b/1.png")
        assert self.found(tmp_path) == ["a/B.png", "a/z.png", "a/c/2.png", "a/x/1.png", "b/1.png"]

    def test_pipes_are_not_read(self, tmp_path):
        make(tmp_path, "a/1.png", "b/1.png")
        os.mkfifo(tmp_path / "a" / "0.png")
        assert self.found(tmp_path) == ["a/1.png", "b/1.png"]
