"""The model of the searcher ``pareto``, part by part."""

import numpy as np
import pytest
from nas_explorer.results.analysis.front import hypervolume
from nas_explorer.search_space.domains import Choice, IntRange
from nas_explorer.search_space.files import space_from_data
from nas_explorer.searchers.surrogate.features import Encoder, Scaler, embedding
from nas_explorer.searchers.surrogate.gaussian_process import (
    Inputs,
    _pairs,
    covariance,
    fit,
    negative_log_posterior,
    predict,
    prior,
)
from nas_explorer.searchers.surrogate.improvement import (
    bound_weights,
    expected_gap,
    expected_improvement,
)
from nas_explorer.searchers.surrogate.losses import Scale
from nas_explorer.searchers.surrogate.model import fit_point, thinned
from nas_explorer.searchers.surrogate.pool import Member, Pool, PoolSizes, decisions_key, spread
from nas_explorer.searchers.surrogate.promise import rounded

SPACE = {
    "input": {"channels": 1, "resolution": 8, "classes": 3},
    "stem": "conv",
    "stages": [
        {
            "width": [8, 16, 32],
            "depth": {"min": 1, "max": 3},
            "block": {
                "metaformer": {
                    "mixer": {"identity": None, "large_kernel_conv": {"kernel_size": [3, 5, 7]}}
                }
            },
        }
    ],
    "head": "pooled",
}


def made_inputs(count: int, seed: int = 0) -> Inputs:
    generator = np.random.default_rng(seed)
    codes = generator.integers(3, size=(count, 4))
    decisions = np.concatenate([np.eye(3)[codes[:, place]] for place in range(4)], axis=1)
    groups = (generator.normal(size=(count, 1)), generator.normal(size=(count, 2)))
    return Inputs(decisions, np.full(count, 4.0), groups)


def test_the_expected_gap_by_hand() -> None:
    """At the mean it is sd / sqrt(2 pi); far above the bound nothing, far below the distance."""
    found = expected_gap(np.array([1.0, -9.0, 11.0]), np.array([[1.0]]), np.array([[2.0]]))[0]
    assert found == pytest.approx([2 / np.sqrt(2 * np.pi), 0.0, 10.0], abs=1e-5)


def test_the_improvement_of_certain_values_by_hand() -> None:
    """Front (1, 3), (2, 1), reference (4, 4): (1.5, 0.5) adds 2 x 0.5 + 0.5 x 2 + 0.5 x 0.5."""
    front, reference = np.array([[1.0, 3.0], [2.0, 1.0]]), np.array([4.0, 4.0])
    points = np.array([[1.5, 0.5], [3.0, 3.5], [0.5, 0.5]])
    found = expected_improvement(front, reference, points, np.full((3, 2), 1e-9))
    # The last one's box is 3.5 x 3.5 = 12.25 beside the front's 3 x 1 + 2 x 2 = 7.
    assert found == pytest.approx([2.25, 0.0, 5.25], abs=1e-6)


@pytest.mark.parametrize(("objectives", "size"), [(1, 2), (2, 0), (2, 4), (3, 4), (4, 3)])
def test_the_improvement_against_sampling(objectives: int, size: int) -> None:
    generator = np.random.default_rng(objectives + 10 * size)
    front = generator.uniform(0.2, 1.0, (size, objectives))
    reference = np.ones(objectives)
    mean, sd = generator.uniform(0.1, 0.9, objectives), generator.uniform(0.1, 0.4, objectives)
    samples = mean + sd * generator.standard_normal((300, objectives))
    before = hypervolume(front, reference)
    grown = [hypervolume(np.vstack([front, each]), reference) - before for each in samples]
    found = expected_improvement(front, reference, mean[None], sd[None])[0]
    error = np.std(grown) / np.sqrt(len(grown))
    assert found == pytest.approx(np.mean(grown), abs=4 * error + 1e-9)


def test_the_weights_of_an_unknown_bound_by_hand() -> None:
    """Levels 1 and 2, reference 6: bounds at 2 and 6 with chances 1 and 2 of 3.

    Within 2 lies 1 x 1 (from level 1, first objective 3 to 4), within 6 lie 1 + 4 x 2.
    """
    front, reference = np.array([[3.0, 1.0], [2.0, 2.0]]), np.array([4.0, 6.0])
    far = 2 / 3 / 9
    near = 1 / 3 + far
    assert bound_weights(front, reference) == pytest.approx([near, near, far])
    ones = np.concatenate([front, [[3.0], [3.0]]], axis=1)[:, [0, 2, 1]]
    assert bound_weights(ones, np.array([4.0, 4.0, 6.0])) == pytest.approx([near, near, far])


def test_a_bound_that_is_not_known_favours_low_losses() -> None:
    front, reference = np.array([[3.0, 1.0], [1.0, 5.0]]), np.array([4.0, 6.0])
    points, sds = np.array([[2.0, 0.9], [0.5, 4.0]]), np.full((2, 2), 1e-9)
    plain, weighted = (
        expected_improvement(front, reference, points, sds, unknown_bound=each)
        for each in (False, True)
    )
    assert weighted[0] / weighted[1] > plain[0] / plain[1]


def test_the_kernel_by_hand() -> None:
    """Two candidates with half of the decisions in common, one number apart by 1."""
    one = Inputs(np.array([[1.0, 0, 1, 0]]), np.array([2.0]), (np.array([[0.0]]),))
    other = Inputs(np.array([[1.0, 0, 0, 1]]), np.array([2.0]), (np.array([[1.0]]),))
    theta = np.log(np.array([3.0, 2.0, 5.0, 7.0, 0.1, 0.5, 1.0]))
    agree, root = np.exp(-0.5 / 0.5), np.sqrt(5)
    near = (1 + root + 5 / 3) * np.exp(-root)
    expected = 3 * 0.0 + 2 * agree + 5 * near + 7 * agree * near
    assert covariance(theta, one, other)[0, 0] == pytest.approx(expected)
    assert covariance(theta, other, other)[0, 0] == pytest.approx(3 + 2 + 5 + 7)


def test_predictions_are_those_of_scikit_learn() -> None:
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern

    generator = np.random.default_rng(3)
    numbers = generator.normal(size=(30, 1))
    inputs = Inputs(np.zeros((30, 1)), np.ones(30), (numbers,))
    values, noise = np.sin(numbers[:, 0]), generator.uniform(0.01, 0.2, 30)
    theta = np.log(np.array([1e-12, 1e-12, 0.8, 1e-12, 0.03, 1.0, 1.3]))
    mean, sd = predict(theta, inputs.rows(slice(20)), values[:20], noise[:20], inputs)
    kernel = ConstantKernel(0.8) * Matern(length_scale=1.3, nu=2.5)
    other = GaussianProcessRegressor(kernel, alpha=0.03 + 1e-8 + noise[:20], optimizer=None)
    expected = other.fit(numbers[:20], values[:20]).predict(numbers, return_std=True)
    assert mean == pytest.approx(expected[0], abs=1e-8)
    assert sd == pytest.approx(expected[1], abs=1e-5)


def test_the_gradient_of_a_fit() -> None:
    inputs, generator = made_inputs(12), np.random.default_rng(1)
    values, noise = generator.normal(size=12), generator.uniform(0, 0.1, 12)
    mean, deviation = prior(2, (1.0, 1.5))
    theta = mean + 0.3 * generator.normal(size=len(mean))
    rest = (_pairs(inputs, inputs), values, noise, mean, deviation)
    _, slope = negative_log_posterior(theta, *rest)
    for place in range(len(theta)):
        step = np.zeros(len(theta))
        step[place] = 1e-5
        high, low = (negative_log_posterior(theta + s, *rest)[0] for s in (step, -step))
        assert slope[place] == pytest.approx((high - low) / 2e-5, abs=1e-5)


def test_a_fit_finds_what_matters() -> None:
    """Values that depend on decisions alone, and on a number alone."""
    inputs = made_inputs(60)
    nothing = np.zeros(60)
    by_decisions = inputs.decisions_NE[:, [0, 3, 6]].sum(axis=1)
    by_number = np.sin(2 * inputs.groups[0][:, 0])
    for values, better, worse in ((by_decisions, 1, 2), (by_number, 2, 1)):
        theta = fit(inputs, (values - values.mean()) / values.std(), nothing, (1.0, 1.5))
        assert theta[better] > theta[worse] + 0.5
        assert (theta == np.round(theta, 2)).all()


def test_ordered_values_agree_by_their_distance() -> None:
    rows = embedding(IntRange(1, 4))
    assert (rows @ rows.T)[0] == pytest.approx([1.0, 0.75, 0.5, 0.25])
    assert embedding(Choice(("a", "b"))).tolist() == [[1.0, 0.0], [0.0, 1.0]]


def test_what_is_not_asked_has_no_influence() -> None:
    space = space_from_data(SPACE)
    encoder = Encoder(space.decisions())
    common = {"stages.0.width": 16, "stages.0.depth": 2, "stages.0.block.mixer": "identity"}
    plain = encoder.encode(common)
    stray = encoder.encode({**common, "stages.9.block.mixer": "attention"})
    assert (plain.decisions_E == stray.decisions_E).all() and plain.active == stray.active == 3
    kernels = [
        encoder.encode(
            {
                **common,
                "stages.0.block.mixer": "large_kernel_conv",
                "stages.0.block.mixer.large_kernel_conv.kernel_size": size,
            }
        )
        for size in (3, 7)
    ]
    assert [each.active for each in kernels] == [4, 4]
    # They agree on all but the kernel, there by 1 - 2 / 3.
    assert kernels[0].decisions_E @ kernels[1].decisions_E == pytest.approx(3 + 1 / 3)
    inputs = Scaler.of([plain, *kernels]).inputs([plain, *kernels])
    assert np.isfinite(np.concatenate(inputs.groups, axis=1)).all()


def test_shares_of_values_are_those_of_decisions_of_a_kind() -> None:
    encoder = Encoder({f"layer{place}": Choice(("a", "b", "c")) for place in range(4)})
    found = encoder.encode({"layer0": "b", "layer1": "b", "layer2": "c", "layer3": "a"}, (9.0,))
    assert found.numbers.tolist() == [0.5, 0.25]
    assert found.costs == pytest.approx((np.log(10.0),))


def test_scales_of_losses_by_hand() -> None:
    error = Scale.of(minimised=False, share=True, values=np.array([0.9]))
    assert error.losses(np.array([0.9, 0.95, 1.0])) == pytest.approx(np.log([0.1, 0.05, 0.001]))
    assert error.deviation(0.9, 0.01) == pytest.approx(0.1)
    cost = Scale.of(minimised=True, share=False, values=np.array([2.0, 8.0]))
    assert cost.loss(8.0) == pytest.approx(np.log(8)) and cost.deviation(8.0, 2.0) == 0.25
    assert np.isfinite(cost.losses(np.array([0.0])))
    rate = Scale.of(minimised=False, share=False, values=np.array([2.0]))
    assert rate.loss(8.0) == pytest.approx(-np.log(8))
    zero = Scale.of(minimised=True, share=False, values=np.array([0.0, 1.0]))
    assert zero.loss(3.0) == 3.0


def test_fits_depend_on_the_number_of_candidates_alone() -> None:
    assert [fit_point(count) for count in (5, 8, 9, 17, 25, 26)] == [5, 8, 9, 16, 24, 24]
    assert fit_point(1000) > 1000 * 8 / 9 - 1


def test_the_best_are_kept_when_there_are_many() -> None:
    losses = np.stack([np.arange(40.0), np.arange(40.0)], axis=1)
    found = thinned(losses, 12)
    assert found[:8].tolist() == list(range(8)) and found[-1] == 39 and len(found) == 12
    assert thinned(losses[:12], 12).tolist() == list(range(12))


def test_pools_overlap_and_depend_on_the_seed() -> None:
    space = space_from_data(SPACE)
    sizes = PoolSizes(fresh=30, fresh_new=2, parents=3, mutants=4, crossings=2, renewal=2)
    parent = next(iter(space.enumerate()))
    one = Member(key=decisions_key(parent.decisions), walk=parent)

    class Chosen:
        key, decisions = one.key, one.walk.decisions

    pool = Pool(space, 5, sizes)
    first = [each.key for each in pool.members(4, [Chosen()])]
    second = [each.key for each in pool.members(5, [Chosen()])]
    again = [each.key for each in Pool(space, 5, sizes).members(5, [Chosen()])]
    assert second == again and len(set(second)) == len(second)
    assert len(set(first) & set(second)) >= len(second) - 4
    assert [each.key for each in Pool(space, 6, sizes).members(5, [Chosen()])] != second


def test_items_are_spread_with_both_ends() -> None:
    assert spread(list(range(10)), 4) == [0, 3, 6, 9]
    assert spread([1, 2], 4) == [1, 2]


def test_gains_are_rounded_to_six_digits_however_small() -> None:
    found = rounded(np.array([1234.56789, -0.00123456789, 0.0, 1e-305, 4e-320]))
    assert found.tolist() == [1234.57, -0.00123457, 0.0, 0.0, 0.0]
