"""How many candidates an hour does the short training score? The same networks are trained with
the same recipe, data and seeds by this build, by an earlier build of a commit, and by a plain
PyTorch loop (DataLoader, transforms of single images, torch's AdamW), one after the other for each
network, each in a process of its own with one thread. With ``--long`` this build also trains every
network that many times as long, and the ranks of the short scores are compared with those. With
``--at-once N`` this build then trains all networks again in N processes that share the device, as
``nas search --workers N`` does on one GPU.

    python benchmarks/training.py [--data digits] [--space micro] [--networks 24] [--epochs N]
        [--constraint 'macs<=8M'] [--build 455b9fc] [--long 0] [--at-once 0] [--device cpu|cuda]
        [--quick]

The last line is JSON: ``speedup_today`` and ``speedup_plain`` are the median ratios of the times of
the earlier build and of the plain loop to those of this build. ``speedup_at_once`` is the time of
this build one after the other over that of N processes, and ``speedup_plain_at_once`` is that of
the plain loop.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

FOLDERS = ("search_space", "evaluators", "results", "searchers", "cli")
OURS, EARLIER, PLAIN = "this build", "earlier build", "plain loop"


# The processes that train --------------------------------------------------------------------


def load_data(name: str) -> Any:
    """Return the data of a search, by this build or an earlier one."""
    try:
        from nas_explorer.evaluators.accuracy.data.dataset import DataSpec, load_search_data
    except ImportError:
        from nas_explorer.evaluators.accuracy.data import DataSpec, load_search_data
    return load_search_data(DataSpec(name=name))


def read_architecture(stored: Mapping[str, Any]) -> Any:
    """Return the architecture, by this build or an earlier one, whose files have format 1."""
    try:
        from nas_explorer.search_space.architecture.architecture import Architecture
    except ImportError:
        from nas_explorer.search_space.architecture import Architecture
    try:
        return Architecture.from_json(stored)
    except ValueError:
        return Architecture.from_json({**stored, "format": 1})


def product(data: Any, recipe: Any, device: str) -> Callable[[Any, int], float]:
    """Return a function from an architecture and a seed to the accuracy, of the build's product."""
    import torch
    from nas_explorer.evaluators.accuracy.evaluator import AccuracyEvaluator

    def score(architecture: Any, seed: int) -> float:
        evaluator = AccuracyEvaluator(
            data=data, recipe=recipe, seed=seed, device=torch.device(device)
        )
        return float(evaluator.evaluate(architecture)[0].value)

    return score


def plain(data: Any, recipe: Any, device: str) -> Callable[[Any, int], float]:
    """Return the same function of a loop as a user would write it."""
    import torch
    from nas_explorer.evaluators.accuracy.augment import padding
    from nas_explorer.evaluators.accuracy.recipe import learning_rate
    from nas_explorer.search_space.architecture.network import Network
    from torch.nn import functional as F
    from torch.utils.data import DataLoader, Dataset
    from torchvision.transforms import v2

    crop = v2.RandomApply([v2.RandomCrop(data.resolution, padding(data.resolution))], 0.5)
    flip = [v2.RandomHorizontalFlip()] if data.augmentation == "shift+flip" else []
    scale = [v2.ToDtype(torch.float32), v2.Normalize(data.mean, data.std)]

    class Images(Dataset[Any]):
        def __init__(self, images: Any, labels: Any, transform: Any) -> None:
            self.images, self.labels, self.transform = images, labels, transform

        def __len__(self) -> int:
            return len(self.labels)

        def __getitem__(self, place: int) -> Any:
            return self.transform(self.images[place]), self.labels[place]

    def score(architecture: Any, seed: int) -> float:
        torch.manual_seed(seed)
        model = Network(architecture).to(device)
        train = Images(data.train_images, data.train_labels, v2.Compose([crop, *flip, *scale]))
        loader = DataLoader(train, batch_size=recipe.batch_size, shuffle=True, drop_last=True)
        optimizer = torch.optim.AdamW(model.parameters(), weight_decay=recipe.weight_decay)
        steps, step = recipe.epochs * len(loader), 0
        for _ in range(recipe.epochs):
            model.train()
            for images, labels in loader:
                for group in optimizer.param_groups:
                    group["lr"] = learning_rate(recipe, step, steps)
                loss = F.cross_entropy(
                    model(images.to(device)),
                    labels.to(device),
                    label_smoothing=recipe.label_smoothing,
                )
                optimizer.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
                optimizer.step()
                step += 1
        held = Images(data.validation_images, data.validation_labels, v2.Compose(scale))
        model.eval()
        right = 0
        with torch.no_grad():
            for images, labels in DataLoader(held, batch_size=2 * recipe.batch_size):
                right += int((model(images.to(device)).argmax(1).cpu() == labels).sum())
        return right / len(held)

    return score


def serve(kind: str, name: str, epochs: int, device: str) -> None:
    """Train what standard input asks for, one line of JSON each, and answer with one line."""
    import torch
    from nas_explorer.evaluators.accuracy.recipe import Recipe

    torch.set_num_threads(1)
    data = load_data(name)
    own = data.recipe.to_json()
    kept = {"epochs", "batch_size", "lr"}
    recipe = {each: value for each, value in own.items() if each in kept}
    given = json.loads(sys.stdin.readline() or "{}")
    recipe = Recipe(**{**recipe, **given, **({"epochs": epochs} if epochs else {})})
    score = (plain if kind == PLAIN else product)(data, recipe, device)
    print(json.dumps({each: getattr(recipe, each) for each in sorted(kept)}), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            architecture = read_architecture(asked["architecture"])
        except ValueError as error:  # an earlier build lacks a component
            print(json.dumps({"error": str(error)}), flush=True)
            continue
        start = time.perf_counter()
        accuracy = score(architecture, asked["seed"])
        answer = {"seconds": time.perf_counter() - start, "accuracy": accuracy}
        print(json.dumps(answer), flush=True)


class Trainer:
    """A process that trains networks on demand."""

    def __init__(
        self, kind: str, options: argparse.Namespace, recipe: Mapping[str, Any], path: Path | None
    ) -> None:
        """Start the process and set its recipe; ``path`` is the parent of another package."""
        epochs = 0 if recipe else options.epochs
        command = [sys.executable, __file__, "--serve", kind, options.data, str(epochs)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        if path is not None:
            environment["PYTHONPATH"] = str(path)
        self._process = subprocess.Popen(
            [*command, "--device", options.device],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=path,
        )
        self.recipe = self._ask(dict(recipe))

    def train(self, architecture: Mapping[str, Any], seed: int) -> dict[str, Any]:
        """Return time and accuracy of a training, or an error."""
        return self._ask({"architecture": architecture, "seed": seed})

    def _ask(self, content: Mapping[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(content) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("a training process ended; its error stands above")
        return json.loads(line)

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def seconds_at_once(trainers: Sequence[Trainer], networks: Sequence[Mapping[str, Any]]) -> float:
    """Return the wall time in which several processes train all networks, each one network once.

    Every process first trains the first network, so that none is timed while it sets up its device.
    """
    left = list(enumerate(networks))[::-1]

    def work(trainer: Trainer) -> None:
        with suppress(IndexError):
            while True:
                place, network = left.pop()
                checked(trainer.train(network, place))

    with ThreadPoolExecutor(len(trainers)) as threads:
        list(threads.map(lambda each: checked(each.train(networks[0], 0)), trainers))
        start = time.perf_counter()
        list(threads.map(work, trainers))
        return time.perf_counter() - start


def checked(answer: Mapping[str, Any]) -> None:
    """Exit if a network was not trained, since the time without its training means nothing."""
    if "error" in answer:
        raise SystemExit(f"a network was not trained: {answer['error']}")


def unpack(commit: str, folder: Path) -> Path:
    """Write the package of a commit into a folder, and return that folder."""
    root = Path(__file__).resolve().parent.parent
    archive, package = folder / "build.tar", folder / "build" / "nas_explorer"
    with archive.open("wb") as file:
        subprocess.run(
            ["git", "-C", str(root), "archive", commit, *FOLDERS], check=True, stdout=file
        )
    with tarfile.open(archive) as packed:
        packed.extractall(package, filter="data")
    (package / "__init__.py").touch()
    return package.parent


# The comparison ------------------------------------------------------------------------------


def draw_networks(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Return random architectures of the space that satisfy the constraint."""
    from nas_explorer.evaluators.cost.cost import additive_costs
    from nas_explorer.evaluators.units import read_constraint
    from nas_explorer.search_space.files import load_space
    from nas_explorer.search_space.walk.choosers import RandomChooser

    data = load_data(options.data)
    space = load_space(options.space).bind(
        channels=data.channels, resolution=data.resolution, classes=len(data.classes)
    )
    if options.constraint:
        space = space.constrained((read_constraint(options.constraint),), additive_costs)
    found = [space.walk(RandomChooser(seed)).architecture for seed in range(options.networks)]
    return [each.to_json() for each in found]


def spearman(first: list[float], second: list[float]) -> float | None:
    """Return the rank correlation; None if a list has one value only."""
    from scipy.stats import spearmanr

    if len({*first}) < 2 or len({*second}) < 2:
        return None
    return float(spearmanr(first, second).statistic)


def main() -> None:
    """Measure and print the results."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--data", default="digits")
    parser.add_argument("--space", default="micro")
    parser.add_argument("--networks", type=int, default=24)
    parser.add_argument("--epochs", type=int, default=0, help="0: the data's own")
    parser.add_argument("--constraint", default="")
    parser.add_argument(
        "--build", default="455b9fc", help="commit of the earlier build; '' for none"
    )
    parser.add_argument("--long", type=int, default=0, help="length of the long training, in short")
    parser.add_argument(
        "--at-once", type=int, default=0, help="processes that share the device; 0: not measured"
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument(
        "--quick", action="store_true", help="2 networks, 1 epoch, no earlier build"
    )
    parser.add_argument("--serve", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        kind, name, epochs = options.serve
        serve(kind, name, int(epochs), options.device)
        return
    if options.quick:
        options.networks, options.epochs, options.build = 2, 1, ""
    networks = draw_networks(options)
    results: dict[str, list[dict[str, float]]] = {}
    trained: list[dict[str, Any]] = []
    together = None
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        trainers: dict[str, Trainer] = {}
        for kind in (OURS, *([EARLIER] if options.build else []), PLAIN):
            path = unpack(options.build, Path(folder)) if kind == EARLIER else None
            recipe = trainers[OURS].recipe if trainers else {}
            trainers[kind] = Trainer(kind, options, recipe, path)
            stack.callback(trainers[kind].close)
        if options.long:
            short = trainers[OURS].recipe
            long = {**short, "epochs": short["epochs"] * options.long}
            trainers["long"] = Trainer(OURS, options, long, None)
            stack.callback(trainers["long"].close)
        for place, each in enumerate(networks):
            found: dict[str, dict[str, Any]] = {}
            for kind in (EARLIER, *trainers):  # the one that may refuse the network comes first
                if kind in trainers and kind not in found:
                    found[kind] = trainers[kind].train(each, place)
                    if "error" in found[kind]:
                        break
            refused = [answer["error"] for answer in found.values() if "error" in answer]
            for kind, answer in found.items() if not refused else ():
                results.setdefault(kind, []).append(answer)
            trained += [] if refused else [each]
            what = f"not in the earlier build: {refused[0]}" if refused else "trained"
            print(f"{place + 1} of {len(networks)} networks: {what}", file=sys.stderr, flush=True)
        if options.at_once and trained:
            ours = trainers[OURS]
            more = [Trainer(OURS, options, ours.recipe, None) for _ in range(options.at_once - 1)]
            for each in more:
                stack.callback(each.close)
            together = seconds_at_once([ours, *more], trained)
    report(options, trainers[OURS].recipe, results, together)


def report(
    options: argparse.Namespace,
    recipe: Mapping[str, Any],
    results: Mapping[str, list[dict[str, float]]],
    together: float | None,
) -> None:
    """Print a table and the line of JSON; ``together`` is the time of processes at once, s."""
    seconds = {kind: [each["seconds"] for each in found] for kind, found in results.items()}
    scores = {kind: [each["accuracy"] for each in found] for kind, found in results.items()}
    speedups = {
        kind: statistics.median(b / a for a, b in zip(seconds[OURS], found, strict=True))
        for kind, found in seconds.items()
    }
    ranks = {
        kind: spearman(found, scores["long"]) if "long" in scores else None
        for kind, found in scores.items()
    }
    print(f"{'':14} {'candidates/h':>12} {'time':>6} {'accuracy':>9} {'Spearman with long':>19}")
    for kind, found in seconds.items():
        rank = "" if ranks[kind] is None else f"{ranks[kind]:.3f}"
        print(
            f"{kind:14} {3600 * len(found) / sum(found):>12.0f} {speedups[kind]:>6.2f} "
            f"{statistics.mean(scores[kind]):>9.3f} {rank:>19}"
        )

    at_once = {
        kind: None if together is None else sum(found) / together for kind, found in seconds.items()
    }
    if together is not None:
        rate = 3600 * len(scores[OURS]) / together
        print(f"{options.at_once:>2} at once     {rate:>12.0f} {1 / (at_once[OURS] or 1):>6.2f}")

    def difference(kind: str, of: Mapping[str, float | None]) -> float | None:
        ours, theirs = of[OURS], of.get(kind)
        return None if ours is None or theirs is None else ours - theirs

    means = {kind: statistics.mean(found) for kind, found in scores.items()}
    other = EARLIER if EARLIER in results else PLAIN
    line = {
        "benchmark": "training",
        "data": options.data,
        "networks": len(results[OURS]),
        "left_out": options.networks - len(results[OURS]),
        "recipe": dict(recipe),
        "build": options.build,
        "speedup_today": speedups.get(EARLIER),
        "speedup_plain": speedups[PLAIN],
        "at_once": options.at_once,
        "speedup_at_once": at_once[OURS],
        "speedup_plain_at_once": at_once[PLAIN],
        "accuracy_difference": difference(other, means),
        "rank_difference": difference(other, ranks),
        "spearman_with_long": ranks,
        "device": options.device,
        "machine": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "torch": version("torch"),
    }
    print(json.dumps(line))


if __name__ == "__main__":
    main()
