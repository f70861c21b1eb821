"""What does each recipe option change? The same networks of a space are trained for a short
schedule without options and with each of them, and for five times as long without.

    python benchmarks/recipes.py [--data folder:PATH] [--space micro] [--constraint 'macs<=400k']
        [--networks 12] [--few 4] [--seeds 3] [--epochs 1] [--times 5] [--only sam,distill]
        [--results runs/recipes.json] [--report] [--quick]

A network's accuracy with an option is compared with that without: over the few networks with all
seeds, each the mean of its seeds, and over all networks with the first seed. The 95 % interval is
Student's over the networks. A ranking of
all networks by the first seed is compared with that by the long training, which has a seed of its
own; the interval is a bootstrap over the networks. The time is that of the processor, by the sum
over the same trainings without the option. Two rankings by the loss of the last training epoch,
with true and with shuffled labels, show what a score of the fit alone ranks.

The teacher of a distillation is the network with the best long training.

Every finished training is kept in the file of results, so a run that was stopped continues;
``--report`` prints the tables from what is there. The last line is JSON.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import sklearn.linear_model
import torch
import torchvision.ops
from nas_explorer.evaluators.accuracy.data.dataset import DataSpec, load_search_data
from nas_explorer.evaluators.accuracy.evaluator import AccuracyEvaluator
from nas_explorer.evaluators.accuracy.inherit import Source
from nas_explorer.evaluators.accuracy.option_table import NETWORK, OPTIONS, read_options
from nas_explorer.evaluators.accuracy.recipe import Recipe
from nas_explorer.evaluators.accuracy.recipes.checks import ends_with_classes
from nas_explorer.evaluators.base import CandidateError
from nas_explorer.evaluators.cost.cost import additive_costs
from nas_explorer.evaluators.units import read_constraint
from nas_explorer.results.analysis.rank_agreement import agreement
from nas_explorer.results.export.header import make_header, read_header
from nas_explorer.results.export.weights import read_weights, save_weights
from nas_explorer.search_space.architecture.architecture import Architecture
from nas_explorer.search_space.files import load_space
from nas_explorer.search_space.walk.choosers import RandomChooser

PLAIN, LONG = "", "long"
ALL = (
    "sam",
    "coreset",
    "random_labels",
    "linear_probe",
    "random_features",
    "random_features,random_labels",
    "distill=teacher",
    "distill_hard=teacher",
    "mimic=teacher",
    "bias_loss",
    "stochastic_depth=0.1",
    "label_noise=0.2",
    "gradient_noise=0.01",
    "gradient_noise=1e-06",
    "rotation",
    "rotation,linear_probe",
    "hard_images",
)
LONG_SEED = 1000
LOADED = (sklearn.linear_model, torchvision.ops)
"""Modules that options import on use, loaded before a training is timed."""


@dataclass(frozen=True)
class Job:
    """One training."""

    options: str
    """Options as on the command line; ``long`` is the long training without any."""
    network: int
    """Number of the network."""
    seed: int
    """Seed of the training."""

    @property
    def key(self) -> str:
        """Key in the file of results."""
        return f"{self.options}|{self.network}|{self.seed}"


def jobs(options: argparse.Namespace) -> Iterator[Job]:
    """Yield all trainings, those of the rankings first."""
    few = range(options.few)
    wanted = options.only.split(";") if options.only else ALL
    for network in range(options.networks):
        yield Job(PLAIN, network, 0)
    for network in range(options.networks):
        yield Job(LONG, network, LONG_SEED)
    for each in wanted:
        for network in range(options.networks):
            yield Job(each, network, 0)
    for each in (PLAIN, *wanted):
        for network in few:
            for seed in range(1, options.seeds):
                yield Job(each, network, seed)


class Bench:
    """The trainings and their file of results."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.path = Path(options.results)
        self.results: dict[str, Any] = (
            json.loads(self.path.read_text()) if self.path.exists() else {}
        )
        asked = {
            key: getattr(options, key)
            for key in ("data", "space", "constraint", "epochs", "times", "device")
        }
        if self.results.setdefault("settings", asked) != asked:
            raise SystemExit(f"{self.path} has results of {self.results['settings']}")
        self.trained: dict[str, Any] = self.results.setdefault("trained", {})
        if options.report:
            return
        self.data = load_search_data(DataSpec(name=options.data), cache=Path("runs/cache"))
        space = load_space(options.space).bind(
            channels=self.data.channels,
            resolution=self.data.resolution,
            classes=len(self.data.classes),
        )
        if options.constraint:
            space = space.constrained((read_constraint(options.constraint),), additive_costs)
        self.networks = [
            space.walk(RandomChooser(seed)).architecture for seed in range(options.networks)
        ]
        self.results["images"] = [len(self.data.train_labels), len(self.data.validation_labels)]

    def run(self) -> None:
        """Run the trainings that are missing."""
        missing = [each for each in jobs(self.options) if each.key not in self.trained]
        for place, job in enumerate(missing):
            self.trained[job.key] = found = self.train(job)
            self.path.parent.mkdir(parents=True, exist_ok=True)
            temporary = self.path.with_suffix(".new")
            temporary.write_text(json.dumps(self.results, indent=1))
            temporary.replace(self.path)
            print(f"{place + 1}/{len(missing)} {job.key}: {found}", file=sys.stderr, flush=True)

    def train(self, job: Job) -> dict[str, Any]:
        """Return accuracy, loss of the last training epoch and seconds of the processor."""
        options = {} if job.options in (PLAIN, LONG) else read_options(job.options)
        epochs = self.options.epochs * (self.options.times if job.options == LONG else 1)
        teaches = any(OPTIONS[name].value is NETWORK for name in options)
        recipe = replace(self.data.recipe, epochs=epochs, options=options)
        architecture = self.networks[job.network]
        evaluator = AccuracyEvaluator(
            data=self.data,
            recipe=recipe,
            seed=job.seed,
            device=torch.device(self.options.device),
            keep=self.keep(job.network) if job.options == LONG else None,
            teacher=self.teacher() if teaches else None,
        )
        start = time.process_time()
        try:
            found = evaluator.evaluate(architecture)[0]
        except CandidateError as error:
            return {"error": str(error)}
        curve = found.provenance["learning_curve"]
        return {
            "accuracy": round(float(found.value), 6),
            "loss": round(curve[-1]["train_loss"], 6) if curve else None,
            "seconds": round(time.process_time() - start, 3),
        }

    def weights(self, network: int) -> Path:
        """Return the file of the weights of a long training."""
        return self.path.with_suffix("") / f"{network}.safetensors"

    def keep(self, network: int) -> Any:
        """Return the function that keeps the weights of a long training."""

        def kept(architecture: Architecture, weights: Mapping[str, Any], _: Any) -> None:
            self.weights(network).parent.mkdir(parents=True, exist_ok=True)
            save_weights(self.weights(network), weights, make_header(architecture, {}))

        return kept

    def teacher(self) -> Source:
        """Return the network with the best long training."""
        long = {n: self.trained.get(Job(LONG, n, LONG_SEED).key, {}) for n in self.all}
        best = max(long, key=lambda each: long[each].get("accuracy", 0.0))
        weights, header = read_weights(self.weights(best))
        return Source(
            name=f"network {best}",
            architecture=read_header(header),
            weights=weights,
            classes=self.data.classes,
        )

    @property
    def all(self) -> range:
        """Numbers of all networks."""
        return range(self.options.networks)

    @property
    def few(self) -> range:
        """Numbers of the networks with all seeds."""
        return range(self.options.few)

    # The tables --------------------------------------------------------------------------

    def value(self, options: str, network: int, seed: int, what: str = "accuracy") -> float | None:
        """Return a value of a training, or None."""
        return self.trained.get(Job(options, network, seed).key, {}).get(what)

    def ranking(self, values: Sequence[float | None]) -> dict[str, Any] | None:
        """Return the agreement of a ranking with that by the long training."""
        pairs = [
            (value, long)
            for network, value in enumerate(values)
            if value is not None and (long := self.value(LONG, network, LONG_SEED)) is not None
        ]
        if len(pairs) < 4:
            return None
        arrays = (np.array(each, dtype=np.float64) for each in zip(*pairs, strict=True))
        found = agreement(*arrays, seed=0)
        return None if found is None else {"count": found.count, **found.spearman.to_json()}

    def by(self, options: str) -> dict[str, Any] | None:
        """Return the agreement of the ranking by the first seed."""
        return self.ranking([self.value(options, each, 0) for each in self.all])

    def fit(self, options: str) -> dict[str, Any] | None:
        """Return the agreement of the ranking by the loss of the last training epoch."""
        losses = [self.value(options, each, 0, "loss") for each in self.all]
        return self.ranking([None if each is None else -each for each in losses])

    def difference(self, options: str, networks: range) -> dict[str, Any] | None:
        """Return the mean difference of the accuracy with its interval over the networks.

        Args:
            options: Options as on the command line.
            networks: Numbers of the networks; those with all seeds, or all with the first seed.
        """
        from scipy.stats import t

        means: list[float] = []
        trainings = 0
        seeds = self.options.seeds if len(networks) == self.options.few else 1
        for network in networks:
            pairs = [
                (new, old)
                for seed in range(seeds)
                if (new := self.value(options, network, seed)) is not None
                and (old := self.value(PLAIN, network, seed)) is not None
            ]
            if pairs:
                means.append(statistics.mean(new - old for new, old in pairs))
                trainings += len(pairs)
        if len(means) < 2:
            return None
        middle = statistics.mean(means)
        half = float(t.ppf(0.975, len(means) - 1)) * statistics.stdev(means) / len(means) ** 0.5
        return {
            "value": middle,
            "low": middle - half,
            "high": middle + half,
            "trainings": trainings,
        }

    def time_ratio(self, options: str) -> float | None:
        """Return the time by that of the same trainings without options."""
        pairs = [
            (new, old)
            for network in self.all
            for seed in range(self.options.seeds)
            if (new := self.value(options, network, seed, "seconds"))
            and (old := self.value(PLAIN, network, seed, "seconds"))
        ]
        return sum(new for new, _ in pairs) / sum(old for _, old in pairs) if pairs else None

    def report(self) -> dict[str, Any]:
        """Return all figures, after printing them."""
        names = [each for each in (PLAIN, *ALL) if self.by(each)]
        rows = {
            each or "none": {
                "difference": self.difference(each, self.few) if comparable(each) else None,
                "difference_first_seed": (
                    self.difference(each, self.all) if comparable(each) else None
                ),
                "spearman": self.by(each),
                "time": self.time_ratio(each),
                "failed": sum(
                    key.startswith(f"{each}|") and "error" in value
                    for key, value in self.trained.items()
                ),
            }
            for each in names
        }
        titles = ("accuracy, all seeds", "accuracy, first seed", "Spearman with long")
        print(f"{'options':30} {' '.join(f'{each:>26}' for each in titles)} {'time':>6}")
        for name, row in rows.items():
            print(
                f"{name:30} {_text(row['difference'], 100, 1):>26} "
                f"{_text(row['difference_first_seed'], 100, 1):>26} "
                f"{_text(row['spearman'], 1, 2):>26} "
                f"{'' if row['time'] is None else format(row['time'], '.2f'):>6}"
            )
        fits = {"loss": self.fit(PLAIN), "loss, random_labels": self.fit("random_labels")}
        for name, found in fits.items():
            print(f"{name:30} {'':>53} {_text(found, 1, 2):>26}")
        controls = {
            "accuracy": self.by("random_labels"),
            "accuracy of random features": self.by("random_features,random_labels"),
            "training loss": fits["loss, random_labels"],
        }
        verdicts = {name: verdict(found) for name, found in controls.items() if found}
        for name, text in verdicts.items():
            print(f"{name}, shuffled labels: {text}")
        base = [self.value(PLAIN, each, seed) for each in self.all for seed in (0,)]
        long = [self.value(LONG, each, LONG_SEED) for each in self.all]
        return {
            "benchmark": "recipes",
            **self.results["settings"],
            "images": self.results.get("images"),
            "short_accuracy": _mean(base),
            "long_accuracy": _mean(long),
            "options": rows,
            "fit": fits,
            "shuffled_labels": verdicts,
            "trainings": len(self.trained),
            "missing": sum(each.key not in self.trained for each in jobs(self.options)),
            "machine": platform.processor() or platform.machine(),
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "torch": version("torch"),
        }


def comparable(options: str) -> bool:
    """Return whether trainings with these options are scored by the accuracy of classes."""
    return bool(options) and ends_with_classes(Recipe(options=read_options(options)))


def verdict(found: Mapping[str, Any]) -> str:
    """Return what a ranking by a score of trainings with shuffled labels says of the score.

    Args:
        found: The agreement with the long training, whose labels are true, and its interval.
    """
    if found["low"] <= 0 <= found["high"]:
        return "no ranking is seen, so the score is not shown to measure fit alone"
    return "it still ranks, so the score measures fit, not generalisation"


def _mean(values: Sequence[float | None]) -> float | None:
    found = [each for each in values if each is not None]
    return statistics.mean(found) if found else None


def _text(found: Mapping[str, Any] | None, scale: float, digits: int) -> str:
    if found is None:
        return ""
    value, low, high = (f"{scale * found[key]:.{digits}f}" for key in ("value", "low", "high"))
    count = f" ({found.get('trainings', found.get('count'))})"
    return f"{value} [{low}, {high}]{count}"


def main() -> None:
    """Train and print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--data", default="digits")
    parser.add_argument("--space", default="micro")
    parser.add_argument("--constraint", default="macs<=400k")
    parser.add_argument("--networks", type=int, default=12)
    parser.add_argument("--few", type=int, default=4, help="networks with all seeds")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--times", type=int, default=5, help="long by short training")
    parser.add_argument("--only", default="", help="options, separated by ';'")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--results", default="runs/recipes.json")
    parser.add_argument("--report", action="store_true", help="print what is there, train nothing")
    parser.add_argument("--quick", action="store_true", help="4 networks, one seed, two options")
    options = parser.parse_args()
    if options.quick:
        options.networks, options.few, options.seeds, options.times = 4, 2, 1, 2
        options.only = options.only or "coreset;random_features"
    torch.set_num_threads(1)
    bench = Bench(options)
    if not options.report:
        bench.run()
    print(json.dumps(bench.report()))


if __name__ == "__main__":
    main()
