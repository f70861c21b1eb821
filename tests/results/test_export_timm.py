"""The entry in timm's registry."""

from pathlib import Path

import pytest
import timm
import torch
from nas_explorer.results.export import export_model, load_model, timm_model
from nas_explorer.search_space.architecture import Architecture, Stage
from nas_explorer.search_space.blocks import MetaFormerBlock
from nas_explorer.search_space.downsampling import DOWNSAMPLINGS
from nas_explorer.search_space.errors import InputError
from nas_explorer.search_space.heads import PooledHead
from nas_explorer.search_space.shapes import Shape
from nas_explorer.search_space.stems import ConvStem

BLOCK = MetaFormerBlock()
SMALL = Architecture(
    input=Shape(3, 32, 32),
    classes=5,
    stem=ConvStem(),
    stages=(
        Stage(width=8, depth=1, blocks=(BLOCK,)),
        Stage(width=16, depth=1, blocks=(BLOCK,), downsampling=DOWNSAMPLINGS["conv"]()),
    ),
    head=PooledHead(),
)
IMAGES = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> str:
    path: Path = tmp_path_factory.mktemp("timm") / "net.safetensors"
    export_model(SMALL, path, weights=None, metadata={}, seed=3)
    return str(path)


def test_timm_makes_the_network_of_a_file(file: str) -> None:
    assert timm.is_model("nas_explorer") and timm_model.__all__ == ["nas_explorer"]
    with torch.no_grad():
        scores = timm.create_model("nas_explorer", file=file)(IMAGES)
        assert torch.equal(scores, load_model(file)(IMAGES))
    assert timm.create_model("nas_explorer", file=file, num_classes=7)(IMAGES).shape == (2, 7)


def test_the_maps_of_its_stages_are_told_and_given(file: str) -> None:
    model = timm.create_model("nas_explorer", file=file, features_only=True)
    maps = model(IMAGES)
    assert [each.shape[1] for each in maps] == model.feature_info.channels() == [8, 16]
    sides = [32 // each.shape[2] for each in maps]
    assert sides == model.feature_info.reduction()
    last = timm.create_model("nas_explorer", file=file, features_only=True, out_indices=(-1,))
    assert torch.equal(last(IMAGES)[0], maps[1]) and last.feature_info.channels() == [16]


def test_a_stage_that_is_not_there_is_refused(file: str) -> None:
    with pytest.raises(InputError, match=r"stages from 0 to 1, but got \(2,\)"):
        timm.create_model("nas_explorer", file=file, features_only=True, out_indices=(2,))
