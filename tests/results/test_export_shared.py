"""What modules share is one tensor: in counts, in files and in proofs."""

import importlib.util
from pathlib import Path

import pytest
import timm
import torch
from nas_explorer.evaluators.cost.cost import architecture_cost
from nas_explorer.results.export import export_model, load_model, timm_model
from nas_explorer.results.export.networks import trained_network
from nas_explorer.results.export.proof import count_parameters
from nas_explorer.results.export.weights import encode_weights, read_weights
from nas_explorer.search_space.architecture import Architecture, Stage
from nas_explorer.search_space.blocks import MetaFormerBlock
from nas_explorer.search_space.channel_mixers.mlp import NoChannelMixer
from nas_explorer.search_space.errors import InputError
from nas_explorer.search_space.heads import PooledHead
from nas_explorer.search_space.mixers.hyena import Hyena
from nas_explorer.search_space.shapes import Shape
from nas_explorer.search_space.sharing import distinct, shared_names
from nas_explorer.search_space.stems import PatchStem
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
FREQUENCY = "stages.0.blocks.0.mixer.filter.networks.0.{}.frequency"
"""Of the sines after the three layers of the network that makes the filter: they are one module."""


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
    """As they were written once."""
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
    with pytest.raises(InputError, match="does not tell which tensors are shared"):
        read_weights(path)


@pytest.mark.slow
def test_a_program_that_shares_is_counted_as_the_network(tmp_path: Path) -> None:
    path = tmp_path / "net.pt2"
    proof = export_model(TIED, path, weights=tied_weights(), metadata={}, seed=0)
    assert proof.parameters == architecture_cost(TIED).params
    program = torch.export.load(path)
    frequencies = [each for name, each in program.state_dict.items() if "frequency" in name]
    assert len(frequencies) == 3 and len(distinct(frequencies)) == 1
