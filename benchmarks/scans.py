"""How much faster are scans in chunks than one position after another?

Each scan of `search_space/components/sequence` runs on the positions of a map, 56 x 56 by default,
in turns with its sequential reference: forward, and forward with backward. Outputs and gradients
are compared too. The ratio is that of the medians. The last line is JSON; the exit code is 1 if a
scan differs from its reference, or, outside ``--quick``, is less than 5 times as fast.

    python benchmarks/scans.py [--quick] [--side N] [--rounds N] [--device cpu|cuda]
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import torch
from nas_explorer.search_space.components.sequence.gated_linear import gated_linear_attention
from nas_explorer.search_space.components.sequence.modal import ModalFilter
from nas_explorer.search_space.components.sequence.selective_scan import selective_scan
from torch import Tensor
from torch.func import functional_call

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.search_space import sequential

Scan = Callable[..., Tensor]

WIDTH = 32
"""Channels of each scan."""


def modal_filter(x: Tensor, *given: Tensor) -> Tensor:
    """Return the outputs of a ``ModalFilter`` of these parameters, by its recurrence in chunks."""
    heads, modes = given[0].shape
    module = ModalFilter(heads, modes=modes, form="recurrence")
    names = (name for name, _ in module.named_parameters())
    return functional_call(module, dict(zip(names, given, strict=True)), x)


CASES: dict[str, tuple[Scan, Scan, Callable[[int], list[Tensor]]]] = {
    "gated_linear_attention": (
        gated_linear_attention,
        sequential.gated_linear_attention,
        lambda length: sequential.gated_linear_inputs(1, 1, length, 16, WIDTH, torch.float32),
    ),
    "selective_scan, state 1": (
        selective_scan,
        sequential.selective_scan,
        lambda length: sequential.selective_inputs(1, length, WIDTH, 1, torch.float32),
    ),
    "selective_scan, state 16": (
        selective_scan,
        sequential.selective_scan,
        lambda length: sequential.selective_inputs(1, length, WIDTH, 16, torch.float32),
    ),
    "modal_filter": (
        modal_filter,
        sequential.modal_filter,
        lambda length: sequential.modal_inputs(1, length, 4, WIDTH // 4, 8, torch.float32),
    ),
}
"""Scans by name: the scan, its reference, and their inputs for a number of positions."""

FASTER = 5
"""How many times as fast as its reference a scan must be, forward and with backward."""

LARGEST = 1e-4
"""The largest difference from the reference, relative to its largest value."""


def results(scan: Scan, given: Sequence[Tensor]) -> list[Tensor]:
    """Return the output and the gradients of all inputs."""
    leaves = [each.detach().requires_grad_() for each in given]
    y = scan(*leaves)
    y.square().mean().backward()
    return [y.detach(), *(each.grad for each in leaves if each.grad is not None)]


def forward(scan: Scan, given: Sequence[Tensor]) -> list[Tensor]:
    """Return the output, computed without gradients."""
    with torch.no_grad():
        return [scan(*given)]


def difference(ours: Sequence[Tensor], theirs: Sequence[Tensor]) -> float:
    """Return the largest difference, relative to the largest value of each tensor.

    A difference that is no number is the largest.
    """
    pairs = zip(ours, theirs, strict=True)
    return float(torch.stack([(a - b).abs().max() / b.abs().max() for a, b in pairs]).max())


def seconds(run: Callable[[], object], device: torch.device) -> float:
    """Return the time of a run."""
    started = time.perf_counter()
    run()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started


def compare(name: str, length: int, rounds: int, device: torch.device) -> dict[str, float]:
    """Return the ratios of time, forward and with backward, and the largest difference."""
    ours, theirs, inputs = CASES[name]
    given = [each.to(device) for each in inputs(length)]
    found = {"difference": difference(results(ours, given), results(theirs, given))}
    for what, run in (("forward", forward), ("training", results)):
        times: list[list[float]] = [[], []]
        for _ in range(rounds):
            for each, scan in zip(times, (ours, theirs), strict=True):
                each.append(seconds(partial(run, scan, given), device))
        found[what] = statistics.median(times[1]) / statistics.median(times[0])
    return found


def main() -> None:
    """Compare all scans, print a table and the JSON line."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a smoke run")
    parser.add_argument("--side", type=int, default=56, help="side of the map")
    parser.add_argument("--rounds", type=int, default=7, help="runs of each")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    options = parser.parse_args()
    side, rounds = (6, 1) if options.quick else (options.side, options.rounds)
    device = torch.device(options.device)
    found = {name: compare(name, side * side, rounds, device) for name in CASES}
    for name, row in found.items():
        print(
            f"{name:28} {row['forward']:6.1f} times as fast, {row['training']:6.1f} with gradients,"
            f" difference {row['difference']:.1e}"
        )
    about = {"side": side, "scans": found, "device": options.device, "torch": torch.__version__}
    print(json.dumps(about))
    fine = all(row["difference"] <= LARGEST for row in found.values())
    fast = options.quick or all(
        row[what] >= FASTER for row in found.values() for what in ("forward", "training")
    )
    raise SystemExit(not (fine and fast))


if __name__ == "__main__":
    main()
