"""Does fusion keep more of a trained network than plain pruning, or a training from scratch?

A network is trained on digits with the short schedule, and reduced to a share of its multiply-adds:
by fusion, and by plain pruning to the same sizes. The table has the difference from the parent's
scores (root mean square over validation images), loss and accuracy before the fine-tuning, and the
accuracy after it, beside that of the same network trained from scratch, for as long and twice as
long. The last line is JSON.

    python benchmarks/compress.py [--quick] [--seeds N] [--share S] [--epochs N]
"""

import argparse
import json
import statistics
from typing import Any

import torch
from nas_explorer.evaluators.accuracy.data.dataset import DataSpec, SearchData, load_search_data
from nas_explorer.evaluators.accuracy.evaluator import AccuracyEvaluator
from nas_explorer.evaluators.accuracy.recipe import Recipe
from nas_explorer.evaluators.accuracy.source import Source
from nas_explorer.evaluators.accuracy.training.scoring import Normalise, class_logits
from nas_explorer.evaluators.compression.prune import prune
from nas_explorer.evaluators.compression.result import Compressed
from nas_explorer.evaluators.compression.trained import TrainedNetworks, network_of
from nas_explorer.evaluators.cost.cost import architecture_cost
from nas_explorer.search_space.architecture.architecture import Architecture
from nas_explorer.search_space.architecture.network import Network
from nas_explorer.search_space.architecture.stages import Stage
from nas_explorer.search_space.components.blocks import MetaFormerBlock
from nas_explorer.search_space.components.downsampling import ConvDownsampling
from nas_explorer.search_space.components.heads import PooledHead
from nas_explorer.search_space.components.mixers.attention import Attention
from nas_explorer.search_space.components.mixers.convolution import SeparableConv
from nas_explorer.search_space.components.stems import ConvStem
from nas_explorer.search_space.shapes import Shape
from torch import Tensor

PARENT = Architecture(
    input=Shape(1, 8, 8),
    classes=10,
    stem=ConvStem(kernel_size=3, stride=1),
    stages=(
        Stage(width=24, depth=2, blocks=(MetaFormerBlock(mixer=SeparableConv(kernel_size=3)),)),
        Stage(
            width=48,
            depth=2,
            blocks=(MetaFormerBlock(mixer=Attention(head_dim=8)),),
            downsampling=ConvDownsampling(kernel_size=2),
        ),
    ),
    head=PooledHead(),
)
"""Convolution, then attention; the channel mixers have four times the channels."""


def trained(
    architecture: Architecture, data: SearchData, recipe: Recipe, seed: int, start: Source | None
) -> tuple[float, dict[str, Tensor]]:
    """Train a network; return its accuracy and its weights."""
    kept: list[dict[str, Tensor]] = []
    evaluator = AccuracyEvaluator(
        data=data,
        recipe=recipe,
        seed=seed,
        device=torch.device("cpu"),
        start=start,
        keep=lambda _, weights, __: kept.append({**weights}),
    )
    return evaluator.measure(architecture)[0].value, kept[0]


def outputs(network: Network, data: SearchData) -> Tensor:
    """Return the class scores of the validation images."""
    return class_logits(network, data.validation_images, Normalise(data, torch.device("cpu")), 256)


def one_seed(seed: int, share: float, recipe: Recipe, data: SearchData) -> dict[str, Any]:
    """Return the figures of one parent."""
    architecture = PARENT
    accuracy, weights = trained(architecture, data, recipe, seed, None)
    parent = network_of(Source(name="parent", architecture=architecture, weights=weights))
    judge = TrainedNetworks(data, recipe, seed=seed)
    bound = share * architecture_cost(architecture).macs
    expected = outputs(parent, data)
    found: dict[str, Any] = {"seed": seed, "parent": accuracy}
    smaller = architecture
    for name, transport in (("fused", True), ("plain", False)):
        result = prune(
            parent, judge, lambda each: architecture_cost(each).macs <= bound, transport=transport
        )
        assert isinstance(result, Compressed)
        made = result.network
        smaller = Architecture.from_json(made.architecture.to_json())
        loss, before = judge.score(made)
        difference = (outputs(made, data) - expected).square().mean().sqrt().item()
        source = Source(
            name=name, architecture=smaller, weights=made.state_dict(), classes=data.classes
        )
        tuned = Recipe.from_json({**recipe.to_json(), "init": name})
        after, _ = trained(smaller, data, tuned, seed, source)
        found[name] = {"difference": difference, "loss": loss, "before": before, "after": after}
    found["macs"] = architecture_cost(smaller).macs / architecture_cost(architecture).macs
    longer = Recipe.from_json({**recipe.to_json(), "epochs": 2 * recipe.epochs})
    found["scratch"] = trained(smaller, data, recipe, seed, None)[0]
    found["scratch, twice as long"] = trained(smaller, data, longer, seed, None)[0]
    return found


def main() -> None:
    """Measure, and print a table and a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one seed, one epoch")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--share", type=float, default=0.4)
    parser.add_argument("--epochs", type=int, default=12)
    options = parser.parse_args()
    torch.set_num_threads(1)
    data = load_search_data(DataSpec(name="digits"))
    recipe = Recipe(epochs=1 if options.quick else options.epochs)
    rows: list[dict[str, Any]] = []
    for seed in range(1 if options.quick else options.seeds):
        rows.append(one_seed(seed, options.share, recipe, data))
        print(json.dumps(rows[-1]), flush=True)
    means = {
        f"{name} {key}": statistics.mean(row[name][key] for row in rows)
        for name in ("fused", "plain")
        for key in ("difference", "loss", "before", "after")
    }
    for key in ("parent", "scratch", "scratch, twice as long", "macs"):
        means[key] = statistics.mean(row[key] for row in rows)
    for key, value in means.items():
        print(f"{key:<24} {value:.4f}")
    versions = {"torch": torch.__version__}
    print(json.dumps({"rows": rows, "means": means, "device": "cpu", "versions": versions}))


if __name__ == "__main__":
    main()
