"""Windows with drift are thrown away, and intervals hold the spread between measurements."""

import math
from collections.abc import Sequence
from dataclasses import replace
from statistics import stdev
from typing import Any

import pytest
import torch
from nas_explorer.evaluators.base import Measurement
from nas_explorer.evaluators.latency import evaluator as module
from nas_explorer.evaluators.latency.clocks import Run
from nas_explorer.evaluators.latency.drift import (
    SentinelHistory,
    change_within,
    half_width_within,
    student_t,
)
from nas_explorer.evaluators.latency.evaluator import LatencyEvaluator
from nas_explorer.evaluators.latency.settings import LatencySettings
from nas_explorer.evaluators.latency.timing import Timing
from nas_explorer.search_space.architecture.architecture import Architecture
from nas_explorer.search_space.files import load_space
from nas_explorer.search_space.walk.choosers import RandomChooser

from ..benchmark_runs import load_benchmark, run_benchmark

STEADY = Timing(
    median=1.0,
    low=1.0,
    high=1.0,
    passes=20,
    disturbed=0,
    clock="wall",
    warmup_passes=3,
    stable=True,
    rounds=(1.0,) * 5,
)


@pytest.fixture(scope="module")
def architecture() -> Architecture:
    space = load_space("micro").bind(channels=1, resolution=8, classes=10)
    return space.walk(RandomChooser(0)).architecture


def test_the_change_within_a_window() -> None:
    assert change_within((1.0, 1.0, 9.0, 1.1, 1.1)) == pytest.approx(0.1)
    assert change_within((1.1, 1.1, 9.0, 1.0, 1.0)) == pytest.approx(0.1)
    assert change_within((1.0,)) == 0.0


def test_drift_is_also_from_the_fastest_window_so_far() -> None:
    history = SentinelHistory()
    found = [history.drift(replace(STEADY, median=each)) for each in (2.0, 1.0, 1.5, 0.5)]
    assert found == pytest.approx([0.0, 0.0, 0.5, 0.0])


def test_the_spread_between_measurements_replaces_the_assumed_one() -> None:
    history = SentinelHistory()
    assert history.half_width() == pytest.approx(2.776 * 0.01, rel=0.01)
    for _ in range(200):
        history.add(STEADY)
    assert history.half_width() < 0.003
    noisy = SentinelHistory()
    medians = [1.0, 1.2] * 100
    for each in medians:
        noisy.add(replace(STEADY, median=each))
    wanted = 1.96 * stdev(map(math.log, medians))
    assert noisy.half_width() == pytest.approx(wanted, rel=0.05)


def test_the_spread_of_the_rounds() -> None:
    # Logarithms 0, 0, 0, 0, 0.1 have the deviation 0.1 / sqrt(5), so that of the mean is 0.02.
    rounds = (1.0, 1.0, 1.0, 1.0, math.exp(0.1))
    assert half_width_within(rounds) == pytest.approx(2.776 * 0.02, rel=0.01)
    assert half_width_within((1.0,)) == 0.0


def test_student_t_is_that_of_scipy() -> None:
    stats = pytest.importorskip("scipy.stats")
    for degrees in (*range(1, 12), 50):
        assert student_t(degrees) == pytest.approx(stats.t.ppf(0.975, degrees), rel=0.01)


def measured(
    architecture: Architecture,
    patch: pytest.MonkeyPatch,
    windows: Sequence[tuple[float, float]],
    most: int = 5,
) -> Measurement:
    """Measure with made-up windows of the network's and the sentinel's median."""
    left = iter(windows)

    def in_turns(runs: list[Run], *_: object) -> tuple[Timing, ...]:
        mine, sentinels = next(left)
        drifting = replace(STEADY, median=sentinels, rounds=(1.0, 1.0, 1.0, 1.0, 1.0))
        return (*(replace(STEADY, median=mine) for _ in runs[:-1]), drifting)

    patch.setattr(module, "measure_in_turns", in_turns)
    made = LatencyEvaluator(device=torch.device("cpu"), settings=LatencySettings(windows=most))
    made._history.drift(STEADY)  # pyright: ignore[reportPrivateUsage]
    (found,) = made.measure(architecture)
    return found


def test_a_window_with_drift_is_thrown_away(
    architecture: Architecture, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = measured(architecture, monkeypatch, [(9.0, 1.5), (8.0, 1.03), (3.0, 1.01), (7.0, 1.0)])
    assert found.value == 3.0
    assert found.low is not None and found.high is not None
    assert found.low < 3.0 < found.high
    assert (found.provenance["windows"], found.provenance["unstable"]) == (3, False)
    assert found.provenance["sentinel_drift"] == pytest.approx(0.01)


def test_after_five_windows_the_least_drift_counts_as_unstable(
    architecture: Architecture, monkeypatch: pytest.MonkeyPatch
) -> None:
    windows = [(9.0, 1.5), (8.0, 1.3), (3.0, 1.1), (7.0, 1.4), (6.0, 1.2), (5.0, 1.0)]
    found = measured(architecture, monkeypatch, windows)
    assert found.value == 3.0
    assert (found.provenance["windows"], found.provenance["unstable"]) == (5, True)
    assert measured(architecture, monkeypatch, windows, most=1).value == 9.0


def test_studies_of_earlier_versions_have_equal_settings() -> None:
    first: dict[str, Any] = {
        "batch": 2,
        "dtype": "float32",
        "layout": "best",
        "runtime": "eager",
        "threads": 1,
        "warmup_seconds": 0.1,
        "warmup_iterations": 3,
        "repeats": 20,
        "min_seconds": 0.2,
        "max_seconds": 1.0,
    }
    found = LatencySettings.from_json(first)
    assert (found.batch, found.windows, found.layout_by, found.parts) == (2, 5, "rounds", False)
    assert found.to_json() == first
    brief = {**first, "windows": 1}
    found = LatencySettings.from_json(brief)
    assert (found.windows, found.layout_by) == (1, "rounds")
    assert found.to_json() == brief


def latency(value: float, width: float, sentinel: float = 1.0) -> Measurement:
    return Measurement(
        metric="latency",
        value=value,
        low=value * math.exp(-width),
        high=value * math.exp(width),
        provenance={
            "ratio_to_sentinel": value / sentinel,
            "unstable": False,
            "windows": 1,
            "alone": True,
        },
    )


def test_two_passes_in_figures() -> None:
    aa = load_benchmark("latency_aa.py")
    first = [latency(1.0, 0.03), latency(2.0, 0.03)]
    second = [latency(1.05, 0.04), latency(2.4, 0.04, sentinel=1.2)]
    found = aa.summary(first, second)
    # The changes are 5 % and 20 %; the allowed one is a root of 0.03 and 0.04 squared, 0.05.
    assert found["covered"] == 0.5
    assert found["aa_median"] == pytest.approx(0.125)
    assert found["aa_p95"] == pytest.approx(0.05 + 0.95 * 0.15)
    assert found["aa_p95_to_sentinel"] == pytest.approx(0.95 * 0.05)


@pytest.mark.slow
def test_the_benchmark_of_two_passes_ends_with_one_line_of_json() -> None:
    figures = run_benchmark("latency_aa.py", "--quick")
    assert {"aa_p95", "covered", "unstable", "device", "torch"} <= set(figures)
