import math
import re
import subprocess
import sys
import textwrap

import pytest
import torch
from nas_explorer.evaluators.accuracy.data.dataset import DataSpec, SearchData
from nas_explorer.evaluators.accuracy.recipe import Recipe
from nas_explorer.evaluators.accuracy.training.loop import train
from nas_explorer.evaluators.accuracy.training.optimizer import AdamW, split_parameters
from nas_explorer.evaluators.base import CandidateError
from nas_explorer.evaluators.measurement_context import candidate_faults, seeded
from nas_explorer.search_space.components.tables import TABLES
from nas_explorer.search_space.components.wired import Block, Residual
from nas_explorer.search_space.shapes import Shape
from nas_explorer.search_space.statistics import share_interval
from torch import nn

CPU = torch.device("cpu")


def make_data(count=64, channels=1, classes=2):
    """Images with one bright half: left in class 0, right in class 1."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 100, (count, channels, 8, 8), generator=generator)
    labels = torch.arange(count) % classes
    images[labels == 0, :, :, :4] += 150
    images[labels == 1, :, :, 4:] += 150
    images = images.to(torch.uint8)
    cut = count // 4
    return SearchData(
        spec=DataSpec(name="digits"),
        train_images=images[cut:],
        train_labels=labels[cut:],
        validation_images=images[:cut],
        validation_labels=labels[:cut],
        classes=tuple("abcdefgh"[:classes]),
        mean=(90.0,) * channels,
        std=(80.0,) * channels,
        fingerprint="x",
        unreadable=(),
    )


def make_model(seed=0, classes=2):
    with seeded(seed, CPU):
        return nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.Dropout(0.1),
            nn.Flatten(),
            nn.Linear(256, classes),
        )


def run(recipe=None, *, model=None, data=None, seed=0, **options):
    recipe = recipe or Recipe(epochs=3, batch_size=8)
    return train(
        model or make_model(), data or make_data(), recipe, seed=seed, device=CPU, **options
    )


def test_the_interval_of_a_share_worked_by_hand():
    # 8 of 10, z = 1.96: centre (0.8 + 0.19207) / 1.38415 = 0.71674, half 0.22659.
    assert share_interval(8 / 10, 10) == pytest.approx((0.49016, 0.94331), abs=1e-4)
    low, high = share_interval(10 / 10, 10)
    assert low == pytest.approx(0.7225, abs=1e-3)
    assert high == 1.0
    assert share_interval(0 / 10, 10)[0] == 0.0
    for total in range(1, 200):
        assert share_interval(total / total, total)[1] == 1.0
        assert share_interval(0 / total, total)[0] == 0.0


class TestResult:
    def test_it_learns_and_keeps_its_curve(self):
        result = run(Recipe(epochs=6, batch_size=8))
        seen = result.curve
        assert result.score == 1.0
        assert len(seen) == 6
        assert seen[-1].train_loss < seen[0].train_loss
        assert result.score == seen[-1].validation_score
        assert result.stopped_early is None

    def test_the_last_epoch_counts_not_the_best(self):
        result = run(Recipe(epochs=4, batch_size=4, lr=0.5, divergence_factor=1e9), seed=3)
        assert result.score == result.curve[-1].validation_score

    def test_same_seed_same_curve(self):
        one, same, other = (run(seed=seed) for seed in (1, 1, 2))
        assert [e.train_loss for e in one.curve] == [e.train_loss for e in same.curve]
        assert [e.train_loss for e in one.curve] != [e.train_loss for e in other.curve]

    def test_the_callers_random_state_is_untouched(self):
        before = torch.get_rng_state()
        run()
        assert torch.equal(before, torch.get_rng_state())

    def test_dropout_does_not_depend_on_the_callers_random_state(self):
        torch.manual_seed(1)
        one = run()
        torch.manual_seed(2)
        assert [e.train_loss for e in run().curve] == [e.train_loss for e in one.curve]

    @pytest.mark.parametrize("count", [4, 9, 61])
    def test_no_batch_is_too_small_for_batch_norm(self, count):
        sizes = []
        model = make_model()
        model.register_forward_pre_hook(
            lambda module, inputs: sizes.append(len(inputs[0])) if module.training else None
        )
        run(Recipe(epochs=1, batch_size=8), model=model, data=make_data(count))
        trained = count - count // 4
        assert sum(sizes) == trained
        assert min(sizes) >= min(8, trained)

    def test_validation_is_neither_augmented_nor_smoothed(self):
        data = make_data()
        model = make_model()
        result = run(model=model, data=data)
        model.eval()
        with torch.no_grad():
            logits = model((data.validation_images.float() - 90) / 80)
        loss = nn.functional.cross_entropy(logits, data.validation_labels).item()
        assert result.curve[-1].validation_loss == pytest.approx(loss, rel=1e-5)

    def test_colour_images(self):
        model = nn.Sequential(nn.Flatten(), nn.Linear(192, 2))
        assert run(model=model, data=make_data(channels=3)).score == 1.0


class Faulty(nn.Module):
    """A model that counts its calls and returns bad scores from call ``after`` on."""

    def __init__(self, bad, after=0):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self.bad = bad
        self.after = after
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        scores = x.new_zeros(len(x), 2) * self.weight
        return scores + self.bad if self.calls > self.after else scores


class TestFaults:
    @pytest.mark.parametrize("bad", [math.nan, math.inf])
    def test_a_loss_that_is_no_number_is_the_candidates_fault(self, bad):
        with pytest.raises(CandidateError, match="non_finite: the loss became nan by step"):
            run(model=Faulty(bad))

    def test_scores_that_are_no_numbers_on_validation_count_too(self):
        with pytest.raises(CandidateError) as caught:
            run(Recipe(epochs=1, batch_size=48), model=Faulty(math.nan, after=1))
        assert caught.value.kind == "non_finite"

    def test_running_out_of_memory_is_the_candidates_fault(self):
        class Huge(Faulty):
            def forward(self, x):
                return torch.empty(2**50) * self.weight

        with pytest.raises(CandidateError) as caught:
            run(model=Huge(0))
        assert caught.value.kind == "out_of_memory"
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize(
        "error", [MemoryError(), torch.OutOfMemoryError("CUDA out of memory. Tried 2 GiB")]
    )
    def test_other_forms_of_it(self, error):
        with pytest.raises(CandidateError, match="out_of_memory"), candidate_faults():
            raise error

    def test_other_errors_are_the_candidates_too(self):
        with pytest.raises(CandidateError) as caught, candidate_faults():
            raise RuntimeError("shapes do not fit\nsome trace")
        assert caught.value.kind == "error"
        assert str(caught.value) == "error: RuntimeError: shapes do not fit"

    def test_a_time_limit_ends_the_training(self):
        with pytest.raises(CandidateError) as caught:
            run(time_limit=1e-9)
        assert caught.value.kind == "time_limit"

    def test_a_diverging_run_is_stopped_and_keeps_its_accuracy(self):
        # Confident scores for the wrong class: a loss far above log(2) that no step can lower.
        model = Faulty(torch.tensor([0.0, 50.0]))
        result = run(Recipe(epochs=9, batch_size=8, divergence_epochs=3, warmup=0.0), model=model)
        assert len(result.curve) == 3
        assert result.stopped_early == "training loss above 1.04 in epochs 1..3"
        assert result.score == 0.5

    def test_a_high_loss_during_the_warm_up_stops_nothing(self):
        model = Faulty(torch.tensor([0.0, 50.0]))
        result = run(Recipe(epochs=4, batch_size=8, warmup=1.0), model=model)
        assert len(result.curve) == 4
        assert result.stopped_early is None


class TestAdamW:
    def test_vectors_do_not_decay(self):
        model = make_model()
        model.register_parameter("scale", nn.Parameter(torch.ones(4, 1, 1)))
        model.register_parameter("temperature", nn.Parameter(torch.ones(())))
        model.register_parameter("frozen", nn.Parameter(torch.ones(3, 3), requires_grad=False))
        matrices, vectors = split_parameters(model)
        assert [tuple(each.shape) for each in matrices] == [(4, 1, 3, 3), (2, 256)]
        # Biases of convolution and head, scale and bias of the norm, and the two added.
        assert len(vectors) == 6

    def test_what_a_module_names_does_not_decay(self):
        class Placed(nn.Module):
            no_weight_decay = frozenset({"position", "tables", "absent"})

            def __init__(self):
                super().__init__()
                self.weight = nn.Parameter(torch.ones(2, 2))
                self.position = nn.Parameter(torch.ones(2, 3))
                self.tables = nn.ParameterList([torch.ones(4, 4)])
                self.absent = None

        model = nn.Sequential(Placed(), nn.Linear(3, 3, bias=False))
        matrices, vectors = split_parameters(model)
        assert [tuple(each.shape) for each in matrices] == [(2, 2), (3, 3)]
        assert [tuple(each.shape) for each in vectors] == [(2, 3), (4, 4)]
        for parameter in model.parameters():
            parameter.grad = torch.zeros_like(parameter)
        AdamW(model, 0.5).step(0.1)
        assert {each.max().item() for each in vectors} == {1.0}
        assert matrices[0].max().item() == pytest.approx(0.95)

    @pytest.mark.parametrize("cls", [each for table in TABLES.values() for each in table.values()])
    def test_no_bias_or_position_of_a_component_decays(self, cls):
        component = cls()
        if issubclass(cls, Block | Residual):
            return  # wired of the others
        module = component.module(Shape(32, 8, 8), 32)
        decayed, _ = split_parameters(module)
        for name, parameter in module.named_parameters():
            owner, _, own = name.rpartition(".")
            if isinstance(module.get_submodule(owner), nn.Linear) and own == "weight":
                continue  # such as those of a perceptron of positions
            if any(each is parameter for each in decayed):
                assert not re.search(r"bias|position|mean|rate|shift|table", name)

    def test_its_first_step_worked_by_hand(self):
        # Both corrected averages of a first gradient g are g and g^2: the step is lr * sign(g),
        # after a decay by lr * weight_decay of the matrix alone.
        model = nn.Linear(2, 1)
        model.weight = nn.Parameter(torch.tensor([[2.0, 2.0], [2.0, 2.0]]))
        model.bias = nn.Parameter(torch.tensor([2.0, 2.0]))
        model.weight.grad = torch.tensor([[3.0, -3.0], [0.5, -0.5]])
        model.bias.grad = torch.tensor([1.0, -1.0])
        AdamW(model, 0.5).step(0.1)
        assert torch.allclose(model.weight, torch.tensor([[1.8, 2.0], [1.8, 2.0]]))
        assert torch.allclose(model.bias, torch.tensor([1.9, 2.1]))

    @pytest.mark.parametrize("limit", [0.5, 1.0, 100.0])
    def test_it_clips_as_torch_does(self, limit: float):
        models = [nn.Linear(3, 2), nn.Linear(3, 2)]
        models[1].load_state_dict(models[0].state_dict())
        ours, torchs = (AdamW(each, 0.1) for each in models)
        for number in range(1, 4):
            for model in models:
                model.weight.grad = torch.arange(6.0).view(2, 3) / number
                model.bias.grad = None if number == 2 else torch.ones(2)
            ours.clip(limit)
            nn.utils.clip_grad_norm_(models[1].parameters(), limit)
            ours.step(0.1)
            torchs.step(0.1)
            for one, other in zip(*(each.parameters() for each in models), strict=True):
                assert torch.allclose(one, other, atol=1e-6)
        assert [ours.state()[f"{place}.steps"].item() for place in (0, 1)] == [3, 2]

    def test_parameters_of_two_types_are_stepped(self):
        model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2).double())
        before = [each.detach().clone() for each in model.parameters()]
        for each in model.parameters():
            each.grad = torch.ones_like(each)
        optimizer = AdamW(model, 0.1)
        optimizer.clip(0.5)
        optimizer.step(0.1)
        after = list(model.parameters())
        assert all(not torch.equal(*each) for each in zip(before, after, strict=True))
        assert [each.dtype for each in after] == [each.dtype for each in before]

    def test_a_parameter_without_a_gradient_stays(self):
        model = nn.Linear(2, 2)
        before = model.weight.clone()
        model.bias.grad = torch.ones(2)
        AdamW(model, 0.5).step(0.1)
        assert torch.equal(model.weight, before)

    @pytest.mark.slow  # torch's own optimiser class loads torch's compiler
    def test_it_steps_like_torchs_own(self):
        models = [make_model(), make_model()]
        ours = AdamW(models[0], 0.1)
        matrices, vectors = split_parameters(models[1])
        groups = [
            {"params": matrices, "weight_decay": 0.1},
            {"params": vectors, "weight_decay": 0.0},
        ]
        torchs = torch.optim.AdamW(groups)
        for number in range(5):
            torchs.param_groups[0]["lr"] = torchs.param_groups[1]["lr"] = lr = 0.01 / (number + 1)
            for model in models:
                model.eval()
                model.zero_grad()
                model(torch.ones(2, 1, 8, 8)).square().sum().backward()
            ours.step(lr)
            torchs.step()
        for one, other in zip(models[0].parameters(), models[1].parameters(), strict=True):
            assert torch.allclose(one, other, atol=1e-6)


SCRIPT = """
import sys
sys.path.insert(0, {folder!r})
import torch
torch.set_num_threads(1)
import test_accuracy_training as here
print([epoch.train_loss for epoch in here.run(seed=5).curve])
print("torch._dynamo" in sys.modules)
"""


@pytest.mark.slow
def test_another_process_trains_the_same():
    from pathlib import Path

    script = textwrap.dedent(SCRIPT.format(folder=str(Path(__file__).parent)))
    printed = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout
    curve, compiler_loaded = printed.splitlines()
    assert curve == str([epoch.train_loss for epoch in run(seed=5).curve])
    assert compiler_loaded == "False"
