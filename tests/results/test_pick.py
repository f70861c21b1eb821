"""The choice of one candidate, and how many candidates a metric distinguishes."""

from dataclasses import replace

import pytest
from nas_explorer.evaluators.base import Measurement
from nas_explorer.results.analysis.pick import Request, count_distinguishable, pick
from nas_explorer.search_space.errors import InputError


@pytest.fixture
def candidates(make_candidate):
    """Of accuracy with an interval of 0.02 to each side, parameters and latency."""
    rows = [
        (0, 0.895, 50, 3.0),
        (1, 0.93, 90, 4.0),  # its interval overlaps those of 0 and 2
        (2, 0.94, 400, 5.0),
        (3, 0.80, 10, 1.0),
        (4, 0.99, 900, 9.0),
    ]
    found = []
    for number, accuracy, params, latency in rows:
        each = make_candidate(number, accuracy=accuracy, params=params, latency=latency)
        interval = Measurement(
            metric="accuracy", value=accuracy, low=accuracy - 0.02, high=accuracy + 0.02
        )
        measurements = {**each.measurements, "accuracy": interval}
        found.append(replace(each, measurements=measurements))
    return [*found, make_candidate(5, status="failed", accuracy=1.0, params=1, latency=0.1)]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("accuracy", 4),
        ("accuracy, latency<=5ms", 2),
        ("latency<=5ms,accuracy,params", 1),  # 1 and 2 are not distinguished: the smaller one
        ("accuracy, params, params<=60", 0),
        ("params", 3),
        ("latency, accuracy>=91%", 1),
    ],
)
def test_one_candidate_is_picked(candidates, text, number):
    found = pick(candidates, Request.parse(text))
    assert found.candidate is not None and found.candidate.number == number
    assert str(number) in found.reasons[-1]


def test_the_reasons_count_and_name(candidates):
    found = pick(candidates, Request.parse("accuracy, latency<=5ms, params"))
    assert found.reasons == (
        "4 of 5 candidates satisfy latency<=5 ms.",
        "Candidate 2 has the best accuracy: 94.0 % [92.0, 96.0]. The intervals do not "
        "distinguish it from candidate 1.",
        "Candidate 1 has the least params: 90.",
    )


def test_where_nothing_keeps_a_bound_the_nearest_is_named(candidates):
    found = pick(candidates, Request.parse("accuracy, latency<=0.5ms"))
    assert found.candidate is None
    assert found.reasons == (
        "None of 5 candidates satisfies latency<=0.5 ms: candidate 3 comes nearest, with 1 ms.",
    )
    assert pick([], Request.parse("accuracy")).reasons == ("No complete candidate has accuracy.",)


@pytest.mark.parametrize(
    ("text", "said"),
    [("latency<=5ms", "must name the metric"), ("acuracy", "accuracy"), ("", "must name")],
)
def test_requests_that_are_not_right(text, said):
    with pytest.raises(InputError, match=said):
        Request.parse(text)


def test_candidates_that_are_distinguished(candidates):
    assert count_distinguishable(candidates, "accuracy") == (4, 1)  # all but 1
    assert count_distinguishable(candidates[:3], "accuracy") == (2, 2)
    assert count_distinguishable(candidates, "params") == (5, 1)
    assert count_distinguishable([], "accuracy") == (0, 0)
