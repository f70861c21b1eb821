"""The self-test of the latency finds each fault, and says which one it is."""

from dataclasses import replace

import pytest
import torch
from nas_explorer.evaluators.latency import self_test as module
from nas_explorer.evaluators.latency.clocks import Run
from nas_explorer.evaluators.latency.self_test import CHECKS, Check, SelfTest, run_check
from nas_explorer.evaluators.latency.settings import LatencySettings
from nas_explorer.evaluators.latency.timing import Timing
from nas_explorer.search_space.errors import InputError

CPU = torch.device("cpu")
BRIEF = LatencySettings(warmup_seconds=0.0, min_seconds=0.02, max_seconds=0.02)
QUIET = Timing(
    median=1.0,
    low=1.0,
    high=1.0,
    passes=20,
    disturbed=0,
    clock="wall",
    warmup_passes=3,
    stable=True,
    rounds=(1.0, 1.0, 1.01, 1.0, 1.01),
)


def test_a_clock_that_stands_still_is_found() -> None:
    assert run_check("clock", CPU, BRIEF).passed
    found = run_check("clock", CPU, BRIEF, fault="clock")
    assert not found.passed
    assert "the clock stands still" in found.detail


def test_missing_synchronisation_is_found() -> None:
    assert run_check("synchronisation", CPU, BRIEF).passed
    found = run_check("synchronisation", CPU, BRIEF, fault="synchronisation")
    assert not found.passed
    assert "a pass ends before its work does" in found.detail


def test_load_is_found() -> None:
    found = run_check("load", CPU, BRIEF, fault="load")
    assert not found.passed
    assert "the device is not free" in found.detail


@pytest.mark.parametrize(
    ("timings", "passed", "detail"),
    [
        ([QUIET], True, "drifts by 0.5 %"),
        ([replace(QUIET, lost=0.5), QUIET], True, "waits for the core in 0 %"),
        ([replace(QUIET, lost=0.5)] * 5, False, "waits for the core in 50 %"),
        ([replace(QUIET, rounds=(1.0, 1.0, 1.0, 1.1, 1.1))] * 5, False, "best of 5 windows"),
        ([QUIET, replace(QUIET, median=1.1)], True, "drifts by 0.5 %"),
        ([replace(QUIET, median=m, lost=0.2) for m in (1.0, 1.1, 1.1, 1.1, 1.1)], False, "20 %"),
    ],
)
def test_a_window_is_steady_or_thrown_away(
    monkeypatch: pytest.MonkeyPatch, timings: list[Timing], passed: bool, detail: str
) -> None:
    left = iter(timings)

    def in_turns(runs: list[Run], *_: object) -> tuple[Timing, ...]:
        return (next(left),)

    monkeypatch.setattr(module, "measure_in_turns", in_turns)
    found = run_check("load", CPU, BRIEF)
    assert found.passed is passed
    assert detail in found.detail


def result(*, checks: tuple[bool, ...], faults: tuple[bool, ...]) -> SelfTest:
    made = [
        tuple(
            Check(name=name, passed=p, detail="figures")
            for name, p in zip(CHECKS, each, strict=True)
        )
        for each in (checks, faults)
    ]
    return SelfTest(device="cpu", checks=made[0], faults=made[1])


def test_a_self_test_fails_with_a_check_and_with_a_fault_that_is_not_found() -> None:
    good = result(checks=(True,) * 3, faults=(False,) * 3)
    assert good.passed
    assert good.wrong == []
    assert good.to_json()["passed"] is True
    busy = result(checks=(True, True, False), faults=(False,) * 3)
    assert not busy.passed
    assert busy.wrong == ["load: figures"]
    blind = result(checks=(True,) * 3, faults=(False, True, False))
    assert not blind.passed
    assert blind.wrong == ["synchronisation taken out is not found: figures"]


def test_an_unknown_fault_is_refused() -> None:
    with pytest.raises(InputError, match="check must be one of"):
        run_check("clock", CPU, BRIEF, fault="noise")  # type: ignore[arg-type]
