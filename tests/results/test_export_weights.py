"""Weights in safetensors files."""

import logging
from pathlib import Path

import pytest
import torch
from nas_explorer.results import load_model
from nas_explorer.results.candidate import Candidate
from nas_explorer.results.export import files
from nas_explorer.results.export.header import make_header
from nas_explorer.results.export.networks import fresh_network
from nas_explorer.results.export.weights import WeightsFolder, checksum, read_weights, save_weights
from nas_explorer.search_space.errors import InputError
from safetensors.torch import save_file
from torch import Tensor

WEIGHTS = {
    "channels_last": torch.randn(4, 3, 2, 2).to(memory_format=torch.channels_last),
    "transposed": torch.randn(3, 5).T,
    "half": torch.randn(7).bfloat16(),
    "count": torch.tensor(5),
    "flags": torch.tensor([True, False]),
    "nothing": torch.zeros(0, 3),
    "needs_grad": torch.randn(3, requires_grad=True),
}


def test_what_is_saved_is_read(tmp_path: Path) -> None:
    shared = WEIGHTS | {"tied": WEIGHTS["half"]}
    save_weights(tmp_path / "w.safetensors", shared, {"note": "für später"})
    weights, header = read_weights(tmp_path / "w.safetensors")
    assert weights.keys() == shared.keys()
    for name, tensor in shared.items():
        assert weights[name].dtype == tensor.dtype
        assert torch.equal(weights[name], tensor)
    assert header["note"] == "für später"
    assert [each.name for each in tmp_path.iterdir()] == ["w.safetensors"]


def test_the_checksum_is_of_header_names_types_shapes_and_values() -> None:
    weights: dict[str, Tensor] = {"a": torch.arange(6.0), "b": torch.zeros(2)}
    same = {"b": torch.zeros(2), "a": torch.arange(6.0)}
    reported = {"a": "1", "b": "2"}
    assert checksum(weights, reported) == checksum(same, {"b": "2", "a": "1"})
    assert checksum(weights, reported) != checksum(weights, {"a": "2", "b": "1"})
    others: list[dict[str, Tensor]] = [
        {"a": weights["a"], "c": weights["b"]},
        {"a": weights["a"].reshape(2, 3), "b": weights["b"]},
        {"a": weights["a"], "b": torch.zeros(2, dtype=torch.int32)},
        {"a": weights["a"] + 1, "b": weights["b"]},
    ]
    assert len({checksum(each, reported) for each in (weights, *others)}) == 5


def test_weights_kept_when_the_checksum_was_of_them_alone_are_read_not_loaded(
    tmp_path: Path, make_candidate: "type[Candidate]"
) -> None:
    architecture = make_candidate(0).architecture  # type: ignore[call-arg]
    weights = fresh_network(architecture, seed=5).state_dict()
    header = {**make_header(architecture, {}), "nas_explorer": "1"}
    path = tmp_path / "old.safetensors"
    save_file(weights, path, {**header, "weights_sha256": checksum(weights, {})})
    assert read_weights(path)[0].keys() == weights.keys()
    with pytest.raises(InputError, match="version of a model file must be 2, but is '1'"):
        load_model(path)
    save_file(weights, path, {**header, "weights_sha256": "0" * 64})
    with pytest.raises(InputError, match="its checksum is wrong"):
        read_weights(path)


def test_a_file_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="folder of a model file must exist"):
        save_weights(tmp_path / "missing" / "w.safetensors", WEIGHTS, {})


def test_a_candidate_finds_its_weights_again(
    tmp_path: Path, make_candidate: "type[Candidate]"
) -> None:
    first, second = (make_candidate(number).architecture for number in (0, 1))  # type: ignore[call-arg]
    network = fresh_network(first, seed=5)
    folder = WeightsFolder(tmp_path / "runs" / "weights")
    assert folder.read(first) is None
    folder.keep(first, network.state_dict(), {"epochs": 3})
    found = folder.read(first)
    assert found is not None
    assert all(torch.equal(found[name], each) for name, each in network.state_dict().items())
    assert folder.read(second) is None
    images = torch.randn(2, *first.input)
    assert torch.equal(load_model(folder.path(first))(images), network(images))


def test_weights_that_cannot_be_kept_are_logged_and_left(
    tmp_path: Path,
    make_candidate: "type[Candidate]",
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    architecture = make_candidate(0).architecture  # type: ignore[call-arg]
    weights = fresh_network(architecture, seed=5).state_dict()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", fail)
    with caplog.at_level(logging.WARNING):
        WeightsFolder(tmp_path / "full").keep(architecture, weights, {})
        (tmp_path / "file").touch()
        WeightsFolder(tmp_path / "file").keep(architecture, weights, {})
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
    assert "No space left on device" in caplog.text
    assert not list((tmp_path / "full").iterdir())
