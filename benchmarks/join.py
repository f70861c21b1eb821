"""What does joining cost? Processes that join search one study, with candidates that only sleep.
All begin at the same time, when each has opened the study. The efficiency is the time that the
candidates take on so many processes, over the time from the common start to the last end.

    python benchmarks/join.py [--processes N] [--candidates N] [--seconds S] [--searcher NAME]
                              [--storage URL] [--quick]
"""

import argparse
import json
import multiprocessing
import os
import platform
import tempfile
import time
from importlib.metadata import version
from multiprocessing.synchronize import Barrier
from typing import Any

from nas_explorer.evaluators.base import METRICS, Measurement
from nas_explorer.results.settings import StudySettings
from nas_explorer.results.study.study import Study
from nas_explorer.search_space.architecture.architecture import Architecture
from nas_explorer.search_space.files import load_space
from nas_explorer.search_space.seeds import derive_seed
from nas_explorer.search_space.space import SearchSpace
from nas_explorer.searchers.base import Objective
from nas_explorer.searchers.engines.base import Job, Outcome
from nas_explorer.searchers.run.joined_loop import JoinedLoop
from nas_explorer.searchers.run.ledger import Ledger
from nas_explorer.searchers.table import make_searcher

OBJECTIVES = ("accuracy", "macs")


def outcome_of(job: Job, seconds: float) -> Outcome:
    """Sleep; return values that depend on the architecture alone."""
    time.sleep(seconds)
    digest = Architecture.from_json(job.architecture).digest
    values = [
        Measurement(metric=name, value=derive_seed(name, digest) / 2**32) for name in OBJECTIVES
    ]
    return Outcome(number=job.number, status="complete", measurements=tuple(values))


def search(
    options: argparse.Namespace,
    name: str,
    url: str,
    space: SearchSpace,
    start: Barrier,
    results: "multiprocessing.Queue[dict[str, Any]]",
) -> None:
    """Search as one of the processes."""
    study = Study.open(name, url)
    objectives = tuple(Objective(metric=m, direction=METRICS[m].direction) for m in OBJECTIVES)
    searcher = make_searcher(options.searcher, space=space, objectives=objectives, seed=0)
    ledger = Ledger()
    with study.joined():
        loop = JoinedLoop(
            study=study,
            searcher=searcher,
            exact=(),
            budget=options.candidates,
            lag=1,
            listener=lambda progress: None,
            ledger=ledger,
        )
        start.wait()
        began = time.time()
        while not loop.done:
            if job := loop.next_job():
                loop.take(outcome_of(job, options.seconds))
    spent = ledger.read().search
    results.put({"began": began, "ended": time.time(), "fresh": loop.fresh, **spent})


def measure(options: argparse.Namespace, url: str) -> dict[str, Any]:
    """Run all processes; return the figures."""
    space = load_space("micro").bind(channels=1, resolution=8, classes=10)
    name = f"join {time.time()}"
    settings = StudySettings(
        space_name=space.name,
        space_digest=space.digest,
        space=space.source,
        data={"name": "none"},
        data_fingerprint="none",
        objectives=OBJECTIVES,
        searcher=options.searcher,
        seed=0,
    )
    Study.create_or_open(name, url, settings).close()
    fork = multiprocessing.get_context("fork")  # importing torch once is enough
    start, results = fork.Barrier(options.processes), fork.Queue()
    arguments = (options, name, url, space, start, results)
    processes = [fork.Process(target=search, args=arguments) for _ in range(options.processes)]
    for each in processes:
        each.start()
    found = [results.get() for _ in processes]
    for each in processes:
        each.join()
    study = Study.open(name, url)
    candidates = study.candidates()
    study.close()
    assert len(candidates) == options.candidates
    assert len({each.digest for each in candidates}) == options.candidates
    wall = max(each["ended"] for each in found) - min(each["began"] for each in found)
    return {
        "wall": wall,
        "efficiency": options.candidates * options.seconds / options.processes / wall,
        "shares": sorted(each["fresh"] for each in found),
        "storing": sum(each.get("storing", 0.0) for each in found) / options.candidates,
        "searching": sum(each.get("searching", 0.0) for each in found) / options.candidates,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--candidates", type=int, default=96)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--searcher", default="pareto")
    parser.add_argument("--storage")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    if options.quick:
        options.processes, options.candidates, options.seconds = 2, 4, 0.01
    with tempfile.TemporaryDirectory() as folder:
        found = measure(options, options.storage or f"sqlite:///{folder}/nas.db")
    print(
        f"{options.processes} processes, {options.candidates} candidates of {options.seconds:g} s: "
        f"{found['wall']:.1f} s, efficiency {found['efficiency']:.2f}"
    )
    print(f"candidates by process: {' '.join(map(str, found['shares']))}")
    print(
        f"a candidate: {found['storing']:.3f} s storing, {found['searching']:.3f} s searching "
        "(wall time)"
    )
    figures = {
        **found,
        "processes": options.processes,
        "candidates": options.candidates,
        "seconds": options.seconds,
        "searcher": options.searcher,
        "storage": (options.storage or "sqlite").partition(":")[0],
        "device": f"{platform.machine()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "sqlalchemy": version("sqlalchemy"),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
