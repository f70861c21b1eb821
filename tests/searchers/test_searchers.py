"""Searchers that learn find better candidates than random search."""

import statistics
from functools import cache

import numpy as np
import pytest
from nas_explorer.evaluators.base import METRICS, Measurement
from nas_explorer.results.analysis.front import hypervolume, losses
from nas_explorer.results.candidate import Candidate
from nas_explorer.search_space.architecture.architecture import Architecture
from nas_explorer.search_space.files import space_from_data
from nas_explorer.searchers.base import Objective
from nas_explorer.searchers.table import make_searcher

MIXERS = [
    "identity",
    "pooling",
    "random",
    "separable_conv",
    "inception_conv",
    {"attention": {"head_dim": 8}},
]
SPACE = space_from_data(
    {
        "input": {"channels": 1, "resolution": 16, "classes": 3},
        "stem": "conv",
        "every_stage": {
            "depth": {"min": 1, "max": 3},
            "width": [16, 24, 32, 40, 48, 64],
            "block": {"metaformer": {"mixer": MIXERS, "norm": ["layer_norm", "batch_norm"]}},
            "downsampling": "pool",
        },
        "stages": [{}, {}, {}],
        "head": "pooled",
    }
)
BUDGET = 80
SEEDS = range(3)


def pretended(architecture: Architecture) -> dict[str, float]:
    """Return the share of attention blocks, of 9 at the most, and a number of parameters."""
    stages = architecture.stages
    attention = sum(
        stage.block(index).mixer.name == "attention"  # type: ignore[attr-defined]
        for stage in stages
        for index in range(stage.depth)
    )
    return {"accuracy": attention / 9, "params": sum(each.width * each.depth for each in stages)}


@cache
def search(name: str, metrics: tuple[str, ...], seed: int) -> list[Candidate]:
    objectives = tuple(Objective(metric=m, direction=METRICS[m].direction) for m in metrics)
    searcher = make_searcher(name, space=SPACE, objectives=objectives, seed=seed)
    history: list[Candidate] = []
    for number in range(BUDGET):
        proposal = searcher.ask(number)
        assert proposal
        values = pretended(proposal.architecture)
        history.append(
            Candidate(
                number=number,
                architecture=proposal.architecture,
                decisions=proposal.decisions,
                status="complete",
                measurements={m: Measurement(metric=m, value=v) for m, v in values.items()},
            )
        )
        searcher.tell(history[-1])
    return history


def late_accuracy(name: str) -> float:
    """Return the mean over the last third, the median over the seeds."""
    runs = [search(name, ("accuracy",), seed)[-BUDGET // 3 :] for seed in SEEDS]
    return statistics.median(statistics.mean(c.value("accuracy") or 0 for c in run) for run in runs)


def volume(name: str) -> float:
    """Return the front's hypervolume, the median over the seeds."""
    metrics = ("accuracy", "params")
    found = [losses(search(name, metrics, seed), metrics) for seed in SEEDS]
    return statistics.median(hypervolume(each, np.array([0.0, 400.0])) for each in found)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tpe", "nsga2"])
def test_better_than_chance(name: str) -> None:
    assert late_accuracy(name) > 2 * late_accuracy("random")
    assert volume(name) > 1.1 * volume("random")
