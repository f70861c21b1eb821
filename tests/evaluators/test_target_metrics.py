"""Metrics of numbers and labels: worked by hand, scikit-learn's own, and their intervals."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from nas_explorer.evaluators.accuracy.label_metrics import area_of, precision_of
from nas_explorer.evaluators.accuracy.target_metrics import (
    check_metrics,
    defined_on,
    main_score,
    scores_of,
    why_undefined,
)
from nas_explorer.evaluators.metrics import MAIN_METRICS, METRICS, TRAINED, metric
from nas_explorer.search_space.errors import InputError
from sklearn.metrics import average_precision_score, roc_auc_score
from torch import Tensor

from .test_accuracy_training import make_data

NUMBERS = torch.tensor([[1.0, 10], [2, 20], [3, 30], [6, 20]], dtype=torch.float64)
FOUND = torch.tensor([[2.0, 10], [2, 20], [3, 30], [5, 22]], dtype=torch.float64)
LABELS = torch.tensor([[1.0, 0], [0, 1], [1, 1], [0, 0]], dtype=torch.float64)
SCORES = torch.tensor([[2.0, -1], [1, 3], [-1, 1], [-2, 2]])


def values(target, outputs: Tensor, truth: Tensor) -> dict[str, float]:
    names = defined_on(target, ("a", "b"), truth)
    return {n: each.value for n, each in scores_of(target, outputs, truth, names, seed=0).items()}


def test_numbers_worked_by_hand() -> None:
    found = values("regression", FOUND, NUMBERS)
    # Squared errors: 2 of a spread of 14; 4 of 200.
    assert found["r2"] == pytest.approx(1 - (2 / 14 + 4 / 200) / 2)
    assert found["rmse"] == pytest.approx((0.5**0.5 + 1) / 2)
    assert found["mae"] == pytest.approx((0.5 + 0.5) / 2)
    assert main_score("regression", FOUND, NUMBERS) == found["r2"]


def test_labels_worked_by_hand() -> None:
    found = values("labels", SCORES, LABELS)
    # Label a, in the order of scores: with, without, with, without. Label b: the same.
    assert found["mean_average_precision"] == pytest.approx(((1 + 2 / 3) / 2 * 2) / 2)
    assert found["auroc"] == pytest.approx(3 / 4)
    # a: 1 of 2 predicted is right, 1 of 2 is found; b: 2 of 3, 2 of 2.
    assert found["macro_f1"] == pytest.approx((0.5 + 0.8) / 2)
    assert found["micro_f1"] == pytest.approx(2 * 3 / (5 + 4))
    assert found["subset_accuracy"] == 1 / 4
    each = torch.nn.functional.binary_cross_entropy_with_logits(SCORES.double(), LABELS)
    assert found["loss"] == pytest.approx(float(each))


def test_one_label_alone_is_no_two_classes() -> None:
    # Label a of above: 1 of 2 predicted is right, 1 of 2 is found.
    found = values("labels", SCORES[:, :1], LABELS[:, :1])
    assert found["macro_f1"] == found["micro_f1"] == pytest.approx(0.5)
    assert found["mean_average_precision"] == pytest.approx((1 + 2 / 3) / 2)
    assert found["auroc"] == pytest.approx(3 / 4) and found["subset_accuracy"] == 0.5


def test_weighted_precision_and_area_are_those_of_scikit_learn() -> None:
    draw = np.random.default_rng(0)
    scores, true = draw.integers(0, 9, 60).astype(float), draw.integers(0, 2, 60).astype(float)
    counts = draw.integers(0, 4, (3, 60)).astype(float)
    order = np.argsort(-scores, kind="stable")
    ends = np.searchsorted(-scores[order], -scores[order], side="right") - 1
    for function, known in ((precision_of, average_precision_score), (area_of, roc_auc_score)):
        found = function(counts[:, order], true[order], ends)
        expected = [known(true, scores, sample_weight=each) for each in counts]
        assert found == pytest.approx(expected)


@pytest.mark.parametrize("target", ["regression", "labels"])
def test_intervals_hold_the_value_and_depend_on_the_seed_alone(target) -> None:
    draw = torch.Generator().manual_seed(1)
    truth = torch.randn(300, 3, generator=draw, dtype=torch.float64)
    outputs = truth + torch.randn(300, 3, generator=draw, dtype=torch.float64)
    truth = (truth > 0).double() if target == "labels" else truth
    names = defined_on(target, ("a", "b", "c"), truth)
    one, same = (scores_of(target, outputs, truth, names, seed=3) for _ in range(2))
    assert one == same and set(one) == {e.name for e in TRAINED if target in e.targets}
    for found in one.values():
        assert found.low is not None and found.high is not None
        assert found.low < found.value < found.high
        assert found.high - found.low < 0.3


@pytest.mark.slow
@pytest.mark.parametrize("name", ["r2", "rmse", "mean_average_precision", "auroc", "micro_f1"])
def test_intervals_cover_the_true_value(name: str) -> None:
    """Of 30 samples of 150 images, the interval of about 28 holds the value of 16,000 images."""
    (target,) = (each for each in metric(name).targets if each != "classes")
    draw = torch.Generator().manual_seed(5)
    truth = torch.randn(20_500, 2, generator=draw, dtype=torch.float64)
    outputs = truth + torch.randn(20_500, 2, generator=draw, dtype=torch.float64)
    truth = (truth > 0.5).double() if target == "labels" else truth
    expected = scores_of(target, outputs[4500:], truth[4500:], [name], seed=0)[name].value
    covered = 0
    for places in torch.arange(4500).split(150):
        found = scores_of(target, outputs[places], truth[places], [name], seed=0)[name]
        assert found.low is not None and found.high is not None
        covered += found.low <= expected <= found.high
    assert 25 <= covered <= 30


def test_a_perfect_order_has_an_interval_of_some_width() -> None:
    truth = torch.tensor([[1.0], [0]], dtype=torch.float64).repeat(20, 1)
    found = scores_of("labels", truth - 0.5, truth, ["mean_average_precision", "auroc"], seed=0)
    for each in found.values():
        assert each.value == 1.0 and each.low is not None and 0.8 < each.low < 0.99


def test_the_worst_score_has_an_interval_of_some_width() -> None:
    truth = torch.tensor([[1.0], [0]], dtype=torch.float64).repeat(20, 1)
    found = scores_of("labels", -1 - truth, truth, ["micro_f1"], seed=0)["micro_f1"]
    assert (found.value, found.low) == (0.0, 0.0)
    assert found.high is not None and 0.05 < found.high < 0.2


def test_a_label_that_no_image_has_does_not_count() -> None:
    truth, outputs = (torch.cat([each, each[:, :1] * 0 - 0], 1) for each in (LABELS, SCORES))
    assert values("labels", outputs, truth)["auroc"] == values("labels", SCORES, LABELS)["auroc"]


def test_every_metric_says_its_kinds_of_target() -> None:
    assert all(each.targets for each in TRAINED)
    assert METRICS["macs"].targets == ()
    for target, main in MAIN_METRICS.items():
        assert main.targets == (target,) and not main.on_request
        assert main.direction == "maximize"
        assert METRICS[f"{main.name}"] is main and metric(f"{main.name}_long").unit == main.unit


def test_what_is_not_defined_is_refused_in_one_line() -> None:
    data = replace(
        make_data(),
        target="regression",
        train_labels=torch.rand(48, 1).double(),
        validation_labels=torch.rand(16, 1).double(),
        classes=("age",),
    )
    check_metrics(["rmse", "macs"], data)
    with pytest.raises(InputError, match=r"accuracy must .* whose metrics are r2, rmse, mae"):
        check_metrics(["macs", "accuracy"], data)
    same = replace(data, validation_labels=torch.ones(16, 1).double())
    with pytest.raises(InputError, match=r"r2 must come with numbers that vary.*'age'"):
        check_metrics([], same)
    everyone = torch.ones(4, 2, dtype=torch.float64)
    assert "with and without" in str(why_undefined("auroc", "labels", "ab", everyone))
    assert "no image of it has one" in str(why_undefined("micro_f1", "labels", "ab", 0 * everyone))
