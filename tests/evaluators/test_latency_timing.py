import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest
import torch
from nas_explorer.evaluators.latency import clocks, timing
from nas_explorer.evaluators.latency.clocks import Clock, CpuClock, CudaClock, Pass, Run
from nas_explorer.evaluators.latency.settings import LatencySettings
from nas_explorer.evaluators.latency.timing import Timing, measure, measure_in_turns
from nas_explorer.search_space.errors import InputError

CPU = torch.device("cpu")
BRIEF = LatencySettings(warmup_seconds=0.0, min_seconds=0.0)


class FakeClock(Clock):
    """A clock whose passes take the time that the run returns, with the wall time of the test."""

    name = "fake"

    def time(self, run: Run) -> Pass:
        one = run()
        return one if isinstance(one, Pass) else Pass(wall=float(one), own=float(one))  # type: ignore[arg-type]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "make_clock", lambda device, threads: FakeClock())


def repeat(values: Iterator[Any]) -> Callable[[], Any]:
    return lambda: next(values)


@pytest.mark.usefixtures("fake")
def test_median_interval_and_counts_of_known_passes() -> None:
    def passes() -> Iterator[float]:
        yield from [5.0] * 3  # the warm-up
        for base in range(5):
            yield 99.0  # the untimed first pass of each round
            yield from (base + step / 10 for step in range(1, 5))

    result = measure(repeat(passes()), CPU, BRIEF)
    ordered = sorted(base + step / 10 for base in range(5) for step in range(1, 5))
    assert result == Timing(
        median=pytest.approx((ordered[9] + ordered[10]) / 2),
        low=ordered[5],
        high=ordered[14],
        passes=20,
        disturbed=0,
        clock="wall",
        warmup_passes=3,
        stable=False,
    )


@pytest.mark.usefixtures("fake")
def test_disturbed_passes_are_counted_but_not_in_the_median() -> None:
    def passes() -> Iterator[Pass]:
        while True:
            yield Pass(wall=1.0, own=1.0)
            yield Pass(wall=50.0, own=1.5)

    result = measure(repeat(passes()), CPU, BRIEF)
    assert (result.median, result.high, result.clock) == (1.0, 1.0, "wall")
    assert result.passes - result.disturbed == 20


@pytest.mark.usefixtures("fake")
def test_the_time_of_the_thread_counts_where_every_pass_is_disturbed() -> None:
    settings = LatencySettings(warmup_seconds=0.0, min_seconds=0.0, max_seconds=0.0)
    result = measure(lambda: Pass(wall=50.0, own=1.5), CPU, settings)
    assert (result.median, result.clock, result.passes, result.disturbed) == (1.5, "thread", 10, 10)


@pytest.mark.usefixtures("fake")
def test_a_warm_up_goes_on_until_it_is_stable() -> None:
    def passes() -> Iterator[float]:
        yield from [8.0] * 3 + [4.0] * 3 + [2.0] * 3
        while True:
            yield 1.0

    settings = LatencySettings(warmup_seconds=0.5, min_seconds=0.0)
    ticks = iter([0.0, 0.6, 0.7, 0.8, 0.9, 1.0] + [1.0] * 1000)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timing.time, "perf_counter", lambda: next(ticks))
        result = measure(repeat(passes()), CPU, settings)
    assert (result.warmup_passes, result.stable, result.high) == (15, True, 1.0)


@pytest.mark.usefixtures("fake")
def test_a_warm_up_that_is_never_stable_ends_and_says_so() -> None:
    times = (float(2**power) for power in range(1000))
    ticks = iter([0.0, 2.0, 4.9, 5.0] + [5.0] * 1000)
    settings = LatencySettings(warmup_seconds=0.5, min_seconds=0.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timing.time, "perf_counter", lambda: next(ticks))
        result = measure(repeat(times), CPU, settings)
    assert (result.warmup_passes, result.stable) == (9, False)


@pytest.mark.usefixtures("fake")
def test_networks_take_turns() -> None:
    order: list[str] = []

    def run(name: str) -> Callable[[], float]:
        return lambda: order.append(name) or 1.0

    measure_in_turns([run("a"), run("b")], CPU, BRIEF)
    changes = sum(before != after for before, after in pairwise(order))
    assert changes == 2 * (1 + 5) - 1, "both warm up, then five rounds of both"


def test_the_cpu_clock_knows_waiting_from_working() -> None:
    waiting = CpuClock(threads=1).time(lambda: time.sleep(0.02))
    assert waiting.wall >= 20.0
    assert waiting.own < waiting.wall / 2
    assert not waiting.undisturbed
    assert CpuClock(threads=2).time(lambda: time.sleep(0.02)).undisturbed, "not known, so all"


def test_threads_are_set_for_the_passes_and_put_back() -> None:
    before = torch.get_num_threads()
    seen: set[int] = set()
    settings = LatencySettings(threads=before + 1, warmup_seconds=0.0, min_seconds=0.0)
    measure(lambda: seen.add(torch.get_num_threads()), CPU, settings)
    assert seen == {before + 1}
    assert torch.get_num_threads() == before


def test_a_cuda_pass_lies_between_two_events_on_an_idle_device(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log: list[str] = []

    class Event:
        def __init__(self, enable_timing: bool) -> None:
            assert enable_timing
            self.name = "start" if not log else "end"
            log.append("made")

        def record(self) -> None:
            log.append(self.name)

        def elapsed_time(self, end: "Event") -> float:
            assert (self.name, end.name) == ("start", "end")
            return 1.25

    class Device:
        def __init__(self, device: torch.device) -> None: ...
        def __enter__(self) -> None: ...
        def __exit__(self, *error: object) -> None: ...

    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "device", Device)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: log.append("synchronize"))
    clock = clocks.make_clock(torch.device("cuda"), threads=1)
    assert isinstance(clock, CudaClock)
    assert clock.time(lambda: log.append("run")) == Pass(wall=1.25, own=1.25)
    assert log[2:] == ["synchronize", "start", "run", "end", "synchronize"]


def test_settings_go_through_json() -> None:
    settings = LatencySettings(
        batch=8, dtype="bfloat16", layout="channels_last", runtime="compiled"
    )
    assert LatencySettings.from_json(settings.to_json()) == settings


@pytest.mark.parametrize(("stated", "layout"), [(False, "contiguous"), (True, "channels_last")])
def test_earlier_settings_say_which_layout_they_timed(stated: bool, layout: str) -> None:
    earlier = {"batch": 2, "channels_last": stated}
    assert LatencySettings.from_json(earlier) == LatencySettings(batch=2, layout=layout)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"layout": "nhwc"}, "layout must be one of best, channels_last, contiguous, but got"),
        ({"batch": 0}, "batch must be a whole number from 1, but got 0"),
        ({"batch": 1.5}, "batch must be a whole number from 1, but got 1.5"),
        ({"repeats": 9}, "repeats must be a whole number from 10, but got 9"),
        ({"threads": True}, "threads must be a whole number from 1, but got True"),
        ({"dtype": "float16"}, "dtype must be one of bfloat16, float32, but got 'float16'"),
        ({"runtime": "fast"}, "runtime must be one of compiled, eager, .*but got 'fast'"),
        ({"min_seconds": 9.0}, "max_seconds must be at least 9 s, but got 0.5"),
        ({"warmup_seconds": float("nan")}, "warmup_seconds must be at least 0 s, but got nan"),
        (
            {"layout_by": "warmup", "runtime": "compiled"},
            "layout_by must be 'rounds' with runtime 'compiled', but got 'warmup'",
        ),
        ({"bacth": 1}, "latency setting must be one of .*did you mean 'batch'"),
    ],
)
def test_settings_out_of_range_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        LatencySettings.from_json(values)
