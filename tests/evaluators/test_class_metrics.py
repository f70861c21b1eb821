"""Metrics besides top-1: worked by hand, their intervals, and where they are not defined."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from nas_explorer.evaluators.accuracy.class_metrics import class_scores
from nas_explorer.evaluators.accuracy.data.dataset import DataSpec, load_search_data
from nas_explorer.evaluators.accuracy.evaluator import AccuracyEvaluator
from nas_explorer.evaluators.accuracy.recipe import Recipe
from nas_explorer.evaluators.accuracy.target_metrics import defined_on, why_undefined
from nas_explorer.evaluators.accuracy.training.loop import train
from nas_explorer.evaluators.accuracy.training.losses import class_weights
from nas_explorer.evaluators.metrics import CLASS_METRICS, METRICS
from nas_explorer.search_space.errors import InputError
from torch import Tensor, nn

from .test_accuracy_evaluator import make_architecture
from .test_accuracy_training import CPU, make_data, make_model

ALL = tuple(each.name for each in CLASS_METRICS)


def scores(shares: list[list[float]], labels: list[int]) -> dict[str, float]:
    given = torch.tensor(shares, dtype=torch.float64).log(), torch.tensor(labels)
    names = defined_on("classes", "abcdefgh"[: len(shares[0])], given[1])[1:]
    return {name: each.value for name, each in class_scores(*given, names, seed=0).items()}


def test_two_classes_worked_by_hand() -> None:
    # Of class a, 2 of 3 are right; of class b, 1 of 2.
    found = scores([[0.9, 0.1], [0.8, 0.2], [0.4, 0.6], [0.7, 0.3], [0.2, 0.8]], [0, 0, 0, 1, 1])
    assert found["balanced_accuracy"] == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert found["min_recall"] == pytest.approx(1 / 2)
    # F1 of a: precision 2/3, recall 2/3; of b: precision 1/2, recall 1/2.
    assert found["macro_f1"] == pytest.approx((2 / 3 + 1 / 2) / 2)
    # Pairs of (b, a): 0.3 above 0.1 and 0.2, not 0.6; 0.8 above all three.
    assert found["auroc"] == pytest.approx(5 / 6)
    given = (0.9, 0.8, 0.4, 0.3, 0.8)
    assert found["loss"] == pytest.approx(-np.mean(np.log(given)))
    # Bins of width 1/15: 0.9 | 0.8 and 0.8 | 0.6 wrong | 0.7 wrong.
    assert found["calibration_error"] == pytest.approx((0.1 + 0.4 + 0.6 + 0.7) / 5)
    assert "top5" not in found


def test_top5_counts_the_five_best() -> None:
    shares = [[0.3, 0.2, 0.2, 0.15, 0.1, 0.05]] * 2
    assert scores(shares, [4, 5])["top5"] == 0.5


@pytest.fixture(scope="module")
def drawn() -> tuple[Tensor, Tensor]:
    """Scores of 400 images of two unequal classes, of which 80 % or so are right."""
    draw = torch.Generator().manual_seed(1)
    labels = (torch.rand(400, generator=draw) < 0.3).long()
    logits = torch.randn(400, 2, generator=draw) + 1.2 * nn.functional.one_hot(labels)
    return logits, labels


def test_intervals_hold_the_value_and_depend_on_the_seed_alone(
    drawn: tuple[Tensor, Tensor],
) -> None:
    names = defined_on("classes", "ab", drawn[1])[1:]
    one, same = (class_scores(*drawn, names, seed=3) for _ in range(2))
    assert one == same and set(one) == {*ALL} - {"top5"}
    for name, found in one.items():
        if name == "calibration_error":
            assert found.low is None and found.high is None
            continue
        assert found.low is not None and found.high is not None
        assert found.low < found.value < found.high and found.high - found.low < 0.35


@pytest.mark.parametrize("name", ["balanced_accuracy", "macro_f1", "min_recall", "auroc", "loss"])
def test_intervals_cover_the_true_value(name: str) -> None:
    """Of 60 samples of 200 images, the interval of about 57 holds the value of 40,000 images."""
    draw = torch.Generator().manual_seed(5)
    labels = (torch.rand(52_000, generator=draw) < 0.3).long()
    logits = torch.randn(52_000, 2, generator=draw) + 1.2 * nn.functional.one_hot(labels)
    truth = class_scores(logits[12_000:], labels[12_000:], [name], seed=0)[name].value
    covered = 0
    for places in torch.arange(12_000).split(200):
        found = class_scores(logits[places], labels[places], [name], seed=0)[name]
        assert found.low is not None and found.high is not None
        covered += found.low <= truth <= found.high
    assert 53 <= covered <= 60


def test_intervals_have_a_width_without_an_error() -> None:
    labels = torch.tensor([0, 1] * 20)
    found = class_scores(9.0 * nn.functional.one_hot(labels), labels, ALL[1:5], seed=0)
    for each in found.values():
        assert each.value == 1.0 and each.low is not None and 0.75 < each.low < 0.999


@pytest.mark.parametrize(
    ("name", "classes", "labels", "says"),
    [
        ("top5", "abcde", [0, 1, 2, 3, 4], "top5 must come with more than 5 classes, but got 5"),
        ("auroc", "abc", [0, 1, 2], "auroc must come with two classes, but got 3"),
        ("min_recall", "abc", [0, 0, 2], "1 of 3 classes have none in the split"),
    ],
)
def test_what_is_not_defined_is_refused_in_one_line(
    name: str, classes: str, labels: list[int], says: str
) -> None:
    reason = why_undefined(name, "classes", classes, torch.tensor(labels))
    assert reason is not None and says in reason and "\n" not in reason
    assert name not in defined_on("classes", classes, torch.tensor(labels))


def test_the_evaluator_measures_what_is_wanted() -> None:
    data = load_search_data(DataSpec(name="digits"))
    options = {"recipe": Recipe(epochs=1, batch_size=64), "seed": 7, "device": CPU}
    evaluator = AccuracyEvaluator(data=data, wanted=("macro_f1", "loss", "macs"), **options)
    accuracy, macro_f1, loss = evaluator.measure(make_architecture())
    assert (accuracy.metric, macro_f1.metric, loss.metric) == ("accuracy", "macro_f1", "loss")
    curve = accuracy.provenance["learning_curve"]
    assert loss.value == pytest.approx(curve[-1]["validation_loss"], rel=1e-5)
    assert set(METRICS["loss"].conditions) <= set(loss.provenance)
    with pytest.raises(InputError, match="auroc must come with two classes, but got 10"):
        AccuracyEvaluator(data=data, wanted=("auroc",), **options)


def test_class_weights_worked_by_hand() -> None:
    data = replace(make_data(), train_labels=torch.tensor([0, 0, 0, 1]))
    assert class_weights(data).tolist() == pytest.approx([4 / 6, 2.0])


def test_class_weights_help_the_rare_class() -> None:
    """Two overlapping classes, of which one has one image in ten."""
    draw = torch.Generator().manual_seed(0)
    labels = (torch.rand(600, generator=draw) < 0.1).long()
    shade = 128 + 30 * labels + 25 * torch.randn(600, generator=draw)
    images = shade[:, None, None, None].clip(0, 255).expand(600, 1, 8, 8)
    data = replace(
        make_data(),
        train_images=images.to(torch.uint8).contiguous(),
        train_labels=labels,
    )
    found = {}
    for weighted in (False, True):
        model = make_model()
        recipe = Recipe(epochs=2, batch_size=50, augmentation="none", class_weights=weighted)
        train(model, data, recipe, seed=0, device=CPU)
        with torch.no_grad():
            guess = model.eval()((data.train_images.float() - 90) / 80).argmax(1)
        found[weighted] = (guess[labels == 1] == 1).float().mean().item()
    assert found[True] > found[False] + 0.2


def test_a_recipe_without_class_weights_is_stored_as_before() -> None:
    assert "class_weights" not in Recipe().to_json()
    assert Recipe.from_json(Recipe(class_weights=True).to_json()).class_weights
    with pytest.raises(InputError, match="class_weights must be true or false, but got 1"):
        Recipe.from_json({"class_weights": 1})
