import gzip
import hashlib
import json
import pickle
from urllib.error import URLError

import numpy as np
import pytest
import torch
from nas_explorer.evaluators.accuracy.data import sources
from nas_explorer.evaluators.accuracy.data.dataset import (
    DATA_SETS,
    WITH_PATH,
    DataSpec,
    load_search_data,
    load_test_split,
)
from nas_explorer.evaluators.accuracy.data.images import LabelledImages
from nas_explorer.evaluators.accuracy.data.permit import ReadingPermit
from nas_explorer.evaluators.accuracy.data.splits import stratified_cut
from nas_explorer.search_space.errors import InputError

PERMIT = ReadingPermit(scope="test", number=1)

imports_torchvision = pytest.mark.slow


@pytest.fixture(scope="module")
def digits():
    return load_search_data(DataSpec(name="digits"))


class TestSpec:
    def test_round_trip(self):
        spec = DataSpec(name="folder:a b", resolution=32, validation=0.1, seed=3, root="x")
        assert DataSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec

    def test_only_the_first_colon_counts(self):
        assert DataSpec(name="folder:C:/images").path == "C:/images"

    @pytest.mark.parametrize(
        ("values", "message"),
        [
            ({"name": "cifar"}, "did you mean 'cifar10'"),
            ({"name": ""}, "data must be one of"),
            ({"name": "folder"}, "folder:PATH"),
            ({"name": "folder:"}, "folder:PATH"),
            ({"name": "digits:x"}, "data must be one of"),
            ({"name": "digits", "resolution": 3}, "resolution must be a whole number from 4"),
            ({"name": "digits", "resolution": True}, "resolution"),
            ({"name": "digits", "validation": 1.0}, "validation must be a number above 0"),
            ({"name": "digits", "validation": float("nan")}, "validation"),
            ({"name": "digits", "max_megapixels": 0}, "max_megapixels must be a whole number"),
            ({"name": "digits", "seed": -1}, "seed must be a whole number of at least 0"),
            ({"name": "digits", "resolutoin": 8}, "did you mean 'resolution'"),
        ],
    )
    def test_what_cannot_be_used_is_refused(self, values, message):
        with pytest.raises(InputError, match=message):
            DataSpec.from_json(values)


class TestSplits:
    def test_every_class_gives_its_share(self):
        labels = torch.tensor([0] * 10 + [1] * 20 + [2] * 3)
        kept, cut = stratified_cut(labels, classes=3, share=0.2, keep=1, seed=0)
        assert torch.bincount(labels[cut]).tolist() == [2, 4, 1]
        assert sorted([*kept.tolist(), *cut.tolist()]) == list(range(33))

    @pytest.mark.parametrize(("members", "keep", "expected"), [(1, 1, 0), (2, 2, 0), (3, 2, 1)])
    def test_enough_remain_of_a_rare_class(self, members, keep, expected):
        _, cut = stratified_cut(
            torch.zeros(members, dtype=torch.int64), classes=1, share=0.9, keep=keep, seed=0
        )
        assert len(cut) == expected

    def test_the_seed_decides(self):
        labels = torch.zeros(100, dtype=torch.int64)
        first, again, other = (
            stratified_cut(labels, classes=1, share=0.2, keep=1, seed=seed)[1].tolist()
            for seed in (1, 1, 2)
        )
        assert first == again != other


class TestDigits:
    def test_all_images_are_used_once(self, digits):
        test = load_test_split(digits.spec, permit=PERMIT)
        parts = (len(digits.train_labels), len(digits.validation_labels), len(test))
        assert sum(parts) == 1797
        assert parts == (1151, 287, 359)

    @pytest.mark.slow  # the import of scikit-learn
    @pytest.mark.parametrize("found", [True, False])
    def test_they_are_those_of_scikit_learn(self, monkeypatch, found):
        from sklearn.datasets import load_digits

        if not found:
            monkeypatch.setattr(sources, "find_spec", lambda name: None)
        data = sources.Digits().train()
        assert np.allclose(data.images.numpy()[:, 0] * (16 / 255), load_digits().images, atol=0.04)
        assert data.labels.tolist() == load_digits().target.tolist()

    def test_pixels_span_all_levels(self, digits):
        assert digits.train_images.dtype == torch.uint8
        assert digits.train_images.shape[1:] == (1, 8, 8)
        assert (digits.train_images.min(), digits.train_images.max()) == (0, 255)

    def test_statistics_are_those_of_the_training_split(self, digits):
        values = digits.train_images.double()
        assert digits.mean == pytest.approx([values.mean().item()])
        assert digits.std == pytest.approx([values.std(correction=0).item()])

    def test_baseline_is_the_share_of_the_most_frequent_class(self, digits):
        labels = digits.validation_labels
        share = (labels == labels.mode().values).double().mean().item()
        assert digits.baseline == pytest.approx(share)
        assert 0.1 <= digits.baseline < 0.11

    def test_the_search_holds_no_test_image(self, digits):
        test = {
            image.numpy().tobytes() for image in load_test_split(digits.spec, permit=PERMIT).images
        }
        fields = [value for value in vars(digits).values() if isinstance(value, torch.Tensor)]
        images = [image for each in fields if each.ndim == 4 for image in each]
        assert len(images) == 1151 + 287
        assert not test & {image.numpy().tobytes() for image in images}

    def test_another_resolution(self):
        data = load_search_data(DataSpec(name="digits", resolution=16))
        assert data.train_images.shape[2:] == (16, 16)
        assert data.train_images.dtype == torch.uint8

    def test_the_seed_decides_over_both_splits(self, digits):
        other = load_search_data(DataSpec(name="digits", seed=1))
        assert other.fingerprint != digits.fingerprint
        assert load_search_data(digits.spec).fingerprint == digits.fingerprint
        one, two = (
            load_test_split(each.spec, permit=PERMIT).labels.tolist() for each in (digits, other)
        )
        assert one != two


def test_a_constant_image_can_be_normalised():
    images = LabelledImages(
        images=torch.full((2, 1, 4, 4), 9, dtype=torch.uint8),
        labels=torch.tensor([0, 1]),
        classes=("a", "b"),
    )
    assert images.statistics() == ((9.0,), (1.0,))


def test_resizing_averages():
    board = torch.zeros(1, 1, 8, 8, dtype=torch.uint8)
    board[..., ::2] = 200
    images = LabelledImages(images=board, labels=torch.tensor([0]), classes=("a",))
    small = images.resized(2).images
    assert small.shape == (1, 1, 2, 2)
    assert (small.int() - 100).abs().max() <= 15


@pytest.mark.parametrize("name", [name for name in DATA_SETS if name not in WITH_PATH])
def test_recipes_of_the_table_are_made(name):
    assert DATA_SETS[name].recipe(40_000).epochs >= 1


@pytest.mark.parametrize(
    ("count", "epochs", "batch"), [(10**6, 1, 64), (24_000, 1, 64), (600, 50, 32), (4, 50, 16)]
)
def test_small_folders_get_more_epochs_and_smaller_batches(count, epochs, batch):
    recipe = DATA_SETS["folder"].recipe(count)
    assert (recipe.epochs, recipe.batch_size) == (epochs, batch)


def md5(path):
    return hashlib.md5(path.read_bytes()).hexdigest()


def write_cifar(root, monkeypatch, loader, folder, batches, label_key, names_key, classes):
    """Write files in CIFAR's format and make torchvision expect their checksums."""
    base = root / folder
    base.mkdir(parents=True)
    rng = np.random.default_rng(0)
    sums = {}
    for batch in batches:
        content = {
            "data": rng.integers(0, 256, (20, 3072), dtype=np.uint8),
            label_key: [number % classes for number in range(20)],
        }
        (base / batch).write_bytes(pickle.dumps(content))
        sums[batch] = [batch, md5(base / batch)]
    meta = loader.meta["filename"]
    names = [f"class {number}" for number in range(classes)]
    (base / meta).write_bytes(pickle.dumps({names_key: names}))
    monkeypatch.setattr(loader, "train_list", [sums[batch] for batch in batches[:-1]])
    monkeypatch.setattr(loader, "test_list", [sums[batches[-1]]])
    monkeypatch.setattr(loader, "meta", {**loader.meta, "md5": md5(base / meta)})
    return pickle.loads((base / batches[0]).read_bytes())["data"]


@imports_torchvision
@pytest.mark.parametrize(
    ("name", "loader", "folder", "batches", "label_key", "names_key", "classes"),
    [
        (
            "cifar10",
            "CIFAR10",
            "cifar-10-batches-py",
            ["data_batch_1", "data_batch_2", "test_batch"],
            "labels",
            "label_names",
            10,
        ),
        (
            "cifar100",
            "CIFAR100",
            "cifar-100-python",
            ["train", "test"],
            "fine_labels",
            "fine_label_names",
            5,
        ),
    ],
)
def test_cifar_is_read_from_its_files(
    tmp_path, monkeypatch, name, loader, folder, batches, label_key, names_key, classes
):
    from torchvision import datasets

    pixels = write_cifar(
        tmp_path,
        monkeypatch,
        getattr(datasets, loader),
        folder,
        batches,
        label_key,
        names_key,
        classes,
    )
    data = load_search_data(DataSpec(name=name, root=str(tmp_path)))
    assert data.classes == tuple(f"class {number}" for number in range(classes))
    assert len(data.train_labels) + len(data.validation_labels) == 20 * (len(batches) - 1)
    assert data.augmentation == "shift+flip"
    everything = torch.cat([data.train_images, data.validation_images]).flatten(1).tolist()
    assert pixels[3].tolist() in everything
    assert len(load_test_split(data.spec, permit=PERMIT)) == 20


def write_idx(path, array):
    """Write an array in MNIST's format: type and rank, sizes, bytes."""
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    path.write_bytes(bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes())


@imports_torchvision
def test_fashion_mnist_is_read_from_its_files(tmp_path):
    raw = tmp_path / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for part, count in (("train", 50), ("t10k", 10)):
        images = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        write_idx(raw / f"{part}-images-idx3-ubyte", images)
        write_idx(raw / f"{part}-labels-idx1-ubyte", np.arange(count, dtype=np.uint8) % 10)
    data = load_search_data(DataSpec(name="fashion-mnist", root=str(tmp_path)))
    assert data.train_images.shape == (40, 1, 28, 28)
    assert len(data.classes) == 10
    assert load_test_split(data.spec, permit=PERMIT).images.shape == (10, 1, 28, 28)


@imports_torchvision
@pytest.mark.parametrize("name", ["cifar10", "cifar100", "fashion-mnist"])
def test_a_failed_download_says_what_to_do(tmp_path, monkeypatch, name):
    from torchvision.datasets import cifar, mnist

    def offline(*args, **kwargs):
        raise URLError("no route\nto host")

    monkeypatch.setattr(cifar, "download_and_extract_archive", offline)
    monkeypatch.setattr(mnist, "download_and_extract_archive", offline)
    with pytest.raises(InputError) as caught:
        load_search_data(DataSpec(name=name, root=str(tmp_path)))
    text = str(caught.value)
    assert text.startswith(f"{name} must be in '{tmp_path}' or be downloadable")
    assert "by hand" in text
    assert "\n" not in text


@imports_torchvision
def test_a_damaged_file_is_refused(tmp_path):
    raw = tmp_path / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for part in ("train", "t10k"):
        for kind in ("images-idx3", "labels-idx1"):
            (raw / f"{part}-{kind}-ubyte").write_bytes(gzip.compress(b"not unpacked"))
    with pytest.raises(InputError, match="by hand"):
        load_search_data(DataSpec(name="fashion-mnist", root=str(tmp_path)))
