import subprocess
from math import comb

import pytest
from nas_explorer.evaluators.latency import provenance
from nas_explorer.evaluators.latency.provenance import read_smi
from nas_explorer.evaluators.latency.timing import is_stable
from nas_explorer.search_space.statistics import (
    MIN_SAMPLE,
    count_interval,
    interval_ranks,
    median_interval,
)


@pytest.mark.parametrize(
    ("count", "ranks"),
    [
        (6, (1, 6)),  # 1 - 2/64 = 0.969
        (8, (1, 8)),  # with ranks 2 and 7: 1 - 2 (1 + 8)/256 = 0.930
        (9, (2, 8)),  # 1 - 2 (1 + 9)/512 = 0.961
        (10, (2, 9)),  # 1 - 2 (1 + 10)/1024 = 0.979; ranks 3 and 8: 1 - 2 (56)/1024 = 0.891
        (20, (6, 15)),  # the table value for 20
    ],
)
def test_ranks_by_hand(count: int, ranks: tuple[int, int]) -> None:
    assert interval_ranks(count) == ranks


@pytest.mark.parametrize("count", [*range(MIN_SAMPLE, 60), 999])
def test_ranks_are_the_innermost_that_leave_95_percent(count: int) -> None:
    low, high = interval_ranks(count)

    def coverage(rank: int) -> float:
        return 1 - 2 * sum(comb(count, k) for k in range(rank)) / 2**count

    assert high == count + 1 - low
    assert coverage(low) >= 0.95 > coverage(low + 1)


def test_median_interval_by_hand() -> None:
    assert median_interval([9.0, 1.0, 2.0, 8.0, 3.0, 7.0, 4.0, 6.0, 5.0, 100.0]) == (2.0, 5.5, 9.0)


@pytest.mark.parametrize(
    ("window", "previous", "stable"),
    [
        ([1.04, 9.0, 1.04], [1.0], True),  # the medians decide, and 4 % is stable
        ([1.06], [1.0], False),
        ([1.0], [1.06], False),
        ([1.0], [], False),
    ],
)
def test_stable_windows(window: list[float], previous: list[float], stable: bool) -> None:
    assert is_stable(window, previous) is stable


def test_smi_line_is_read_and_missing_fields_are_left_out() -> None:
    assert read_smi("575.57.08, 1980, 2619, 34, [N/A]\n") == {
        "driver": "575.57.08",
        "sm_mhz": 1980.0,
        "memory_mhz": 2619.0,
        "temperature_c": 34.0,
    }
    assert read_smi("No devices were found\n") == {}


def test_a_driver_read_once_stays_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Provenance keys that vary with load do not make latencies of one GPU incomparable."""
    line = "575.57.08, 1980, 2619, 34, 90.5\n"

    def late(*_: object, **__: object) -> None:
        raise subprocess.TimeoutExpired("nvidia-smi", 5.0)

    monkeypatch.setattr(provenance, "_drivers", {})
    monkeypatch.setattr(
        subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 0, stdout=line)
    )
    assert provenance._smi("GPU-a")["driver"] == "575.57.08"
    monkeypatch.setattr(subprocess, "run", late)
    assert provenance._smi("GPU-a") == {"driver": "575.57.08"}
    assert provenance._smi("GPU-b") == {}


@pytest.mark.parametrize(
    ("count", "low", "high"), [(1, 0.0253, 5.572), (10, 4.795, 18.39), (100, 81.36, 121.63)]
)
def test_the_interval_of_a_count_is_garwoods(count: int, low: float, high: float) -> None:
    """The exact ends are from Garwood's table, 1936; the approximation is worst for a count of
    1."""
    assert count_interval(count) == pytest.approx((low, high), rel=0.01, abs=0.07)
