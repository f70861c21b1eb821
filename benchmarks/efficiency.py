"""How much of their time do the workers of a search measure? Whole searches of the space micro run
with sleep in place of training, from half to one and a half times the mean, so that waiting for
the searcher, the record and the engine shows. Two figures are printed, each the time asleep divided
by the time of all workers: ``whole`` from the start of the first job to the end of the last, and
``steady`` from the moment at which all workers have begun to the moment at which one has no job
left, without the start of the workers and the last round.

    python benchmarks/efficiency.py [--engines local,ray] [--searchers random,pareto]
                                    [--workers 8] [--seconds 4] [--budget 160] [--quick]
"""

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import nas_explorer as nas

MEAN = "NAS_BENCHMARK_SLEEP"
"""Environment variable with the mean of the sleeps, which worker processes inherit."""
LOG = "NAS_BENCHMARK_LOG"
"""Environment variable with the file to which each job appends its process, start and end."""


@nas.metric(unit="s", direction="maximize", tier="trained")
def sleep(architecture: nas.Architecture) -> float:
    """Return the seconds slept, which depend on the architecture alone."""
    seconds = float(os.environ[MEAN]) * (0.5 + int(architecture.digest[:6], 16) / 16**6)
    begin = time.time()
    time.sleep(seconds)
    with Path(os.environ[LOG]).open("a") as log:
        log.write(f"{os.getpid()} {begin} {time.time()}\n")
    return seconds


@dataclass(frozen=True, kw_only=True)
class Job:
    """One sleep of one worker, in seconds since the epoch."""

    process: int
    begin: float
    end: float


def shares(jobs: Sequence[Job], workers: int) -> dict[str, float]:
    """Return the share of the workers' time that is in jobs, for the whole search and the steady
    part."""
    processes = {job.process for job in jobs}
    begin = max(min(job.begin for job in jobs if job.process == each) for each in processes)
    end = min(max(job.end for job in jobs if job.process == each) for each in processes)
    inside = sum(max(0.0, min(job.end, end) - max(job.begin, begin)) for job in jobs)
    whole = max(job.end for job in jobs) - min(job.begin for job in jobs)
    return {
        "whole": sum(job.end - job.begin for job in jobs) / (workers * whole),
        "steady": inside / (workers * (end - begin)),
    }


def efficiency(engine: str, searcher: str, workers: int, budget: int) -> dict[str, float]:
    """Return the efficiency of one search."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ[LOG] = f"{folder}/jobs"
        nas.search(
            objectives=("sleep", "macs"),
            budget=budget,
            searcher=searcher,
            engine=engine,
            workers=workers,
            device="cpu",
            storage=f"sqlite:///{folder}/nas.db",
        ).close()
        lines = [line.split() for line in Path(os.environ[LOG]).read_text().splitlines()]
    jobs = [Job(process=int(p), begin=float(b), end=float(e)) for p, b, e in lines]
    return shares(jobs, workers)


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
    found: dict[str, dict[str, float]] = {}
    print(f"{'engine':8} {'searcher':12} {'whole':>8} {'steady':>8}")
    for engine in options.engines.split(","):
        for searcher in options.searchers.split(","):
            value = efficiency(engine, searcher, options.workers, options.budget)
            found[f"{engine} {searcher}"] = value
            print(f"{engine:8} {searcher:12} {value['whole']:>8.3f} {value['steady']:>8.3f}")
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
