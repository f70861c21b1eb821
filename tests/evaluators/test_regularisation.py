"""The further options of a full training."""

from dataclasses import replace

import pytest
import torch
from nas_explorer.evaluators.accuracy.full_recipe import full_recipe
from nas_explorer.evaluators.accuracy.recipe import Recipe
from nas_explorer.evaluators.accuracy.recipes.branches import drop_path_rates, skip_branches
from nas_explorer.evaluators.accuracy.training.kept_weights import (
    BestWeights,
    WeightAverage,
    copy_weights,
)
from nas_explorer.evaluators.accuracy.training.learning_curve import Epoch, best_epoch
from nas_explorer.evaluators.accuracy.training.regularisation import (
    BatchChanges,
)
from nas_explorer.search_space.architecture.network import Network
from nas_explorer.search_space.zoo import zoo_entry
from torch import nn

from .test_accuracy_evaluator import make_architecture
from .test_accuracy_training import make_data, make_model, run


def test_rates_of_skipped_branches_rise_to_the_last_block() -> None:
    """Of ResNet-18's eight blocks, three change the size of the map and have no plain sum."""
    parts = zoo_entry("resnet18").architecture.parts()
    rates = list(drop_path_rates(parts, 0.4).values())
    assert rates == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4])


@pytest.mark.slow  # torchvision takes seconds to import
def test_branches_are_skipped_in_training_alone() -> None:
    torch.manual_seed(0)
    given = make_architecture()
    network = Network(replace(given, stages=(replace(given.stages[0], depth=3),)))
    images = torch.randn(1, 1, 8, 8).expand(64, 1, 8, 8)
    handles = skip_branches(network, 0.9)
    alone = network.eval()(images)
    assert torch.allclose(alone, alone[:1].expand_as(alone), atol=1e-5)
    scores = network.train()(images)
    assert len(scores.detach().round(decimals=3).unique(dim=0)) > 1
    for each in handles:
        each.remove()
    assert torch.allclose(network.train()(images), alone, atol=1e-5)
    assert skip_branches(nn.Linear(2, 2), 0.5) == []


@pytest.mark.slow
def test_batches_are_mixed_as_often_as_the_recipe_says() -> None:
    torch.manual_seed(0)
    data = make_data()
    changes = BatchChanges(Recipe(mixup=0.4, cutmix=1.0, mixed=0.25), 2)
    batches = [changes(data.train_images, data.train_labels) for _ in range(200)]
    mixed = [(images, labels) for images, labels in batches if labels.dim() == 2]
    assert 30 <= len(mixed) <= 70
    for images, labels in mixed:
        assert images.shape == data.train_images.shape and images.max() <= 255
        assert torch.allclose(labels.sum(1), torch.ones(len(labels)))
    changed, labels = BatchChanges(Recipe(rand_augment=9), 2)(data.train_images, data.train_labels)
    assert changed.dtype == torch.uint8 and changed.shape == data.train_images.shape
    assert labels is data.train_labels and not torch.equal(changed, data.train_images)


def test_no_option_changes_nothing() -> None:
    data = make_data()
    found = BatchChanges(Recipe(), 2)(data.train_images, data.train_labels)
    assert found[0] is data.train_images and found[1] is data.train_labels


def test_the_mean_of_weights_worked_by_hand() -> None:
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, 0.0)
    average = WeightAverage(model, 1000)
    nn.init.constant_(model.weight, 1.0)
    average.update(model, 1)  # the decay is (1 + 1) / (10 + 1)
    assert average.model.weight.item() == pytest.approx(9 / 11)
    average.update(model, 10**9)  # exp(-1 / 1000)
    assert average.model.weight.item() == pytest.approx(1 - 2 / 11 * 0.999000, abs=1e-4)


def test_the_best_weights_are_given_back() -> None:
    model, other = make_model(1), make_model(2)
    best = BestWeights(model)
    best.keep(other)
    best.load(model)
    assert all(
        torch.equal(one, two)
        for one, two in zip(model.state_dict().values(), other.state_dict().values(), strict=True)
    )
    copy_weights(make_model(3), model)
    assert not torch.equal(model[0].weight, other[0].weight)


def test_the_best_epoch_is_the_first_of_the_highest_accuracy_and_smallest_loss() -> None:
    points = [(0.8, 1.0), (0.9, 0.7), (0.9, 0.5), (0.9, 0.5), (0.7, 0.1)]
    curve = [
        Epoch(train_loss=0, validation_loss=loss, validation_score=share, lr=0, seconds=0)
        for share, loss in points
    ]
    assert best_epoch(curve) == 3


def test_patience_ends_a_training_with_its_best_weights() -> None:
    model, data = make_model(), make_data()
    result = run(Recipe(epochs=30, batch_size=8, patience=2), model=model, data=data)
    assert result.stopped_early == "no better validation accuracy in 2 epochs"
    assert result.kept_epoch == len(result.curve) - 2 < 28
    with torch.no_grad():
        guess = model.eval()((data.validation_images.float() - 90) / 80).argmax(1)
    right = (guess == data.validation_labels).double().mean().item()
    assert result.score == right == result.curve[result.kept_epoch - 1].validation_score


def test_the_mean_of_weights_is_what_is_validated_and_kept() -> None:
    model, data = make_model(), make_data()
    result = run(Recipe(epochs=3, batch_size=8, average=0.5), model=model, data=data)
    with torch.no_grad():
        scores = model.eval()((data.validation_images.float() - 90) / 80)
        loss = nn.functional.cross_entropy(scores, data.validation_labels).item()
    assert result.curve[-1].validation_loss == pytest.approx(loss, rel=1e-4)


@pytest.mark.parametrize(
    ("count", "epochs"), [(200, 200), (1151, 200), (5_000, 80), (40_000, 30), (10**6, 30)]
)
def test_a_full_training_is_sized_by_the_data(count: int, epochs: int) -> None:
    short = Recipe(batch_size=32, augmentation="shift")
    recipe = full_recipe(short, count)
    assert recipe.epochs == epochs and recipe.batch_size == 32
    assert full_recipe(short, count, epochs=3, warm=True).lr < recipe.lr
