"""The contract of every runtime in the table."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from nas_explorer.evaluators.base import EVALUATORS, METRICS, CandidateError, Setup
from nas_explorer.evaluators.latency.settings import LatencySettings
from nas_explorer.evaluators.runtime_table import (
    RUNTIMES,
    check_installed,
    is_latency,
    read_runtimes,
    runtime_of,
)
from nas_explorer.evaluators.runtimes import nas_ruler
from nas_explorer.evaluators.runtimes.graph_runtime import GraphLatency, GraphRuntime
from nas_explorer.evaluators.units import read_constraint, write_constraint
from nas_explorer.search_space.architecture.architecture import Architecture
from nas_explorer.search_space.errors import InputError
from nas_explorer.search_space.files import load_space
from nas_explorer.search_space.walk.choosers import RandomChooser

from ..evaluators.runtime_doubles import lookup

every_runtime = pytest.mark.parametrize("name", RUNTIMES)
QUICK = {"warmup_seconds": 0.0, "min_seconds": 0.0, "max_seconds": 0.02, "windows": 1}


@pytest.fixture(scope="module")
def architecture() -> Architecture:
    space = load_space("micro").bind(channels=1, resolution=8, classes=10)
    return space.walk(RandomChooser(0)).architecture


@every_runtime
def test_the_table_says_what_the_class_is(name: str) -> None:
    entry = RUNTIMES[name]
    cls = entry.load()
    assert (cls.name, cls.modules, cls.local, cls.extra) == (
        name,
        entry.modules,
        entry.local,
        entry.extra,
    )
    assert cls.__doc__ and "float32" in cls.precisions
    assert bool(cls.extra) == bool(cls.modules + cls.local)
    if issubclass(cls, GraphRuntime):
        assert cls.adapter or nas_ruler.ADAPTERS[name].packages[0] == cls.package
        assert cls.adapter or nas_ruler.ADAPTERS[name].precisions == cls.precisions
        assert set(cls.tolerance) == set(cls.precisions)
        assert all(0 < each < 1 for each in cls.tolerance.values())


@every_runtime
def test_its_latency_is_a_metric(name: str) -> None:
    metric = f"latency@{name}"
    assert is_latency(metric) and runtime_of(metric) == name
    assert METRICS[metric] == RUNTIMES[name].metric
    assert EVALUATORS[metric].load().defaults["runtime"] == name
    for text in (f"{metric}<=2ms", f"2 ms >= {metric}", f"0<={metric}<=0.002s"):
        bound = read_constraint(text)
        assert (bound.metric, bound.high) == (metric, 2.0)
        assert read_constraint(write_constraint(bound)) == bound


@every_runtime
def test_what_is_absent_is_named_with_its_extra(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    entry = RUNTIMES[name]
    if not entry.extra:
        check_installed([name])
        return
    with pytest.raises(InputError, match=rf"pip install 'nas-explorer\[{entry.extra}\]'"):
        check_installed([name])


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        name
        for name, each in RUNTIMES.items()
        if not each.absent() and issubclass(each.load(), GraphRuntime)
    ],
)
def test_it_runs_networks_as_torch_does(name: str, architecture: Architecture) -> None:
    setup = Setup(settings={**EVALUATORS[f"latency@{name}"].load().defaults, **QUICK})
    evaluator = RUNTIMES[name].load()().evaluator(setup)
    assert isinstance(evaluator, GraphLatency)
    torch.manual_seed(3)
    (found,) = evaluator.measure(architecture)
    after = torch.rand(3)
    torch.manual_seed(3)
    assert torch.equal(after, torch.rand(3))
    evaluator.close()
    assert found.low is not None and found.high is not None
    assert 0 < found.low <= found.value <= found.high
    record = found.provenance
    loosest = 0.5 if name.endswith("-int8") else 0.1
    assert record["check"]["difference"] <= record["check"]["tolerance"] <= loosest
    assert record["runtime"] == name and record["runtime_version"]
    assert record["versions"][evaluator.runtime.package] == record["runtime_version"]


def measured(runtime: type[GraphRuntime], architecture: Architecture) -> GraphLatency:
    settings = LatencySettings.from_json({**LatencySettings().to_json(), **QUICK})
    made = GraphLatency(runtime=runtime(), settings=settings)
    made.measure(architecture)
    return made


def test_a_ruler_serves_one_candidate_after_the_other(
    tmp_path: Path, architecture: Architecture
) -> None:
    made = measured(lookup(tmp_path), architecture)
    first = made.hello()
    (found,) = made.measure(architecture)
    assert made.hello() is first
    assert found.provenance["check"] == {
        "images": 4,
        "batches": [1, 4],
        "difference": 0.0,
        "tolerance": 1e-4,
    }
    ratio = found.value / found.provenance["sentinel"]["median"]
    assert found.provenance["ratio_to_sentinel"] == pytest.approx(ratio)
    made.close()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"error": 0.5}, r"^not_defined: lookup \S+ is wrong: its scores must differ from torch's"),
        ({"error": float("nan")}, r"is wrong: .* but differ by nan \(batch 1\)"),
        ({"fault": 1}, r"^not_defined: lookup \S+ refuses it: ValueError: Unsupported operator"),
        ({"fault": 2}, r"^error: lookup \S+ failed: the local ruler must reply to 'load', but end"),
    ],
)
def test_what_a_runtime_does_not_run_rightly_has_no_latency(
    tmp_path: Path, architecture: Architecture, options: dict[str, float], says: str
) -> None:
    with pytest.raises(CandidateError, match=says) as caught:
        measured(lookup(tmp_path, **options), architecture)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_a_ruler_that_dies_is_replaced_once(tmp_path: Path, architecture: Architecture) -> None:
    made = measured(lookup(tmp_path, fault=3), architecture)
    assert (tmp_path / "lookup_adapter.py.died").exists()
    made._hello = replace(made.hello(), version="0.1")  # pyright: ignore[reportPrivateUsage]
    made.close()
    with pytest.raises(CandidateError, match=r"a ruler must stay the same, but lookup 0.1 on"):
        made.measure(architecture)
    made.close()


def test_names_of_runtimes_are_read() -> None:
    assert read_runtimes("eager, ONNX-Runtime,eager") == ("eager", "onnxruntime")
    with pytest.raises(InputError, match="did you mean 'openvino'"):
        read_runtimes("openvin")
