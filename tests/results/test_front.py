"""Dominance and hypervolume, against numbers worked by hand and against the definition."""

import numpy as np
import pytest
from nas_explorer.results.analysis.front import (
    clear_front_mask,
    comparable,
    dominators,
    front_mask,
    front_mask_with_ties,
    hypervolume,
    hypervolume_history,
    pareto_front,
    unit_losses,
)
from nas_explorer.results.analysis.ties import tie_notes, tied_with
from nas_explorer.search_space.errors import InputError

METRICS = ("accuracy", "macs")


def numbers(candidates):
    return [each.number for each in candidates]


def test_the_front_in_mixed_directions(make_candidate):
    candidates = [
        make_candidate(0, accuracy=0.5, macs=10),
        make_candidate(1, accuracy=0.9, macs=30),
        make_candidate(2, accuracy=0.4, macs=20),  # 0 is better in both
        make_candidate(3, accuracy=0.9, macs=31),  # as good as 1, but larger
        make_candidate(4, accuracy=0.7, macs=20),
    ]
    assert numbers(pareto_front(candidates, METRICS)) == [0, 1, 4]
    assert numbers(dominators(candidates[2], candidates, METRICS)) == [0, 4]
    assert numbers(dominators(candidates[3], candidates, METRICS)) == [1]
    assert dominators(candidates[4], candidates, METRICS) == []


def test_ties_stay(make_candidate):
    candidates = [make_candidate(i, accuracy=0.5, macs=10) for i in range(3)]
    assert numbers(pareto_front(candidates, METRICS)) == [0, 1, 2]
    assert dominators(candidates[0], candidates, METRICS) == []


def test_only_what_can_be_compared_takes_part(make_candidate):
    candidates = [
        make_candidate(0, accuracy=float("nan"), macs=1),
        make_candidate(1, accuracy=0.5, macs=10),
        make_candidate(2, macs=1),
        make_candidate(3, status="infeasible", accuracy=0.9, macs=1),
        make_candidate(4, status="failed", accuracy=0.9, macs=1),
        make_candidate(5, status="running", accuracy=0.9, macs=1),
        make_candidate(6, accuracy=0.5, macs=float("inf")),
    ]
    assert numbers(comparable(candidates, METRICS)) == [1]
    assert numbers(pareto_front(candidates, METRICS)) == [1]
    assert dominators(candidates[0], candidates, METRICS) == []
    assert pareto_front([], METRICS) == []
    assert dominators(candidates[1], [], METRICS) == []


def test_an_unknown_metric_lists_the_known(make_candidate):
    with pytest.raises(InputError, match="metric must be one of"):
        pareto_front([make_candidate(0, accuracy=0.5)], ("speed",))


@pytest.mark.parametrize("metrics", [1, 2, 3, 4])
@pytest.mark.parametrize("levels", [3, 10**9])
def test_the_front_is_what_the_definition_says(metrics, levels):
    losses = np.random.default_rng(metrics).integers(0, levels, (80, metrics)).astype(float)
    dominated = [
        any((other <= row).all() and (other < row).any() for other in losses) for row in losses
    ]
    assert front_mask(losses).tolist() == [not each for each in dominated]


def test_sums_that_round_alike_do_not_confuse_the_front():
    assert front_mask(np.array([[1e16 + 2, 0.5], [1e16 + 2, 0.25]])).tolist() == [False, True]


@pytest.mark.parametrize("metrics", [1, 2, 3])
def test_the_clear_front_is_what_the_definition_says(metrics):
    random = np.random.default_rng(metrics)
    best = random.integers(0, 12, (60, metrics)).astype(float)
    worst = best + random.integers(0, 3, best.shape)
    dominated = [any((w <= row).all() and (w < row).any() for w in worst) for row in best]
    assert clear_front_mask(best, worst).tolist() == [not each for each in dominated]
    assert (clear_front_mask(best, worst) >= clear_front_mask(best, best)).all()
    assert clear_front_mask(best, best).tolist() == front_mask(best).tolist()


def test_within_the_interval_nothing_is_clearly_dominated(make_candidate):
    candidates = [
        make_candidate(0, accuracy=(0.90, 0.88, 0.92), macs=10),
        make_candidate(1, accuracy=(0.87, 0.85, 0.89), macs=20),  # may be better than 0: 0.89
        make_candidate(2, accuracy=(0.80, 0.78, 0.82), macs=20),  # cannot: 0.82 < 0.88
        make_candidate(3, accuracy=(0.86, 0.84, 0.88), macs=20),  # at best as good, but larger
    ]
    assert numbers(pareto_front(candidates, METRICS)) == [0]
    assert numbers(pareto_front(candidates, METRICS, intervals=True)) == [0, 1]


@pytest.mark.parametrize("metrics", [1, 2, 3])
@pytest.mark.parametrize("width", [0, 3, 12])
def test_the_front_with_ties_is_what_the_definition_says(metrics, width):
    random = np.random.default_rng(metrics)
    values = random.integers(0, 12, (60, metrics)).astype(float)
    best, worst = (values + s * random.integers(0, width + 1, values.shape) for s in (-1, 1))
    dominated = [
        any(
            (values[other] <= values[row]).all() and (worst[other] < best[row]).any()
            for other in range(60)
        )
        for row in range(60)
    ]
    mask = front_mask_with_ties(values, best, worst)
    assert mask.tolist() == [not each for each in dominated]
    assert (front_mask(values) <= mask).all()
    assert (mask <= clear_front_mask(best, worst)).all()
    if not width:
        assert mask.tolist() == front_mask(values).tolist()


def test_ties_within_the_intervals_stay_on_the_front(make_candidate):
    names = ("accuracy", "latency")
    candidates = [
        make_candidate(0, accuracy=(0.90, 0.88, 0.92), latency=(2.0, 1.9, 2.1)),
        make_candidate(1, accuracy=(0.89, 0.87, 0.91), latency=(2.05, 1.95, 2.15)),  # a tie
        make_candidate(2, accuracy=(0.89, 0.87, 0.91), latency=(2.30, 2.2, 2.4)),  # clearly slower
        make_candidate(3, accuracy=(0.80, 0.78, 0.82), latency=(2.05, 1.95, 2.15)),  # clearly worse
        make_candidate(4, accuracy=(0.70, 0.68, 0.72), latency=(1.0, 0.9, 1.1)),
    ]
    front = pareto_front(candidates, names)
    assert numbers(front) == [0, 1, 4]
    assert numbers(pareto_front(candidates, names, ties=False)) == [0, 4]
    assert numbers(dominators(candidates[1], candidates, names)) == []
    assert numbers(dominators(candidates[1], candidates, names, ties=False)) == [0]
    assert numbers(dominators(candidates[2], candidates, names)) == [0, 1]
    assert tied_with(front, names) == {1: [0]}
    assert tie_notes(front, names)[0].count("candidate 1 with 0,") == 1
    assert tie_notes(front[:1], names) == []


def test_intervals_of_exact_metrics_do_not_count(make_candidate):
    names = ("accuracy", "macs")
    candidates = [
        make_candidate(0, accuracy=(0.90, 0.88, 0.92), macs=(10, 1, 90)),
        make_candidate(1, accuracy=(0.89, 0.87, 0.91), macs=(20, 2, 90)),
        make_candidate(2, accuracy=(0.89, 0.87, 0.91), macs=(10, 1, 90)),
    ]
    assert numbers(pareto_front(candidates, names)) == [0, 2]


def test_hypervolume_of_two_metrics():
    # Up to the reference (4, 4), the points add 3, 2 and 1 unit squares: 6 in all.
    losses = np.array([[1.0, 3.0], [2.0, 2.0], [3.0, 1.0], [3.0, 3.0], [5.0, 0.0]])
    assert hypervolume(losses, np.array([4.0, 4.0])) == 6.0


def test_hypervolume_of_three_metrics():
    # Boxes 2 x 2 x 1 and 1 x 1 x 2 within (2, 2, 2) share 1 x 1 x 1: 4 + 2 - 1.
    losses = np.array([[0.0, 0.0, 1.0], [1.0, 1.0, 0.0]])
    assert hypervolume(losses, np.full(3, 2.0)) == 5.0


def test_hypervolume_of_one_metric_and_of_nothing():
    assert hypervolume(np.array([[3.0], [2.0]]), np.array([5.0])) == 3.0
    assert hypervolume(np.array([[3.0, 9.0]]), np.array([5.0, 5.0])) == 0.0
    assert hypervolume(np.empty((0, 2)), np.array([5.0, 5.0])) == 0.0


def test_hypervolume_is_the_share_of_points_dominated():
    random = np.random.default_rng(0)
    losses, points = random.random((12, 4)), random.random((20_000, 4))
    share = (losses[:, None] <= points).all(axis=2).any(axis=0).mean()
    assert hypervolume(losses, np.ones(4)) == pytest.approx(share, abs=0.015)


def test_hypervolume_over_a_search(make_candidate):
    candidates = [
        make_candidate(0, accuracy=0.5, macs=100),  # both losses 1: the worst corner
        make_candidate(1, status="failed", macs=1),
        make_candidate(2, accuracy=0.7, macs=10),  # losses 0.5 and 0.5: volume 1/4
        make_candidate(3, accuracy=0.6, macs=100),
        make_candidate(4, accuracy=0.9, macs=10),  # losses 0 and 0.5: volume 1/2
        make_candidate(5, accuracy=0.7, macs=1),  # losses 0.5 and 0: total volume 3/4
    ]
    history = hypervolume_history(candidates, METRICS)
    assert [number for number, _ in history] == [0, 2, 3, 4, 5]
    assert [volume for _, volume in history] == pytest.approx([0, 0.25, 0.25, 0.5, 0.75])


def test_hypervolume_over_a_search_agrees_with_the_whole(make_candidate):
    values = np.random.default_rng(1).random((30, 3)).round(1)
    values[0, 2] = 0  # a count of zero has no logarithm, so MACs are not transformed
    candidates = [
        make_candidate(i, accuracy=a, latency=b, macs=c)
        for i, (a, b, c) in enumerate(values.tolist())
    ]
    losses = values * [-1, 1, 1]
    losses -= losses.min(axis=0)
    losses /= losses.max(axis=0)
    metrics = ("accuracy", "latency", "macs")
    history = hypervolume_history(candidates, metrics)
    assert history[-1][1] == pytest.approx(hypervolume(losses, np.ones(3)))
    assert hypervolume_history([], metrics) == []


def test_hypervolume_over_a_search_of_one(make_candidate):
    assert hypervolume_history([make_candidate(7, accuracy=0.5, macs=3)], METRICS)[0][0] == 7


def test_losses_that_cross_zero_keep_their_order():
    values = np.array([[-10.0], [-1.0], [0.0], [0.1], [10.0]])
    scaled = unit_losses(values, ["macs"])
    assert scaled[:, 0] == pytest.approx([0, 0.45, 0.5, 0.505, 1])  # a straight scale
    assert unit_losses(values[3:], ["macs"])[:, 0] == pytest.approx([0, 1])
    counts = unit_losses(np.array([[1.0], [10.0], [100.0]]), ["macs"])
    assert counts[:, 0] == pytest.approx([0, 0.5, 1])  # a logarithmic one
