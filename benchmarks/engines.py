"""What does an engine add to each candidate? Empty jobs run on one worker, with the local engine
and with Ray Tune, which keep their worker processes, and with a fresh process for each job. The
time of a job is measured between outcomes, without the start of the engine.

    python benchmarks/engines.py [--engines local,ray] [--jobs N] [--quick]
"""

import argparse
import json
import os
import platform
import statistics
import sys
import time
from dataclasses import dataclass
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path

from nas_explorer.searchers.engines import ENGINES, load_engine
from nas_explorer.searchers.engines.base import Job, Outcome

SKIPPED = 3  # outcomes before the steady state


class Idle:
    """A worker that does nothing, but has loaded torch like a real one."""

    spent = False
    """Whether the process must be replaced: never."""

    def __init__(self) -> None:
        import torch  # noqa: F401

    def run(self, job: Job) -> Outcome:
        """Return an outcome at once."""
        return Outcome(number=job.number, status="complete")


@dataclass(frozen=True)
class MakeIdle:
    """Factory of the worker."""

    def __call__(self) -> Idle:
        """Return the worker."""
        return Idle()


class Clocked:
    """A source of ``count`` jobs that records when each outcome arrives."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.given = 0
        self.arrivals: list[float] = []

    def next_job(self) -> Job | None:
        """Return the next job, one at a time, since there is one worker."""
        self.given += 1
        return Job(number=self.given - 1, architecture={})

    def take(self, outcome: Outcome) -> None:
        """Record the time."""
        assert outcome.status == "complete", outcome.reason
        self.arrivals.append(time.perf_counter())

    @property
    def done(self) -> bool:
        """Whether all jobs were returned."""
        return self.given == self.count


def run_engine(name: str, jobs: int, factory: object) -> tuple[float, float]:
    """Return the seconds until the first outcome, and the median seconds between outcomes."""
    source = Clocked(jobs)
    start = time.perf_counter()
    load_engine(name)(workers=1).run(source, factory)  # type: ignore[arg-type]
    arrivals = source.arrivals[SKIPPED:]
    gaps = [b - a for a, b in pairwise(arrivals)]
    return source.arrivals[0] - start, statistics.median(gaps)


def main() -> None:
    """Measure and print the results."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--engines", default=",".join(ENGINES))
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--quick", action="store_true", help="the local engine, 10 jobs")
    options = parser.parse_args()
    # Worker processes import the factory by its module's name, which ``__main__`` is not.
    sys.path.insert(0, str(Path(__file__).parent))
    from engines import MakeIdle as Importable

    names = ["local"] if options.quick else options.engines.split(",")
    jobs = 10 if options.quick else options.jobs
    first: dict[str, float] = {}
    each: dict[str, float] = {}
    fresh = [
        run_engine("local", SKIPPED + 2, Importable())[0] for _ in range(1 if options.quick else 5)
    ]
    first["fresh process"] = each["fresh process"] = statistics.median(fresh)
    for name in names:
        first[name], each[name] = run_engine(name, jobs, Importable())
    print(f"{'':14} {'first job':>10} {'each job':>12} {'fresh / this':>13}")
    for name, seconds in each.items():
        ratio = each["fresh process"] / seconds
        print(f"{name:14} {first[name]:>8.2f} s {seconds * 1e3:>9.3f} ms {ratio:>13.0f}")
    line = {
        "benchmark": "engines",
        "jobs": jobs,
        "first_seconds": first,
        "seconds_per_job": each,
        "device": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "torch": version("torch"),
        "ray": version("ray") if "ray" in names else None,
    }
    print(json.dumps(line))


if __name__ == "__main__":
    main()
