"""Fronts by several latencies, worked by hand."""

import pytest
from nas_explorer.results.analysis.fragility import fragility, latencies
from nas_explorer.results.figures.fragility import fragility_text

from .records import columns_of


@pytest.fixture
def candidates(make_candidate):
    def made(number, accuracy, eager, openvino=None):
        other = {} if openvino is None else {"latency@openvino": openvino}
        return make_candidate(number, accuracy=accuracy, latency=eager, **other)

    return [
        made(0, 0.90, 4.0, 1.0),
        made(1, 0.80, 3.0, 2.0),  # slower than 0 in OpenVINO, and less accurate
        made(2, 0.70, 2.0, 0.5),
        made(3, 0.60, 2.5, 0.6),  # dominated by 2 in both
        made(4, 0.95, 1.0),  # OpenVINO does not run it
    ]


def test_who_stays_on_the_front(candidates):
    found = fragility(columns_of(candidates), ("accuracy", "latency"))
    assert found.objectives == ("accuracy",) and found.candidates == 4
    assert found.fronts == {"latency": (0, 1, 2), "latency@openvino": (0, 2)}
    assert (found.first, found.always, found.ever) == ("latency", (0, 2), (0, 1, 2))
    assert found.stay("latency@openvino") == pytest.approx(2 / 3)
    # Ranks 4 3 1 2 and 3 4 1 2: the squared differences sum to 2, so 1 - 6 * 2 / (4 * 15).
    assert found.ranks["latency@openvino"].value == pytest.approx(0.8)


def test_the_latency_that_is_an_objective_comes_first():
    known = ("accuracy", "latency@openvino", "latency", "macs", "latency_predicted")
    names = latencies(known, ("accuracy", "latency@openvino"))
    assert names == ("latency@openvino", "latency")
    assert latencies(known, ("accuracy", "macs")) == ("latency", "latency@openvino")


def test_the_table_marks_who_is_on_which_front(candidates):
    text = fragility_text(fragility(columns_of(candidates), ("accuracy", "latency")))
    assert ">67 %<" in text and "candidate 1" in text and "candidate 3" not in text
    assert text.count("\N{BLACK CIRCLE}") == 5
    assert "Only one latency" in fragility_text(None)


def test_one_latency_has_no_fragility(candidates):
    assert fragility(columns_of(candidates[4:]), ("accuracy", "latency")) is None
