"""Exact copies stay in one split, and are counted and reported."""

import random
from pathlib import Path

import numpy as np
import pytest
import torch
from nas_explorer.evaluators.accuracy.data.copies import absent_from, first_alike, picture_hashes
from nas_explorer.evaluators.accuracy.data.dataset import (
    DataSpec,
    load_search_data,
    load_test_split,
)
from nas_explorer.evaluators.accuracy.data.permit import ReadingPermit
from nas_explorer.evaluators.accuracy.data.splits import stratified_cut
from nas_explorer.search_space.errors import InputError
from PIL import Image

PERMIT = ReadingPermit(scope="test", number=1)


def save(path: Path, seed: int):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def load(root: Path, **options):
    return load_search_data(DataSpec(name=f"folder:{root}", **options))


def keys(images: torch.Tensor) -> list[bytes]:
    return [image.numpy().tobytes() for image in images]


def divided(pictures: list[int], labels: list[int], keep=1, share=0.2, seed=0):
    """Return for each picture the number of parts that contain it, and the indices split off."""
    kept, cut = stratified_cut(
        torch.tensor(labels),
        classes=max(labels) + 1,
        share=share,
        keep=keep,
        seed=seed,
        pictures=torch.tensor(pictures),
    )
    assert sorted([*kept.tolist(), *cut.tolist()]) == list(range(len(labels)))
    sides = [{pictures[index] for index in side.tolist()} for side in (kept, cut)]
    return sides[0] & sides[1], cut.tolist()


class TestCut:
    def test_without_copies_it_is_the_cut_of_old(self):
        """Return the split of earlier versions, without regard to copies."""
        labels = torch.tensor([each % 3 for each in range(50)] + [3] * 4)
        order = torch.randperm(54, generator=torch.Generator().manual_seed(7))
        expected: list[int] = []
        for label, count in enumerate([3, 3, 3, 1]):  # a fifth of 17, 17, 16 and 4, rounded
            expected += order[labels[order] == label][:count].tolist()
        _, cut = stratified_cut(labels, classes=4, share=0.2, keep=2, seed=7)
        assert cut.tolist() == sorted(expected)

    @pytest.mark.parametrize("seed", range(20))
    def test_no_picture_lies_on_both_sides(self, seed):
        rng = random.Random(seed)
        labels = [rng.randrange(3) for _ in range(60)]
        pictures = [rng.randrange(25) for _ in range(60)]  # many pictures under several classes
        both, cut = divided(pictures, labels, seed=seed)
        assert not both and 0 < len(cut) < 60
        for label in range(3):
            remaining = {pictures[i] for i in range(60) if labels[i] == label and i not in cut}
            assert remaining

    def test_copies_count_as_members(self):
        # 10 members: one picture six times, four others once; a fifth is two of the four.
        both, cut = divided([0] * 6 + [1, 2, 3, 4], [0] * 10)
        assert not both and len(cut) == 2 and min(cut) >= 6

    def test_a_class_of_many_copies_is_cut_too(self):
        # Three pictures with three or four copies: one of the smaller ones is split off as a whole.
        both, cut = divided([0] * 4 + [1] * 3 + [2] * 4, [0] * 11)
        assert not both and cut == [4, 5, 6]

    def test_enough_pictures_remain(self):
        assert divided([0] * 5 + [1] * 5, [0] * 10, keep=2) == (set(), [])
        assert divided([0] * 10, [0] * 10) == (set(), [])


def test_hashes_tell_pixels_apart():
    images = torch.zeros(4, 1, 2, 2, dtype=torch.uint8)
    images[1, 0, 0, 0] = 1
    images[3, 0, 0, 1] = 1
    hashes = picture_hashes(images)
    assert first_alike(hashes).tolist() == [0, 1, 0, 3]
    assert absent_from(hashes, [hashes[:1], hashes[3:]]).tolist() == [1]
    assert picture_hashes(images[:0]).shape == (0, 16)


@pytest.fixture
def doubled(tmp_path):
    """Write noise in two classes: every picture three times, in different file formats."""
    for label, name in enumerate(("cat", "dog")):
        for number in range(15):
            seed = 100 * label + number
            for copy, ending in enumerate(("png", "bmp", "tif")):
                save(tmp_path / name / f"{copy}-{number}.{ending}", seed)
    return tmp_path


def test_copies_do_not_reach_the_other_splits(doubled):
    data = load(doubled)
    test = load_test_split(data.spec, permit=PERMIT)
    splits = [{*keys(x)} for x in (data.train_images, data.validation_images, test.images)]
    assert sum(map(len, splits)) == len(set.union(*splits)) == 30
    assert [len(data.train_labels), len(data.validation_labels), len(test)] == [60, 12, 18]
    assert data.test_count == 18
    assert data.copies == ("60 images are exact copies of others; copies stay in one split",)


def test_one_picture_under_two_classes_is_named(tmp_path):
    for label, name in enumerate(("cat", "dog")):
        for number in range(6):
            save(tmp_path / name / f"{number}.png", 100 * label + number)
    save(tmp_path / "dog" / "stray.png", 3)
    for _ in range(2):  # decoded, then from the cache
        data = load_search_data(DataSpec(name=f"folder:{tmp_path}"), cache=tmp_path / ".cache")
        assert data.copies == (
            "1 image is an exact copy of another; copies stay in one split",
            "one picture under two classes: 'cat/3.png', 'dog/stray.png'",
        )


class TestOwnParts:
    @pytest.fixture
    def root(self, tmp_path):
        for part, offset in (("train", 0), ("val", 1000), ("test", 2000)):
            for label, name in enumerate(("cat", "dog")):
                for number in range(5):
                    seed = offset + 100 * label + number
                    save(tmp_path / part / name / f"{number}.png", seed)
        return tmp_path

    def test_without_copies_they_are_taken_as_they_are(self, root):
        data = load(root)
        assert (len(data.train_labels), len(data.validation_labels)) == (10, 10)
        assert (data.own_validation, data.own_test, data.test_count) == (True, True, 10)
        assert data.copies == data.left_out == ()
        assert load_test_split(data.spec, permit=PERMIT).left_out == ()

    def test_copies_of_validation_images_are_not_trained_on(self, root):
        save(root / "train" / "cat" / "copy.png", 1003)
        save(root / "train" / "dog" / "copy.png", 1003)
        data = load(root)
        assert (len(data.train_labels), len(data.validation_labels)) == (10, 10)
        assert data.left_out == ("2 training images: also in the validation split",)
        assert data.copies[1] == (
            "one picture under two classes: 'train/cat/copy.png', 'train/dog/copy.png'"
        )

    def test_copies_are_no_test_images(self, root):
        save(root / "test" / "cat" / "trained.png", 2)
        save(root / "test" / "cat" / "validated.png", 1002)
        test = load_test_split(load(root).spec, permit=PERMIT)
        assert len(test) == 10
        assert test.left_out == ("2 test images: also in the training or validation split",)

    def test_a_class_of_copies_alone_is_refused(self, root):
        for number in range(5):
            save(root / "val" / "dog" / f"more{number}.png", 100 + number)
        with pytest.raises(InputError, match="all of 'dog' are copies of validation images"):
            load(root)

    def test_a_test_split_of_copies_alone_is_refused(self, root):
        for label, name in enumerate(("cat", "dog")):
            for number in range(5):
                save(root / "test" / name / f"{number}.png", 100 * label + number)
        with pytest.raises(InputError, match="must hold images of its own"):
            load_test_split(load(root).spec, permit=PERMIT)


def test_a_class_of_one_picture_is_refused(tmp_path):
    for number in range(4):
        save(tmp_path / "cat" / f"{number}.png", number)
        save(tmp_path / "dog" / f"{number}.png", 99)
    with pytest.raises(InputError, match="at least 2 different readable images"):
        load(tmp_path)
