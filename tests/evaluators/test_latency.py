import json
from collections.abc import Generator, Sequence
from contextlib import contextmanager

import pytest
import torch
from nas_explorer.evaluators.base import CandidateError
from nas_explorer.evaluators.latency import evaluator as module
from nas_explorer.evaluators.latency.clocks import Run
from nas_explorer.evaluators.latency.evaluator import LatencyEvaluator
from nas_explorer.evaluators.latency.sentinel import RESOLUTION, Sentinel
from nas_explorer.evaluators.latency.settings import BRIEF as BRIEF_CONTRACT
from nas_explorer.evaluators.latency.settings import LatencySettings
from nas_explorer.evaluators.latency.timing import Series, Timing
from nas_explorer.search_space.architecture.architecture import Architecture
from nas_explorer.search_space.errors import InputError
from nas_explorer.search_space.files import load_space
from nas_explorer.search_space.walk.choosers import RandomChooser
from torch import Tensor, nn

from ..benchmark_runs import run_benchmark

CPU = torch.device("cpu")
BRIEF = LatencySettings(warmup_seconds=0.0, min_seconds=0.0, max_seconds=0.05)


@pytest.fixture(scope="module")
def architecture() -> Architecture:
    space = load_space("micro").bind(channels=1, resolution=8, classes=10)
    return space.walk(RandomChooser(0)).architecture


def test_a_latency_has_unit_interval_and_provenance(architecture: Architecture) -> None:
    (latency,) = LatencyEvaluator(device=CPU, settings=BRIEF).evaluate(architecture)
    assert (latency.metric, latency.unit) == ("latency", "ms")
    assert latency.low is not None
    assert latency.high is not None
    assert 0 < latency.low <= latency.value <= latency.high
    record = json.loads(json.dumps(latency.to_json()))["provenance"]
    assert record["device"] == "cpu"
    assert record["torch"] == torch.__version__
    assert record["image"] == [1, 8, 8]
    assert {**record, **BRIEF.to_json()} == record
    ratio = latency.value / record["sentinel"]["median"]
    assert record["ratio_to_sentinel"] == pytest.approx(ratio)
    assert record["timing"]["passes"] >= 10


class Recorder(nn.Module):
    """A stand-in for a network that records its inputs."""

    seen: list[tuple[tuple[int, ...], torch.dtype, bool, bool, bool]]

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        type(self).seen = []
        self.conv = nn.Conv2d(1, 4, 3)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        last = x_BCHW.is_contiguous(memory_format=torch.channels_last)
        self.seen.append(
            (
                tuple(x_BCHW.shape),
                x_BCHW.dtype,
                last,
                self.training,
                torch.is_inference_mode_enabled(),
            )
        )
        assert self.conv.weight.dtype == x_BCHW.dtype
        return self.conv(x_BCHW)


class Wide(Recorder):
    """A network that records the memory layout of its weights in each run."""

    weights: list[bool]

    def __init__(self, architecture: Architecture) -> None:
        super().__init__(architecture)
        type(self).weights = []
        self.wide = nn.Conv2d(4, 4, 3)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        self.weights.append(not self.wide.weight.is_contiguous())
        return self.wide(super().forward(x_BCHW))


def test_the_network_runs_as_the_settings_say(
    architecture: Architecture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "Network", Recorder)
    settings = LatencySettings(
        batch=2,
        dtype="bfloat16",
        layout="channels_last",
        warmup_seconds=0,
        min_seconds=0,
        max_seconds=0,
    )
    LatencyEvaluator(device=CPU, settings=settings).evaluate(architecture)
    assert set(Recorder.seen) == {((2, 1, 8, 8), torch.bfloat16, True, False, True)}


def timing(milliseconds: float) -> Timing:
    return Timing(
        median=milliseconds,
        low=milliseconds,
        high=milliseconds,
        passes=20,
        disturbed=0,
        clock="wall",
        warmup_passes=3,
        stable=True,
    )


@pytest.mark.parametrize(("contiguous", "last"), [(3.0, 2.0), (2.0, 3.0)])
def test_both_layouts_are_timed_and_the_faster_counts(
    architecture: Architecture, monkeypatch: pytest.MonkeyPatch, contiguous: float, last: float
) -> None:
    def in_turns(runs: Sequence[Run], *_: object) -> tuple[Timing, ...]:
        for run in runs[:2]:
            run()
        return timing(contiguous), timing(last), timing(0.5)

    monkeypatch.setattr(module, "Network", Wide)
    monkeypatch.setattr(module, "measure_in_turns", in_turns)
    (latency,) = LatencyEvaluator(device=CPU, settings=BRIEF).evaluate(architecture)
    assert Wide.weights == [False, True]  # whether the layout is channels last
    assert latency.value == 2.0
    assert latency.provenance["memory_layout"] == ("channels_last" if last == 2 else "contiguous")
    assert latency.provenance["layout_medians"] == {"contiguous": contiguous, "channels_last": last}
    assert latency.provenance["ratio_to_sentinel"] == 4.0


@pytest.mark.parametrize(("contiguous", "last"), [(3.0, 2.0), (2.0, 3.0)])
def test_the_brief_contract_times_the_layout_with_the_faster_warm_up(
    architecture: Architecture, monkeypatch: pytest.MonkeyPatch, contiguous: float, last: float
) -> None:
    faster = "channels_last" if last < contiguous else "contiguous"
    events: list[str] = []
    # The last one of a second warm-up would decide wrongly if it counted.
    times = iter([contiguous, last, *([] if faster == "channels_last" else [9.0]), 0.5])

    def warm_up(_: Series) -> float:
        events.append("warm-up")
        return next(times)

    @contextmanager
    def measuring() -> Generator[bool]:
        events.append("alone")
        yield True

    monkeypatch.setattr(module, "Network", Wide)
    monkeypatch.setattr(module, "measuring", measuring)
    monkeypatch.setattr(Series, "warm_up", warm_up)
    settings = LatencySettings(**BRIEF_CONTRACT)
    (latency,) = LatencyEvaluator(device=CPU, settings=settings).evaluate(architecture)
    assert not list(times)
    assert set(Wide.weights) == {faster == "channels_last"}  # of the passes that are timed
    assert events[-1] == "alone" and events.count("alone") == 1
    record = latency.provenance
    assert (record["memory_layout"], record["windows"], record["repeats"]) == (faster, 1, 10)
    assert record["layout_by"] == "warmup"
    assert record["layout_medians"] == {"contiguous": contiguous, "channels_last": last}
    assert record["timing"]["passes"] >= 10
    assert latency.low is not None and latency.high is not None
    assert latency.low < latency.value < latency.high


def test_running_out_of_memory_is_the_candidates_fault(
    architecture: Architecture, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Greedy(Recorder):
        def forward(self, x_BCHW: Tensor) -> Tensor:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 TiB")

    monkeypatch.setattr(module, "Network", Greedy)
    with pytest.raises(CandidateError) as caught:
        LatencyEvaluator(device=CPU, settings=BRIEF).evaluate(architecture)
    assert caught.value.kind == "out_of_memory"


def test_whatever_goes_wrong_is_the_candidates_failure(
    architecture: Architecture, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(Recorder):
        def forward(self, x_BCHW: Tensor) -> Tensor:
            raise TypeError("Got unsupported ScalarType BFloat16")

    monkeypatch.setattr(module, "Network", Broken)
    with pytest.raises(CandidateError, match=r"^error: TypeError: Got unsupported ScalarType"):
        LatencyEvaluator(device=CPU, settings=BRIEF).evaluate(architecture)


def test_measuring_leaves_the_random_state_alone(architecture: Architecture) -> None:
    evaluator = LatencyEvaluator(device=CPU, settings=BRIEF)
    torch.manual_seed(3)
    evaluator.evaluate(architecture)
    after = torch.rand(3)
    torch.manual_seed(3)
    assert torch.equal(after, torch.rand(3))


def test_another_kind_of_device_is_refused() -> None:
    with pytest.raises(InputError, match="must be cpu or cuda, but got 'meta'"):
        LatencyEvaluator(device=torch.device("meta"))


def test_the_sentinel_is_the_same_network_for_ever() -> None:
    torch.manual_seed(7)  # independent of the caller's seed
    sentinel = Sentinel().eval()
    x_BCHW = torch.linspace(-1, 1, 3 * RESOLUTION**2).reshape(1, 3, RESOLUTION, RESOLUTION)
    with torch.inference_mode():
        logits_K = sentinel(x_BCHW)[0]
    assert sum(parameter.numel() for parameter in sentinel.parameters()) == 29_450
    first_half = [0.07085, 0.23173, -0.04447, -0.02523, -0.08459]
    second_half = [0.11868, 0.00673, -0.02896, -0.15332, -0.02972]
    assert logits_K.tolist() == pytest.approx([*first_half, *second_half], abs=1e-4)


@pytest.mark.slow
def test_every_network_is_compiled_however_many_came_before(
    architecture: Architecture, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled: list[object] = []

    def backend(graph: torch.fx.GraphModule, inputs: list[Tensor]) -> object:
        compiled.append(graph)
        return graph.forward

    class Plain(nn.Module):
        def __init__(self, architecture: Architecture) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, len(compiled) + 1, 3)

        def forward(self, x_BCHW: Tensor) -> Tensor:
            return self.conv(x_BCHW)

    original = nn.Module.compile
    monkeypatch.setattr(module, "Network", Plain)
    monkeypatch.setattr(
        nn.Module, "compile", lambda self, **options: original(self, backend=backend, **options)
    )
    settings = LatencySettings(
        runtime="compiled",
        layout="contiguous",
        warmup_seconds=0,
        min_seconds=0,
        max_seconds=0,
    )
    evaluator = LatencyEvaluator(device=CPU, settings=settings)
    for _ in range(10):  # torch limits the compilations of one function, unless it is reset
        evaluator.evaluate(architecture)
    assert len(compiled) == 10


@pytest.mark.slow
def test_the_benchmark_ends_with_one_line_of_json() -> None:
    figures = run_benchmark("latency.py", "--quick")
    assert {"benchmark", "device", "torch"} <= set(figures)
