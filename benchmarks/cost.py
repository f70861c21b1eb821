"""How much faster are sums over parts than a trace of the whole network?

The architectures are random ones of the ``imagenet`` preset at 224 pixels. One side is fvcore, with
our handles and all counts in one trace. The other is our sums: with empty caches, with filled
caches, and for many architectures at once. Both start from the architecture; fvcore's side builds
the network first. Half of fvcore's runs come before ours and half after, so that a change of the
machine's load affects both. Times are CPU times. The last line is JSON.

    python benchmarks/cost.py [--quick] [--candidates N] [--whole N] [--device cpu]
"""

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version

import torch
from nas_explorer.evaluators.cost.cost import architecture_cost, clear_memory, costs_of
from nas_explorer.evaluators.cost.reference import fvcore_counts
from nas_explorer.search_space.architecture.architecture import Architecture
from nas_explorer.search_space.files import load_space
from nas_explorer.search_space.walk.choosers import RandomChooser


def timed(work: Callable[[], object]) -> float:
    """Return the CPU seconds of ``work``."""
    started = time.process_time()
    work()
    return time.process_time() - started


def whole_network(architecture: Architecture, device: str) -> dict[str, int]:
    """Return fvcore's counts on the built network, and its parameters."""
    with torch.device(device):
        module = architecture.build().eval()
        counted = fvcore_counts(module, torch.zeros(1, *architecture.input))
    return {"params": sum(each.numel() for each in module.parameters()), **counted}


def summed(architecture: Architecture) -> dict[str, int]:
    """Return our sums in the form of fvcore's counts."""
    cost = architecture_cost(architecture)
    found = {"params": cost.params, "activations": cost.activations}
    return {**found, **cost.macs_by_kind, **cost.other_by_kind}


def agree(drawn: Sequence[Architecture], wholes: Sequence[dict[str, int]]) -> bool:
    """Whether all totals are equal: fvcore's, ours one by one, and ours for many at once."""
    columns = costs_of(drawn)
    for index, architecture in enumerate(drawn):
        cost = architecture_cost(architecture)
        if any(getattr(cost, name) != column[index] for name, column in columns.items()):
            return False
    return all(summed(each) == whole for each, whole in zip(drawn, wholes, strict=False))


def measured(drawn: Sequence[Architecture], whole: int, device: str) -> dict[str, float | bool]:
    """Return the rates of both sides, in candidates per second, and whether the costs agree."""
    wholes: list[dict[str, int]] = []
    halves = drawn[: whole // 2], drawn[whole // 2 : whole]

    def count_whole(half: Sequence[Architecture]) -> None:
        wholes.extend(whole_network(each, device) for each in half)

    def count_one_by_one() -> None:
        for each in drawn:
            architecture_cost(each)

    seconds = timed(lambda: count_whole(halves[0]))
    cold = timed(count_one_by_one)
    warm = min(timed(count_one_by_one) for _ in range(3))
    batch = min(timed(lambda: costs_of(drawn)) for _ in range(3))
    seconds += timed(lambda: count_whole(halves[1]))
    return {
        "warm_ratio": seconds / whole * len(drawn) / warm,
        "cold_ratio": seconds / whole * len(drawn) / cold,
        "equal": agree(drawn, wholes),
        "per_second_one": len(drawn) / warm,
        "per_second_batch": len(drawn) / batch,
        "per_second_cold": len(drawn) / cold,
        "per_second_fvcore": whole / seconds,
    }


def main() -> None:
    """Measure both sides and print the table and the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a smoke run")
    parser.add_argument("--candidates", type=int, default=1000, help="architectures for our side")
    parser.add_argument("--whole", type=int, default=40, help="of these, networks for fvcore")
    parser.add_argument("--device", default="cpu", help="where fvcore runs the networks")
    options = parser.parse_args()
    candidates, whole = (3, 2) if options.quick else (options.candidates, options.whole)
    torch.set_num_threads(1)
    space = load_space("imagenet")
    drawn = [space.walk(RandomChooser(seed)).architecture for seed in range(candidates)]
    with tempfile.TemporaryDirectory() as empty:
        os.environ["NAS_CACHE"] = empty
        clear_memory()
        figures = measured(drawn, whole, options.device)

    rows = {
        "fvcore, whole network": "per_second_fvcore",
        "ours, from cold": "per_second_cold",
        "ours, warm, one by one": "per_second_one",
        "ours, warm, many at a time": "per_second_batch",
    }
    for name, key in rows.items():
        ratio = figures[key] / figures["per_second_fvcore"]
        print(f"{name:<28} {figures[key]:>12,.1f} candidates/s {ratio:>10,.0f} x")
    about = {
        "candidates": candidates,
        "whole_networks": whole,
        "quick": options.quick,
        "device": options.device,
        "processor": platform.processor() or platform.machine(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "fvcore": version("fvcore"),
    }
    print(json.dumps({**figures, **about}))


if __name__ == "__main__":
    main()
