"""What does the literature disagree about, and what do small trainings say? Networks that differ in
one choice are trained with equal MACs, data, recipe and seeds: token mixers, the order of
convolution and attention, kernel sizes, width against depth, heads against their width, and
softmax against its substitutes.

    python benchmarks/experiments.py [--data folder:PATH] [--macs 3.5e6] [--epochs 4] [--seeds 3]
        [--only mixers,order] [--results runs/experiments.json] [--report] [--quick]

All stages of a network are scaled by one factor, each width to a multiple of 8 (32 in the
comparison of heads), and then the perceptrons' hidden channels, so that its MACs come as near as
possible to ``--macs``. The interval of a mean accuracy is Student's, with the variance between
seeds pooled over all networks of the comparison. Differences to the first network of the comparison
are paired by seed, and their variance is pooled in the same manner. So intervals hold the noise of
the training, and not that of the validation images, which all networks share.

Every finished training is kept in the file of results with the network's digest, so a run that was
stopped continues, and a network that has changed is trained again; ``--report`` prints the tables
from what is there. The last line is JSON.
"""

import argparse
import json
import math
import platform
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from nas_explorer.evaluators.accuracy.data.dataset import DataSpec, load_search_data
from nas_explorer.evaluators.accuracy.evaluator import AccuracyEvaluator
from nas_explorer.evaluators.cost.cost import architecture_cost
from nas_explorer.search_space.architecture.architecture import Architecture
from nas_explorer.search_space.errors import InputError, known_name
from nas_explorer.search_space.files import space_from_data
from nas_explorer.search_space.walk.choosers import RandomChooser

Mixer = str | Mapping[str, Any]

CONV: Mixer = {"separable_conv": {"kernel_size": 7}}
ATTENTION: Mixer = {"attention": {"head_dim": 8}}


@dataclass(frozen=True, kw_only=True)
class Design:
    """A network up to its width."""

    mixers: tuple[Mixer, ...]
    """Token mixer of each of three stages."""
    depth: tuple[int, int, int] = (1, 1, 1)
    """Blocks of each stage."""
    step: int = 8
    """All widths are multiples of this number."""


RATIOS = (1.5, 1.75, 2, 2.25, 2.5)
"""Hidden by outer channels of the perceptrons, of which the one with the nearest MACs is taken."""


def same(mixer: Mixer, **changes: Any) -> Design:
    """Return a design with one token mixer in all stages."""
    return Design(mixers=(mixer,) * 3, **changes)


def heads(head_dim: int, **knobs: Any) -> Mixer:
    """Return attention between all positions."""
    return {"attention": {"head_dim": head_dim, **knobs}}


COMPARISONS: dict[str, dict[str, Design]] = {
    "mixers": {
        "identity": same("identity"),
        "random": same("random"),
        "pooling 3": same({"pooling": {"kernel_size": 3}}),
        "depthwise 7": same({"large_kernel_conv": {"kernel_size": 7}}),
        "separable 7": same(CONV),
        "attention": same(ATTENTION),
    },
    "order": {
        "convolution, then attention": Design(mixers=(CONV, CONV, ATTENTION)),
        "attention, then convolution": Design(mixers=(ATTENTION, CONV, CONV)),
        "convolution": same(CONV),
        "attention": same(ATTENTION),
    },
    "kernels": {
        f"depthwise {size}": same({"large_kernel_conv": {"kernel_size": size}})
        for size in (3, 5, 7, 11, 15)
    },
    "depth": {f"{depth} a stage": same(CONV, depth=(depth,) * 3) for depth in (1, 2, 4, 6)},
    "heads": {
        f"{dim} channels a head": Design(mixers=(CONV, heads(dim), heads(dim)), step=32)
        for dim in (32, 16, 8, 4)
    },
    "normaliser": {
        "softmax": same(ATTENTION),
        "ReLU": same(heads(8, normaliser="relu")),
        "Gaussian kernel": same({"softmax_free_attention": {"head_dim": 8, "regions": 2}}),
        "feed-forward score": same(heads(8, score="feed_forward")),
        "additive, with convolutions": same("conv_additive"),
    },
}
"""Comparisons by name: networks by name, the first one is the reference."""
WIDTHS = (24, 48, 96)
"""Widths of the three stages before scaling."""


def network(design: Design, macs: float, image: tuple[int, int], classes: int) -> Architecture:
    """Return the network of a design whose MACs are nearest to a number.

    Args:
        design: The network up to its width.
        macs: Wanted multiply-adds of one image.
        image: Channels and side of the images.
        classes: Number of classes.
    """
    scaled = {
        tuple(
            max(design.step, design.step * round(tenth / 10 * each / design.step))
            for each in WIDTHS
        )
        for tenth in range(2, 41)
    }
    best = min(
        (built(design, widths, 2, image, classes) for widths in sorted(scaled)),
        key=lambda each: distance(each, macs),
    )
    widths = [stage.width for stage in best.stages]
    return min(
        (built(design, widths, ratio, image, classes) for ratio in RATIOS),
        key=lambda each: distance(each, macs),
    )


def distance(architecture: Architecture, macs: float) -> float:
    """Return how far the MACs are from a number, on the scale of the logarithm."""
    return abs(math.log(cost(architecture) / macs))


def built(
    design: Design,
    widths: Sequence[int],
    ratio: float,
    image: tuple[int, int],
    classes: int,
) -> Architecture:
    """Return the network of a design with the widths of its stages and the perceptrons' ratio."""
    stages = [
        {
            "width": width,
            "depth": depth,
            "block": {"metaformer": {"mixer": mixer, "channel_mixer": {"mlp": {"ratio": ratio}}}},
            **({"downsampling": {"conv": {"kernel_size": 2}}} if place else {}),
        }
        for place, (width, depth, mixer) in enumerate(
            zip(widths, design.depth, design.mixers, strict=True)
        )
    ]
    space = space_from_data(
        {
            "input": {"channels": image[0], "resolution": image[1], "classes": classes},
            "stem": {"patch": {"patch_size": 2}},
            "stages": stages,
            "head": "pooled",
        }
    )
    return space.walk(RandomChooser(0)).architecture


def cost(architecture: Architecture) -> int:
    """Return the MACs."""
    return architecture_cost(architecture).macs


class Bench:
    """The trainings and their file of results."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.path = Path(options.results)
        stored = json.loads(self.path.read_text()) if self.path.exists() else {}
        self.results: dict[str, Any] = stored
        asked = {key: getattr(options, key) for key in ("data", "macs", "epochs", "device")}
        if stored.setdefault("settings", asked) != asked:
            raise SystemExit(
                f"--results must name a file with the settings {asked}, but {str(self.path)!r} has "
                f"{stored['settings']}"
            )
        self.trained: dict[str, Any] = stored.setdefault("trained", {})
        self.costs: dict[str, int] = stored.setdefault("macs", {})
        self.current: dict[str, str] = stored.setdefault("digests", {})
        self.digests: dict[str, str] = stored.setdefault("trained_digests", {})

    def jobs(self) -> Iterator[tuple[str, Design, int]]:
        """Yield key, design and seed of every training; equal networks are trained once."""
        for seed in range(self.options.seeds):
            for name in self.options.only:
                for each, design in COMPARISONS[name].items():
                    yield f"{name}|{each}", design, seed

    def run(self) -> None:
        """Run the trainings that are missing."""
        data = load_search_data(DataSpec(name=self.options.data), cache=Path("runs/cache"))
        image = (data.channels, data.resolution)
        networks: dict[str, Architecture] = {}
        for key, design, seed in self.jobs():
            if key not in networks:
                networks[key] = network(design, self.options.macs, image, len(data.classes))
                self.costs[key] = cost(networks[key])
                self.current[key] = networks[key].digest
            architecture = networks[key]
            job = f"{key}|{seed}"
            if self.is_trained(key, seed):
                continue
            if (accuracy := self.twin(architecture.digest, seed)) is None:
                evaluator = AccuracyEvaluator(
                    data=data,
                    recipe=replace(data.recipe, epochs=self.options.epochs),
                    seed=seed,
                    device=torch.device(self.options.device),
                )
                accuracy = round(float(evaluator.evaluate(architecture)[0].value), 6)
            self.trained[job], self.digests[job] = accuracy, architecture.digest
            self.save()
            print(f"{key}, seed {seed}: {accuracy:.3f}", file=sys.stderr, flush=True)

    def is_trained(self, key: str, seed: int) -> bool:
        """Whether the present network of a key was trained with a seed."""
        return key in self.current and self.digests.get(f"{key}|{seed}") == self.current[key]

    def twin(self, digest: str, seed: int) -> float | None:
        """Return the accuracy of an equal network trained with a seed, or None."""
        found = (
            self.trained[job]
            for job, each in self.digests.items()
            if each == digest and job.endswith(f"|{seed}")
        )
        return next(found, None)

    def save(self) -> None:
        """Write the file of results."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.path.with_suffix(".new")
        temporary.write_text(json.dumps(self.results, indent=1))
        temporary.replace(self.path)

    def values(self, name: str) -> dict[str, list[float]]:
        """Return the accuracies of each network of a comparison, by seed, where all are there."""
        found = {
            each: [
                self.trained[f"{name}|{each}|{seed}"]
                for seed in range(self.options.seeds)
                if self.is_trained(f"{name}|{each}", seed)
            ]
            for each in COMPARISONS[name]
        }
        return {each: values for each, values in found.items() if len(values) == self.options.seeds}

    def report(self) -> dict[str, Any]:
        """Return all figures, after printing them."""
        found: dict[str, Any] = {}
        for name in self.options.only:
            rows = compared(self.values(name), first=next(iter(COMPARISONS[name])))
            found[name] = rows
            print(f"\n{name:32} {'MACs':>8} {'accuracy':>22} {'difference':>24}")
            for each, row in rows.items():
                row["macs"] = self.costs[f"{name}|{each}"]
                print(
                    f"{each:32} {row['macs'] / 1e6:7.2f}M {interval_text(row['accuracy']):>22} "
                    f"{interval_text(row['difference']):>24}"
                )
        return found


def compared(values: Mapping[str, Sequence[float]], *, first: str) -> dict[str, dict[str, Any]]:
    """Return the mean accuracy of each network and its difference to the first, with intervals.

    Args:
        values: Accuracies of each network, by seed.
        first: Name of the first network; no differences are returned if its accuracies are missing.
    """
    differences = {
        each: [a - b for a, b in zip(found, values[first], strict=True)]
        for each, found in values.items()
        if each != first and first in values
    }
    means = pooled(values)
    return {
        each: {"accuracy": means[each], "difference": pooled(differences).get(each)}
        for each in values
    }


def pooled(values: Mapping[str, Sequence[float]]) -> dict[str, dict[str, float] | None]:
    """Return means with 95 % intervals, Student's with the pooled variance of all lists."""
    from scipy.stats import t

    freedom = sum(len(each) - 1 for each in values.values())
    if freedom < 1:
        return dict.fromkeys(values)
    squares = sum(statistics.variance(each) * (len(each) - 1) for each in values.values())
    deviation = math.sqrt(squares / freedom)
    factor = float(t.ppf(0.975, freedom))
    return {
        name: {
            "value": statistics.mean(each),
            "low": statistics.mean(each) - factor * deviation / math.sqrt(len(each)),
            "high": statistics.mean(each) + factor * deviation / math.sqrt(len(each)),
        }
        for name, each in values.items()
    }


def interval_text(found: Mapping[str, float] | None) -> str:
    """Return a value with its interval in percent, or nothing."""
    if found is None:
        return ""
    return "{value:.1f} [{low:.1f}, {high:.1f}]".format(
        **{key: 100 * value for key, value in found.items()}
    )


def main() -> None:
    """Train and print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--data", default="digits")
    parser.add_argument("--macs", type=float, default=3.5e6)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", default=",".join(COMPARISONS), help="comparisons, by comma")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--results", default="runs/experiments.json")
    parser.add_argument("--report", action="store_true", help="print what is there, train nothing")
    parser.add_argument("--quick", action="store_true", help="2 seeds, 1 epoch, 50,000 MACs")
    options = parser.parse_args()
    if options.quick:
        options.seeds, options.epochs, options.macs = 2, 1, 5e4
    try:
        names = [known_name("comparison", each, COMPARISONS) for each in options.only.split(",")]
    except InputError as error:
        raise SystemExit(str(error)) from error
    options.only = names
    torch.set_num_threads(1)
    bench = Bench(options)
    if not options.report:
        bench.run()
    found = {
        "benchmark": "experiments",
        "comparisons": bench.report(),
        "settings": bench.results["settings"],
        "device": platform.processor() or platform.machine(),
        "torch": version("torch"),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
