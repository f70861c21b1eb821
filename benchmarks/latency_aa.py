"""Does a latency come out equal when it is measured again? Random networks are measured in two
passes over all of them. For each network, the two values are compared, as absolute times and as
ratios to the sentinel, and with their 95 % intervals.

    python benchmarks/latency_aa.py [--device cpu|cuda] [--candidates N] [--space NAME]
        [--brief] [--quick]

``--brief`` measures by the brief contract, which a search has where latency decides nothing.

The last line is JSON. ``aa_p95`` is the 95th percentile over the networks of the larger value over
the smaller one, minus 1; ``aa_p95_to_sentinel`` is that of the ratios to the sentinel. ``covered``
is the share of networks whose two values differ by no more than their intervals allow (the root of
the sum of squares of the upper half of the smaller one and the lower half of the larger one, on the
scale of the logarithm). A busy machine is a noisy one:
``unstable`` is the share of measurements in which the sentinel drifted by more than 2 % in every
window, and ``load_average`` is that of the end.
"""

import argparse
import json
import math
import statistics
import time
from collections.abc import Sequence

import numpy as np
import torch
from nas_explorer.evaluators.base import Measurement
from nas_explorer.evaluators.latency.evaluator import LatencyEvaluator
from nas_explorer.evaluators.latency.provenance import describe
from nas_explorer.evaluators.latency.settings import BRIEF, LatencySettings
from nas_explorer.search_space.files import load_space
from nas_explorer.search_space.walk.choosers import RandomChooser


def change(first: float, second: float) -> float:
    """Return the larger of two values over the smaller one, minus 1."""
    return max(first, second) / min(first, second) - 1


def half_width(found: Measurement) -> float:
    """Return half the width of the interval, on the scale of the logarithm."""
    assert found.low is not None and found.high is not None
    return math.log(found.high / found.low) / 2


def covers(first: Measurement, second: Measurement) -> bool:
    """Whether two values differ by no more than their intervals allow."""
    less, more = sorted((first, second), key=lambda each: each.value)
    assert less.high is not None and more.low is not None
    allowed = math.hypot(math.log(less.high / less.value), math.log(more.value / more.low))
    return math.log(more.value / less.value) <= allowed


def summary(first: Sequence[Measurement], second: Sequence[Measurement]) -> dict[str, float]:
    """Return the figures of two passes over the same networks."""
    pairs = list(zip(first, second, strict=True))
    both = [*first, *second]
    absolute = [change(a.value, b.value) for a, b in pairs]
    relative = [
        change(*(each.provenance["ratio_to_sentinel"] for each in (a, b))) for a, b in pairs
    ]
    return {
        "aa_p95": float(np.quantile(absolute, 0.95)),
        "aa_median": statistics.median(absolute),
        "aa_p95_to_sentinel": float(np.quantile(relative, 0.95)),
        "aa_median_to_sentinel": statistics.median(relative),
        "covered": statistics.mean(covers(a, b) for a, b in pairs),
        "half_width_median": statistics.median(map(half_width, both)),
        "unstable": statistics.mean(each.provenance["unstable"] for each in both),
        "windows_mean": statistics.mean(each.provenance["windows"] for each in both),
        "alone": statistics.mean(each.provenance["alone"] is True for each in both),
    }


def main() -> None:
    """Measure in two passes and print the results."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--candidates", type=int, default=20)
    parser.add_argument("--space", default="micro")
    parser.add_argument("--resolution", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--brief", action="store_true", help="by the brief contract")
    parser.add_argument("--quick", action="store_true", help="3 networks, the shortest windows")
    options = parser.parse_args()
    torch.set_num_threads(1)
    device = torch.device(options.device)
    settings = LatencySettings(**BRIEF) if options.brief else LatencySettings()
    if options.quick:
        settings = LatencySettings(warmup_seconds=0.0, min_seconds=0.0, max_seconds=0.05, windows=1)
    evaluator = LatencyEvaluator(device=device, settings=settings)
    space = load_space(options.space).bind(channels=3, resolution=options.resolution, classes=10)
    count = 3 if options.quick else options.candidates
    drawn = [space.walk(RandomChooser(options.seed + place)) for place in range(count)]
    start = time.perf_counter()
    passes = [[evaluator.measure(each.architecture)[0] for each in drawn] for _ in range(2)]
    spent = time.perf_counter() - start
    print(
        f"{'network':>7} {'first ms':>9} {'second ms':>9} {'change':>8} {'to sentinel':>11} covered"
    )
    for place, (a, b) in enumerate(zip(*passes, strict=True)):
        ratios = (each.provenance["ratio_to_sentinel"] for each in (a, b))
        print(
            f"{place:>7} {a.value:>9.3f} {b.value:>9.3f} {100 * change(a.value, b.value):>7.1f}% "
            f"{100 * change(*ratios):>10.1f}% {'yes' if covers(a, b) else 'no'}"
        )
    line = {
        "benchmark": "latency_aa",
        "candidates": count,
        "space": options.space,
        "settings": settings.to_json(),
        **summary(*passes),
        "seconds_per_measurement": spent / (2 * count),
        **describe(device),
    }
    print(json.dumps(line))


if __name__ == "__main__":
    main()
