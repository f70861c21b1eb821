"""Effects are found exactly for the decisions that have them."""

import numpy as np
import pytest
from nas_explorer.results.analysis.columns import Columns, DecisionValues
from nas_explorer.results.analysis.effects import cross_validated, effects, fit
from nas_explorer.results.analysis.enrichment import front_shares, words
from scipy.stats import hypergeom


def make_columns(metrics, decisions) -> Columns:
    """Return columns of complete candidates, from metric values and decision codes (-1: not
    asked).
    """
    count = len(next(iter(metrics.values())))
    unknown = np.full(count, np.nan)
    return Columns(
        number_N=np.arange(count),
        status_N=np.zeros(count, np.int8),
        order_N=np.arange(count),
        seconds_N=unknown,
        metrics={
            name: {"value": np.asarray(v, float), "low": unknown, "high": unknown}
            for name, v in metrics.items()
        },
        decisions={
            path: DecisionValues(
                levels=list("abcdefgh"[: max(codes) + 1]), codes_N=np.asarray(codes)
            )
            for path, codes in decisions.items()
        },
    )


@pytest.fixture
def columns() -> Columns:
    rng = np.random.default_rng(1)
    strong, weak, none = (rng.integers(0, 3, 600) for _ in range(3))
    knob = np.where(strong == 0, rng.integers(0, 2, 600), -1)
    accuracy = 0.5 + 0.05 * (strong - 1) + 0.01 * (weak == 2) + rng.normal(0, 0.01, 600)
    macs = 1e6 * 2.0**strong * np.exp(rng.normal(0, 0.1, 600))
    decisions = {"strong": strong, "weak": weak, "none": none, "strong.knob": knob}
    return make_columns({"accuracy": accuracy, "macs": macs}, decisions)


def test_effects_are_found_with_their_size(columns):
    found = effects(columns, "accuracy", np.ones(600, bool))
    assert found.count == 600 and found.explained == pytest.approx(0.945, abs=0.02)
    by_path = {each.path: each for each in found.decisions}
    assert found.decisions[0].path == "strong" and by_path["strong"].share > 0.8
    assert by_path["weak"].share > by_path["weak"].chance
    assert by_path["strong"].low > by_path["strong"].chance
    assert by_path["none"].share < by_path["none"].chance * 2
    for path, distance in (("strong", 0.1), ("weak", 0.01)):
        levels = {each.label: each for each in by_path[path].levels}
        assert levels["c"].effect - levels["a"].effect == pytest.approx(distance, abs=0.003)
        assert levels["c"].low < levels["c"].effect < levels["c"].high
    for each in found.decisions:
        assert each.low < each.share < each.high
        mean = sum(level.effect * level.count for level in each.levels)
        assert mean == pytest.approx(0, abs=1e-9), "effects are against the average"
    asked = sum(level.count for level in by_path["strong.knob"].levels)
    assert asked == (columns.decisions["strong"].codes_N == 0).sum()
    assert by_path["strong.knob"].share < 0.01, "what is not asked has no effect"


def test_effects_on_counts_are_factors(columns):
    found = effects(columns, "macs", np.ones(600, bool))
    levels = {each.label: each for each in found.decisions[0].levels}
    assert levels["b"].effect / levels["a"].effect == pytest.approx(2, rel=0.05)
    assert levels["c"].effect / levels["b"].effect == pytest.approx(2, rel=0.05)


def test_noise_is_reported_as_noise():
    rng = np.random.default_rng(2)
    decisions = {f"d{i}": rng.integers(0, 4, 60) for i in range(30)}
    columns = make_columns({"accuracy": rng.random(60)}, decisions)
    found = effects(columns, "accuracy", np.ones(60, bool))
    assert found.explained < 0.1
    assert sum(each.share > 0.05 for each in found.decisions) <= 1
    assert all(each.low < each.share < each.high for each in found.decisions)
    assert sum(each.share > each.chance for each in found.decisions) <= 4, "1 in 20 of 30"


def test_few_candidates_or_equal_ones_tell_nothing(columns):
    mask = np.zeros(600, bool)
    mask[:19] = True
    assert effects(columns, "accuracy", mask) is None
    assert effects(columns, "latency", np.ones(600, bool)) is None
    same = make_columns({"accuracy": [0.5] * 30}, {"d": [0, 1] * 15})
    assert effects(same, "accuracy", np.ones(30, bool)) is None


def test_the_ridge_is_that_of_the_definition():
    """Golub, Heath and Wahba: V = (1/n) |(I - A) y|^2 / ((1/n) trace(I - A))^2."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 6))
    x -= x.mean(axis=0)
    y = x @ rng.normal(size=6) + rng.normal(size=40)
    y -= y.mean()
    squares, vectors = np.linalg.eigh(x.T @ x)
    ridge, noise, error = cross_validated(squares, vectors.T @ (x.T @ y), float(y @ y), 40)

    def of_definition(ridge):
        hat = x @ np.linalg.solve(x.T @ x + ridge * np.eye(6), x.T) + 1 / 40  # one for the mean
        rest = y - hat @ y
        return (rest @ rest / 40) / (np.trace(np.eye(40) - hat) / 40) ** 2

    assert error == pytest.approx(of_definition(ridge))
    assert error <= of_definition(ridge * 1.3) and error <= of_definition(ridge / 1.3)
    fitted = fit(x, y)
    expected = np.linalg.solve(x.T @ x + ridge * np.eye(6), x.T @ y)
    assert fitted.mean_P == pytest.approx(expected)
    covariance = noise * np.linalg.inv(x.T @ x + ridge * np.eye(6))
    assert np.cov(fitted.draws_DP.T) == pytest.approx(covariance, abs=0.25 * covariance.max())


# On the front -----------------------------------------------------------------------------------


def test_the_chance_of_a_front_is_hypergeometric():
    # Two of four candidates are on the front, and exactly these have the value: probability 1 in 6.
    columns = make_columns(
        {"accuracy": [0.9, 0.8, 0.7, 0.6], "macs": [20, 10, 30, 40]},
        {"s0.mixer": [0, 0, 1, 1], "s1.second_mixer": [1, 1, 1, 1], "s0.depth": [0, 1, 0, 1]},
    )
    assert words(columns) == ["mixer", "depth"]
    front, count, shares = front_shares(columns, ("accuracy", "macs"), "mixer", np.ones(4, bool))
    assert (front, count) == (2, 4)
    first, second = shares
    assert (first.label, first.front, first.every, first.expected) == ("a", 2, 2, 1.0)
    assert first.ratio == 2 and first.probability == pytest.approx(2 * 2 / 6), "Holm: of two"
    assert (second.label, second.ratio, second.probability) == ("b", 1.0, 1.0)
    assert first.low == pytest.approx(2 * 0.025**0.5), "Clopper and Pearson: 2 of 2"


def test_what_stands_out_stands_out():
    rng = np.random.default_rng(0)
    mixer = rng.integers(0, 4, 2000)
    macs = rng.uniform(1, 100, 2000)
    accuracy = np.sqrt(macs) / 20 + rng.uniform(0, 0.2, 2000) + 0.05 * (mixer == 2)
    columns = make_columns({"accuracy": accuracy, "macs": macs}, {"mixer": mixer})
    front, count, shares = front_shares(columns, ("accuracy", "macs"), "mixer", np.ones(2000, bool))
    assert shares[0].label == "c" and shares[0].probability < 0.05 < shares[0].ratio - 1
    tail = hypergeom(count, shares[0].every, front).sf(shares[0].front - 1)
    assert shares[0].probability == pytest.approx(4 * 2 * tail)
