"""Trainings that are stopped at a rung, or killed and continued."""

from pathlib import Path

import pytest
import torch
from nas_explorer.evaluators.accuracy.data.dataset import DataSpec, load_search_data
from nas_explorer.evaluators.accuracy.evaluator import AccuracyEvaluator
from nas_explorer.evaluators.accuracy.recipe import Recipe
from nas_explorer.evaluators.accuracy.training import checkpoint
from nas_explorer.evaluators.base import Measurement
from nas_explorer.search_space.architecture.architecture import Architecture
from nas_explorer.search_space.files import space_from_data
from torch import Tensor

SPACE = space_from_data(
    {
        "input": {"channels": 1, "resolution": 8, "classes": 10},
        "stem": {"conv": {"kernel_size": 3, "stride": 2, "norm": "batch_norm"}},
        "stages": [{"depth": 1, "width": 8, "block": {"metaformer": {"mixer": "separable_conv"}}}],
        "head": "pooled",
    }
)
Found = dict[str, Tensor]


class Killed(BaseException):
    """Stands for the end of the process."""


FULL = {
    "rand_augment": 6,
    "mixup": 0.2,
    "cutmix": 1.0,
    "drop_path": 0.2,
    "average": 0.1,
    "patience": 2,
    "class_weights": True,
}
"""The further options of a full training."""


def evaluator(folder: Path | None, kept: list[Found], **options: object) -> AccuracyEvaluator:
    def keep(architecture: Architecture, weights: Found, provenance: object) -> None:
        kept.append({name: each.clone() for name, each in weights.items()})

    return AccuracyEvaluator(
        data=load_search_data(DataSpec(name="digits"), cache=Path("runs/cache")),
        recipe=Recipe.from_json(
            {"epochs": 3, "batch_size": 128, "augmentation": "shift", **options}
        ),
        seed=0,
        device=torch.device("cpu"),
        keep=keep,
        checkpoints=folder,
    )


@pytest.mark.slow  # torchvision takes seconds to import
@pytest.mark.parametrize("options", [{}, FULL], ids=["short", "full"])
def test_a_killed_training_goes_on_to_the_same_weights(
    options: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "SECONDS", 0.0)
    architecture, weights = SPACE.sample(seed=0), list[Found]()
    (whole,) = evaluator(None, weights, **options).evaluate(architecture)

    def kill(measurement: Measurement) -> bool:
        if measurement.provenance["epochs"] == 2:
            raise Killed
        return True

    with pytest.raises(Killed):
        evaluator(tmp_path, weights, **options).evaluate_by_rungs(architecture, (1, 2), kill)
    assert len(list(tmp_path.glob("*.training"))) == 1
    seen: list[str] = []

    def see(measurement: Measurement) -> bool:
        seen.append(measurement.metric)
        return True

    found = evaluator(tmp_path, weights, **options).evaluate_by_rungs(architecture, (1, 2), see)
    assert found is not None
    assert seen == ["accuracy@1epochs", "accuracy@2epochs"]
    assert found[0].value == whole.value
    first, second = weights
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not list(tmp_path.iterdir())


def test_a_state_of_another_training_is_not_used(tmp_path: Path) -> None:
    file = checkpoint.Checkpoint(tmp_path / "a.training", {"seed": 1})
    file._written -= checkpoint.SECONDS
    file.write({"x": torch.zeros(2)}, {"step": 3})
    found = file.read()
    assert found is not None and found[1] == {"step": 3}
    assert checkpoint.Checkpoint(tmp_path / "a.training", {"seed": 2}).read() is None
    (tmp_path / "a.training").write_bytes(b"damaged")
    assert file.read() is None


def test_a_stopped_training_follows_the_learning_rate_of_the_whole_one() -> None:
    weights: list[Found] = []
    asked: list[Measurement] = []

    def stop(measurement: Measurement) -> bool:
        asked.append(measurement)
        return False

    made, architecture = evaluator(None, weights), SPACE.sample(seed=0)
    assert made.evaluate_by_rungs(architecture, (2,), stop) is None
    (whole,) = made.evaluate(architecture)
    curve = whole.provenance["learning_curve"]
    (stopped,) = asked
    assert (stopped.metric, stopped.value) == ("accuracy@2epochs", curve[1]["validation_accuracy"])
    assert len(weights) == 1  # those of the whole training
