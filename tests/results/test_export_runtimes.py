"""Export to the formats of runtimes, and fixed batches: what is refused, and what stays out."""

import importlib.util
from pathlib import Path

import onnxruntime
import pytest
import torch
from nas_explorer.results.export import export_model
from nas_explorer.results.export.base import in_batches
from nas_explorer.results.export.export import format_for
from nas_explorer.results.export.files import check_target
from nas_explorer.results.export.formats import FORMATS
from nas_explorer.results.export.networks import trained_network
from nas_explorer.search_space.errors import InputError
from nas_explorer.search_space.files import load_space
from nas_explorer.search_space.walk.choosers import FirstChooser
from torch import Tensor

from ..helpers import trained

NET = (
    load_space("micro").bind(channels=1, resolution=8, classes=3).walk(FirstChooser()).architecture
)
RUNTIMES = {ending: each.runtime for ending, each in FORMATS.items() if each.runtime}


@pytest.mark.slow
@pytest.mark.usefixtures("one_onnx_table")
@pytest.mark.parametrize("ending", [".onnx", ".pt2"])
def test_a_fixed_batch_is_the_only_one(ending: str, tmp_path: Path) -> None:
    path, weights = tmp_path / f"net{ending}", trained(NET)
    proof = export_model(NET, path, weights=weights, metadata={}, seed=0, batch=3)
    assert proof.batches == "3 alone" and proof.macs
    images = torch.randn(3, *NET.input)
    if ending == ".onnx":
        session = onnxruntime.InferenceSession(path)
        assert session.get_inputs()[0].shape == [3, *NET.input]
        assert session.get_outputs()[0].shape == [3, 3]
        scores = torch.from_numpy(session.run(None, {"image": images.numpy()})[0])
    else:
        module = torch.export.load(path).module()
        scores = module(images)
        with pytest.raises(Exception, match="3"):
            module(images[:2])
    with torch.no_grad():
        torch.testing.assert_close(
            scores, trained_network(NET, weights)(images), rtol=1e-4, atol=1e-5
        )
    assert "- images in one pass: 3 alone\n" in path.with_name(f"{path.name}.md").read_text()


def test_any_number_of_images_runs_in_whole_batches() -> None:
    seen: list[int] = []

    def run(images: Tensor) -> Tensor:
        seen.append(len(images))
        return images.sum((1, 2, 3))[:, None]

    images = torch.randn(6, 1, 2, 2)
    assert torch.equal(in_batches(run, 4)(images), run(images))
    assert seen == [4, 4, 6]
    assert in_batches(run, None) is run


@pytest.mark.parametrize("ending", RUNTIMES)
def test_a_runtime_takes_one_image_size(ending: str) -> None:
    with pytest.raises(InputError, match=rf"a {ending} file must have one image size"):
        format_for(NET, Path(f"net{ending}"), any_resolution=True)
    assert FORMATS[ending].load()().batch == 1


@pytest.mark.parametrize(
    ("ending", "batch", "says"),
    [
        (".py", 2, "a .py file takes any number of images, but got batch 2"),
        (".safetensors", 2, "a .safetensors file takes any number of images, but got batch 2"),
        (".param", 2, "a .param file takes one image in one pass, but got batch 2"),
        (".onnx", 0, "batch must be at least 1, but got 0"),
    ],
)
def test_a_batch_that_cannot_be_fixed_is_refused(ending: str, batch: int, says: str) -> None:
    with pytest.raises(InputError, match=says):
        format_for(NET, Path(f"net{ending}"), batch=batch)


@pytest.mark.parametrize("ending", RUNTIMES)
def test_a_runtime_that_is_not_installed_is_named_with_its_extra(
    ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(InputError, match=rf"pip install 'nas-explorer\[{RUNTIMES[ending]}\]'"):
        check_target(tmp_path / f"net{ending}")


@pytest.mark.parametrize("name", ["net.bin", "net.xml.md"])
def test_the_second_file_of_another_program_is_not_replaced(name: str, tmp_path: Path) -> None:
    check_target(tmp_path / "net.xml")
    (tmp_path / name).write_bytes(b"another's")
    with pytest.raises(InputError, match=rf"to be replaced, but '.*{name}' is not"):
        check_target(tmp_path / "net.xml")
