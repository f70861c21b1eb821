"""Shared tensors count once in costs, files and proofs."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import onnx
import pytest
import timm
import torch
from nas_explorer.evaluators.cost.cost import architecture_cost
from nas_explorer.results.export import export_model, load_model, timm_model
from nas_explorer.results.export.networks import trained_network
from nas_explorer.results.export.proof import count_parameters
from nas_explorer.results.export.weights import encode_weights, read_weights
from nas_explorer.search_space.architecture.architecture import Architecture
from nas_explorer.search_space.architecture.network import Network
from nas_explorer.search_space.architecture.stages import Stage
from nas_explorer.search_space.components.blocks import MetaFormerBlock
from nas_explorer.search_space.components.channel_mixers.mlp import NoChannelMixer
from nas_explorer.search_space.components.heads import PooledHead
from nas_explorer.search_space.components.mixers.hyena import Hyena
from nas_explorer.search_space.components.mixers.learnable_spacing import LearnableSpacingConv
from nas_explorer.search_space.components.sharing import distinct, shared_names
from nas_explorer.search_space.components.stems import PatchStem
from nas_explorer.search_space.errors import InputError
from nas_explorer.search_space.shapes import Shape
from safetensors import safe_open
from torch import Tensor, nn

from ..helpers import trained

BLOCK = MetaFormerBlock(
    mixer=Hyena(filter_width=8, filter_layers=2), channel_mixer=NoChannelMixer()
)
TIED = Architecture(
    input=Shape(3, 8, 8),
    classes=2,
    stem=PatchStem(patch_size=2),
    stages=(Stage(width=4, depth=1, blocks=(BLOCK,)),),
    head=PooledHead(),
)
SPACED = replace(
    TIED,
    stages=(
        Stage(
            width=4,
            depth=3,
            blocks=(replace(BLOCK, mixer=LearnableSpacingConv(kernel_count=5, dilated_size=7)),),
            tied=True,
        ),
    ),
)
"""A network whose blocks share the positions of their weights: 2 x 4 x 5 numbers."""
POSITIONS = tuple(f"stages.0.blocks.{block}.mixer.position_2CK" for block in range(3))

FREQUENCY = "stages.0.blocks.0.mixer.filter.networks.0.{}.frequency"
"""Names of the sines after the filter network's three layers, which are one module."""


def tied_weights() -> dict[str, Tensor]:
    weights = trained(TIED)
    for layer in (3, 5):
        weights[FREQUENCY.format(layer)] = weights[FREQUENCY.format(1)]
    return weights


def written(path: Path) -> Path:
    export_model(TIED, path, weights=tied_weights(), metadata={}, seed=0)
    return path


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_one_tensor_under_several_names(device: str) -> None:
    layer = nn.Linear(2, 3, device=device)
    both = nn.ModuleDict({"a": layer, "b": nn.ModuleList([layer, nn.Linear(2, 3, device=device)])})
    shared = {"b.0.weight": "a.weight", "b.0.bias": "a.bias"}
    assert shared_names(both.state_dict()) == shared
    assert sum(each.numel() for each in distinct(both.state_dict().values())) == 2 * (2 * 3 + 3)
    halves = torch.zeros(4, device=device).view(2, 2)
    assert len(distinct([halves[0], halves[1], halves[0], halves])) == 3


def test_it_counts_once_and_is_stored_once(tmp_path: Path) -> None:
    cost = architecture_cost(TIED)
    path = written(tmp_path / "net.safetensors")
    with safe_open(path, framework="pt") as file:
        names = list(file.keys())
        stored = sum(file.get_tensor(name).numel() for name in names)
    assert [name for name in names if name.endswith("frequency")] == [FREQUENCY.format(1)]
    assert cost.param_bytes == 4 * stored
    network = load_model(path)
    assert count_parameters(network) == cost.params
    assert all(
        torch.equal(network.state_dict()[name], each) for name, each in tied_weights().items()
    )


def test_it_is_read_by_whatever_loads_it(tmp_path: Path) -> None:
    path = written(tmp_path / "net.safetensors")
    network, images = load_model(path), torch.randn(2, 3, 8, 8)
    assert timm_model is not None
    model = timm.create_model("nas_explorer", file=path, checkpoint_path=str(path))
    source = written(tmp_path / "net.py")
    spec = importlib.util.spec_from_file_location("net", source)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with torch.no_grad():
        for other in (model, module.load()):
            assert torch.equal(other(images), network(images))


def test_files_that_hold_it_several_times_are_read(tmp_path: Path) -> None:
    """Write weights as an earlier version did."""
    copies = {name: each.clone() for name, each in tied_weights().items()}
    (tmp_path / "old.safetensors").write_bytes(encode_weights(copies, {}))
    weights, _ = read_weights(tmp_path / "old.safetensors")
    assert weights.keys() == copies.keys()
    trained_network(TIED, weights)
    weights[FREQUENCY.format(5)] += 1
    with pytest.raises(
        InputError, match=r"0\.5\.frequency' and .*, which are one tensor .* differ"
    ):
        trained_network(TIED, weights)


@pytest.mark.parametrize("shared", ["3", "[1]", '{"b": "c"}', "{"])
def test_a_header_that_tells_nonsense_of_it_is_refused(shared: str, tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    path.write_bytes(encode_weights({"a": torch.zeros(2)}, {"shared": shared}))
    with pytest.raises(InputError, match="does not state which tensors are shared"):
        read_weights(path)


@pytest.mark.slow
def test_a_program_that_shares_is_counted_as_the_network(tmp_path: Path) -> None:
    path = tmp_path / "net.pt2"
    proof = export_model(TIED, path, weights=tied_weights(), metadata={}, seed=0)
    assert proof.parameters == architecture_cost(TIED).params
    program = torch.export.load(path)
    frequencies = [each for name, each in program.state_dict.items() if "frequency" in name]
    assert len(frequencies) == 3 and len(distinct(frequencies)) == 1


def spaced(path: Path) -> Network:
    """Export the network with shared positions; return the network."""
    weights = trained(SPACED)
    weights |= dict.fromkeys(POSITIONS[1:], weights[POSITIONS[0]])
    proof = export_model(SPACED, path, weights=weights, metadata={}, seed=0)
    cost = architecture_cost(SPACED)
    assert proof.parameters in (cost.params, None) and proof.macs == cost.macs
    return trained_network(SPACED, weights)


def test_parts_that_share_are_stored_once_and_read_as_one(tmp_path: Path) -> None:
    network = spaced(tmp_path / "net.safetensors")
    with safe_open(tmp_path / "net.safetensors", framework="pt") as file:
        names = [name for name in file.keys() if "position" in name]  # noqa: SIM118
    assert names == [POSITIONS[0]]
    spaced(tmp_path / "net.py")
    spec = importlib.util.spec_from_file_location("net", tmp_path / "net.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    model = timm.create_model("nas_explorer", file=tmp_path / "net.safetensors")
    maps = timm.create_model("nas_explorer", file=tmp_path / "net.safetensors", features_only=True)
    images = torch.randn(2, 3, 8, 8)
    for other in (module.Net(), module.load(), model, load_model(tmp_path / "net.safetensors")):
        assert count_parameters(other) == architecture_cost(SPACED).params
        assert len(distinct(other.get_parameter(name) for name in POSITIONS)) == 1
    with torch.no_grad():
        scores = network(images)
        assert torch.equal(module.load()(images), scores) and torch.equal(model(images), scores)
        (last,) = maps(images)
        assert torch.equal(network.forward_head(last), scores)
        assert maps.double()(images.double())[0].dtype == torch.float64


@pytest.mark.slow
@pytest.mark.usefixtures("one_onnx_table")
def test_programs_hold_what_parts_share_once(tmp_path: Path) -> None:
    spaced(tmp_path / "net.pt2")
    state = torch.export.load(tmp_path / "net.pt2").state_dict
    assert len(distinct(each for name, each in state.items() if "position" in name)) == 1
    spaced(tmp_path / "net.onnx")
    held = [list(each.dims) for each in onnx.load(tmp_path / "net.onnx").graph.initializer]
    assert [2, 4, 5] not in held  # except the dense kernels made from them
