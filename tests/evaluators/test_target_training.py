"""Training on numbers and labels: losses, the scale in the last layer, the evaluator."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from nas_explorer.evaluators.accuracy.data.dataset import SearchData
from nas_explorer.evaluators.accuracy.data.given import given_data
from nas_explorer.evaluators.accuracy.evaluator import AccuracyEvaluator
from nas_explorer.evaluators.accuracy.full_recipe import full_recipe
from nas_explorer.evaluators.accuracy.inherit import Source, inherit
from nas_explorer.evaluators.accuracy.recipe import Recipe
from nas_explorer.evaluators.accuracy.target_metrics import scores_of
from nas_explorer.evaluators.accuracy.training.checkpoint import Checkpoint
from nas_explorer.evaluators.accuracy.training.learning_curve import Epoch
from nas_explorer.evaluators.accuracy.training.loop import chosen_augmentation, train
from nas_explorer.evaluators.accuracy.training.losses import output_scale, target_loss
from nas_explorer.evaluators.accuracy.training.output_scale import OutputScale
from nas_explorer.evaluators.accuracy.training.regularisation import BatchChanges
from nas_explorer.evaluators.accuracy.training.scoring import Normalise, class_logits
from nas_explorer.evaluators.base import CandidateError, Measurement, Setup
from nas_explorer.evaluators.metrics import MAIN_METRICS
from nas_explorer.evaluators.scores import SCORES
from nas_explorer.search_space.architecture.architecture import Architecture
from nas_explorer.search_space.architecture.network import Network
from nas_explorer.search_space.components.heads import DistilledHead, MlpHead, PooledHead, WideHead
from nas_explorer.search_space.errors import InputError
from nas_explorer.search_space.shapes import Shape
from torch import nn

from .target_data import images, labels, load, numbers
from .test_accuracy_evaluator import make_architecture
from .test_accuracy_training import CPU

PIXELS = images(120)
FAST = Recipe(epochs=15, batch_size=16, lr=8e-3, label_smoothing=0.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("arrays")


@pytest.fixture(scope="module")
def regression(folder: Path) -> SearchData:
    return load(given_data((PIXELS, numbers(PIXELS)), folder))


@pytest.fixture(scope="module")
def multilabel(folder: Path) -> SearchData:
    return load(given_data((PIXELS, labels(PIXELS)), folder))


def network(outputs: int = 2) -> Architecture:
    return make_architecture(classes=outputs)


def measured(data: SearchData, recipe: Recipe = FAST, **options: Any) -> tuple[Any, ...]:
    evaluator = AccuracyEvaluator(data=data, recipe=recipe, seed=7, device=CPU, **options)
    return evaluator.measure(network())


def test_numbers_are_learned_and_predicted_in_their_unit(regression: SearchData) -> None:
    kept: list[Any] = []
    r2, rmse = measured(
        regression, wanted=("rmse",), keep=lambda *given: kept.append(given), recipe=FAST
    )
    assert (r2.metric, rmse.metric) == ("r2", "rmse") and r2.value > 0.5
    assert r2.low < r2.value < r2.high
    assert regression.baseline == r2.provenance["r2_of_the_mean"] < 0.01
    scale = r2.provenance["output_scale"]
    assert scale["mean"] == pytest.approx(regression.train_labels.mean(0).tolist())
    model = Network(network())
    model.load_state_dict(kept[0][1])
    outputs = class_logits(model, regression.validation_images, Normalise(regression, CPU), 32)
    assert outputs.mean(0).tolist() == pytest.approx(scale["mean"], rel=0.1)
    errors = (outputs - regression.validation_labels).square().mean(0).sqrt()
    assert float(errors.mean()) == pytest.approx(rmse.value, rel=1e-5)
    curve = r2.provenance["learning_curve"]
    assert curve[-1]["validation_r2"] == pytest.approx(r2.value, abs=1e-4)
    assert measured(regression)[0].value == r2.value


def test_labels_are_learned(multilabel: SearchData) -> None:
    recipe = replace(FAST, label_smoothing=0.1)
    score, f1 = measured(multilabel, recipe, wanted=("micro_f1",))
    assert (score.metric, f1.metric) == ("mean_average_precision", "micro_f1")
    assert score.value > multilabel.baseline + 0.2
    assert score.provenance["baseline"] == multilabel.baseline


def test_images_with_labels_are_mixed(multilabel: SearchData) -> None:
    full = replace(full_recipe(FAST, 80, epochs=1, target="labels"), mixed=1.0)
    assert full.mixup and full.cutmix
    loss = target_loss(multilabel, full)
    torch.manual_seed(0)
    changes = BatchChanges(replace(full, rand_augment=0), 2)
    images_BCHW = multilabel.train_images[torch.arange(16)]
    _, mixed = changes(images_BCHW, loss.targets[:16])
    assert mixed.shape == (16, 2) and any(0 < float(each) < 1 for each in mixed.flatten())
    assert math.isfinite(loss(torch.zeros(16, 2), mixed))


def test_losses_worked_by_hand(regression: SearchData, multilabel: SearchData) -> None:
    number_loss = target_loss(regression, FAST)
    assert number_loss.guess == 1.0
    assert float(number_loss(torch.zeros_like(number_loss.targets), number_loss.targets)) == (
        pytest.approx(1.0, rel=1e-5)  # the variance of standardised numbers
    )
    some = replace(multilabel, train_labels=torch.tensor([[1.0], [0], [0], [0]]).double())
    weighted = target_loss(some, replace(FAST, class_weights=True))
    outputs = torch.tensor([[0.0], [0], [1], [1]])
    each = weighted(outputs, weighted.targets, "none")
    # Weights 4 / 2 of the only one with the label, 4 / 6 of the three without it.
    wrong = math.log(1 + math.e)
    expected = [2 * math.log(2), 2 / 3 * math.log(2), 2 / 3 * wrong, 2 / 3 * wrong]
    assert each.tolist() == pytest.approx(expected, rel=1e-5)
    assert float(weighted(outputs, weighted.targets)) == pytest.approx(sum(expected) / 4)
    smooth = target_loss(some, replace(FAST, label_smoothing=0.2))
    first = smooth(torch.tensor([[1.0]]), torch.tensor([[1.0]]))
    assert float(first) == pytest.approx(wrong - 0.9)


@pytest.mark.parametrize("name", ["class_weights", "label_smoothing", "mixup", "cutmix"])
def test_what_has_no_meaning_for_numbers_is_refused(regression: SearchData, name: str) -> None:
    recipe = replace(FAST, **{name: True if name == "class_weights" else 0.5})
    with pytest.raises(InputError, match=f"{name} must be without regression"):
        AccuracyEvaluator(data=regression, recipe=recipe, seed=0, device=CPU)
    chosen = full_recipe(regression.recipe, 80, target="regression", augmentation="shift")
    assert chosen_augmentation(chosen, regression) == "shift" and chosen.rand_augment == 0
    unchanged = full_recipe(replace(FAST, label_smoothing=0.1), 80, augmentation="none")
    assert unchanged.rand_augment == 0 and unchanged.mixup > 0
    found = full_recipe(regression.recipe, 80, target="regression")
    assert not (found.mixup or found.cutmix or found.rand_augment or found.label_smoothing)


@pytest.mark.parametrize(
    "head",
    [
        PooledHead(),
        DistilledHead(),
        DistilledHead(own_norms=True, merges=True),
        MlpHead(),
        WideHead(features=16),
    ],
)
def test_every_head_holds_the_scale(head: Any) -> None:
    scale = OutputScale.of(torch.tensor([[1.0, 100], [3, 500]], dtype=torch.float64))
    model = head.build(Shape(8, 2, 2), 2)
    for each in model.parameters():
        nn.init.normal_(each, generator=torch.Generator().manual_seed(0))
    model.eval()
    model.get_classifier = lambda: model.classifier
    maps = torch.randn(4, 8, 2, 2, generator=torch.Generator().manual_seed(1))
    before = model(maps)
    scale.put_into(model)
    expected = before * torch.tensor([1.0, 200]) + torch.tensor([2, 300])
    torch.testing.assert_close(model(maps), expected, rtol=1e-4, atol=1e-4)
    scale.take_from(model)
    torch.testing.assert_close(model(maps), before, rtol=1e-4, atol=1e-4)


def test_a_network_without_a_last_linear_map_fails_as_a_candidate() -> None:
    scale = OutputScale.of(torch.tensor([[1.0], [3]], dtype=torch.float64))
    with pytest.raises(CandidateError, match=r"must end in a linear map with a bias.* ReLU"):
        scale.put_into(nn.ReLU())


def test_a_warm_start_begins_with_the_predictions_of_its_source(regression: SearchData) -> None:
    """The first epoch without learning has the score of the source."""
    model = Network(network())
    train(model, regression, FAST, seed=0, device=CPU)
    source = Source(
        name="it",
        architecture=network(),
        weights=model.state_dict(),
        classes=regression.classes,
    )
    warm = Network(network())
    found = inherit(warm, source, regression.classes, output_scale(regression))
    assert found.fresh == 0 and found.preserved
    still = replace(FAST, epochs=1, lr=1e-9)
    before = train(warm, regression, still, seed=0, device=CPU).score
    outputs = class_logits(model, regression.validation_images, Normalise(regression, CPU), 32)
    truth = regression.validation_labels
    spread = (truth - truth.mean(0)).square().sum(0)
    expected = 1 - (outputs - truth).square().sum(0) / spread
    assert before == pytest.approx(float(expected.mean()), abs=1e-3)


def test_an_interrupted_training_goes_on_to_the_same_weights(
    regression: SearchData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nas_explorer.evaluators.accuracy.training import checkpoint

    monkeypatch.setattr(checkpoint, "SECONDS", 0.0)
    whole, cut = Network(network()), Network(network())
    cut.load_state_dict(whole.state_dict())
    again = Network(network())
    again.load_state_dict(whole.state_dict())
    result = train(whole, regression, FAST, seed=0, device=CPU, rungs=(3,))

    class Killed(BaseException):
        pass

    def kill(number: int, epoch: Epoch) -> bool:
        if number == 9:
            raise Killed
        return True

    kept = Checkpoint(tmp_path / "state", {})
    with pytest.raises(Killed):
        train(cut, regression, FAST, seed=0, device=CPU, goes_on=kill, checkpoint=kept, rungs=(3,))
    found = train(again, regression, FAST, seed=0, device=CPU, checkpoint=kept, rungs=(3,))
    intervals = [each.interval for each in found.curve]
    assert intervals == [each.interval for each in result.curve]
    assert [place for place, each in enumerate(intervals, 1) if each is not None] == [3]
    assert [each.validation_score for each in found.curve] == [
        each.validation_score for each in result.curve
    ]
    for one, other in zip(whole.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("kind", ["regression", "labels"])
def test_the_score_at_a_rung_has_the_interval_of_a_score_at_the_end(
    kind: str, regression: SearchData, multilabel: SearchData
) -> None:
    data, seen = regression if kind == "regression" else multilabel, list[Any]()
    model = Network(network())

    def stop(number: int, epoch: Epoch) -> bool:
        seen.append(epoch)
        return False

    train(model, data, FAST, seed=3, device=CPU, goes_on=stop, rungs=(1,))
    low, high = seen[0].interval
    assert low < seen[0].validation_score < high
    # The weights after the stop are those of the rung.
    outputs = class_logits(model, data.validation_images, Normalise(data, CPU), 32)
    name = MAIN_METRICS[data.target].name
    expected = scores_of(data.target, outputs, data.validation_labels, (name,), seed=3)[name]
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-5)


def test_measurements_at_rungs_have_intervals(multilabel: SearchData) -> None:
    asked: list[Measurement] = []
    made = AccuracyEvaluator(data=multilabel, recipe=FAST, seed=7, device=CPU)
    made.evaluate_by_rungs(network(), (1,), lambda each: bool(asked.append(each)))
    (rung,) = asked
    assert rung.metric == "mean_average_precision@1epochs"
    assert rung.low is not None and rung.high is not None
    assert rung.low < rung.value < rung.high


@pytest.mark.parametrize("name", ["grad_norm", "random_features", "log_macs"])
def test_scores_of_untrained_networks_read_every_kind_of_target(
    regression: SearchData, multilabel: SearchData, name: str
) -> None:
    from nas_explorer.evaluators.base import EVALUATORS

    assert name in SCORES
    cls = EVALUATORS[name].load()
    for data in (regression, multilabel):
        setup = Setup(data=data.spec.to_json(), settings=dict(cls.defaults))
        (found,) = cls.make(setup).measure(network())
        assert math.isfinite(found.value)
