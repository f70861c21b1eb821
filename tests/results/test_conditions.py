"""Conditions of measurements: latencies are compared only under equal conditions."""

from dataclasses import replace
from typing import Any

import numpy as np
from nas_explorer.evaluators.base import Measurement
from nas_explorer.results.analysis.conditions import conditions, current_values, notes
from nas_explorer.results.analysis.enrichment import front_shares
from nas_explorer.results.analysis.front import dominators, pareto_front
from nas_explorer.results.candidate import Candidate
from nas_explorer.results.figures.plots import pareto
from nas_explorer.results.figures.scatter_data import dominator_rows, scatter_data
from nas_explorer.results.figures.view import View

from .conftest import candidate
from .records import columns_of


def timed(number: int, latency: float, accuracy: float, **provenance: Any) -> Candidate:
    made = candidate(number, latency=latency, accuracy=accuracy)
    reported = {"device_name": "A", "device": "cpu", "torch": "2.15.0", **provenance}
    measured = Measurement(metric="latency", value=latency, provenance=reported)
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


FOUR = [
    timed(0, 1.0, 0.9),
    timed(1, 2.0, 0.8),
    timed(2, 3.0, 0.7, device_name="B"),
    timed(3, 4.0, 0.6, device_name="B"),
]
"""Two candidates on each device: the first dominates the second, and A's dominate B's."""


def test_the_dashboards_front_is_that_of_the_other_commands() -> None:
    columns, names = columns_of(FOUR), ("accuracy", "latency")
    every = np.ones(4, np.bool_)
    assert columns.front(names, every).tolist() == [0, 2]
    assert [each.number for each in pareto_front(FOUR, names)] == [0, 2]
    assert [each.tolist() for each in columns.fronts(names, every)] == [[0], [2]]
    assert columns.front(names, every, intervals=True).tolist() == [0, 2]
    assert columns.front(("accuracy",), every).tolist() == [0]
    drawn = scatter_data(columns, View(study="", x="latency", y="accuracy"), names)
    assert drawn.front.tolist() == [0, 2] and [each.tolist() for each in drawn.stairs] == [[0], [2]]
    assert dominator_rows(columns, 3, names, every).tolist() == [2]
    assert front_shares(columns, names, "depth", every)[:2] == (2, 4)


def test_the_dashboard_says_what_was_measured_where() -> None:
    assert columns_of(FOUR).condition_notes(("accuracy", "latency", "macs")) == [
        "latency was measured under 2 conditions and is compared only within each: "
        "candidates 0-1: A; candidates 2-3: B"
    ]
    assert columns_of(FOUR[:2]).condition_notes(("accuracy", "latency")) == []


def test_a_line_joins_only_what_was_timed_alike() -> None:
    names = ("latency", "accuracy")
    both, one = ({e.name: e for e in pareto(each, *names).data} for each in (FOUR, FOUR[:2]))
    assert both["front"].mode == "markers" and list(both["front"].x) == [1.0, 3.0]
    assert one["front"].mode == "lines+markers" and list(one["front"].x) == [1.0]


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


def test_a_brief_latency_is_compared_only_with_brief_ones() -> None:
    full, brief = timed(0, 1.0, 0.9), timed(1, 2.0, 0.8, layout_by="warmup")
    stated = timed(2, 3.0, 0.7, layout_by="rounds")  # the default, which records leave out
    every, names = [full, brief, stated], ("accuracy", "latency")
    note = (
        "latency was measured under 2 conditions and is compared only within each: "
        "candidates 0, 2: layout_by rounds; candidate 1: layout_by warmup"
    )
    assert notes(every, names) == columns_of(every).condition_notes(names) == [note]
    assert [each.number for each in pareto_front(every, names)] == [0, 1]
    assert columns_of(every).front(names, np.ones(3, np.bool_)).tolist() == [0, 1]
    assert notes([full, stated], names) == []
    assert "layout_by" not in dict(conditions("latency", {"device": "cpu", "layout_by": "rounds"}))


def test_the_number_of_a_gpu_does_not_matter() -> None:
    assert conditions("accuracy", {"device": "cuda:1"}) == (("device", "cuda"),)


def test_exact_metrics_depend_on_nothing() -> None:
    assert conditions("macs", {"device": "cpu", "torch": "2"}) == ()


def test_values_of_earlier_versions_of_a_score_are_not_ranked() -> None:
    every: list[Candidate] = []
    for number, version in enumerate((1, 2, 2)):
        probe = Measurement(metric="linear_probe", value=0.5, provenance={"version": version})
        made = candidate(number, accuracy=0.9)
        every.append(replace(made, measurements={**made.measurements, "linear_probe": probe}))
    every.append(candidate(3, accuracy=0.9))
    assert current_values(every, "linear_probe") == [None, 0.5, 0.5, None]
    latest = columns_of(every).of_latest_version("linear_probe")
    assert latest.tolist() == [False, True, True, False]
    assert columns_of(every).of_latest_version("macs").all()
