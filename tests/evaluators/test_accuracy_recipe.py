import json

import pytest
from nas_explorer.evaluators.accuracy.recipe import Recipe, learning_rate, warmup_steps
from nas_explorer.search_space.errors import InputError


def test_round_trip():
    recipe = Recipe(epochs=3, lr=1e-3, augmentation="none")
    assert Recipe.from_json(json.loads(json.dumps(recipe.to_json()))) == recipe


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epochs": 0}, "epochs must be a whole number of at least 1, but got 0"),
        ({"epochs": 2.5}, "epochs"),
        ({"epochs": True}, "epochs"),
        ({"batch_size": 1}, "batch_size must be a whole number of at least 2"),
        ({"lr": 0}, "lr must be a number above 0"),
        ({"lr": float("nan")}, "lr"),
        ({"lr": float("inf")}, "lr"),
        ({"lr": "fast"}, "but got 'fast'"),
        ({"weight_decay": -1}, "weight_decay"),
        ({"warmup": 1.5}, "warmup must be a number from 0 to 1"),
        ({"label_smoothing": -0.1}, "label_smoothing"),
        ({"clip": 0}, "clip"),
        ({"divergence_factor": 0.5}, "divergence_factor"),
        ({"divergence_epochs": 0}, "divergence_epochs"),
        ({"augmentation": "shft"}, "did you mean 'shift'"),
        ({"epoch": 3}, "did you mean 'epochs'"),
    ],
)
def test_values_out_of_range_are_refused(values, message):
    with pytest.raises(InputError, match=message):
        Recipe.from_json(values)


def test_learning_rate_rises_linearly_and_falls_as_a_cosine():
    recipe = Recipe(lr=1.0, warmup=0.2)
    rates = [learning_rate(recipe, step, 10) for step in range(10)]
    # Two steps up; then 8 steps of half a cosine: 1, ..., its middle (1/2) at step 2 + 4.
    assert rates[:3] == [0.5, 1.0, 1.0]
    assert rates[6] == pytest.approx(0.5)
    assert rates[2:] == sorted(rates[2:], reverse=True)
    assert 0 < rates[-1] < 0.05


@pytest.mark.parametrize("warmup", [0, 1])
def test_a_warm_up_may_be_nothing_or_all(warmup):
    recipe = Recipe(lr=1.0, warmup=warmup)
    assert warmup_steps(recipe, 4) == 4 * warmup
    rates = [learning_rate(recipe, step, 4) for step in range(4)]
    assert rates == (sorted(rates) if warmup else sorted(rates, reverse=True))
