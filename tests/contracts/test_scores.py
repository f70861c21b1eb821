"""The contract of every training-free score in the table."""

import json
import subprocess
import sys
from functools import cache

import pytest
import torch
from nas_explorer.evaluators.accuracy.data.dataset import DataSpec
from nas_explorer.evaluators.base import EVALUATORS, CandidateError, Measurement, Setup
from nas_explorer.evaluators.scores import check_not_ranking, read_scores
from nas_explorer.search_space.architecture.architecture import Architecture
from nas_explorer.search_space.errors import InputError

SCORES = [name for name, each in EVALUATORS.items() if each.metrics[0].score]
every_score = pytest.mark.parametrize("name", SCORES)
SETUP = Setup(seed=3, data=DataSpec(name="digits").to_json())


def architecture(mixer: str, norm: str, activation: str, head_norm: str) -> Architecture:
    """Return a network of two blocks for the digits."""
    block = {
        "name": "metaformer",
        "mixer": {"name": mixer},
        "channel_mixer": {"name": "mlp", "ratio": 2.0, "activation": activation},
        "norm": {"name": norm},
        "residual": {"name": "plain"},
    }
    return Architecture.from_json(
        {
            "input": [1, 8, 8],
            "classes": 10,
            "stem": {"name": "patch", "patch_size": 2, "norm": {"name": norm}},
            "stages": [{"width": 32, "depth": 2, "blocks": [block]}],
            "head": {"name": "pooled", "norm": {"name": head_norm}},
        }
    )


NETWORKS = {
    "convolutions": architecture("separable_conv", "batch_norm", "relu", "none"),
    "attention": architecture("attention", "layer_norm", "gelu", "layer_norm"),
    "fourier": architecture("global_filter", "rms_norm", "silu", "layer_norm"),
    "squares": architecture("separable_conv", "group_norm", "star_relu", "layer_norm"),
}


@cache
def found(name: str, network: str) -> Measurement | str:
    """Return a score, or the reason why the network has none."""
    try:
        (measured,) = EVALUATORS[name].load().make(SETUP).measure(NETWORKS[network])
    except CandidateError as error:
        assert error.kind == "not_defined"
        return str(error)
    return measured


@every_score
def test_it_is_a_number_or_the_reason_why_there_is_none(name: str) -> None:
    values = [found(name, network) for network in NETWORKS]
    assert any(isinstance(each, Measurement) for each in values)
    for each in values:
        if isinstance(each, str):
            assert each.startswith("not_defined: ") and len(each) > 30 and "nan" not in each


@every_score
def test_the_provenance_states_batch_seed_version_and_precision(name: str) -> None:
    for network in NETWORKS:
        measured = found(name, network)
        if not isinstance(measured, Measurement):
            continue
        assert measured.provenance["version"] >= 1
        if EVALUATORS[name].tier != "exact":
            assert measured.provenance["dtype"] in ("float32", "float64")
            assert measured.provenance["batch"] == EVALUATORS[name].load().defaults["batch"]
            assert measured.provenance["seed"] >= 0 and measured.provenance["images"] == "digits"


@every_score
def test_it_depends_on_no_random_state_of_the_caller(name: str) -> None:
    first = found(name, "attention")
    torch.manual_seed(99)
    state = torch.get_rng_state()
    found.cache_clear()
    assert found(name, "attention") == first
    assert torch.equal(torch.get_rng_state(), state)


@every_score
def test_it_ranks_only_if_that_is_asked_for(name: str) -> None:
    assert not EVALUATORS[name].always
    with pytest.raises(InputError, match=f"must not be training-free scores, but got '{name}'"):
        check_not_ranking(("accuracy", name))
    assert name in read_scores((name,))


@pytest.mark.slow
def test_another_process_finds_the_same_values() -> None:
    code = (
        "import json, sys\n"
        "from nas_explorer.evaluators.base import EVALUATORS, Setup, CandidateError\n"
        "from nas_explorer.evaluators.accuracy.data.dataset import DataSpec\n"
        "from nas_explorer.search_space.architecture.architecture import Architecture\n"
        "names, network = json.loads(sys.stdin.read())\n"
        "setup = Setup(seed=3, data=DataSpec(name='digits').to_json())\n"
        "for name in names:\n"
        "    made = EVALUATORS[name].load().make(setup)\n"
        "    print(made.measure(Architecture.from_json(network))[0].value)\n"
    )
    named = [name for name in SCORES if isinstance(found(name, "convolutions"), Measurement)]
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=json.dumps([named, NETWORKS["convolutions"].to_json()]),
        capture_output=True,
        text=True,
        check=True,
    )
    for name, text in zip(named, done.stdout.split(), strict=True):
        here = found(name, "convolutions")
        assert isinstance(here, Measurement) and float(text) == pytest.approx(here.value, rel=1e-6)
