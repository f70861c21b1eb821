"""What every recipe option keeps: its seed, its checkpoint and the caller's network and numbers."""

import hashlib
import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from nas_explorer.evaluators.accuracy.data.dataset import DataSpec, SearchData
from nas_explorer.evaluators.accuracy.inherit import Source
from nas_explorer.evaluators.accuracy.option_table import NETWORK, OPTIONS, checked_options
from nas_explorer.evaluators.accuracy.recipe import Recipe
from nas_explorer.evaluators.accuracy.training import checkpoint
from nas_explorer.evaluators.accuracy.training.learning_curve import Epoch, TrainingResult
from nas_explorer.evaluators.accuracy.training.loop import train
from nas_explorer.evaluators.measurement_context import seeded
from nas_explorer.search_space.architecture.architecture import Architecture
from nas_explorer.search_space.architecture.network import Network
from nas_explorer.search_space.files import space_from_data
from torch import Tensor

CPU = torch.device("cpu")
CLASSES = ("a", "b", "c")
every_option = pytest.mark.parametrize("name", sorted(OPTIONS))


@cache
def architecture() -> Architecture:
    """Return a network with two residual blocks and batch norms."""
    space = space_from_data(
        {
            "input": {"channels": 1, "resolution": 8, "classes": 3},
            "stem": {"conv": {"kernel_size": 3, "stride": 2, "norm": "batch_norm"}},
            "stages": [
                {"depth": 2, "width": 8, "block": {"metaformer": {"mixer": "separable_conv"}}}
            ],
            "head": "pooled",
        }
    )
    return space.sample(seed=0)


@cache
def data(count: int = 80) -> SearchData:
    """Return images whose class is the place of a bright column, with noise."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 120, (count, 1, 8, 8), generator=generator)
    labels = torch.arange(count) % 3
    images[torch.arange(count), :, :, 2 * labels] += 100
    own = images.to(torch.uint8)
    return SearchData(
        spec=DataSpec(name="digits"),
        train_images=own[:64],
        train_labels=labels[:64],
        validation_images=own[64:],
        validation_labels=labels[64:],
        classes=CLASSES,
        mean=(70.0,),
        std=(50.0,),
        fingerprint="x",
        unreadable=(),
    )


def options_of(name: str | None) -> dict[str, Any]:
    """Return an option with its default, or with a teacher."""
    if name is None:
        return {}
    value = OPTIONS[name].value
    return {name: "teacher (0)" if value is NETWORK else value.default}


@cache
def teacher() -> Source:
    """Return an untrained network that knows the classes."""
    with seeded(1, CPU):
        weights = Network(architecture()).state_dict()
    return Source(name="teacher", architecture=architecture(), weights=weights, classes=CLASSES)


def trained(
    options: dict[str, Any], *, seed: int = 0, recipe: dict[str, Any] | None = None, **more: Any
) -> tuple[TrainingResult, dict[str, Tensor]]:
    """Return the result of a training of three epochs, and the network's state."""
    with seeded(0, CPU):
        model = Network(architecture())
    asked = Recipe(epochs=3, batch_size=16, augmentation="shift", options=options, **(recipe or {}))
    teaches = any(OPTIONS[name].value is NETWORK for name in options)
    result = train(
        model,
        data(),
        asked,
        seed=seed,
        device=CPU,
        teacher=teacher() if teaches else None,
        **more,
    )
    assert model.architecture == architecture()
    return result, model.state_dict()


def digest(state: dict[str, Tensor]) -> str:
    """Return a digest of the bits of a state."""
    found = hashlib.sha256()
    for name in sorted(state):
        found.update(state[name].contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return found.hexdigest()


@cache
def once(name: str | None) -> str:
    """Return the digest of a training with an option."""
    return digest(trained(options_of(name))[1])


@every_option
def test_an_option_changes_the_training_and_keeps_its_seed(name: str) -> None:
    before = torch.get_rng_state()
    first = once(name)
    assert torch.equal(before, torch.get_rng_state())
    assert first != once(None)
    assert digest(trained(options_of(name))[1]) == first


@every_option
def test_a_killed_training_goes_on_to_the_same_weights(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "SECONDS", 0.0)

    def kill(number: int, epoch: Epoch) -> bool:
        if number == 2:
            raise KeyboardInterrupt
        return True

    def state() -> checkpoint.Checkpoint:
        return checkpoint.Checkpoint(tmp_path / "a.training", {})

    if OPTIONS[name].trains:
        with pytest.raises(KeyboardInterrupt):
            trained(options_of(name), goes_on=kill, checkpoint=state())
        assert list(tmp_path.iterdir())
    result, found = trained(options_of(name), checkpoint=state())
    assert len(result.curve) == (3 if OPTIONS[name].trains else 0)
    assert digest(found) == once(name)


@every_option
def test_an_option_is_described_and_its_values_are_read_back(name: str) -> None:
    entry = OPTIONS[name]
    assert entry.load().name == name
    assert entry.summary and entry.paper and entry.load().__doc__
    recipe = Recipe(options=options_of(name))
    assert Recipe.from_json(json.loads(json.dumps(recipe.to_json()))) == recipe
    assert checked_options(recipe.options) == recipe.options


_DIGESTS = """
import json, sys
sys.path.insert(0, {root!r})
import torch
torch.set_num_threads({threads})
from tests.contracts.test_recipe_options import OPTIONS, once
print(json.dumps({{name: once(name) for name in {names!r}}}))
"""


@pytest.mark.slow
def test_seeds_hold_in_another_process() -> None:
    """One option of each kind."""
    root, threads = str(Path(__file__).parents[2]), torch.get_num_threads()
    names = sorted({entry.acts: name for name, entry in OPTIONS.items()}.values())
    run = subprocess.run(
        [sys.executable, "-c", _DIGESTS.format(root=root, threads=threads, names=names)],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    assert json.loads(run.stdout) == {name: once(name) for name in names}
