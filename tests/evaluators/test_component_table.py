"""What each runtime does with each component: the table, its page, and what follows from it."""

from dataclasses import replace
from pathlib import Path

import pytest
from nas_explorer.evaluators.base import CandidateError
from nas_explorer.evaluators.latency.settings import LatencySettings
from nas_explorer.evaluators.runtime_choice import read_exportable
from nas_explorer.evaluators.runtime_table import RUNTIMES, RuntimeEntry
from nas_explorer.evaluators.runtimes import component_table as tables
from nas_explorer.evaluators.runtimes import exportable, graph_runtime, known_wrong, proof
from nas_explorer.evaluators.runtimes.component_networks import component_kinds, network_around
from nas_explorer.evaluators.runtimes.component_page import with_components
from nas_explorer.evaluators.runtimes.component_table import (
    REFUSED,
    RIGHT,
    VERDICTS,
    WITHIN,
    WRONG,
    Entry,
    component_table,
    read_table,
    write_table,
)
from nas_explorer.evaluators.runtimes.exportable import exportable_to, version_notes
from nas_explorer.evaluators.runtimes.graph_runtime import GraphLatency, GraphRuntime
from nas_explorer.evaluators.runtimes.known_wrong import wrong_in
from nas_explorer.evaluators.runtimes.onnx_runtimes import Mnn
from nas_explorer.evaluators.runtimes.proof import Proof, prove, source_to_prove
from nas_explorer.evaluators.runtimes.ruler_process import Ruler
from nas_explorer.evaluators.runtimes.source import Source
from nas_explorer.search_space.components.base import TokenMixer
from nas_explorer.search_space.components.mixers.attention import Attention
from nas_explorer.search_space.components.mixers.trivial import Pooling
from nas_explorer.search_space.components.tables import TABLES
from nas_explorer.search_space.errors import InputError
from nas_explorer.search_space.files import load_space
from nas_explorer.search_space.shapes import Shape
from torch import Tensor, nn
from torch.nn import functional as F

from ..benchmark_runs import run_benchmark
from .runtime_doubles import lookup

PAGE = Path(__file__).parents[2] / "docs" / "runtimes.md"
IN_TESTS = ("onnxruntime", "openvino", "mnn", "tract")
"""Runtimes that the tests install."""


def test_the_table_has_known_components_and_says_why_one_fails() -> None:
    table, kinds = component_table(), component_kinds()
    assert {(kind, name) for _, kind, name in table} <= {
        (kind, name) for kind, names in kinds.items() for name in names
    }
    for entry in table.values():
        assert entry.verdict in VERDICTS
        assert (entry.difference is not None) or not entry.runs
        assert entry.runs or entry.reason or entry.verdict == tables.NOT_EXPORTABLE
        assert "/tmp" not in entry.reason


def test_the_page_shows_the_table() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == with_components(page, component_table())


def test_a_table_is_read_as_it_is_written(tmp_path: Path) -> None:
    entries = [*component_table().values()][:5]
    write_table(entries, tmp_path / "table.csv")
    assert [*read_table(tmp_path / "table.csv").values()] == entries


@pytest.mark.slow
def test_a_sample_runs_as_the_table_says() -> None:
    source = source_to_prove(network_around(TABLES[TokenMixer]["separable_conv"]))
    for name in IN_TESTS:
        runtime = RUNTIMES[name].load()()
        assert isinstance(runtime, GraphRuntime)
        ruler = Ruler(name)
        found = prove(runtime, source, ruler).verdict
        ruler.close()
        assert found == component_table()[name, "token mixer", "separable_conv"].verdict


class Normalized(nn.Module):
    """Scores of unit vectors: torch's exporter writes a reduction with axes as an input."""

    def forward(self, x_BCHW: Tensor) -> Tensor:
        return F.normalize(x_BCHW, dim=1).flatten(1)


@pytest.mark.slow
def test_mnn_reduces_the_given_axes() -> None:
    ruler = Ruler("mnn")
    found = prove(Mnn(), Source(Normalized().eval(), Shape(3, 2, 2)), ruler)
    ruler.close()
    assert found.verdict == RIGHT, found.reason


@pytest.mark.slow
def test_the_benchmark_runs() -> None:
    found = run_benchmark("runtime_matrix.py", "--quick", "--runtimes", "onnxruntime,tract")
    assert found["runtimes"] == {name: {RIGHT: 2} for name in ("onnxruntime", "tract")}


class Fancy(Pooling):
    """A component from outside, which the table lacks."""

    name = "fancy"


Fancy.__module__ = "somewhere"


class Unexportable(Pooling):
    """A component that says that it cannot be exported."""

    traits = replace(Pooling.traits, exportable=False)


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> dict[tuple[str, str, str], Entry]:
    """A table in which MNN refuses pooling, and OpenVINO 1.0 runs ReLU wrongly."""
    common = {"version": "1.0", "network": "ab", "torch": "2", "date": "2026-12-01"}
    entries = [
        Entry(
            runtime=runtime,
            kind=kind,
            component=name,
            verdict=verdict,
            difference=0.5 if verdict == WRONG else None,
            reason="off by 0.5",
            **common,
        )
        for runtime, kind, name, verdict in (
            ("mnn", "token mixer", "pooling", REFUSED),
            ("mnn", "token mixer", "attention", RIGHT),
            ("openvino", "token mixer", "pooling", RIGHT),
            ("openvino", "activation", "relu", WRONG),
        )
    ]
    made = {each.key: each for each in entries}
    for module in (exportable, known_wrong):
        monkeypatch.setattr(module, "component_table", lambda: made)
    return made


@pytest.mark.usefixtures("known")
def test_a_filter_keeps_what_all_runtimes_run() -> None:
    for runtimes, kept in ((["openvino"], True), (["mnn"], False), (["openvino", "mnn"], False)):
        assert exportable_to(runtimes).keep(Pooling) == kept
        assert exportable_to(runtimes).keep(Attention)
        assert not exportable_to(runtimes).keep(Unexportable)
    assert len({exportable_to(each).key for each in (["mnn"], ["openvino"], ["mnn", "tract"])}) == 3
    with pytest.raises(InputError, match=r"must be of openvino, mnn, .* but got 'tract'"):
        read_exportable(["tract"])
    space = load_space("micro")
    offered = space.only(exportable_to(["mnn"])).decisions()["stages.0.block.mixer"].values
    every = space.decisions()["stages.0.block.mixer"].values
    assert set(every) - set(offered) == {"pooling"}


def test_a_component_from_outside_is_tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []

    def tries(runtime: GraphRuntime, source: Source, ruler: Ruler) -> Proof:
        tried.append(runtime.name)
        return Proof(verdict=WITHIN if runtime.name == "tract" else WRONG)

    monkeypatch.setattr(proof, "prove", tries)
    assert [exportable_to([each]).keep(Fancy) for each in ("tract", "mnn", "tract")] == [
        *(True, False, True)
    ]
    assert tried == ["tract", "mnn"]
    monkeypatch.setattr(RuntimeEntry, "absent", lambda *_, **__: ("openvino",))
    with pytest.raises(InputError, match=r"'fancy' must be tried in openvino.*pip install"):
        exportable_to(["openvino"]).keep(Fancy)


@pytest.mark.usefixtures("known")
def test_what_is_known_to_be_wrong_is_refused_by_name_and_version() -> None:
    relu = network_around(TABLES[TokenMixer]["pooling"])
    assert wrong_in(relu, "openvino", "1.0") == "activation relu: off by 0.5"
    assert wrong_in(relu, "openvino", "1.1") is None and wrong_in(relu, "mnn", "1.0") is None


def test_what_is_known_to_be_wrong_is_not_timed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graph_runtime, "wrong_in", lambda *_: "norm batch_norm: off by 0.5")
    made = GraphLatency(runtime=lookup(tmp_path)(), settings=LatencySettings())
    with pytest.raises(CandidateError, match=r"lookup .* is known to be wrong with norm"):
        made.evaluate(network_around(Pooling))
    made.close()


@pytest.mark.usefixtures("known")
def test_another_version_than_that_of_the_table_is_stated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exportable, "version", lambda name: {"openvino": "1.0"}.get(name, "2.5"))
    (note,) = version_notes(["openvino", "mnn"])
    assert note.startswith("components were run in mnn 1.0, and 2.5 is installed")
