"""Images in a mapped file give the same data and the same training as images in memory."""

import weakref
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from nas_explorer.evaluators.accuracy.data import cache, file_reader, images
from nas_explorer.evaluators.accuracy.data.dataset import DataSpec, SearchData, load_search_data
from nas_explorer.evaluators.accuracy.data.image_rows import ImageRows
from nas_explorer.evaluators.accuracy.recipe import Recipe
from nas_explorer.evaluators.accuracy.training.loop import train
from nas_explorer.search_space.errors import InputError
from PIL import Image
from torch import nn

from ..benchmark_runs import run_benchmark


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / "images" / name).mkdir(parents=True)
        for number in range(20):
            pixels = random.integers(0, 256, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "images" / name / f"{number:02d}.png")
    (tmp_path / "images" / "cat" / "broken.png").write_bytes(b"no image")
    return tmp_path / "images"


def both(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[SearchData, SearchData]:
    """The same images in memory, and in a mapped file."""
    spec = DataSpec(name=f"folder:{folder}")
    resident = load_search_data(spec, cache=tmp_path / "one")
    for module in (cache, file_reader):
        monkeypatch.setattr(module, "RESIDENT_BYTES", 100)
    return resident, load_search_data(spec, cache=tmp_path / "two")


def test_the_data_are_the_same(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resident, mapped = both(folder, tmp_path, monkeypatch)
    assert isinstance(resident.train_images, torch.Tensor)
    assert isinstance(mapped.train_images, ImageRows)
    assert mapped.fingerprint == resident.fingerprint and mapped.unreadable == resident.unreadable
    assert (mapped.mean, mapped.std) == (resident.mean, resident.std)
    assert mapped.train_images.shape == resident.train_images.shape
    assert torch.equal(mapped.train_images[:], resident.train_images)
    assert torch.equal(mapped.train_images[3], resident.train_images[3])
    assert torch.equal(mapped.train_images[[4, 2]], resident.train_images[[4, 2]])
    # Another process reads what the first one kept, and the file is that of the library.
    monkeypatch.setattr(file_reader, "decode", None)
    again = load_search_data(mapped.spec, cache=tmp_path / "two")
    assert again.fingerprint == resident.fingerprint
    assert [each.suffix for each in (tmp_path / "two").iterdir()] == [".safetensors"]


def test_few_images_are_in_memory_at_once(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = ImageRows.__getitem__
    alive: list[weakref.ref[torch.Tensor]] = []

    def counted(self: ImageRows, places: object) -> torch.Tensor:
        found = read(self, places)
        alive[:] = [each for each in alive if each() is not None]
        alive.append(weakref.ref(found))
        assert len(alive) <= 2, "the chunks must be read one after the other"
        return found

    monkeypatch.setattr(ImageRows, "__getitem__", counted)
    monkeypatch.setattr(images, "_CHUNK", 4)
    _, mapped = both(folder, tmp_path, monkeypatch)
    assert len(mapped.train_images) > 8 and alive


def test_the_training_is_the_same(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    accuracies: list[list[float]] = []
    for data in both(folder, tmp_path, monkeypatch):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
        device = torch.device("cpu")
        recipe = Recipe(epochs=2, batch_size=8)
        result = train(model, data.to(device), recipe, seed=1, device=device)
        accuracies.append([each.train_loss for each in result.curve])
    assert accuracies[0] == accuracies[1]


def test_images_that_do_not_fit_on_the_disk_are_refused(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_reader, "RESIDENT_BYTES", 100)
    monkeypatch.setattr(cache.shutil, "disk_usage", lambda path: SimpleNamespace(free=9))
    with pytest.raises(InputError, match=r"must fit twice into .* \(0\.0 GB free\)"):
        load_search_data(DataSpec(name=f"folder:{folder}"), cache=tmp_path / "cache")


def test_the_benchmark_reads_the_same_images_twice() -> None:
    found = run_benchmark("memory.py", "--quick")["processes"]
    assert found["first process"]["fingerprint"] == found["next process"]["fingerprint"]
    assert all(each["epoch_peak"] > 0 for each in found.values())


def test_where_the_cache_cannot_be_written_to_temporary_files_are_used(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    resident, _ = both(folder, tmp_path, monkeypatch)
    (tmp_path / "file").write_text("no folder")
    data = load_search_data(resident.spec, cache=tmp_path / "file" / "cache")
    assert data.fingerprint == resident.fingerprint and isinstance(data.train_images, ImageRows)
    assert "for this run alone" in caplog.text and "cannot be written to: Not a dir" in caplog.text
    monkeypatch.setattr(cache.tempfile, "gettempdir", lambda: str(tmp_path / "file"))
    with pytest.raises(InputError, match=r"nor can the folder of temporary files") as caught:
        load_search_data(resident.spec, cache=tmp_path / "file" / "cache")
    assert "\n" not in str(caught.value)
