"""The proof of an export on image files."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from nas_explorer.evaluators.accuracy.data.decode import decode
from nas_explorer.evaluators.accuracy.data.preparation import Preparation
from nas_explorer.results import load_preparation
from nas_explorer.results.export import ExportError, export_model
from nas_explorer.results.export.file_proof import Originals, prove_files, timm_transform
from nas_explorer.search_space.architecture.architecture import Architecture
from nas_explorer.search_space.architecture.stages import Stage
from nas_explorer.search_space.components.blocks import MetaFormerBlock
from nas_explorer.search_space.components.heads import PooledHead
from nas_explorer.search_space.components.stems import ConvStem
from nas_explorer.search_space.errors import InputError
from nas_explorer.search_space.shapes import Shape
from PIL import Image
from torch import Tensor

from ..helpers import trained

NET = Architecture(
    input=Shape(3, 8, 8),
    classes=2,
    stem=ConvStem(),
    stages=(Stage(width=8, depth=1, blocks=(MetaFormerBlock(),)),),
    head=PooledHead(),
)
RULE = Preparation(
    side=8,
    interpolation="bicubic",
    mean=(100.0, 110.0, 120.0),
    std=(50.0, 60.0, 70.0),
    classes=("dark", "bright"),
)
SIZES = [(8, 9), (9, 8), (13, 8), (21, 30), (40, 31), (5, 7), (64, 64), (8, 8)]
"""Width and height."""


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Originals:
    folder = tmp_path_factory.mktemp("files")
    draws = np.random.default_rng(0)
    paths: list[Path] = []
    for number, (width, height) in enumerate(SIZES):
        for mode, depth in (("RGB", 3), ("RGBA", 4), ("L", 1)):
            pixels = draws.integers(0, 256, (height, width, depth), dtype=np.uint8)
            paths.append(folder / f"{number}{mode}.png")
            Image.fromarray(pixels[..., 0] if depth == 1 else pixels).save(paths[-1])
    turned = Image.Exif()
    turned[0x0112] = 6
    paths.append(folder / "turned.jpg")
    pixels = draws.integers(0, 256, (50, 70, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(paths[-1], exif=turned)
    paths.append(folder / "plain.jpg")  # no pixel is converted
    Image.fromarray(draws.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(paths[-1])
    found = decode(paths, resolution=8, channels=3)
    assert found.reasons == (None,) * len(paths)
    return Originals(
        given=paths,
        levels=torch.from_numpy(found.images),
        labels=torch.arange(len(paths)) % 2,
        preparation=RULE,
    )


def bright(images: Tensor) -> Tensor:
    """A network that classifies by brightness above the mean."""
    mean = images.mean((1, 2, 3))
    return torch.stack([-mean, mean], 1)


def test_files_have_the_pixels_of_the_search_through_prepare_and_through_timm(
    originals: Originals,
) -> None:
    found = prove_files(bright, originals, None)
    assert found.images == 26 and found.difference < 0.01
    expected = (RULE(originals.levels).mean((1, 2, 3)) > 0).long()
    share = (expected == originals.labels).double().mean().item()
    assert found.seen == found.prepared == found.timm == share
    seen = RULE(originals.levels)
    assert torch.allclose(timm_transform(RULE)(originals.given), seen, atol=1e-5)


def half_a_pixel_off(given: Sequence[Any]) -> Tensor:
    """Crop the centre at subpixel offsets first, then scale."""
    images: list[Tensor] = []
    for path in given:
        image = Image.open(path).convert("RGB")
        side = min(image.size)
        left, top = (image.width - side) / 2, (image.height - side) / 2
        box = (left, top, left + side, top + side)
        images.append(RULE(image.resize((8, 8), Image.Resampling.BICUBIC, box=box)))
    return torch.cat(images)


def test_pixels_half_a_step_off_are_refused(originals: Originals) -> None:
    with pytest.raises(ExportError, match="by prepare must give the search's pixels within 1 of"):
        prove_files(bright, originals, half_a_pixel_off)
    older = replace(originals, same_rules=False)
    assert prove_files(bright, older, half_a_pixel_off).difference > 10


def test_more_than_one_image_named_otherwise_is_refused(originals: Originals) -> None:
    calls: list[Tensor] = []

    def moody(images: Tensor) -> Tensor:
        """A network that answers dark in the first call, and bright from then on."""
        calls.append(images)
        scores = torch.zeros(len(images), 2)
        scores[:, min(1, len(calls) - 1)] = 1
        return scores

    labels = torch.zeros_like(originals.labels)
    with pytest.raises(ExportError, match="differ by up to 0 and 26 fewer of 26"):
        prove_files(moody, replace(originals, labels=labels), None)


def test_a_file_that_is_gone_is_named(originals: Originals) -> None:
    gone = replace(originals, given=[Path("gone.png"), *originals.given[1:]])
    with pytest.raises(ExportError, match=r"by prepare as the search did, but: FileNotFound.*gone"):
        prove_files(bright, gone, None)


@pytest.mark.parametrize("ending", [".safetensors", ".py"])
def test_every_format_is_proved_from_files_and_states_the_rules(
    tmp_path: Path, originals: Originals, ending: str
) -> None:
    path = tmp_path / f"net{ending}"
    metadata = {"preparation": RULE.described()}
    weights = trained(NET)
    proof = export_model(NET, path, weights=weights, metadata=metadata, seed=0, originals=originals)
    assert proof.files is not None and proof.files.images == 26
    assert proof.files.seen == proof.files.prepared == proof.files.timm
    assert load_preparation(path) == RULE
    card = (tmp_path / f"net{ending}.md").read_text()
    assert "accuracy from files: " in card and "- classes: dark, bright" in card
    assert "transparent places over grey 128" in card and "turned as EXIF says" in card


def test_a_source_that_prepares_otherwise_is_refused(
    tmp_path: Path, originals: Originals, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nas_explorer.results.export import source_texts

    tampered = source_texts.PREPARE.replace("mean=MEAN", "mean=[99.0, 109.0, 118.0]")
    monkeypatch.setattr(source_texts, "PREPARE", tampered)
    metadata = {"preparation": RULE.described()}
    given = {"weights": trained(NET), "metadata": metadata, "seed": 0, "originals": originals}
    with pytest.raises(ExportError, match="pixels differ by up to 2 and"):
        export_model(NET, tmp_path / "net.py", **given)
    assert not [*tmp_path.iterdir()]


def test_what_states_no_preparation_says_so(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    export_model(NET, path, weights=trained(NET), metadata={}, seed=0)
    with pytest.raises(InputError, match=r"must state how images are prepared, but '.*net"):
        load_preparation(path)
    with pytest.raises(InputError, match=r"must end in .safetensors, .onnx, .pt2, .py"):
        load_preparation(tmp_path / "net.txt")
    (tmp_path / "net.pt2").write_bytes(b"no zip file")
    with pytest.raises(InputError, match=r"must be readable, but got '.*net.pt2': "):
        load_preparation(tmp_path / "net.pt2")
