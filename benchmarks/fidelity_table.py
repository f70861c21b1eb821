"""A table of networks trained at two fidelities, for ``nas bench searchers --scheduler asha``.

Networks of a space are trained with one recipe. The table holds their decisions, costs and
validation accuracy after the whole training, and in columns like ``accuracy@4epochs`` the accuracy
after fewer epochs of the same training: what early stopping sees. By default the networks are a
grid of ``micro``: every combination of four token mixers in three stages, of two strides of the
stem, and of two depths. Decisions that a network does not have are written as ``-``. The last line
is JSON.

    python benchmarks/fidelity_table.py -o table.csv [--quick] [--space micro] [--networks 60]
        [--data digits] [--epochs 9] [--at 1,3] [--seed 0] [--device cpu]
"""

import argparse
import csv
import json
import platform
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from nas_explorer.evaluators.accuracy.data.dataset import DataSpec
from nas_explorer.evaluators.base import EVALUATORS, Setup
from nas_explorer.search_space.files import load_space, space_from_data
from nas_explorer.search_space.space import SearchSpace
from nas_explorer.search_space.walk.assembly import Walk

torch.set_num_threads(1)

MIXERS = {
    "identity": None,
    "pooling": {"kernel_size": 3},
    "separable_conv": {"kernel_size": 5, "expansion": 2},
    "attention": {"head_dim": 8},
}
GRID: Mapping[str, Any] = {
    "summary": "a grid of micro",
    "input": {"channels": 1, "resolution": "data", "classes": 10, "min": 8, "max": 64},
    "stem": {"conv": {"kernel_size": 3, "stride": [1, 2]}},
    "every_stage": {
        "downsampling": {"conv": {"kernel_size": 3}},
        "block": {"metaformer": {"mixer": MIXERS, "channel_mixer": {"mlp": {"ratio": 2}}}},
    },
    "stages": [
        {"width": 8, "depth": 1},
        {"width": 16, "depth": [1, 2]},
        {"width": 32, "depth": 1},
    ],
    "head": "pooled",
}


def samples(space: SearchSpace, count: int | None, seed: int) -> Iterator[Walk]:
    """Yield ``count`` different networks at random, or with None all of the space in order."""
    if count is None:
        yield from space.enumerate()
        return
    seen: set[str] = set()
    for index in range(100 * count):
        walk = space.draw_uniform(seed + index)
        if walk.architecture.digest not in seen:
            seen.add(walk.architecture.digest)
            yield walk
        if len(seen) == count:
            return


def write_table(options: argparse.Namespace, space: SearchSpace, data: DataSpec) -> dict[str, Any]:
    """Train the networks and write the table; return the number of rows and the CPU time."""
    at = [int(each) for each in options.at.split(",")]
    accuracy, cost = EVALUATORS["accuracy"].load(), EVALUATORS["cost"].load()
    recipe = {**accuracy.defaults, **_recipe(data), "epochs": options.epochs}
    trained = accuracy.make(
        Setup(
            device=options.device,
            seed=options.seed,
            settings=recipe,
            data=data.to_json(),
            cache="runs/cache",
        )
    )
    exact = cost.make(Setup(settings=cost.defaults))
    metrics = ["accuracy", *(f"accuracy@{each}epochs" for each in at), "macs", "params"]
    paths = list(space.decisions())
    rows, began = 0, time.process_time()
    with Path(options.output).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*(f"x.{path}" for path in paths), *metrics])
        for walk in samples(space, options.networks, options.seed):
            (found,) = trained.measure(walk.architecture)
            curve = found.provenance["learning_curve"]
            scores = [curve[-1], *(curve[min(each, len(curve)) - 1] for each in at)]
            costs = {each.metric: each.value for each in exact.measure(walk.architecture)}
            shares = [f"{each['validation_accuracy']:.6g}" for each in scores]
            decisions = [walk.decisions.get(path, "-") for path in paths]
            writer.writerow([*decisions, *shares, costs["macs"], costs["params"]])
            file.flush()
            rows += 1
            print(f"{rows} {walk.architecture.summary()}: {', '.join(shares)}", file=sys.stderr)
    return {"rows": rows, "epochs": options.epochs, "cpu_s": time.process_time() - began}


def _recipe(data: DataSpec) -> Mapping[str, Any]:
    from nas_explorer.evaluators.accuracy.data.dataset import load_search_data

    return load_search_data(data, cache=Path("runs/cache")).recipe.to_json()


def main() -> None:
    """Write the table, and print the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", required=True)
    parser.add_argument("--space", help="a shipped space or a YAML file; the grid without it")
    parser.add_argument("--networks", type=int, help="random networks of the space; else all")
    parser.add_argument("--data", default="digits")
    parser.add_argument("--epochs", type=int, default=9)
    parser.add_argument("--at", default="1,3", help="epochs of the lower fidelities")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--quick", action="store_true", help="two networks, two epochs")
    options = parser.parse_args()
    if options.quick:
        options.networks, options.epochs, options.at = 2, 2, "1"
    data = DataSpec(name=options.data, seed=options.seed)
    space = load_space(options.space) if options.space else space_from_data(GRID)
    images = {"channels": 1, "resolution": 8, "classes": 10}
    if options.data != "digits":
        from nas_explorer.evaluators.accuracy.data.dataset import load_search_data

        loaded = load_search_data(data, cache=Path("runs/cache"))
        images = {
            "channels": loaded.channels,
            "resolution": loaded.resolution,
            "classes": len(loaded.classes),
        }
    found = write_table(options, space.bind(**images), data)
    machine = {"device": options.device, "machine": platform.machine(), "torch": torch.__version__}
    print(json.dumps({**found, **machine, "quick": options.quick}))


if __name__ == "__main__":
    main()
