"""How fast is the main job, a search of 100 candidates on digits, and is its front as good? For
each seed, this build and an earlier build of a commit run the same command, one after the other,
in turns. Then this build trains the networks of both fronts once more, for long and with equal
seeds, and the hypervolumes of long accuracy and MACs are compared, paired over the seeds.

    python benchmarks/main_job.py [--seeds 5] [--budget 100] [--build 455b9fc] [--data digits]
        [--space micro] [--workers N] [--device cpu] [--long 15] [--keep FOLDER] [--quick]

The times count only on a machine that does nothing else; the fronts count on any. With ``--keep``
everything finished stays in a folder, and the same command goes on after an interruption; a search
that was interrupted has no times.

The last line is JSON: ``wall_ratio`` and ``first_result_ratio`` are medians over the seeds of this
build's time over the earlier build's, ``hypervolume_ratio`` is the geometric mean of this build's
hypervolume over the earlier one's, with its 95 % interval (Student's t over the seeds).
"""

import argparse
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

sys.path.append(str(Path(__file__).parent))
from training import EARLIER, OURS, Trainer, unpack

FIRST = "[1/"
"""Begin of the line that a search prints with its first result."""
REFERENCE = 1.1
"""Losses of the reference point of the hypervolumes, where the worst are 1."""
LONG_SEED = 1000
"""Seed of the first long training, which no search has."""


# The searches --------------------------------------------------------------------------------


def nas(arguments: Sequence[str], folder: Path, package: Path | None) -> subprocess.Popen[str]:
    """Start the command line of this build, or of another package below a folder."""
    environment = dict(os.environ)
    if package is not None:
        environment["PYTHONPATH"] = str(package)
    return subprocess.Popen(
        [sys.executable, "-m", "nas_explorer.cli", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=folder,
    )


def finished(process: subprocess.Popen[str]) -> str:
    """Return what a command has printed.

    Raises:
        SystemExit: If it has failed; with the end of its errors.
    """
    out, errors = process.communicate()
    if process.returncode:
        raise SystemExit(f"{process.args} failed: {errors[-2000:]}")
    return out


def search(seed: int, options: argparse.Namespace, folder: Path, package: Path | None) -> Any:
    """Run a search; return the wall time, the time to the first result, s, and the front.

    The times are None if the folder holds the beginning of the search.
    """
    fresh = not folder.exists()
    folder.mkdir(exist_ok=True)
    limits = {"budget": options.budget, "seed": seed, "epochs": options.epochs}
    what = {"data": options.data, "space": options.space, "device": options.device}
    given = {**limits, **what, "workers": options.workers, "study": "job"}
    arguments = [text for key, value in given.items() if value for text in (f"--{key}", str(value))]
    start = time.perf_counter()
    process = nas(["search", *arguments], folder, package)
    assert process.stderr is not None
    first = None
    for line in process.stderr:
        if first is None and line.startswith(FIRST):
            first = time.perf_counter() - start
    finished(process)
    wall = time.perf_counter() - start
    front = json.loads(finished(nas(["front", "--json", "--study", "job"], folder, package)))
    return {
        "wall": wall if fresh else None,
        "first": first if fresh else None,
        "front": [
            {
                "digest": each["digest"],
                "architecture": each["architecture"],
                "macs": each["measurements"]["macs"]["value"],
            }
            for each in front
        ],
    }


# The comparison ------------------------------------------------------------------------------


def ratio(found: Sequence[Mapping[str, Any]], key: str) -> float | None:
    """Return the median over the seeds of this build's time over the earlier build's."""
    pairs = [(each[OURS][key], each[EARLIER][key]) for each in found if EARLIER in each]
    ratios = [ours / theirs for ours, theirs in pairs if ours is not None and theirs is not None]
    return statistics.median(ratios) if ratios else None


def volumes(
    found: Sequence[Mapping[str, Any]], accuracies: Mapping[str, float]
) -> dict[str, list[float]]:
    """Return the hypervolumes of the fronts by build, one for each seed.

    Losses of all fronts are scaled together: the best is 0, the worst 1, MACs by their logarithm.
    The reference point lies beyond the worst, so that every network counts.
    """
    from nas_explorer.results.analysis.front import hypervolume, unit_losses

    fronts = [(kind, each[kind]["front"]) for each in found for kind in each]
    points = [(-accuracies[a["digest"]], a["macs"]) for _, front in fronts for a in front]
    scaled = unit_losses(np.array(points, dtype=np.float64), ("accuracy", "macs"))
    result: dict[str, list[float]] = {}
    for kind, front in fronts:
        rows, scaled = scaled[: len(front)], scaled[len(front) :]
        result.setdefault(kind, []).append(hypervolume(rows, np.full(2, REFERENCE)))
    return result


def paired_ratio(ours: Sequence[float], theirs: Sequence[float]) -> dict[str, float | None]:
    """Return the geometric mean of the ratios of pairs with its 95 % interval."""
    from scipy.stats import t

    logs = [math.log(a / b) for a, b in zip(ours, theirs, strict=True)]
    middle = statistics.mean(logs)
    if len(logs) < 2:
        return {"value": math.exp(middle), "low": None, "high": None}
    half = t.ppf(0.975, len(logs) - 1) * statistics.stdev(logs) / math.sqrt(len(logs))
    ends = (middle, middle - half, middle + half)
    return dict(zip(("value", "low", "high"), map(math.exp, ends), strict=True))


class Kept:
    """Results by name in a folder, one file of JSON each."""

    def __init__(self, folder: Path) -> None:
        """Set the folder."""
        self.folder = folder

    def get(self, name: str) -> Any:
        """Return a result, or None."""
        path = self.folder / f"{name}.json"
        return json.loads(path.read_text()) if path.exists() else None

    def put(self, name: str, result: Any) -> Any:
        """Keep a result and return it."""
        path = self.folder / f"{name}.json"
        part = path.with_suffix(".part")
        part.write_text(json.dumps(result))
        part.replace(path)
        return result


def all_searches(options: argparse.Namespace, kept: Kept) -> list[dict[str, Any]]:
    """Return the searches of each seed by build."""
    builds: dict[str, Path | None] = {OURS: None}
    if options.build:
        source = kept.folder / "source"
        source.mkdir(exist_ok=True)
        builds[EARLIER] = unpack(options.build, source)
    found: list[dict[str, Any]] = []
    for seed in range(options.seeds):
        pair: dict[str, Any] = {}
        for kind in builds if seed % 2 else reversed(builds):
            name = f"{kind.replace(' ', '-')}-{seed}"
            pair[kind] = kept.get(name) or kept.put(
                name, search(seed, options, kept.folder / name, builds[kind])
            )
            print(f"seed {seed}, {kind}: {pair[kind]['wall']} s", file=sys.stderr, flush=True)
        found.append(pair)
    return found


def long_accuracies(
    found: Sequence[Mapping[str, Any]], options: argparse.Namespace, kept: Kept
) -> dict[str, float]:
    """Return the accuracy of each network of the fronts after the long training, by digest."""
    networks = {a["digest"]: a for each in found for own in each.values() for a in own["front"]}
    result: dict[str, float] = {}
    trainer = Trainer(OURS, options, {"epochs": options.long}, None)
    for place, (digest, each) in enumerate(networks.items(), 1):
        scores: list[float] = []
        for seed in range(LONG_SEED, LONG_SEED + options.long_seeds):
            name = f"long-{digest[:16]}-{options.long}-{seed}"
            stored = kept.get(name) or kept.put(name, trainer.train(each["architecture"], seed))
            scores.append(stored["accuracy"])
        result[digest] = statistics.mean(scores)
        print(f"{place} of {len(networks)} networks trained long", file=sys.stderr, flush=True)
    trainer.close()
    return result


def report(
    options: argparse.Namespace,
    found: Sequence[Mapping[str, Any]],
    accuracies: Mapping[str, float],
) -> None:
    """Print a table and the line of JSON."""
    areas = volumes(found, accuracies)
    print(f"{'seed':>4} {'build':14} {'wall s':>8} {'first s':>8} {'front':>5} {'hypervolume':>11}")
    for seed, pair in enumerate(found):
        for kind in pair:
            wall, first = (pair[kind][key] for key in ("wall", "first"))
            times = ["" if each is None else f"{each:.1f}" for each in (wall, first)]
            size = len(pair[kind]["front"])
            area = areas[kind][seed]
            print(f"{seed:>4} {kind:14} {times[0]:>8} {times[1]:>8} {size:>5} {area:>11.3f}")
    line = {
        "benchmark": "main_job",
        "data": options.data,
        "space": options.space,
        "budget": options.budget,
        "seeds": options.seeds,
        "build": options.build,
        "long_epochs": options.long,
        "wall_seconds": [pair[OURS]["wall"] for pair in found],
        "wall_ratio": ratio(found, "wall"),
        "first_result_ratio": ratio(found, "first"),
        "hypervolume_ratio": paired_ratio(areas[OURS], areas[EARLIER]) if options.build else None,
        "device": options.device,
        "machine": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "torch": version("torch"),
    }
    print(json.dumps(line))


def main() -> None:
    """Search, train for long, and print the results."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--budget", type=int, default=100)
    parser.add_argument(
        "--build", default="455b9fc", help="commit of the earlier build; '' for none"
    )
    parser.add_argument("--data", default="digits", help="a data set, or a kind and a whole path")
    parser.add_argument("--space", default="micro")
    parser.add_argument("--workers", type=int, default=0, help="0: one for each core")
    parser.add_argument("--device", default="cpu")
    parser.add_argument(
        "--epochs", type=int, default=0, help="of the searches; 0: each build's own"
    )
    parser.add_argument("--long", type=int, default=15, help="epochs of the long training")
    parser.add_argument("--long-seeds", type=int, default=1, help="long trainings of each network")
    parser.add_argument("--keep", type=Path, help="folder where everything finished is kept")
    parser.add_argument(
        "--quick", action="store_true", help="one search of 2 networks by this build alone"
    )
    options = parser.parse_args()
    if options.quick:
        options.seeds, options.budget, options.build, options.workers = 1, 2, "", 1
        options.epochs = options.long = 1
    if options.keep is not None:
        options.keep.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() if options.keep is None else nullcontext(options.keep)
    ) as folder:
        kept = Kept(Path(folder).resolve())
        found = all_searches(options, kept)
        report(options, found, long_accuracies(found, options, kept))


if __name__ == "__main__":
    main()
