"""Comparisons of studies against numbers worked by hand."""

import math

import numpy as np
import pytest
from nas_explorer.results.analysis.columns import ColumnBuilder
from nas_explorer.results.analysis.compare import (
    corners,
    difference,
    distribution,
    error_name,
    growths,
)
from nas_explorer.results.analysis.front import hypervolume_history


@pytest.fixture
def candidates(make_candidate):
    values = [(0.5, 40), (0.75, 80), (0.25, 10), (0.75, 20), (0.5, 90)]
    return [make_candidate(i, accuracy=a, macs=m) for i, (a, m) in enumerate(values)]


def columns_of(candidates, orders=None):
    builder = ColumnBuilder()
    for place, each in enumerate(candidates):
        order = place if orders is None else orders[place]
        builder.take([{**each.to_json(), "order": order, "seconds": {"total": 2.0}}])
    return builder.columns()


def everyone(columns):
    return np.ones(len(columns), bool)


def test_the_distribution_is_of_the_error(candidates):
    columns = columns_of(candidates)
    found = distribution(columns, "accuracy", everyone(columns))
    assert found.at_N.tolist() == [0.25, 0.25, 0.5, 0.5, 0.75]
    assert found.share_N.tolist() == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert found.band == pytest.approx(math.sqrt(math.log(40) / 10))
    assert error_name("accuracy") == "error (1 - accuracy)" and error_name("macs") == "macs"
    macs = distribution(columns, "macs", columns.value("macs") < 50)
    assert macs.at_N.tolist() == [10, 20, 40]
    assert not len(distribution(columns, "latency", everyone(columns)).at_N)


def test_the_distance_is_the_greatest(candidates):
    columns = columns_of(candidates)
    one = distribution(columns, "macs", columns.value("macs") < 50)
    other = distribution(columns, "macs", columns.value("macs") > 50)
    assert difference(one, one) == (0.0, 1.0)
    # Of the 5! / (3! 2!) = 10 orders, two have one study completely before the other.
    assert difference(one, other) == (1.0, pytest.approx(0.2))
    assert math.isnan(difference(one, distribution(columns, "latency", everyone(columns)))[0])


def test_one_study_grows_as_its_history_says(candidates):
    columns = columns_of(candidates)
    (grown,) = growths([columns], [everyone(columns)], ("accuracy", "macs"))
    history = hypervolume_history(candidates, ("accuracy", "macs"))
    assert grown.volume_N.tolist() == [volume for _, volume in history]
    assert grown.seconds_N.tolist() == [2.0, 4.0, 6.0, 8.0, 10.0]


def test_candidates_count_as_they_finished_and_studies_on_one_scale(candidates):
    columns = columns_of(candidates[:2], orders=[1, 0])
    other = columns_of(candidates[2:])
    masks = [everyone(columns), everyone(other)]
    one, two = growths([columns, other], masks, ("accuracy", "macs"))
    assert one.row_N.tolist() == [1, 0]
    # MACs from 10 to 90 on a logarithmic scale, accuracies from 0.25 to 0.75.
    first = math.log(90 / 80) / math.log(9)
    assert one.volume_N[0] == pytest.approx(first)
    assert two.volume_N[1] == pytest.approx(math.log(90 / 20) / math.log(9))


def test_a_staircase_keeps_its_corners_and_its_end():
    assert corners(np.array([0.1, 0.1, 0.3, 0.3, 0.3])).tolist() == [0, 2, 4]
    assert corners(np.array([])).tolist() == []
