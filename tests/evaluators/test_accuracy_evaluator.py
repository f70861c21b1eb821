import json
import math
from dataclasses import replace

import pytest
import torch
from nas_explorer.evaluators.accuracy import evaluator as module
from nas_explorer.evaluators.accuracy.data.dataset import DataSpec, load_search_data
from nas_explorer.evaluators.accuracy.data.preparation import Preparation
from nas_explorer.evaluators.accuracy.evaluator import AccuracyEvaluator
from nas_explorer.evaluators.accuracy.recipe import Recipe
from nas_explorer.evaluators.base import CandidateError, Measurement
from nas_explorer.search_space.architecture.architecture import Architecture
from nas_explorer.search_space.errors import InputError
from nas_explorer.search_space.seeds import derive_seed
from nas_explorer.search_space.statistics import share_interval

CPU = torch.device("cpu")
BLOCK = {
    "name": "metaformer",
    "mixer": {"name": "pooling", "kernel_size": 3},
    "channel_mixer": {"name": "mlp", "ratio": 2.0, "activation": "relu"},
    "norm": {"name": "layer_norm"},
    "residual": {"name": "plain"},
}


def make_architecture(side=8, classes=10, width=8):
    return Architecture.from_json(
        {
            "input": [1, side, side],
            "classes": classes,
            "stem": {"name": "patch", "patch_size": 2, "norm": {"name": "layer_norm"}},
            "stages": [{"width": width, "depth": 1, "blocks": [BLOCK]}],
            "head": {"name": "pooled", "norm": {"name": "none"}},
        }
    )


@pytest.fixture(scope="module")
def data():
    return load_search_data(DataSpec(name="digits"))


def make_evaluator(data, **options):
    values = {"recipe": Recipe(epochs=1, batch_size=64), "seed": 7, "device": CPU, **options}
    return AccuracyEvaluator(data=data, **values)


def test_one_measurement_with_interval_and_provenance(data):
    architecture = make_architecture()
    (measured,) = make_evaluator(data).evaluate(architecture)
    assert measured.metric == "accuracy"
    right = round(measured.value * 287)
    assert measured.value == right / 287
    assert (measured.low, measured.high) == share_interval(right / 287, 287)
    provenance = measured.provenance
    assert provenance["seed"] == derive_seed(7, architecture.digest)
    assert provenance["data"] == {**data.spec.to_json(), "name": "digits"}
    assert provenance["fingerprint"] == data.fingerprint
    assert Preparation.of(json.loads(json.dumps(dict(provenance)))) == data.preparation
    assert provenance["recipe"]["epochs"] == provenance["epochs"] == 1
    assert provenance["augmentation"] == "shift"
    assert provenance["learning_curve"][-1]["validation_accuracy"] == measured.value
    assert Measurement.from_json(json.loads(json.dumps(measured.to_json()))) == measured


def test_the_same_twice_whatever_the_callers_random_state(data):
    architecture = make_architecture()
    losses = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        (measured,) = make_evaluator(data).evaluate(architecture)
        losses.append(measured.provenance["learning_curve"][0]["train_loss"])
    assert losses[0] == losses[1]


def test_another_study_seed_trains_otherwise(data):
    one, other = (
        make_evaluator(data, seed=seed).evaluate(make_architecture())[0].provenance
        for seed in (1, 2)
    )
    assert one["seed"] != other["seed"]
    assert one["learning_curve"][0]["train_loss"] != other["learning_curve"][0]["train_loss"]


def test_trained_weights_are_handed_over(data):
    kept = []
    evaluator = make_evaluator(data, keep=lambda *given: kept.append(given))
    architecture = make_architecture()
    (measured,) = evaluator.evaluate(architecture)
    ((whose, weights, provenance),) = kept
    assert whose == architecture
    assert provenance == measured.provenance
    network = architecture.build()
    network.load_state_dict(weights)
    network.eval()
    with torch.no_grad():
        scores = network((data.validation_images.float() - data.mean[0]) / data.std[0])
    right = (scores.argmax(1) == data.validation_labels).double().mean().item()
    assert right == pytest.approx(measured.value, abs=1.5 / 287)


@pytest.mark.parametrize("other", [{"side": 16}, {"classes": 3}])
def test_an_architecture_for_other_images_is_refused(data, other):
    with pytest.raises(InputError, match="must be the data's, \\(1, 8, 8, 10\\)"):
        make_evaluator(data).evaluate(make_architecture(**other))


def test_a_time_limit_is_kept(data):
    with pytest.raises(CandidateError, match="time_limit"):
        make_evaluator(data, time_limit=1e-9).evaluate(make_architecture())


def test_a_network_too_large_to_build_is_the_candidates_fault(data, monkeypatch):
    monkeypatch.setattr(module, "Network", lambda architecture: torch.empty(2**50))
    with pytest.raises(CandidateError, match="out_of_memory"):
        make_evaluator(data).evaluate(make_architecture())


def test_a_network_that_explodes_is_the_candidates_fault(data):
    broken = replace(data, mean=(math.inf,))
    with pytest.raises(CandidateError, match="non_finite"):
        make_evaluator(broken).evaluate(make_architecture())


@pytest.mark.slow
def test_the_default_recipe_learns_digits(data):
    plain = make_architecture(width=24).to_json()
    mixer = {"name": "separable_conv", "kernel_size": 3}
    architecture = Architecture.from_json(
        {
            **plain,
            "stem": {"name": "conv", "kernel_size": 3, "stride": 1},
            "stages": [{"width": 24, "depth": 2, "blocks": [{**BLOCK, "mixer": mixer}]}],
        }
    )
    (measured,) = make_evaluator(data, recipe=data.recipe).evaluate(architecture)
    assert measured.low > 4 * data.baseline
