"""Which searcher finds the best front where every score is a real training? Searches of one space
run for each searcher and seed, with the same data, schedule and budget. The figure is the
hypervolume of accuracy and the logarithm of the MACs. Its reference point, the least accuracy and
the most MACs that count, is chosen in advance; 1 is an error of 0 at a thousandth of those MACs.

    python benchmarks/real_space.py [--data digits] [--space micro] [--budget 60] [--epochs N]
                                    [--searchers pareto,tpe,nsga2,random] [--seeds 5]
                                    [--schedulers none,asha]
                                    [--constraint 'macs<=8M'] [--reference 0.9,2e6]
                                    [--storage URL] [--quick]

With ``--schedulers`` each searcher also runs with early stopping; compare the epochs that each
search trained. The studies are kept in the storage, and the same command continues them.
"""

import argparse
import json
import math
import os
import platform
import statistics
from importlib.metadata import version
from itertools import product

import numpy as np
from nas_explorer.results.analysis.front import hypervolume

import nas_explorer as nas

_DECADES = 3
"""Decades of MACs below the reference that the ratio spans."""


def ratio(study: nas.Study, trials: int, least_accuracy: float, most_macs: float) -> float:
    """Return the hypervolume after a number of candidates, as a share of the largest one."""
    losses = [
        [
            (1 - (each.value("accuracy") or 0.0)) / (1 - least_accuracy),
            math.log10((each.value("macs") or math.inf) / most_macs) / _DECADES + 1,
        ]
        for each in study.candidates()[:trials]
        if each.status == "complete"
    ]
    return hypervolume(np.array(losses), np.ones(2)) if losses else 0.0


def main() -> None:
    """Search, and print the hypervolumes."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", default="digits")
    parser.add_argument("--space", default="micro")
    parser.add_argument("--searchers", default="pareto,tpe,nsga2,random")
    parser.add_argument("--schedulers", default="none")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--budget", type=int, default=60)
    parser.add_argument("--epochs", type=int, default=None)
    parser.add_argument("--constraint", action="append", default=[])
    parser.add_argument("--reference", default="0.9,2e6", help="least accuracy, most MACs")
    parser.add_argument("--storage", default="sqlite:///runs/real_space.db")
    parser.add_argument("--quick", action="store_true", help="one random search of 2")
    options = parser.parse_args()
    if options.quick:
        options.searchers, options.seeds, options.budget, options.epochs = "random", 1, 2, 1
    least, most = map(float, options.reference.split(","))
    steps = sorted({round(options.budget * share) for share in (1 / 3, 2 / 3, 1)})
    found: dict[str, dict[int, list[float]]] = {}
    epochs: dict[str, list[int]] = {}
    for seed, searcher, scheduler in product(
        range(options.seeds), options.searchers.split(","), options.schedulers.split(",")
    ):
        kind = searcher if scheduler == "none" else f"{searcher}+{scheduler}"
        study = nas.search(
            space=options.space,
            data=options.data,
            constraints=options.constraint,
            searcher=searcher,
            scheduler=scheduler,
            seed=seed,
            budget=options.budget,
            epochs=options.epochs,
            workers=1,
            study=f"{kind}-{seed}",
            storage=options.storage,
        )
        figures = found.setdefault(kind, {step: [] for step in steps})
        for step in steps:
            figures[step].append(ratio(study, step, least, most))
        epochs.setdefault(kind, []).append(sum(each.epochs for each in study.candidates()))
        study.close()
    print(f"{'searcher':12}" + "".join(f"{f'{step} trials':>24}" for step in steps) + "  epochs")
    for kind, figures in found.items():
        cells = (
            f"{statistics.median(each):.3f} [{min(each):.3f}, {max(each):.3f}]"
            for each in figures.values()
        )
        print(f"{kind:12}{''.join(f'{cell:>24}' for cell in cells)}  {epochs[kind]}")
    line = {
        "benchmark": "real_space",
        "data": options.data,
        "space": options.space,
        "reference": [least, most],
        "ratios": found,
        "epochs": epochs,
        "device": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "torch": version("torch"),
    }
    print(json.dumps(line))


if __name__ == "__main__":
    main()
