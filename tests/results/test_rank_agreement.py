"""Rank correlations against scipy, and their intervals."""

import numpy as np
import pytest
from nas_explorer.results.analysis import rank_agreement as module
from nas_explorer.results.analysis.rank_agreement import agreement, best_count
from scipy import stats

RANDOM = np.random.default_rng(3)
X = RANDOM.integers(0, 8, 20).astype(np.float64)  # with ties
Y = X + RANDOM.normal(0, 3, 20)


def test_correlations_are_those_of_scipy() -> None:
    found = agreement(X, Y, seed=0)
    assert found is not None and found.count == 20
    assert found.spearman.value == pytest.approx(stats.spearmanr(X, Y).statistic)
    assert found.kendall.value == pytest.approx(stats.kendalltau(X, Y).statistic)
    for each in (found.spearman, found.kendall, found.top_tenth):
        assert -1 <= each.low <= each.value <= each.high <= 1 and each.low < each.high


def test_weights_stand_for_repeated_candidates() -> None:
    weights = RANDOM.multinomial(20, [1 / 20] * 20, size=5).astype(np.float64)
    spearman = module._spearman(X, Y, weights)  # pyright: ignore[reportPrivateUsage]
    kendall = module._kendall(X, Y, weights)  # pyright: ignore[reportPrivateUsage]
    for place, row in enumerate(weights.astype(int)):
        x, y = np.repeat(X, row), np.repeat(Y, row)
        assert spearman[place] == pytest.approx(stats.spearmanr(x, y).statistic)
        assert kendall[place] == pytest.approx(stats.kendalltau(x, y).statistic)


def test_the_best_tenth_shares_its_last_place_among_ties() -> None:
    assert [best_count(each) for each in (4, 10, 11, 24)] == [1, 1, 2, 3]
    values = np.arange(20.0)
    same = agreement(values, values**3, seed=0)
    other = agreement(values, -values, seed=0)
    assert same is not None and other is not None
    assert (same.spearman.value, same.kendall.value, same.top_tenth.value) == (1, 1, 1)
    assert (other.spearman.value, other.kendall.value, other.top_tenth.value) == (-1, -1, 0)
    tied = np.array([3.0, 3.0, 1.0, 0.0])  # one place for two
    assert same.top_tenth.low == 1 and other.top_tenth.high == 0
    half = agreement(tied, np.array([9.0, 2.0, 1.0, 0.0]), seed=0)
    assert half is not None and half.top_tenth.value == 0.5


def test_values_that_do_not_differ_rank_nothing() -> None:
    assert agreement(np.ones(5), np.arange(5.0), seed=0) is None
    assert agreement(np.arange(1.0), np.arange(1.0), seed=0) is None


def test_a_seed_gives_the_same_interval() -> None:
    assert agreement(X, Y, seed=1) == agreement(X, Y, seed=1)
    one, other = agreement(X, Y, seed=1), agreement(X, Y, seed=2)
    assert one is not None and other is not None and one.spearman.low != other.spearman.low
