"""Is a measured latency repeatable? One network is measured repeatedly in three ways, all in each
round: the plain median of 20 consecutive wall times; the latency contract's value (undisturbed
passes, several rounds); the contract's ratio to its sentinel. The result is the spread of each over
the rounds, relative to its median.

    python benchmarks/latency.py [--device cpu|cuda] [--rounds N] [--seed N] [--quick]
"""

import argparse
import json
import math
import statistics
import time
from collections.abc import Sequence

import torch
from nas_explorer.evaluators.latency.evaluator import LatencyEvaluator
from nas_explorer.evaluators.latency.provenance import describe
from nas_explorer.evaluators.latency.settings import LatencySettings
from nas_explorer.search_space.architecture.architecture import Architecture
from nas_explorer.search_space.files import load_space
from nas_explorer.search_space.walk.choosers import RandomChooser

NAMES = ("plain median", "contract", "ratio to sentinel")


def plain_median(architecture: Architecture, device: torch.device) -> float:
    """Return the median of 20 passes after 5 others, in ms, as in a short script."""
    image = architecture.input
    network = architecture.build().eval().to(device)
    x_BCHW = torch.randn(1, image.channels, image.height, image.width, device=device)
    times: list[float] = []
    with torch.inference_mode():
        for _ in range(25):
            start = time.perf_counter()
            network(x_BCHW)
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times[5:])


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return the median, the standard deviation of the logarithm in %, and range over median in
    %.
    """
    middle = statistics.median(values)
    deviation = statistics.stdev(math.log(value) for value in values)
    return {
        "median": middle,
        "deviation_percent": 100 * deviation,
        "range_percent": 100 * (max(values) - min(values)) / middle,
    }


def main() -> None:
    """Measure and print the results."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--seed", type=int, default=4, help="which random architecture")
    parser.add_argument("--quick", action="store_true", help="3 brief rounds")
    options = parser.parse_args()
    torch.set_num_threads(1)
    device = torch.device(options.device)
    space = load_space("micro").bind(channels=3, resolution=32, classes=10)
    architecture = space.walk(RandomChooser(options.seed)).architecture
    brief = LatencySettings(warmup_seconds=0.0, min_seconds=0.0, max_seconds=0.05)
    settings = brief if options.quick else LatencySettings()
    evaluator = LatencyEvaluator(device=device, settings=settings)
    values: dict[str, list[float]] = {name: [] for name in NAMES}
    seconds: list[float] = []
    for _ in range(3 if options.quick else options.rounds):
        values[NAMES[0]].append(plain_median(architecture, device))
        start = time.perf_counter()
        (latency,) = evaluator.evaluate(architecture)
        seconds.append(time.perf_counter() - start)
        values[NAMES[1]].append(latency.value)
        values[NAMES[2]].append(latency.provenance["ratio_to_sentinel"])
    result = {name: spread(values[name]) for name in NAMES}
    print(f"{'':20} {'median':>10} {'deviation':>10} {'range':>10}")
    for name, figures in result.items():
        deviation, extent = figures["deviation_percent"], figures["range_percent"]
        print(f"{name:20} {figures['median']:>10.3f} {deviation:>9.1f}% {extent:>9.1f}%")
    line = {
        "benchmark": "latency",
        "rounds": len(seconds),
        "seconds_per_measurement": statistics.median(seconds),
        **{name.replace(" ", "_"): figures for name, figures in result.items()},
        **describe(device),
    }
    print(json.dumps(line))


if __name__ == "__main__":
    main()
