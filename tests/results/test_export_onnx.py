"""Export to ONNX: every component, any batch size, and errors."""

import json
import logging
import warnings
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import cycle
from pathlib import Path
from typing import Any

import onnx
import onnxruntime
import pytest
import torch
from nas_explorer.results.export import (
    ExportError,
    Proof,
    export_model,
    onnx_file,
    onnx_macs,
    pt2_file,
)
from nas_explorer.results.export.networks import fresh_network, trained_network
from nas_explorer.results.export.onnx_file import OnnxFile
from nas_explorer.results.export.program import exported_program
from nas_explorer.results.export.proof import count_macs, prove
from nas_explorer.search_space.architecture.architecture import Architecture
from nas_explorer.search_space.architecture.network import Network
from nas_explorer.search_space.architecture.stages import Stage
from nas_explorer.search_space.components.base import (
    Component,
    Downsampling,
    Head,
    Stem,
    TokenMixer,
    field_kinds,
)
from nas_explorer.search_space.components.blocks import MetaFormerBlock
from nas_explorer.search_space.components.channel_mixers.glu import Glu
from nas_explorer.search_space.components.heads import PooledHead
from nas_explorer.search_space.components.mixers.attention import Attention
from nas_explorer.search_space.components.mixers.mlp import TokenMlp
from nas_explorer.search_space.components.mixers.trivial import Pooling
from nas_explorer.search_space.components.norms import BatchNorm
from nas_explorer.search_space.components.stems import ConvStem
from nas_explorer.search_space.components.tables import TABLES
from nas_explorer.search_space.components.wired import Block
from nas_explorer.search_space.errors import InputError
from nas_explorer.search_space.files import load_space
from nas_explorer.search_space.shapes import Shape
from nas_explorer.search_space.walk.choosers import RandomChooser
from onnx import ModelProto, TensorProto, helper, numpy_helper
from torch import Tensor, nn

from ..columns import COLUMNS, IN_COLUMNS
from ..helpers import trained

pytestmark = pytest.mark.usefixtures("one_onnx_table")

SMALL = Architecture(
    input=Shape(3, 8, 8),
    classes=5,
    stem=ConvStem(norm=BatchNorm()),
    stages=(
        Stage(
            width=16,
            depth=1,
            blocks=(MetaFormerBlock(mixer=Attention(head_dim=8), channel_mixer=Glu()),),
        ),
    ),
    head=PooledHead(),
)


@dataclass
class Exported:
    path: Path
    proof: Proof
    network: Network


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    path = tmp_path_factory.mktemp("onnx") / "small.onnx"
    weights = trained(SMALL)
    metadata = {"training": "5 epochs"}
    proof = export_model(SMALL, path, weights=weights, metadata=metadata, seed=0)
    network = fresh_network(SMALL, seed=0)
    network.load_state_dict(weights)
    return Exported(path=path, proof=proof, network=network)


@pytest.mark.slow
def test_any_batch_size_gives_the_scores(exported: Exported) -> None:
    session = onnxruntime.InferenceSession(exported.path)
    for size in (1, 2, 7):
        images = torch.randn(size, 3, 8, 8)
        scores = torch.from_numpy(session.run(["scores"], {"image": images.numpy()})[0])
        with torch.no_grad():
            torch.testing.assert_close(scores, exported.network(images), rtol=1e-4, atol=1e-5)
    assert exported.proof.relative <= 1e-4
    assert exported.proof.agreement == 1
    assert exported.proof.macs == count_macs(exported.network, exported.network.architecture.input)
    assert exported.proof.parameters is None
    assert exported.proof.size == exported.path.stat().st_size


@pytest.mark.slow
def test_the_file_says_what_it_is_and_nothing_of_this_machine(exported: Exported) -> None:
    model = onnx.load(exported.path)
    assert [(each.domain, each.version) for each in model.opset_import] == [("", 20)]
    sides = model.graph.input[0].type.tensor_type.shape.dim
    assert [side.dim_param or side.dim_value for side in sides] == ["batch", 3, 8, 8]
    header = {each.key: each.value for each in model.metadata_props}
    assert Architecture.from_json(json.loads(header["architecture"])) == SMALL.canonical
    assert header["digest"] == SMALL.digest
    assert json.loads(header["metadata"]) == {"training": "5 epochs"}
    assert ".py" not in str(model)
    card = exported.path.with_name("small.onnx.md").read_text()
    assert f"- ONNX opset: 20\n- ONNX Runtime: {onnxruntime.__version__}\n" in card
    assert sorted(each.name for each in exported.path.parent.iterdir()) == [
        "small.onnx",
        "small.onnx.md",
    ]


def perturb_a_bias(model: ModelProto) -> None:
    tensor = next(each for each in model.graph.initializer if each.name == "head.classifier.bias")
    tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) + 1e-2, tensor.name))


def swap_two_weights(model: ModelProto) -> None:
    tensors = {each.name: each for each in model.graph.initializer}
    one, other = (tensors[f"stages.0.blocks.0.norm{number}.weight"] for number in (1, 2))
    one.name, other.name = other.name, one.name


def drop_an_operator(model: ModelProto) -> None:
    node = next(each for each in model.graph.node if each.op_type == "Sigmoid")
    node.CopyFrom(helper.make_node("Identity", node.input, node.output))


def fix_the_batch(model: ModelProto) -> None:
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 1
    del model.graph.value_info[:]


def lose_a_node(model: ModelProto) -> None:
    del model.graph.node[3]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tamper", "message"),
    [
        (perturb_a_bias, r"differs by up to 0\.01 \(relative [\d.]+\)"),
        (swap_two_weights, r"differs by up to [\d.]+ \(relative [\d.]+\)"),
        (drop_an_operator, r"differs by up to [\d.]+ \(relative [\d.]+\)"),
        (fix_the_batch, "must take any number of images in one pass, but takes 1"),
        (lose_a_node, "must be valid, but: "),
    ],
)
def test_a_file_that_differs_is_refused(
    exported: Exported, tmp_path: Path, tamper: Callable[[ModelProto], None], message: str
) -> None:
    path = tmp_path / "tampered.onnx"
    model = onnx.load(exported.path)
    tamper(model)
    onnx.save(model, path)
    with pytest.raises(ExportError, match=message) as error:
        prove(exported.network, path, OnnxFile())
    assert "\n" not in str(error.value)


def test_macs_of_a_graph_worked_by_hand() -> None:
    # Conv 1x3x6x6 -> 1x8x6x6, kernel 3, 1 group: 8*36 * 27 = 7776; then (8, 36) @ (36, 5): 1440.
    assert onnx_macs.conv_macs((1, 8, 6, 6), (8, 3, 3, 3)) == 7776
    assert onnx_macs.product_macs((1, 8, 5), 36) == 1440
    zeros = {"kernel": (8, 3, 3, 3), "matrix": (36, 5)}
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["x", "kernel"], ["y"], pads=[1, 1, 1, 1]),
            helper.make_node("Reshape", ["y", "shape"], ["z"]),
            helper.make_node("MatMul", ["z", "matrix"], ["out"]),
        ],
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3, 6, 6])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, ["batch", 8, 5])],
        [
            *(numpy_helper.from_array(torch.zeros(s).numpy(), name) for name, s in zeros.items()),
            numpy_helper.from_array(torch.tensor([-1, 8, 36]).numpy(), "shape"),
        ],
    )
    model = helper.make_model(graph)
    assert onnx_macs.count_macs(model) == 7776 + 1440
    model.graph.node[2].CopyFrom(helper.make_node("Einsum", ["z", "matrix"], ["out"]))
    assert onnx_macs.count_macs(model) is None


@pytest.fixture(scope="module")
def programs() -> dict[object, torch.export.ExportedProgram]:
    return {}


@pytest.fixture
def one_trace(
    programs: dict[object, torch.export.ExportedProgram], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Traces a network of the same weights once for both formats: it takes half of an export."""

    def traced(
        network: Network, any_resolution: bool, batch: int | None
    ) -> torch.export.ExportedProgram:
        weights = tuple(float(each.double().sum()) for each in network.state_dict().values())
        key = network.architecture.digest, any_resolution, batch, weights
        if key not in programs:
            programs[key] = exported_program(network, any_resolution, batch)
        return programs[key]

    for module in (onnx_file, pt2_file):
        monkeypatch.setattr(module, "exported_program", traced)


@pytest.mark.slow
@pytest.mark.usefixtures("one_trace")
@pytest.mark.parametrize("ending", ["onnx", "pt2"])
def test_images_of_any_size_are_taken_where_the_mixers_allow(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"net.{ending}"
    weights = trained(SMALL)
    options: dict[str, Any] = {"weights": weights, "metadata": {}, "seed": 0}
    proof = export_model(SMALL, path, **options, any_resolution=True)
    network = fresh_network(SMALL, seed=0)
    network.load_state_dict(weights)
    images = torch.randn(3, 3, 20, 12, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        expected = network(images)
    if ending == "onnx":
        assert proof.macs == count_macs(network, SMALL.input)
        session = onnxruntime.InferenceSession(path)
        assert session.get_inputs()[0].shape == ["batch", 3, "height", "width"]
        scores = torch.from_numpy(session.run(None, {"image": images.numpy()})[0])
    else:
        check_nothing_of_this_machine(path)
        scores = torch.export.load(path).module()(images)
    assert torch.allclose(scores, expected, atol=1e-4)


def check_nothing_of_this_machine(path: Path) -> None:
    with zipfile.ZipFile(path) as file:
        held = {each.filename: file.read(each) for each in file.infolist()}
    assert any(name.endswith("models/model.json") for name in held)
    assert not any(data for name, data in held.items() if "sample_inputs" in name)
    for folder in (str(Path(__file__).parents[2]), str(Path(torch.__file__).parents[1]), ".py"):
        assert not [name for name, data in held.items() if folder.encode() in data], folder
    program = torch.export.load(path)
    assert program.example_inputs is None
    norms = [node for node in program.graph.nodes if "batch_norm" in str(node.target)]
    assert norms and all("no_training" in str(each.target) for each in norms), "core ATen"


def drawn(seed: int) -> Architecture:
    """A network for the smallest images, whose last map is one pixel."""
    micro = load_space("micro")
    architecture = micro.walk(RandomChooser(seed)).architecture
    assert architecture.input == (1, 8, 8) and len(architecture.stages) > 1
    assert OnnxFile(any_resolution=True).why_not_exportable(architecture) is None
    return architecture


@pytest.mark.slow
@pytest.mark.usefixtures("one_trace")
@pytest.mark.parametrize("seed", [20])
def test_onnx_of_drawn_networks_takes_any_size_in_silence(
    seed: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    architecture, path = drawn(seed), tmp_path / "net.onnx"
    weights = trained(architecture)
    proof = export_model(
        architecture, path, weights=weights, metadata={}, seed=0, any_resolution=True
    )
    assert (proof.sizes, proof.enlarged) == ("those that the network takes", None)
    network = trained_network(architecture, weights)
    assert proof.macs == count_macs(network.folded(), architecture.input)
    session = onnxruntime.InferenceSession(path)  # the runtime warns of wrong shapes
    for height, width in ((8, 8), (9, 13), (40, 24)):
        images = torch.randn(2, 1, height, width)
        scores = torch.from_numpy(session.run(None, {"image": images.numpy()})[0])
        with torch.no_grad():
            torch.testing.assert_close(scores, network(images), rtol=1e-4, atol=1e-5)
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
@pytest.mark.usefixtures("one_trace")
@pytest.mark.parametrize(("seed", "least"), [(20, 24)])
def test_a_program_of_drawn_networks_says_from_which_size_on(
    seed: int, least: int, tmp_path: Path
) -> None:
    architecture, path = drawn(seed), tmp_path / "net.pt2"
    weights = trained(architecture)
    proof = export_model(
        architecture,
        path,
        weights=weights,
        metadata={},
        seed=0,
        images=torch.randn(3, 1, 8, 8),
        any_resolution=True,
    )
    assert proof.sizes == f"from {least}x{least} on"
    assert proof.enlarged == f"{least}x{least}"
    assert proof.real == 3
    network = trained_network(architecture, weights)
    assert proof.macs == count_macs(network.folded(), Shape(1, least, least))
    card = path.with_name("net.pt2.md").read_text()
    assert f"- sizes of images: from {least}x{least} on\n" in card
    assert f"{proof.macs:,} recounted in the file for images of {least}x{least}\n" in card
    header = {"nas_explorer.json": ""}
    program = torch.export.load(path, extra_files=header)
    assert json.loads(json.loads(header["nas_explorer.json"])["least_size"]) == [least, least]
    images = torch.randn(2, 1, least, least + 5)
    with torch.no_grad():
        torch.testing.assert_close(program.module()(images), network(images))
    with pytest.raises(Exception, match=f">= {least}"):
        program.module()(torch.zeros(2, 1, least - 1, least))


@pytest.mark.slow
@pytest.mark.usefixtures("one_trace")
def test_a_shape_of_one_size_in_a_file_for_any_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    weights = trained(SMALL)
    export_model(SMALL, path, weights=weights, metadata={}, seed=0, any_resolution=True)
    model = onnx.load(path)
    shapes = [value.type.tensor_type.shape for value in model.graph.value_info]
    free = [shape.dim[3] for shape in shapes if len(shape.dim) == 4 and shape.dim[3].dim_param]
    free[0].dim_value = 1
    onnx.save(model, path)
    with pytest.raises(
        ExportError, match=r"hold for any image size, but .* states a side of 1 where"
    ):
        prove(fresh_network(SMALL, seed=0), path, OnnxFile(any_resolution=True))


def test_images_of_any_size_are_refused_for_a_mixer_of_one_size(tmp_path: Path) -> None:
    block = MetaFormerBlock(mixer=TokenMlp())
    architecture = replace(SMALL, stages=(Stage(width=16, depth=1, blocks=(block,)),))
    for ending in ("onnx", "pt2", "safetensors", "py"):
        with pytest.raises(
            InputError, match="weights for maps of any size, but those of token_mlp fit one size"
        ):
            export_model(
                architecture,
                tmp_path / f"net.{ending}",
                weights=None,
                metadata={},
                seed=0,
                any_resolution=True,
            )


def test_a_mixer_that_is_not_exportable_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Pooling, "traits", replace(Pooling.traits, exportable=False))
    block = MetaFormerBlock(mixer=Pooling())
    architecture = replace(SMALL, stages=(Stage(width=16, depth=1, blocks=(block,)),))
    with pytest.raises(InputError, match="must be exportable to ONNX, but pooling is not"):
        export_model(architecture, tmp_path / "net.onnx", weights=None, metadata={}, seed=0)


class Untraceable(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return -x if x.sum() > 0 else x


@pytest.mark.slow
def test_what_cannot_be_traced_is_one_line_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Attention, "build", lambda self, shape: Untraceable())
    with pytest.raises(ExportError, match=r"traceable by torch's exporters, but: \w") as error:
        export_model(SMALL, tmp_path / "net.onnx", weights=None, metadata={}, seed=0)
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")


def everything() -> list[Architecture]:
    """Return a few networks that together have every component except token mixers, which another
    test covers."""
    tables = {
        kind: [cls for cls in table.values() if cls.name not in IN_COLUMNS]
        for kind, table in TABLES.items()
    }
    tables[TokenMixer] = [Pooling]
    turns = {kind: cycle(table) for kind, table in tables.items()}
    count = max(len(tables[Stem]), len(tables[Head]))
    stages = 1 + -(-len(tables[Downsampling]) // count)
    depth = max(1, -(-max(map(len, tables.values())) // count) - (stages - 1))

    def block() -> Any:
        kind = next(turns[Block])
        return kind(**{name: next(turns[inner])() for name, inner in field_kinds(kind).items()})

    def stage(index: int) -> Stage:
        before: Any = next(turns[Downsampling])() if index else None
        blocks = tuple(block() for _ in range(1 if index else depth))
        return Stage(width=32, depth=len(blocks), blocks=blocks, downsampling=before)

    def network() -> Architecture:
        stem: Any = next(turns[Stem])()
        head: Any = next(turns[Head])()
        stages_in_turn = tuple(stage(index) for index in range(stages))
        shape = Shape(3, 64, 64)
        return Architecture(input=shape, classes=5, stem=stem, stages=stages_in_turn, head=head)

    return [*(network() for _ in range(count)), *(make() for make in COLUMNS.values())]


def kinds_in(component: Component) -> Iterator[type[Component]]:
    yield type(component)
    for inner in component.components().values():
        yield from kinds_in(inner)


def test_the_sweep_misses_no_component() -> None:
    held: set[type[Component]] = set()
    for architecture in everything():
        values = [architecture.stem, architecture.head]
        for stage in architecture.stages:
            values += [*stage.blocks, *([stage.downsampling] if stage.downsampling else [])]
        held.update(kind for value in values for kind in kinds_in(value))
    for kind, table in TABLES.items():
        for cls in table.values():
            assert cls in held or kind is TokenMixer, cls.name


@pytest.mark.slow
@pytest.mark.parametrize("architecture", everything()[::-6], ids=Architecture.outline)
def test_every_component_can_be_exported_in_silence(
    architecture: Architecture,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A sample; ``benchmarks/exports.py`` exports all networks of ``everything``."""
    with warnings.catch_warnings(record=True) as warned, caplog.at_level(logging.INFO):
        warnings.simplefilter("always")
        proof = export_model(
            architecture,
            tmp_path / "net.onnx",
            weights=trained(architecture),
            metadata={},
            seed=0,
        )
    assert proof.relative <= 1e-4
    folded = fresh_network(architecture, seed=0).folded()
    assert proof.macs == count_macs(folded, architecture.input)
    assert (capfd.readouterr(), [*map(str, warned)], caplog.text) == (("", ""), [], "")
