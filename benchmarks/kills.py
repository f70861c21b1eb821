"""Does a search that is killed at random moments end like one that was never interrupted? The
command runs once to its end, and again with SIGKILL to its main process at random moments after
its start, with a new search where one ends before all kills are done. The candidates must be equal
(architecture, status, accuracy, costs), and no worker process may be left.

    python benchmarks/kills.py [--kills 20] [--workers 1,4] [--budget 30] [--searcher pareto]
                               [--scheduler none] [--seed 0] [--quick]
"""

import argparse
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import nas_explorer as nas

MARK = "NAS_BENCHMARK_KILLS"
"""Environment variable that marks all processes of a search."""
Content = tuple[object, ...]


def command(url: str, workers: int, options: argparse.Namespace) -> list[str]:
    """Return the command of the search."""
    settings = {
        "--budget": options.budget,
        "--workers": workers,
        "--searcher": options.searcher,
        "--scheduler": options.scheduler,
        "--epochs": options.epochs,
        "--seed": options.seed,
        "--device": "cpu",
        "--study": "killed",
        "--storage": url,
    }
    words = [str(word) for pair in settings.items() for word in pair]
    return [sys.executable, "-m", "nas_explorer.cli", "search", *words]


def contents(url: str) -> list[Content]:
    """Return what must be equal of each candidate of a study; empty if there is none."""
    try:
        study = nas.load_study("killed", url)
    except nas.InputError:
        return []
    found: list[Content] = [
        (each.number, each.digest, each.status, each.value("accuracy"), each.value("macs"))
        for each in study.candidates()
    ]
    study.close()
    return found


def run(words: list[str], seconds: float | None, folder: Path) -> float | None:
    """Run a command and return its seconds; None if its main process was killed at ``seconds``."""
    environment = {**os.environ, MARK: str(folder), "OMP_NUM_THREADS": "1"}
    began = time.monotonic()
    with (folder / "errors.txt").open("w") as errors:
        main = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=errors, env=environment)
        try:
            main.wait(seconds)
        except subprocess.TimeoutExpired:
            main.kill()
            main.wait()
            return None
    assert main.returncode == 0, (folder / "errors.txt").read_text()
    return time.monotonic() - began


def left_behind(mark: str) -> list[int]:
    """Return the processes, other than this one, that have ``mark`` in their environment."""
    found: list[int] = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (folder / "environ").read_bytes():
                found.append(int(folder.name))
        except OSError:  # it has just ended, or belongs to another user
            continue
    return [each for each in found if each != os.getpid()]


def compare(workers: int, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Return the figures of one number of workers."""
    moments = random.Random(options.seed)
    whole = f"sqlite:///{folder}/whole.db"
    all_seconds = run(command(whole, workers, options), None, folder)
    start = run(command(whole, workers, options), None, folder)  # it finds that nothing is left
    assert all_seconds is not None and start is not None
    kills, moved, searches, equal = 0, 0, 0, True
    while kills < options.kills:
        killed = f"sqlite:///{folder}/killed-{searches}.db"
        words, before = command(killed, workers, options), 0
        while kills < options.kills:
            if run(words, moments.uniform(start, all_seconds), folder) is not None:
                break
            kills += 1
            after = len(contents(killed))
            moved += after > before
            before = after
        run(words, None, folder)
        searches += 1
        equal = equal and contents(killed) == contents(whole)
    deadline = time.monotonic() + 30
    while (left := left_behind(f"{MARK}={folder}")) and time.monotonic() < deadline:
        time.sleep(0.2)
    return {
        "kills": kills,
        "kills_with_progress": moved,
        "searches": searches,
        "candidates": len(contents(whole)),
        "equal": equal,
        "processes_left": len(left),
    }


def main() -> None:
    """Measure and print the results."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--kills", type=int, default=20, help="for each number of workers")
    parser.add_argument("--workers", default="1,4")
    parser.add_argument("--budget", type=int, default=30)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--searcher", default="pareto")
    parser.add_argument("--scheduler", default="none")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="2 candidates, 1 kill, 1 worker")
    options = parser.parse_args()
    if options.quick:
        options.kills, options.workers, options.budget = 1, "1", 2
    found: dict[str, Any] = {}
    titles = (
        "workers",
        "kills",
        "kills_with_progress",
        "searches",
        "candidates",
        "equal",
        "processes_left",
    )
    print("  ".join(titles))
    for workers in map(int, options.workers.split(",")):
        with tempfile.TemporaryDirectory() as folder:
            each = found[str(workers)] = compare(workers, options, Path(folder))
        cells = (workers, *(each[title] for title in titles[1:]))
        print(
            "  ".join(f"{cell!s:>{len(title)}}" for cell, title in zip(cells, titles, strict=True))
        )
    line = {
        "benchmark": "kills",
        "searcher": options.searcher,
        "scheduler": options.scheduler,
        "workers": found,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "torch": version("torch"),
    }
    print(json.dumps(line))
    if not all(each["equal"] and not each["processes_left"] for each in found.values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
