"""What each recipe option does, on cases worked by hand."""

import math
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from nas_explorer.evaluators.accuracy.data.image_rows import ImageRows
from nas_explorer.evaluators.accuracy.evaluator import AccuracyEvaluator
from nas_explorer.evaluators.accuracy.inherit import Source
from nas_explorer.evaluators.accuracy.option_table import (
    OPTIONS,
    SWITCH,
    number,
    options_text,
    read_options,
)
from nas_explorer.evaluators.accuracy.recipe import Recipe
from nas_explorer.evaluators.accuracy.recipes.base import Batch, RecipeOption
from nas_explorer.evaluators.accuracy.recipes.bias_loss import BiasLoss, image_weights
from nas_explorer.evaluators.accuracy.recipes.checks import check_options
from nas_explorer.evaluators.accuracy.recipes.coreset import Coreset, medoids
from nas_explorer.evaluators.accuracy.recipes.distill import Distill, DistillHard, soft_loss
from nas_explorer.evaluators.accuracy.recipes.gradient_noise import GradientNoise, variance
from nas_explorer.evaluators.accuracy.recipes.hard_images import HardImages
from nas_explorer.evaluators.accuracy.recipes.labels import noisy, shuffled
from nas_explorer.evaluators.accuracy.recipes.mimic import Mimic, Projector, feature_losses
from nas_explorer.evaluators.accuracy.recipes.probe import ridge_classifier, set_classifier
from nas_explorer.evaluators.accuracy.recipes.rotation import TurnedImages, turned
from nas_explorer.evaluators.accuracy.recipes.sam import Sam
from nas_explorer.evaluators.measurement_context import seeded
from nas_explorer.search_space.architecture.network import Network
from nas_explorer.search_space.components.heads import MergedScores, NormedLinear
from nas_explorer.search_space.errors import InputError
from nas_explorer.searchers.plugins import register
from torch import Tensor, nn
from torch.nn import functional as F

from ..contracts.test_recipe_options import CPU, architecture, data, teacher, trained


@dataclass
class Stand:
    """A training of a model, as far as options look at it."""

    model: nn.Module
    step: int = 0
    teacher: Source | None = None
    device: ClassVar[torch.device] = CPU
    recipe: ClassVar[Recipe] = Recipe()

    def __post_init__(self) -> None:
        self.optimizer = SimpleNamespace(parameters=list(self.model.parameters()))
        self.generator = torch.Generator().manual_seed(0)
        self.data = self.given = data()

    def normalise(self, images: Tensor) -> Tensor:
        return images.float()

    def logits(self, model: nn.Module, images: Tensor) -> Tensor:
        return model(images.float())

    def loss(self, outputs: Tensor, targets: Tensor, reduction: str) -> Tensor:
        return F.cross_entropy(outputs, targets, reduction=reduction)

    def changes(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        return images, labels


def network() -> Network:
    with seeded(0, CPU):
        return Network(architecture())


class TestSam:
    def test_the_second_gradient_is_taken_at_a_distance_of_rho(self) -> None:
        """f(w) = w1^2 + 2 w2^2 at (3, 2): gradient (6, 8), norm 10, so w + 0.5 (0.6, 0.8)."""
        weights = nn.Parameter(torch.tensor([3.0, 2.0]))
        model = nn.Module()
        model.weights = weights
        seen: list[Tensor] = []

        def again() -> Tensor:
            seen.append(weights.detach().clone())
            loss = weights[0] ** 2 + 2 * weights[1] ** 2
            loss.backward()
            return loss.detach()

        again()
        Sam(0.5).after_backward(Stand(model), again)
        assert len(seen) == 2
        assert torch.allclose(seen[1], torch.tensor([3.3, 2.4]))
        assert float((seen[1] - seen[0]).norm()) == pytest.approx(0.5)
        assert weights.grad is not None and torch.allclose(weights.grad, torch.tensor([6.6, 9.6]))
        assert torch.equal(weights.detach(), seen[0])

    def test_batch_norms_take_each_batch_once(self) -> None:
        model, images = nn.BatchNorm2d(1), torch.randn(8, 1, 2, 2) + 5

        def again() -> Tensor:
            loss = model(images).square().mean() + model.weight.sum()
            loss.backward()
            return loss.detach()

        again()
        once = model.running_mean.clone() if model.running_mean is not None else None
        Sam(0.1).after_backward(Stand(model), again)
        assert once is not None and model.running_mean is not None
        assert torch.equal(model.running_mean, once)


class TestGradientNoise:
    def test_the_variance_falls_as_in_the_paper(self) -> None:
        assert variance(0.3, 0) == 0.3
        assert variance(1.0, 1023) == pytest.approx(2**-5.5)  # 1024^-0.55

    def test_the_noise_has_that_variance(self) -> None:
        model = nn.Linear(200, 200, bias=False)
        model.weight.grad = torch.ones_like(model.weight)
        with seeded(0, CPU):
            GradientNoise(0.3).change_gradients(Stand(model, step=15))
        noise = model.weight.grad - 1
        assert float(noise.var()) == pytest.approx(0.3 / 16**0.55, rel=0.02)
        assert abs(float(noise.mean())) < 0.01


class TestBiasLoss:
    def test_weights_by_hand(self) -> None:
        """Variances 0, 1 and 4 are 0, 1/4 and 1 of the range."""
        maps = torch.tensor([[1.0, 1.0], [0.0, 2.0], [0.0, 4.0]]).view(3, 1, 1, 2)
        expected = [1 - 0.3, math.exp(0.3 / 4) - 0.3, math.exp(0.3) - 0.3]
        assert image_weights(maps, 0.3).tolist() == pytest.approx(expected)

    def test_equal_images_weigh_the_same(self) -> None:
        assert image_weights(torch.ones(2, 1, 2, 2), 0.3).tolist() == pytest.approx([0.7, 0.7])

    def test_the_loss_is_weighted_by_the_last_map(self) -> None:
        model, images = network().eval(), data().train_images[:8]
        labels = data().train_labels[:8]
        maps = model.forward_features(images.float())
        plain = F.cross_entropy(model.forward_head(maps), labels, reduction="none")
        found = BiasLoss(0.3).losses(Stand(model), images, labels)
        assert torch.allclose(found, plain * image_weights(maps, 0.3))


class TestDistillation:
    def test_the_divergence_by_hand(self) -> None:
        """Teacher (3/4, 1/4) and network (1/2, 1/2) at temperature 2, whose square is 4."""
        scores = torch.tensor([[2 * math.log(3.0), 0.0]])
        expected = 4 * (0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5))
        found = soft_loss(torch.zeros(1, 2), scores, 2.0)
        assert found.tolist() == pytest.approx([expected])

    @pytest.mark.parametrize("option", [Distill, DistillHard])
    def test_the_teacher_sees_the_images_of_the_network(self, option: type[Distill]) -> None:
        seen: list[tuple[str, Tensor]] = []
        training = Stand(network(), teacher=teacher())
        made = option("teacher")
        made.begin(training)
        assert not made.teacher.training
        for name, each in (("network", training.model), ("teacher", made.teacher)):
            each.register_forward_pre_hook(
                lambda _, given, name=name: seen.append((name, given[0].clone()))
            )
        made.losses(training, data().train_images[:4], data().train_labels[:4])
        assert sorted(name for name, _ in seen) == ["network", "teacher"]
        assert torch.equal(seen[0][1], seen[1][1])
        assert not any(each.requires_grad for each in made.teacher.parameters())

    def test_hard_targets_are_half_of_the_loss(self) -> None:
        training = Stand(network().eval(), teacher=teacher())
        made = DistillHard("teacher")
        made.begin(training)
        images, labels = data().train_images[:8], data().train_labels[:8]
        logits = training.model(images.float())
        classes = made.teacher(images.float()).argmax(1)
        expected = (
            F.cross_entropy(logits, labels, reduction="none")
            + F.cross_entropy(logits, classes, reduction="none")
        ) / 2
        assert torch.allclose(made.losses(training, images, labels), expected)

    @pytest.mark.parametrize(
        ("change", "says"),
        [
            ({"classes": None}, "teacher has unknown ones"),
            ({"classes": ("a", "b")}, "teacher has a, b"),
            ({"architecture": None}, "images of 1x8x8, but teacher takes 1x16x16"),
        ],
    )
    def test_a_teacher_that_does_not_fit_is_refused(
        self, change: dict[str, Any], says: str
    ) -> None:
        if "architecture" in change:
            other = architecture().to_json() | {"input": [1, 16, 16]}
            change = {"architecture": type(architecture()).from_json(other)}
        with pytest.raises(InputError, match=says):
            check_options(
                Recipe(options={"distill": "t (0)"}), data(), (), replace(teacher(), **change)
            )

    def test_numbers_as_targets_are_refused(self) -> None:
        numbers = replace(data(), target="regression")
        check_options(Recipe(options={"sam": 0.1}), numbers, (), None)
        with pytest.raises(InputError, match="coreset must come with data of classes"):
            check_options(Recipe(options={"coreset": 0.5}), numbers, (), None)

    def test_a_missing_teacher_is_refused(self) -> None:
        with pytest.raises(InputError, match=r"that the recipe names, t \(0\), but got none"):
            check_options(Recipe(options={"distill": "t (0)"}), data(), (), None)


class TestMimic:
    def test_features_are_compared_in_two_views(self) -> None:
        # Tokens (1, 3) and (5, -5) are -1, 1 and 1, -1 in scale; their means are 0.
        taught = torch.tensor([[[1.0, 3.0], [5.0, -5.0]]])
        scaled = torch.tensor([[[-1.0, 1.0], [1.0, -1.0]]])
        assert float(feature_losses(scaled, taught)) == pytest.approx(0, abs=1e-4)
        # All errors 1: they are the same in both tokens, so the second view has none.
        assert float(feature_losses(scaled + 1, taught)) == pytest.approx(1, abs=1e-4)
        moved = scaled + torch.tensor([[[1.0, 1.0], [-1.0, -1.0]]])
        assert float(feature_losses(moved, taught)) == pytest.approx(2, abs=1e-4)

    def test_the_projector_reaches_maps_of_any_form(self) -> None:
        with seeded(0, CPU):
            projector = Projector((6, 5), (4, 7))
        maps = torch.randn(3, 5, 2, 3, generator=torch.Generator().manual_seed(0))
        assert projector(maps).shape == (3, 4, 7)
        turned_around = maps.flip(3)  # the attention knows places
        assert not torch.allclose(projector(maps), projector(turned_around))

    def test_the_projector_is_trained_and_not_kept(self) -> None:
        training = Stand(network(), teacher=teacher())
        made = Mimic("teacher")
        made.begin(training)
        assert training.model.training
        found = made.losses(training, data().train_images[:4], data().train_labels[:4])
        found.mean().backward()
        projector = training.model.get_submodule("mimic_projector")
        assert all(each.grad is not None for each in projector.parameters())
        made.finish(training)
        made.end()
        assert list(training.model.state_dict()) == list(network().state_dict())

    def test_a_full_training_keeps_the_network_alone(self) -> None:
        full = {"average": 0.5, "patience": 2}
        _, state = trained({"mimic": "teacher (0)"}, recipe=full)
        assert list(state) == list(network().state_dict())

    def test_a_teacher_of_other_classes_is_taken(self) -> None:
        recipe = Recipe(options={"mimic": "t (0)"})
        check_options(recipe, data(), (), replace(teacher(), classes=("x",)))
        numbers = replace(data(), target="regression")
        check_options(recipe, numbers, (), replace(teacher(), classes=None))


class TestCoreset:
    def test_medoids_by_hand(self) -> None:
        """Of two groups on a line, the middle of the larger one comes first."""
        points = torch.tensor([[0.0], [1.0], [2.0], [10.0], [11.0]], dtype=torch.float64)
        chosen, sizes = medoids(points, 2)
        assert chosen.tolist() == [2, 3]
        assert sizes.tolist() == [3, 2]

    def test_equal_points_are_not_chosen_twice(self) -> None:
        chosen, sizes = medoids(torch.zeros(4, 2), 3)
        assert len(set(chosen.tolist())) == 3
        assert sizes.sum() == 4

    def test_a_batch_keeps_its_share_and_the_weight_of_all(self) -> None:
        images, labels = data().train_images[:12], data().train_labels[:12]
        training = Stand(network())
        before = [each.clone() for each in training.model.buffers()]
        batch = Batch(places=torch.arange(20, 32), images=images, labels=labels)
        found = Coreset(0.25).batch(training, batch)
        assert len(found.labels) == 3
        assert torch.equal(found.images, images[found.places - 20])
        assert torch.equal(found.labels, labels[found.places - 20])
        assert found.weights is not None and float(found.weights.mean()) == pytest.approx(1.0)
        assert all(map(torch.equal, before, training.model.buffers()))


class TestHardImages:
    def test_unseen_images_come_first_then_those_of_large_loss(self) -> None:
        training, option = Stand(network()), HardImages(0.5)
        option.begin(training)
        count = len(data().train_labels)
        everything = torch.arange(count)
        first = option.order(training, everything)
        assert len(first) == option.images(count) == count // 2
        batch = Batch(places=first, images=torch.empty(0), labels=torch.empty(0))
        option.seen(training, batch, torch.zeros(len(first)))
        second = option.order(training, everything)
        assert not set(first.tolist()) & set(second.tolist())
        hard = Batch(places=second, images=torch.empty(0), labels=torch.empty(0))
        option.seen(training, hard, torch.full((len(second),), 1e6))
        assert set(option.order(training, everything).tolist()) == set(second.tolist())

    def test_images_are_drawn_in_proportion_to_their_loss(self) -> None:
        training, option = Stand(network()), HardImages(0.5)
        option.begin(training)
        count = len(data().train_labels)
        losses = torch.ones(count)
        losses[0] = 100.0
        everything = torch.arange(count)
        option.seen(training, Batch(places=everything, images=losses, labels=losses), losses)
        drawn = [option.order(training, everything).tolist() for _ in range(50)]
        assert sum(0 in each for each in drawn) == 50
        assert 15 < sum(1 in each for each in drawn) < 35


class TestRotation:
    def test_four_classes_by_hand(self) -> None:
        image = torch.tensor([[1, 2], [3, 4]]).view(1, 1, 2, 2)
        found = turned(image.expand(4, 1, 2, 2), torch.arange(4)).flatten(1).tolist()
        assert found == [[1, 2, 3, 4], [2, 4, 1, 3], [4, 3, 2, 1], [3, 1, 4, 2]]

    def test_images_in_a_file_are_turned_when_they_are_read(self) -> None:
        images = data().train_images[:6]
        rows = TurnedImages(ImageRows(images, torch.arange(6)))
        whole = torch.cat(list(rows.split(4)))
        assert torch.equal(whole, turned(images, torch.tensor([0, 1, 2, 3, 0, 1])))
        assert torch.equal(rows[torch.tensor([5])], whole[5:])
        assert len(rows.to(CPU)) == 6

    def test_the_score_is_that_of_rotations_unless_a_probe_follows(self) -> None:
        kept: list[Any] = []

        def score(**options: Any) -> float:
            evaluator = AccuracyEvaluator(
                data=data(),
                recipe=Recipe(epochs=1, batch_size=16, options=options),
                seed=0,
                device=CPU,
                keep=lambda *given: kept.append(given),
            )
            return evaluator.evaluate(architecture())[0].value

        score(rotation=True)
        assert not kept
        accuracy = score(rotation=True, linear_probe=True)
        ((_, weights, _),) = kept
        model = network()
        model.load_state_dict(weights)
        images = (data().validation_images.float() - 70) / 50
        right = model.eval()(images).argmax(1) == data().validation_labels
        assert float(right.float().mean()) == pytest.approx(accuracy)

    def test_metrics_of_classes_are_refused(self) -> None:
        recipe = Recipe(options={"rotation": True})
        with pytest.raises(InputError, match="macro_f1 must be without rotation"):
            check_options(recipe, data(), ["macro_f1"], None)


class TestLabels:
    def test_noise_changes_exactly_its_share(self) -> None:
        labels = torch.arange(50) % 3
        found = noisy(labels, 0.3, 3, seed=1)
        assert int((found != labels).sum()) == 15
        assert set(found.tolist()) == {0, 1, 2}
        assert torch.equal(found, noisy(labels, 0.3, 3, seed=1))

    def test_shuffled_labels_keep_the_counts_of_classes(self) -> None:
        labels = torch.tensor([0] * 30 + [1] * 15 + [2] * 5)
        found = shuffled(labels, seed=0)
        assert torch.bincount(found).tolist() == [30, 15, 5]
        assert not torch.equal(found, labels)

    def test_the_validation_split_keeps_its_labels(self) -> None:
        for name, amount in (("label_noise", 0.5), ("random_labels", True)):
            changed = OPTIONS[name].load()(amount).changed_data(data())
            assert changed.validation_labels is data().validation_labels
            assert not torch.equal(changed.train_labels, data().train_labels)


class TestProbe:
    @pytest.mark.parametrize("classes", [2, 3])
    def test_the_ridge_is_the_best_of_those_left_out(self, classes: int) -> None:
        """Against leave-one-out errors computed one image at a time."""
        rng = np.random.default_rng(0)
        labels = np.arange(30) % classes
        features = rng.normal(size=(30, 4)) + labels[:, None]
        matrix, bias = ridge_classifier(features, labels, classes)
        targets = 2.0 * np.eye(classes)[labels] - 1
        centred = features - features.mean(0)
        size = np.square(centred).sum(1).mean()

        def fit(rows: Any, goals: Any, ridge: float) -> tuple[Any, Any]:
            middle, mean = rows.mean(0), goals.mean(0)
            square = (rows - middle).T @ (rows - middle) + ridge * np.eye(rows.shape[1])
            found = np.linalg.solve(square, (rows - middle).T @ (goals - mean)).T
            return found, mean - found @ middle

        def left_out(ridge: float) -> float:
            errors = []
            for place in range(len(features)):
                keep = np.arange(len(features)) != place
                weights, start = fit(features[keep], targets[keep], ridge)
                errors.append(np.square(weights @ features[place] + start - targets[place]).mean())
            return float(np.mean(errors))

        best = min((size * 10.0**each for each in range(-6, 3)), key=left_out)
        weights, start = fit(features, targets, best)
        assert np.allclose(matrix, weights, atol=1e-6)
        assert np.allclose(bias, start, atol=1e-6)

    def test_a_class_without_images_is_never_chosen(self) -> None:
        features = np.random.default_rng(0).normal(size=(12, 3))
        matrix, bias = ridge_classifier(features, np.arange(12) % 2 * 2, 3)
        assert (np.argmax(features @ matrix.T + bias, axis=1) != 1).all()

    @pytest.mark.parametrize("kind", ["linear", "normed", "merged"])
    def test_every_linear_classifier_takes_a_matrix(self, kind: str) -> None:
        normed = NormedLinear(4, 3)
        normed.train()(torch.randn(16, 4) * 3 + 1)
        modules = {
            "linear": nn.Linear(4, 3),
            "normed": normed,
            "merged": MergedScores(normed, nn.Linear(4, 3)),
        }
        module, matrix, bias = modules[kind].eval(), torch.randn(3, 4), torch.randn(3)
        set_classifier(module, matrix, bias)
        features = torch.randn(5, 4)
        assert torch.allclose(module(features), features @ matrix.T + bias, atol=1e-4)

    def test_untrained_features_keep_their_weights(self) -> None:
        result, state = trained({"random_features": True})
        fresh = network().state_dict()
        changed = {name for name in state if not torch.equal(state[name], fresh[name])}
        assert {name.rpartition(".")[2] for name in changed if "classifier" not in name} <= {
            "running_mean",
            "running_var",
            "num_batches_tracked",
        }
        assert any("classifier" in name for name in changed)
        assert result.curve == () and result.kept_epoch == 0


class TestTable:
    @pytest.mark.parametrize(
        ("text", "found"),
        [
            ("sam", {"sam": 0.05}),
            ("sam=0.1, label-noise", {"sam": 0.1, "label_noise": 0.2}),
            (["sam=1", "rotation,linear_probe"], {"sam": 1.0, "rotation": True}),
            ({"sam": 1, "distill": "a.safetensors"}, {"sam": 1.0, "distill": "a.safetensors"}),
        ],
    )
    def test_options_are_read(self, text: object, found: dict[str, Any]) -> None:
        assert found.items() <= read_options(text).items()
        assert read_options(options_text(read_options(text))) == read_options(text)

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            ("smm", "did you mean 'sam'"),
            ("sam=0", "sam must be a number above 0, but got 0.0"),
            ("sam=high", "but got 'high'"),
            ("sam,sam=1", "got sam twice"),
            ("rotation=3", "rotation must be without a value, but got '3'"),
            ("distill", "distill must be a .safetensors file or timm:NAME:FILE, but got none"),
            ("label_noise,rotation", "changes the labels, but got label_noise and rotation"),
            ("bias_loss,distill=x", "changes the loss, but got bias_loss and distill"),
            ("random_features,sam", "nothing is trained, but got sam"),
            ("random_features,rotation", "nothing is trained, but got rotation"),
            ("rotation,distill=x", "distill must be without rotation"),
        ],
    )
    def test_what_does_not_go_together_is_refused(self, text: str, says: str) -> None:
        with pytest.raises(InputError, match=says.replace("(", r"\(")):
            read_options(text)

    def test_fields_that_an_option_excludes(self) -> None:
        with pytest.raises(InputError, match=r"coreset must be without mixup, but .* mixup 0.2"):
            Recipe(mixup=0.2, options={"coreset": 0.5})

    def test_recipes_without_options_have_their_earlier_form(self) -> None:
        assert "options" not in Recipe().to_json()

    def test_an_option_of_ones_own(self) -> None:
        class Halved(RecipeOption):
            """Halves the gradients."""

            name = "halved"
            acts = "gradients"
            value = number("above 0", 0.5, lambda value: value > 0)
            summary = "gradients times VALUE"
            paper = "none"

            def change_gradients(self, training: Any) -> None:
                for each in training.optimizer.parameters:
                    if each.grad is not None:
                        each.grad.mul_(self.amount)

        try:
            register(Halved)
            assert read_options("halved") == {"halved": 0.5}
            half, plain = trained({"halved": 1e-3})[1], trained({})[1]
            assert any(not torch.equal(half[name], plain[name]) for name in half)
        finally:
            OPTIONS.pop("halved", None)

    def test_an_option_without_a_paper_is_refused(self) -> None:
        class Nameless(RecipeOption):
            """Does nothing."""

            name = "nameless"
            acts = "head"
            value = SWITCH
            summary = "nothing"

        with pytest.raises(InputError, match="Nameless lacks paper"):
            register(Nameless)
