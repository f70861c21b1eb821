"""What was measured where, and that latency is compared within one place."""

from typing import Any

from nas_explorer.evaluators.base import Measurement
from nas_explorer.results.analysis.conditions import conditions, notes
from nas_explorer.results.analysis.front import dominators, pareto_front
from nas_explorer.results.candidate import Candidate

from .conftest import candidate


def timed(number: int, latency: float, accuracy: float, **provenance: Any) -> Candidate:
    made = candidate(number, latency=latency, accuracy=accuracy)
    told = {"device_name": "A", "device": "cpu", "torch": "2.15.0", **provenance}
    measured = Measurement(metric="latency", value=latency, provenance=told)
    return Candidate(
        number=number,
        architecture=made.architecture,
        decisions=made.decisions,
        status="complete",
        measurements={**made.measurements, "latency": measured},
    )


def test_only_candidates_timed_alike_dominate_each_other() -> None:
    fast = timed(0, 1.0, 0.9)
    slow = timed(1, 2.0, 0.8)
    elsewhere = timed(2, 3.0, 0.7, device_name="B")
    newer = timed(3, 4.0, 0.6, torch="2.16.0")
    every = [fast, slow, elsewhere, newer]
    found = [each.number for each in pareto_front(every, ("accuracy", "latency"))]
    assert found == [0, 2, 3]
    assert [each.number for each in dominators(slow, every, ("accuracy", "latency"))] == [0]
    assert dominators(elsewhere, every, ("accuracy", "latency")) == []


def test_where_latency_does_not_count_all_are_compared() -> None:
    every = [timed(0, 1.0, 0.9), timed(1, 2.0, 0.8, device_name="B")]
    assert [each.number for each in pareto_front(every, ("accuracy",))] == [0]


def test_what_was_measured_where_is_said_by_what_differs() -> None:
    every = [timed(n, 1.0, 0.9) for n in (0, 1, 2, 5)]
    assert notes(every, ("accuracy", "latency", "macs")) == []
    every.append(timed(7, 1.0, 0.9, device_name="B", torch="2.16.0"))
    assert notes(every, ("accuracy", "latency", "macs")) == [
        "latency was measured under 2 conditions and is compared only within each: "
        "candidates 0-2, 5: A, torch 2.15.0; candidate 7: B, torch 2.16.0"
    ]


def test_earlier_records_say_which_layout_was_timed() -> None:
    earlier = conditions("latency", {"device": "cpu", "channels_last": False})
    assert earlier == (("device", "cpu"), ("layout", "contiguous"))
    assert conditions("latency", {"device": "cpu", "layout": "best"}) != earlier


def test_the_number_of_a_gpu_does_not_matter() -> None:
    assert conditions("accuracy", {"device": "cuda:1"}) == (("device", "cuda"),)


def test_exact_metrics_depend_on_nothing() -> None:
    assert conditions("macs", {"device": "cpu", "torch": "2"}) == ()
