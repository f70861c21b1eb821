"""A file that differs slightly from the network is an error with figures, in every format."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from nas_explorer.results.export import ExportError, export_model
from nas_explorer.results.export.base import ModelFormat
from nas_explorer.results.export.formats import FORMATS, installed
from nas_explorer.results.export.networks import trained_network
from nas_explorer.search_space.architecture.architecture import Architecture
from nas_explorer.search_space.architecture.network import Network
from nas_explorer.search_space.architecture.stages import Stage
from nas_explorer.search_space.components.blocks import MetaFormerBlock
from nas_explorer.search_space.components.downsampling import PoolDownsampling
from nas_explorer.search_space.components.heads import PooledHead
from nas_explorer.search_space.components.mixers.convolution import LargeKernelConv, SeparableConv
from nas_explorer.search_space.components.stems import ConvStem
from nas_explorer.search_space.shapes import Shape
from torch import nn

from ..helpers import names, trained

ONE = Stage(width=16, depth=1, blocks=(MetaFormerBlock(mixer=SeparableConv(kernel_size=3)),))
OTHER = replace(ONE, blocks=(MetaFormerBlock(mixer=LargeKernelConv(kernel_size=3)),))


def network(first: Stage, second: Stage) -> Architecture:
    return Architecture(
        input=Shape(3, 8, 8),
        classes=5,
        stem=ConvStem(),
        stages=(first, replace(second, downsampling=PoolDownsampling())),
        head=PooledHead(),
    )


Contents = Mapping[str, bytes]
Encode = Callable[[Network], Contents]
FIGURES = (
    r"must give the network's scores within \S+ of the largest, but differs by up to [\d.e-]+ "
    r"\(relative [\d.e-]+\), and the top class agrees on \d+ of \d+ images"
)


def bias_perturbed(encode: Encode, network: Network) -> Contents:
    other = deepcopy(network)
    with torch.no_grad():
        other.get_parameter("stages.1.blocks.0.channel_mixer.fc2.bias")[3] += 0.01
    return encode(other)


def stages_swapped(encode: Encode, network: Network) -> Contents:
    """Return the network with the second stage's blocks first, each with its own weights."""
    first, second = network.architecture.stages
    stages = (replace(first, blocks=second.blocks), replace(second, blocks=first.blocks))
    swapped = replace(network.architecture, stages=stages)
    places = {"stages.0.blocks": "stages.1.blocks", "stages.1.blocks": "stages.0.blocks"}
    weights = {
        places.get(name[:15], name[:15]) + name[15:]: each
        for name, each in network.state_dict().items()
    }
    return encode(trained_network(swapped, weights))


def activation_dropped(encode: Encode, network: Network) -> Contents:
    other = deepcopy(network)
    other.get_submodule("stages.0.blocks.0.channel_mixer").act = nn.Identity()
    contents = dict(encode(other))
    if ".safetensors" in contents:  # source is made from the architecture
        source = contents[""].decode()
        contents[""] = source.replace("nn.GELU()", "nn.Identity()", 1).encode()
    return contents


TAMPERS = [
    (bias_perturbed, (ONE, ONE)),
    (stages_swapped, (ONE, ONE)),
    (activation_dropped, (ONE, ONE)),
]
CASES = [
    *(
        (ending, *case)
        for ending in installed()
        for case in TAMPERS
        if ending != ".safetensors" or case[0] is not activation_dropped  # it has no operators
    ),
    *((ending, stages_swapped, (ONE, OTHER)) for ending in (".py", ".safetensors")),
]


@pytest.fixture(scope="module")
def whole() -> dict[object, Contents]:
    """What is written without tampering, by format and architecture: it takes long to encode."""
    return {}


@pytest.mark.slow
@pytest.mark.usefixtures("one_onnx_table")
@pytest.mark.parametrize(("ending", "tamper", "stages"), CASES)
def test_it_is_refused(
    ending: str,
    tamper: Callable[[Encode, Network], Contents],
    stages: tuple[Stage, Stage],
    whole: dict[object, Contents],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kind = FORMATS[ending].load()
    encode = kind.encode

    def tampered(self: ModelFormat, network: Network, header: Mapping[str, str]) -> Contents:
        key = ending, network.architecture.digest
        if key not in whole:
            whole[key] = encode(self, network, header)
        other = tamper(lambda other: encode(self, other, header), network)
        assert other != whole[key]
        return other

    architecture = network(*stages)
    monkeypatch.setattr(kind, "encode", tampered)
    # Weights of other shapes are an error with both shapes, before any score is computed.
    unlike = ending == ".safetensors" and stages[0] != stages[1]
    message = r"must fit the architecture, but " if unlike else FIGURES
    with pytest.raises(ExportError, match=message) as error:
        export_model(
            architecture,
            tmp_path / f"net{ending}",
            weights=trained(architecture),
            metadata={},
            seed=0,
        )
    assert "\n" not in str(error.value)
    assert names(tmp_path) == []
