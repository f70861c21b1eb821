"""How much of their time do the workers of a search measure? Whole searches of the space micro run
with sleep in place of training, from half to one and a half times the mean, so that waiting for
the searcher, the record and the engine shows. The efficiency is the time of all jobs divided by the
time of all workers, from the start of the first job to the end of the last.

    python benchmarks/efficiency.py [--engines local,ray] [--searchers random,pareto]
                                    [--workers 8] [--seconds 4] [--budget 160] [--quick]
"""

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version

import nas_explorer as nas

MEAN = "NAS_BENCHMARK_SLEEP"
"""Environment variable with the mean of the sleeps, which worker processes inherit."""


@nas.metric(unit="s", direction="maximize", tier="trained")
def sleep(architecture: nas.Architecture) -> float:
    """Return the seconds slept, which depend on the architecture alone."""
    seconds = float(os.environ[MEAN]) * (0.5 + int(architecture.digest[:6], 16) / 16**6)
    time.sleep(seconds)
    return seconds


def efficiency(engine: str, searcher: str, workers: int, budget: int) -> float:
    """Return the efficiency of one search."""
    ends: list[float] = []
    callback: Callable[..., None] = lambda study, progress: ends.append(time.monotonic())  # noqa: E731
    with tempfile.TemporaryDirectory() as folder:
        study = nas.search(
            objectives=("sleep", "macs"),
            budget=budget,
            searcher=searcher,
            engine=engine,
            workers=workers,
            device="cpu",
            storage=f"sqlite:///{folder}/nas.db",
            callbacks=[callback],
        )
        totals = [each.seconds["total"] for each in study.candidates()]
        study.close()
    return sum(totals) / (workers * (ends[-1] - ends[0] + min(totals[:workers])))


def main() -> None:
    """Measure and print the results."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--engines", default="local,ray")
    parser.add_argument("--searchers", default="random,pareto")
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=4.0, help="mean of the sleeps")
    parser.add_argument("--budget", type=int, default=160)
    parser.add_argument("--quick", action="store_true", help="one search of 4 on 1 worker")
    options = parser.parse_args()
    if options.quick:
        options.engines, options.searchers = "local", "random"
        options.workers, options.seconds, options.budget = 1, 0.05, 4
    os.environ[MEAN] = str(options.seconds)
    found: dict[str, float] = {}
    print(f"{'engine':8} {'searcher':12} {'efficiency':>10}")
    for engine in options.engines.split(","):
        for searcher in options.searchers.split(","):
            value = efficiency(engine, searcher, options.workers, options.budget)
            found[f"{engine} {searcher}"] = value
            print(f"{engine:8} {searcher:12} {value:>10.3f}")
    line = {
        "benchmark": "efficiency",
        "workers": options.workers,
        "seconds": options.seconds,
        "budget": options.budget,
        "efficiency": found,
        "device": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "torch": version("torch"),
    }
    print(json.dumps(line))


if __name__ == "__main__":
    main()
