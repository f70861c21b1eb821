"""Graphs of networks that are put together from those of their parts."""

from collections import Counter
from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch
from nas_explorer.evaluators.runtimes import exporter_tables, part_graphs
from nas_explorer.evaluators.runtimes.exporter_tables import kept_tables
from nas_explorer.evaluators.runtimes.graph_files import GraphFiles
from nas_explorer.evaluators.runtimes.onnx_graph import OPSET
from nas_explorer.evaluators.runtimes.part_graphs import PartGraphs
from nas_explorer.evaluators.runtimes.source import Source, source_of
from nas_explorer.search_space.architecture.architecture import Architecture
from nas_explorer.search_space.components.mixers.convolution import SeparableConv
from torch import nn

from ..int8_network import NETWORK


def with_blocks(count: int, kernel_size: int = 3) -> Architecture:
    """Return the network with some equal blocks."""
    (stage,) = NETWORK.stages
    block = replace(stage.blocks[0], mixer=SeparableConv(kernel_size=kernel_size))
    return replace(NETWORK, stages=(replace(stage, depth=count, blocks=(block,) * count),))


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> PartGraphs:
    """The graphs of the parts of a network with one block."""
    parts = PartGraphs(files=GraphFiles(tmp_path_factory.mktemp("graphs")))
    network = source_of(NETWORK).network
    source = Source(network, NETWORK.input, parts=parts)
    assert source.onnx(OPSET)
    if source.traced_as != {OPSET: "parts"}:
        pytest.skip(f"with torch {torch.__version__} networks are traced as a whole")
    return parts


def test_a_network_of_known_parts_is_not_traced(
    parts: PartGraphs, monkeypatch: pytest.MonkeyPatch
) -> None:
    architecture = with_blocks(2)
    whole = source_of(architecture)
    wanted = Counter(each.op_type for each in onnx.load_from_string(whole.onnx(OPSET)).graph.node)
    monkeypatch.setattr(part_graphs, "traced_parts", None)
    joined = Source(whole.network, architecture.input, parts=parts)
    model = onnx.load_from_string(joined.onnx(OPSET))
    onnx.checker.check_model(model)
    assert "program" not in vars(joined), "the network was traced as a whole"
    assert Counter(each.op_type for each in model.graph.node) == wanted
    kernels = [each.raw_data for each in model.graph.initializer if len(each.dims) == 4]
    assert len(kernels) == len(set(kernels)) >= 4, "equal parts have weights of their own"


def test_another_process_reads_the_graphs_from_files(
    parts: PartGraphs, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = parts.files
    assert files is not None
    network = source_of(NETWORK).network
    wanted = parts.model(network, NETWORK.input, OPSET)
    with monkeypatch.context() as patch:
        patch.setattr(part_graphs, "traced_parts", None)
        again = PartGraphs(files=files).model(network, NETWORK.input, OPSET)
    assert wanted is not None and again == wanted
    paths = sorted(files._folder.iterdir())
    assert len(paths) == len(parts.known) and sum(e.stat().st_size for e in paths) < 50_000
    paths[0].write_bytes(paths[0].read_bytes()[:40])
    made: list[int] = []
    whole = part_graphs.traced_parts
    monkeypatch.setattr(
        part_graphs, "traced_parts", lambda *given: made.append(len(given[1])) or whole(*given)
    )
    assert PartGraphs(files=files).model(network, NETWORK.input, OPSET) is not None
    assert len(made) == 1, "what cannot be read is traced again"


def test_a_graph_with_other_scores_than_the_network_is_not_used(parts: PartGraphs) -> None:
    joined = Source(source_of(NETWORK).network, NETWORK.input, parts=parts)
    assert joined._joined(OPSET) is not None
    images, scores = joined.known(4)
    joined._known[4] = images, scores + np.float32(1e-3) * np.abs(scores).max()
    assert joined._joined(OPSET) is None, "the network is traced as a whole"


@pytest.mark.parametrize("network", [nn.Conv2d(3, 4, 1), nn.Identity()])
def test_what_is_no_network_is_traced_as_a_whole(parts: PartGraphs, network: nn.Module) -> None:
    assert parts.model(network, (3, 8, 8), OPSET) is None


def test_a_part_that_cannot_be_traced_leaves_it_to_the_whole(
    parts: PartGraphs, monkeypatch: pytest.MonkeyPatch
) -> None:
    architecture = with_blocks(1, kernel_size=5)
    network = source_of(architecture).network
    monkeypatch.setattr(torch.export, "export", None)
    known = len(parts.known)
    assert parts.model(network, architecture.input, OPSET) is None
    assert len(parts.known) == known


def test_the_tables_of_the_exporter_are_kept_inside_alone() -> None:
    count = len(torch._C._dispatch_get_all_op_names())  # pyright: ignore[reportPrivateUsage]
    tables = exporter_tables._tables(count)  # pyright: ignore[reportPrivateUsage]
    if not tables:
        pytest.skip(f"torch {torch.__version__} names its tables otherwise")
    before = [vars(owner)[name] for owner, name, _ in tables]
    with kept_tables():
        assert [vars(owner)[name] for owner, name, _ in tables] == [each for *_, each in tables]
        registry = tables[0][0].from_torchlib
        assert registry(opset_version=OPSET) is registry(opset_version=OPSET)
    assert [vars(owner)[name] for owner, name, _ in tables] == before
