"""Does every network of a space build, train one step, fold, and have the right costs?

The networks are random ones of a space (by default ``universal``). For each, the value survives
JSON; the network builds; scores and gradients of one step on two random images are finite, and
every weight has a gradient; each part computes the same when folded; our exact costs equal fvcore's
on the whole folded network, with our handles. Images have 32 pixels, or the least size of the
space. Failures are listed with the number that repeats the sample (``--first NUMBER --networks
1``). The last line is JSON; the exit code is 1 if a check failed.

    python benchmarks/sweep.py [--quick] [--space NAME] [--networks N] [--workers N] [--seed N]
"""

import argparse
import json
import multiprocessing
import platform
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from copy import deepcopy
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import version

import torch
from nas_explorer.evaluators.cost.cost import architecture_cost
from nas_explorer.evaluators.cost.reference import fvcore_counts
from nas_explorer.search_space.architecture.architecture import Architecture
from nas_explorer.search_space.architecture.network import Network
from nas_explorer.search_space.components.base import TokenMixer
from nas_explorer.search_space.components.parts import IMAGE
from nas_explorer.search_space.files import load_space
from nas_explorer.search_space.seeds import derive_seed
from nas_explorer.search_space.space import SearchSpace
from nas_explorer.search_space.walk.choosers import RandomChooser
from torch import nn

CHECKS = ("json", "build", "forward", "backward", "fold", "costs")
"""Names of the checks, in order; the checks after a failure are skipped."""

SIDE = 32
"""Side of the images in pixels, if the space allows it."""

CHUNK = 10
"""Number of networks for a process at a time."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """The result for one network."""

    number: int
    """Number of the sample."""
    digest: str
    """Digest of the architecture."""
    mixers: tuple[str, ...]
    """Names of its token mixers."""
    failed: str | None
    """Name of the failed check, or None."""
    message: str
    """Reason of the failure, one line."""


@cache
def bound(name: str, resolution: int | None) -> SearchSpace:
    """Return a space for images of ``SIDE``, with ten classes."""
    space = load_space(name)
    low, high = space.resolutions.low, space.resolutions.high
    side = min(max(SIDE, low), high) if resolution is None else resolution
    return space.bind(channels=space.input.channels, resolution=side, classes=10)


def check_step(network: Network, images: torch.Tensor) -> Iterator[str]:
    """Make one training step; yield the name of each check before it."""
    yield "forward"
    scores = network.train()(images)
    assert scores.shape == (len(images), network.num_classes), f"scores of {scores.shape}"
    assert scores.isfinite().all(), "scores are not finite"
    yield "backward"
    scores.square().sum().backward()
    for name, weight in network.named_parameters():
        if weight.requires_grad:
            assert weight.grad is not None, f"{name} has no gradient"
            assert weight.grad.isfinite().all(), f"the gradient of {name} is not finite"


def adapt_at_once(network: nn.Module) -> None:
    """Let batch norms take over the statistics of the first step, since scores of deep networks
    could be infinite after it."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.momentum = 1.0


def check_fold(network: Network, folded: Network, images: torch.Tensor) -> None:
    """Compare the parts one by one, on the same inputs, since some parts are discontinuous if two
    channels are equal.

    Both forms are of float64: after one step some norms divide by the deviation of maps that hardly
    vary, which magnifies the rounding of float32 by a thousand.
    """
    live = {IMAGE: images}
    for part in network.architecture.parts():
        inputs = [live[name] for name in part.inputs]
        expected = network.get_submodule(part.name)(*inputs)
        got = folded.get_submodule(part.name)(*inputs)
        gap = float((expected - got).abs().max() / expected.abs().max().clamp(min=1e-6))
        assert gap < 1e-3, f"folded, {part.name} differs by {gap:.2g} of the largest"
        live[part.name] = expected


def check(architecture: Architecture, seed: int) -> Iterator[str]:
    """Make all checks of one network; yield the name of each before it."""
    yield "json"
    again = Architecture.from_json(json.loads(json.dumps(architecture.to_json())))
    assert again.digest == architecture.digest, "JSON changes the network"
    yield "build"
    torch.manual_seed(seed)
    network = architecture.build()
    adapt_at_once(network)
    images = torch.randn(2, *architecture.input)
    yield from check_step(network, images)
    yield "fold"
    folded = network.eval().folded().eval()
    with torch.no_grad():
        precise = deepcopy(network).double()
        check_fold(precise, precise.folded().eval(), images.double())
    yield "costs"
    cost = architecture_cost(architecture)
    ours = {"params": cost.params, "activations": cost.activations}
    ours |= {**cost.macs_by_kind, **cost.other_by_kind}
    counted = fvcore_counts(folded, images[:1])
    counted["params"] = sum(each.numel() for each in folded.parameters() if each.requires_grad)
    differ = {name: (ours[name], count) for name, count in counted.items() if ours[name] != count}
    assert not differ, f"ours and fvcore's: {differ}"


def examine(task: tuple[str, int | None, int, int]) -> Found:
    """Sample one network and make all checks."""
    name, resolution, seed, number = task
    seed = derive_seed(seed, "sweep", number)
    architecture = bound(name, resolution).walk(RandomChooser(seed)).architecture
    blocks = [block for stage in architecture.canonical.stages for block in stage.blocks]
    inside = [each for block in blocks for each in block.components().values()]
    mixers = {each.name for each in inside if isinstance(each, TokenMixer)}
    failed, message = "json", ""
    try:
        for failed in check(architecture, seed):  # noqa: B007  (the one under way)
            pass
    except Exception as error:  # a component may raise anything
        message = (str(error).splitlines() or [""])[0] or repr(error)
    return Found(
        number=number,
        digest=architecture.digest,
        mixers=tuple(sorted(mixers)),
        failed=failed if message else None,
        message=message[:300],
    )


def sweep(options: argparse.Namespace) -> list[Found]:
    """Check all networks, in their order."""
    numbers = range(options.first, options.first + options.networks)
    tasks = [(options.space, options.resolution, options.seed, number) for number in numbers]
    if options.workers == 1:
        torch.set_num_threads(1)
        return list(map(examine, tasks))
    with ProcessPoolExecutor(
        options.workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=torch.set_num_threads,
        initargs=(1,),
    ) as pool:
        return list(pool.map(examine, tasks, chunksize=CHUNK))


def print_table(found: list[Found]) -> None:
    """Print the failures, and the number of networks with each mixer."""
    met = Counter(mixer for each in found for mixer in each.mixers)
    bad = Counter(mixer for each in found if each.failed for mixer in each.mixers)
    print(f"{'token mixer':<28} {'networks':>8} {'failed':>8}")
    for mixer, count in sorted(met.items()):
        print(f"{mixer:<28} {count:>8} {bad[mixer]:>8}")
    for each in found:
        if each.failed:
            print(f"#{each.number} {each.digest[:8]} {each.failed}: {each.message}")
            print(f"    {' '.join(each.mixers)}")


def main() -> None:
    """Check the networks, print the table and the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a smoke run")
    parser.add_argument("--space", default="universal", help="a shipped space or a YAML file")
    parser.add_argument("--networks", type=int, default=10_000, help="number of networks")
    parser.add_argument("--first", type=int, default=0, help="number of the first network")
    parser.add_argument("--resolution", type=int, help="side of the images in pixels")
    parser.add_argument("--workers", type=int, default=1, help="processes")
    parser.add_argument("--seed", type=int, default=0, help="decides all draws")
    options = parser.parse_args()
    if options.quick:
        options.networks = 4
    started = time.perf_counter()
    found = sweep(options)
    print_table(found)
    failures = [each for each in found if each.failed]
    about = {
        "space": options.space,
        "input": list(bound(options.space, options.resolution).input),
        "networks": len(found),
        "distinct": len({each.digest for each in found}),
        "mixers": len({mixer for each in found for mixer in each.mixers}),
        "failed": len(failures),
        "by_check": {name: sum(each.failed == name for each in failures) for name in CHECKS},
        "failures": [asdict(each) for each in failures[:20]],
        "seed": options.seed,
        "workers": options.workers,
        "quick": options.quick,
        "seconds": round(time.perf_counter() - started, 1),
        "processor": platform.processor() or platform.machine(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "fvcore": version("fvcore"),
    }
    print(json.dumps(about))
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
