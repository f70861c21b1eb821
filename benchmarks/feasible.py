"""How fast is sampling under hard constraints, and are all samples feasible?

For each shipped space there are two bounds at once (``params`` from above, ``macs`` from below)
that about 10 %, 0.1 % and 0.001 % of the space satisfy; the share is measured on walks sampled
without constraints. Each method of the searchers is timed: random, uniform over the feasible
networks, mutation, crossover. The costs of every sample are checked against the bounds. Times are
CPU times with known part costs. A fifth of the samples is taken before, untimed, since decision
nodes are computed when a walk first visits them. The last line is JSON.

    python benchmarks/feasible.py [--quick] [--draws N] [--spaces micro,mobile]
"""

import argparse
import json
import platform
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from nas_explorer.evaluators.cost.cost import EXACT_METRICS, additive_costs, costs_of
from nas_explorer.search_space.architecture.architecture import Architecture
from nas_explorer.search_space.constraints.build_cost_table import build_cost_table
from nas_explorer.search_space.constraints.check import check
from nas_explorer.search_space.constraints.constraint import Constraint
from nas_explorer.search_space.constraints.cost_table import CostedGraph
from nas_explorer.search_space.files import load_space, space_from_data
from nas_explorer.search_space.presets import presets
from nas_explorer.search_space.space import SearchSpace
from nas_explorer.search_space.walk.choosers import CrossoverChooser, MutationChooser, RandomChooser

QUICK: dict[str, Any] = {
    "name": "quick",
    "input": {"channels": 1, "resolution": 8, "classes": 2},
    "stem": "conv",
    "every_stage": {
        "width": {"min": 16, "max": 64, "step": 16},
        "depth": {"min": 1, "max": 6},
        "pattern": "any",
        "block": {"metaformer": {"mixer": ["identity", "pooling", "separable_conv"]}},
    },
    "stages": [{}, {"downsampling": "conv"}, {"downsampling": "conv"}],
    "head": "pooled",
}
"""A space with few parts, for a smoke run."""

SHARES = (0.1, 1e-3, 1e-5)
Draws = Callable[[int], Architecture]


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """Return the result of ``work`` and its CPU seconds."""
    started = time.process_time()
    found = work()
    return found, time.process_time() - started


def bounds(table: CostedGraph, share: float, walks: int) -> tuple[list[Constraint], float]:
    """Return two bounds that about ``share`` of the walks satisfy, and the exact share."""
    costs = table.sample(walks, seed=1)
    params, macs = (costs[:, table.metrics.index(name)] for name in ("params", "macs"))
    least = float(np.quantile(params, min(1.0, 2 * share)))
    most = float(np.median(macs[params <= least]))
    kept = (params <= least) & (macs >= most)
    return [
        Constraint(metric="params", high=least),
        Constraint(metric="macs", low=most),
    ], float(kept.mean())


def sampling_methods(space: SearchSpace) -> dict[str, Draws]:
    """Return the sampling methods by name; each takes a seed."""
    first, second = (space.walk(RandomChooser(seed)).decisions for seed in (0, 1))
    return {
        "random": lambda seed: space.walk(RandomChooser(seed)).architecture,
        "uniform": lambda seed: space.draw_uniform(seed).architecture,
        "mutation": lambda seed: space.walk(MutationChooser(first, seed, 0.1)).architecture,
        "crossover": lambda seed: space.walk(CrossoverChooser(first, second, seed)).architecture,
    }


def kept(drawn: Sequence[Architecture], constraints: Sequence[Constraint]) -> float:
    """Return the feasible share of the samples."""
    costs = costs_of(drawn)
    keeps = [[each.holds(value) for value in costs[each.metric]] for each in constraints]
    return float(np.all(keeps, axis=0).mean())


def measured(name: str, draws: int, walks: int) -> dict[str, Any]:
    """Return the results for one space."""
    space = space_from_data(QUICK) if name == "quick" else load_space(name)
    _, cold = timed(lambda: build_cost_table(space.graph, EXACT_METRICS, additive_costs))
    table, warm = timed(lambda: build_cost_table(space.graph, EXACT_METRICS, additive_costs))
    levels: list[dict[str, Any]] = []
    for share in SHARES:
        constraints, sampled = bounds(table, share, walks)
        found, answered = timed(lambda given=constraints: check(table, given))
        steered, built = timed(lambda given=constraints: space.constrained(given, additive_costs))
        rates: dict[str, float] = {}
        feasible: dict[str, float] = {}
        for method, draw in sampling_methods(steered).items():
            for seed in range(draws, draws + draws // 5):
                draw(seed)
            drawn, seconds = timed(lambda draw=draw: [draw(seed) for seed in range(draws)])
            rates[method], feasible[method] = draws / seconds, kept(drawn, constraints)
        levels.append(
            {
                "constraints": [str(each) for each in constraints],
                "share_sampled": sampled,
                "share_estimated": found.share,
                "feasible": feasible,
                "per_second": rates,
                "check_seconds": answered,
                "guide_seconds": built,
            }
        )
    return {
        "walks": float(table.path_counts[0]),
        "steps": table.end,
        "table_seconds_first": cold,
        "table_seconds": warm,
        "levels": levels,
    }


def main() -> None:
    """Measure every space and print the table and the JSON line."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a smoke run: one space, few samples")
    parser.add_argument("--draws", type=int, default=2000, help="samples per method")
    parser.add_argument("--walks", type=int, default=10**6, help="walks that determine the bounds")
    parser.add_argument("--spaces", default=",".join(presets()), help="names, by commas")
    options = parser.parse_args()
    names, draws, walks = options.spaces.split(","), options.draws, options.walks
    if options.quick:
        names, draws, walks = ["quick"], 20, 10**5
    torch.set_num_threads(1)
    found = {name: measured(name, draws, walks) for name in names}
    for name, figures in found.items():
        print(
            f"{name}: {figures['walks']:.3g} walks; {figures['steps']} nodes; cost table in "
            f"{figures['table_seconds_first']:.2f} s, cached {figures['table_seconds']:.2f} s"
        )
        for level in figures["levels"]:
            rates = ", ".join(
                f"{method} {rate:,.0f}" for method, rate in level["per_second"].items()
            )
            print(
                f"  {100 * level['share_sampled']:.3g} % feasible "
                f"(estimated {100 * level['share_estimated']:.3g} %): "
                f"{min(level['feasible'].values()):.2%} of the samples; "
                f"samples per second: {rates}; "
                f"guide {level['guide_seconds']:.2f} s, check {level['check_seconds']:.2f} s"
            )
    about = {
        "draws": draws,
        "quick": options.quick,
        "processor": platform.processor() or platform.machine(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": torch.__version__,
    }
    print(json.dumps({"spaces": found, **about}))


if __name__ == "__main__":
    main()
