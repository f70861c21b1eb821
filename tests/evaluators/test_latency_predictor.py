"""Latencies are predicted from the times of parts, with intervals that hold what they say."""

import math
import random
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache

import pytest
import torch
from nas_explorer.evaluators.latency import predictor
from nas_explorer.evaluators.latency.evaluator import LatencyEvaluator
from nas_explorer.evaluators.latency.features import bytes_moved, part_features
from nas_explorer.evaluators.latency.predictor import (
    FEWEST,
    LatencyPredictor,
    Timed,
    timed_of,
)
from nas_explorer.evaluators.latency.settings import LatencySettings
from nas_explorer.search_space.architecture.architecture import Architecture
from nas_explorer.search_space.components.parts import Part
from nas_explorer.search_space.errors import InputError
from nas_explorer.search_space.files import load_space
from nas_explorer.search_space.walk.choosers import RandomChooser

from ..benchmark_runs import load_benchmark, run_benchmark


@cache
def networks(count: int) -> Sequence[Architecture]:
    space = load_space("micro").bind(channels=1, resolution=8, classes=10)
    return [space.walk(RandomChooser(seed)).architecture for seed in range(count)]


FEATURES: dict[object, Mapping[str, float]] = {}


def features(part: Part) -> Mapping[str, float]:
    """Return the features of a part, which all tests take often."""
    if part.key not in FEATURES:
        FEATURES[part.key] = part_features(part)
    return FEATURES[part.key]


@pytest.fixture(autouse=True)
def known_features(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictor, "part_features", features)


def made_up(part: Part) -> float:
    """Return a time in ms: a launch of 10 us, and 1 us for each 10,000 operations and bytes."""
    work = sum(v for name, v in features(part).items() if name.startswith("work."))
    return 0.01 + (work + bytes_moved(part)) / 1e7


def timed(architecture: Architecture, noise: float) -> Timed:
    parts = {part.name: made_up(part) for part in architecture.parts()}
    draw = random.Random(architecture.digest).gauss(0, noise)
    return Timed(
        architecture=architecture,
        latency=1.2 * sum(parts.values()) * math.exp(draw),
        part_ms=parts,
    )


def test_the_bytes_of_a_part_are_its_maps_and_weights() -> None:
    parts = {type(part.component).__name__: part for part in networks(1)[0].parts()}
    stem = parts["PatchStem"]
    size = stem.out_shape.channels * stem.out_shape.height * stem.out_shape.width
    weights = sum(each.numel() for each in stem.build().parameters())
    assert bytes_moved(stem) == 4 * (8 * 8 + size + weights)
    assert part_features(stem)["of.PatchStem"] == 1.0


def test_latencies_that_are_sums_over_parts_are_predicted() -> None:
    known = [timed(each, 0.0) for each in networks(50)]
    fitted = LatencyPredictor(known[:30])
    assert fitted.count == 30
    close = 0
    for each in known[30:]:
        found = fitted.predict(each.architecture)
        assert found.low <= found.value <= found.high
        close += abs(found.value / each.latency - 1) <= 0.1
    assert close >= 18


def test_intervals_hold_their_share_of_noisy_latencies() -> None:
    known = [timed(each, 0.2) for each in networks(90)]
    fitted = LatencyPredictor(known[:50])
    found = [(fitted.predict(each.architecture), each.latency) for each in known[50:]]
    inside = sum(p.low <= latency <= p.high for p, latency in found) / len(found)
    assert 0.8 <= inside <= 0.99
    assert fitted.half_width < 3 * 0.2, "the noise, and little more"


def test_intervals_hold_nine_tenths_in_the_mean_over_many_calibrations() -> None:
    exact = [timed(each, 0.0) for each in networks(50)]
    numbers = random.Random(0)
    shares: list[float] = []
    for _ in range(15):
        noisy = [
            replace(each, latency=each.latency * math.exp(numbers.gauss(0, 0.2))) for each in exact
        ]
        numbers.shuffle(noisy)
        fitted = LatencyPredictor(noisy[:FEWEST])
        inside = [
            found.low <= each.latency <= found.high
            for each in noisy[FEWEST:]
            for found in (fitted.predict(each.architecture),)
        ]
        shares.append(sum(inside) / len(inside))
    # Of one calibration with 20 networks the share is known to 7 points alone.
    assert sum(shares) / len(shares) == pytest.approx(0.9, abs=0.03)
    assert statistics.stdev(shares) > 0.04


def test_too_few_networks_are_refused() -> None:
    with pytest.raises(InputError, match=f"at least {FEWEST} measured networks, but got 3"):
        LatencyPredictor([timed(each, 0.0) for each in networks(3)])


def test_the_evaluator_records_the_times_of_parts_on_request() -> None:
    given = LatencySettings(
        warmup_seconds=0.0, min_seconds=0.0, max_seconds=0.0, windows=1, parts=True
    )
    evaluator = LatencyEvaluator(device=torch.device("cpu"), settings=given)
    architecture = networks(1)[0]
    (latency,) = evaluator.measure(architecture)
    parts = latency.provenance["part_ms"]
    assert list(parts) == [part.name for part in architecture.parts()]
    found = timed_of(architecture, latency.provenance, latency.value)
    assert found is not None and found.part_ms == parts
    assert timed_of(architecture, {}, latency.value) is None
    assert LatencySettings.from_json(given.to_json()) == given


def test_the_baselines_of_the_benchmark() -> None:
    script = load_benchmark("latency_predictor.py")
    known = [timed(each, 0.0) for each in networks(30)]
    found = script.compare(known[:25], known[25:])
    assert set(found) == {"predictor", "macs", "table"}
    assert found["predictor"]["median_error"] < found["macs"]["median_error"]
    table = script.by_table(known)
    for each in known:  # every part is in the table
        assert math.exp(table(each.architecture)) == pytest.approx(each.latency)


@pytest.mark.slow
def test_the_benchmark_of_predictors_ends_with_one_line_of_json() -> None:
    figures = run_benchmark("latency_predictor.py", "--quick")
    assert {"measured", "by_sentinel", "interval", "device"} <= set(figures)
