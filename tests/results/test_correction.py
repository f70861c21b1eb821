"""The correction of short trainings: formulas, cover of the intervals, and the choice."""

import numpy as np
import pytest
from nas_explorer.results.analysis.correction import (
    Correction,
    Floats,
    log_error,
    spread_over_costs,
)
from scipy import stats


def table(random: np.random.Generator, count: int) -> tuple[Floats, Floats, Floats]:
    """Return short and long accuracies and costs: short trainings favour small networks."""
    macs = np.exp(random.uniform(11, 16, count))
    params = macs ** random.uniform(0.6, 0.9, count)
    long = -1.5 - 0.25 * (np.log(macs) - 13.5) + 0.15 * random.standard_normal(count)
    short = 0.8 * long + 0.8 + 0.15 * (np.log(macs) - 13.5) + 0.15 * random.standard_normal(count)
    return 1 - np.exp(short), 1 - np.exp(long), np.column_stack([macs, params])


def test_a_straight_line_is_found() -> None:
    """Long errors are the short ones to the power 1.5: a line in logarithms without noise."""
    short = np.array([0.5, 0.6, 0.7, 0.8, 0.9])
    costs = np.ones((5, 1))
    model = Correction(short_N=short, long_N=1 - (1 - short) ** 1.5, costs_NC=costs)
    found = model.predict(short_N=np.array([0.75, 0.95]), costs_NC=np.ones((2, 1)))
    assert found.value_N == pytest.approx([1 - 0.25**1.5, 1 - 0.05**1.5], abs=2e-3)


def test_without_any_relation_it_is_the_interval_of_a_new_value() -> None:
    """Equal features leave the mean and Student's t: mean +- t * s * sqrt(1 + 1/n)."""
    long = 1 - np.exp(np.array([-1.0, -1.2, -0.8, -1.1, -0.9]))
    same = np.full(5, 0.7)
    model = Correction(short_N=same, long_N=long, costs_NC=np.ones((5, 1)))
    found = model.predict(short_N=same[:1], costs_NC=np.ones((1, 1)))
    half = 2.776445 * (0.1 / 4 * 1.2) ** 0.5  # sum of squares 0.1; t at 0.975 of 4 degrees
    assert log_error(found.value_N) == pytest.approx([-1.0])
    assert log_error(found.low_N) == pytest.approx([-1.0 + half])
    assert log_error(found.high_N) == pytest.approx([-1.0 - half])


def test_ten_of_a_table_rank_the_others_and_cover_them() -> None:
    random = np.random.default_rng(0)
    short, long, costs = table(random, 500)
    ranks: list[float] = []
    inside: list[float] = []
    for _ in range(60):
        places = random.permutation(500)
        ten, rest = places[:10], places[10:]
        model = Correction(short_N=short[ten], long_N=long[ten], costs_NC=costs[ten])
        found = model.predict(short_N=short[rest], costs_NC=costs[rest])
        ranks.append(float(stats.spearmanr(found.value_N, long[rest]).statistic))
        inside.append(float(np.mean((found.low_N <= long[rest]) & (long[rest] <= found.high_N))))
    alone = float(stats.spearmanr(short, long).statistic)
    assert np.median(ranks) > alone + 0.05
    assert 0.92 < np.mean(inside) < 0.98


def test_the_front_comes_first_then_a_spread_over_the_costs() -> None:
    costs = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0]
    assert spread_over_costs(costs, [0, 1], 2) == [0, 1]
    # From 1 and 2: 64 is farthest, then 8 or 16, equally far, the cheaper one first.
    assert spread_over_costs(costs, [0, 1], 4) == [0, 1, 6, 3]
    assert spread_over_costs(costs, range(7), 3) == [0, 6, 3]
    assert sorted(spread_over_costs(costs, [3], 99)) == list(range(7))
