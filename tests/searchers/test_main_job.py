"""The benchmark of the main job: two builds in turns, and their fronts after long trainings."""

import math

import pytest

from ..benchmark_runs import load_benchmark, run_benchmark

OURS, EARLIER = "this build", "earlier build"


def front(*networks: tuple[str, float]) -> list[dict[str, object]]:
    return [{"digest": digest, "macs": macs} for digest, macs in networks]


def test_fronts_and_times_are_compared_pair_by_pair() -> None:
    job = load_benchmark("main_job.py")
    found = [
        {
            OURS: {"wall": 60.0, "first": 3.0, "front": front(("a", 1e4), ("b", 1e6))},
            EARLIER: {"wall": 100.0, "first": 6.0, "front": front(("b", 1e6), ("c", 1e5))},
        },
        {
            OURS: {"wall": 90.0, "first": None, "front": front(("c", 1e5))},
            EARLIER: {"wall": 100.0, "first": 6.0, "front": front(("d", 1e5))},
        },
    ]
    assert job.ratio(found, "wall") == pytest.approx(0.75)
    assert job.ratio(found, "first") == pytest.approx(0.5)
    # Errors from 0 (d) to 1 (a), MACs from 1e4 to 1e6: c lies in the middle of both. Of a and b,
    # the boxes up to 1.1 are 0.1 x 1.1 and 0.85 x 0.1, with 0.1 x 0.1 in both.
    areas = job.volumes(found, {"a": 0.6, "b": 0.9, "c": 0.8, "d": 1.0})
    assert areas[OURS] == pytest.approx([0.11 + 0.085 - 0.01, 0.6 * 0.6])
    assert areas[EARLIER] == pytest.approx([0.36 + 0.085 - 0.06, 1.1 * 0.6])


def test_a_ratio_of_pairs_has_an_interval_over_the_seeds() -> None:
    job = load_benchmark("main_job.py")
    found = job.paired_ratio([2.0, 8.0], [1.0, 2.0])
    # The logarithms are 1 and 2 times that of 2; Student's t of one degree is 12.706.
    assert math.log2(found["value"]) == pytest.approx(1.5)
    assert math.log2(found["high"]) == pytest.approx(1.5 + 12.706 / 2, rel=1e-4)
    assert math.log2(found["low"]) == pytest.approx(1.5 - 12.706 / 2, rel=1e-4)
    assert job.paired_ratio([3.0], [2.0]) == {
        "value": pytest.approx(1.5),
        "low": None,
        "high": None,
    }


@pytest.mark.slow
def test_it_searches_and_trains_the_front_for_long() -> None:
    found = run_benchmark("main_job.py", "--quick")
    assert found["budget"] == 2 and found["wall_ratio"] is None
    assert found["wall_seconds"][0] > 0
