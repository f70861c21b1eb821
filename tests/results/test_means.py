"""Means of repeated trainings: worked by hand, and covering what they should."""

import numpy as np
import pytest
from nas_explorer.evaluators.base import Measurement
from nas_explorer.results.analysis.means import Spread, mean_note, mean_of


def singles(*values: float) -> tuple[Measurement, ...]:
    return tuple(
        Measurement(metric="accuracy", value=v, low=v - 0.05, high=v + 0.05, provenance={"seed": k})
        for k, v in enumerate(values)
    )


def test_an_interval_worked_by_hand() -> None:
    # Means 0.5 and 0.8; squares 2 * 0.01 / 0.25 and 2 * 0.0016 / 0.16; 2 + 1 degrees of freedom.
    spread = Spread.pooled([(0.4, 0.5, 0.6), (0.76, 0.84)], share=True)
    assert spread.degrees == 3
    assert spread.dispersion == pytest.approx((0.08 + 0.02) / 3)
    found = mean_of(singles(0.76, 0.84), spread)
    half = 3.182446 * (0.1 / 3 * 0.16 / 2) ** 0.5  # t at 0.975 of 3 degrees is 3.182446
    assert found.value == pytest.approx(0.8)
    assert found.low == pytest.approx(0.8 - half)
    assert found.high == pytest.approx(0.8 + half)
    assert found.provenance["trainings"] == 2
    assert found.provenance["single_values"] == [0.76, 0.84]


def test_equal_trainings_keep_the_interval_of_one() -> None:
    found = mean_of(singles(0.9, 0.9), Spread.pooled([(0.9, 0.9)], share=True))
    assert (found.value, found.low, found.high) == pytest.approx((0.9, 0.85, 0.95))


def test_shares_stay_shares() -> None:
    found = mean_of(singles(0.99, 1.0), Spread.pooled([(0.99, 1.0)], share=True))
    assert found.high == 1.0 and found.low is not None and found.low < 0.99


def test_the_interval_covers_the_mean_over_seeds() -> None:
    """Trainings of unlike accuracy, whose variance is a multiple of p (1 - p)."""
    random = np.random.default_rng(0)
    truth = random.uniform(0.7, 0.97, (300, 8))
    noise = random.standard_normal((300, 8, 3)) * 0.04 * np.sqrt(truth * (1 - truth))[..., None]
    inside: list[bool] = []
    for study, values in zip(truth, (truth[..., None] + noise).tolist(), strict=True):
        spread = Spread.pooled(values, share=True)
        for true, of_one in zip(study, values, strict=True):
            half = spread.half_width(of_one, share=True)
            inside.append(abs(sum(of_one) / 3 - true) <= half)
    assert 0.93 < np.mean(inside) < 0.97


def test_the_note_says_how_many_seeds() -> None:
    assert mean_note("accuracy", {3: [7, 0, 1], 5: [2]}) == (
        "accuracy is a mean of 3 seeds for 0-1, 7; of 5 seeds for 2, with the 95 % interval of "
        "the mean over seeds"
    )
