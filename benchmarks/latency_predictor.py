"""How well are latencies predicted from 50 measurements? Random networks of a space with every
mixer are measured on this device. The first ones train the predictor, a straight line on MACs
alone, and a table of times of parts (the median time of each distinct part, and of a part that is
not in the table the median time per operation of its kind of component). All predict the others.

    python benchmarks/latency_predictor.py [--device cpu|cuda] [--train N] [--test N] [--quick]

The last line is JSON. For each method: ``within_10``, the share of networks predicted within 10 %;
``within_10_over_1ms``, of those over 1 ms alone; ``cover_90``, the share inside their conformal
intervals of 90 %; ``half_width``, of these intervals on the scale of the logarithm;
``median_error``. ``measured`` compares with latencies as they are, ``by_sentinel`` with the ratio
to the sentinel times the sentinel's median, which removes the device's drift. On a busy machine
both errors are mostly those of the measurements: ``interval`` is the median upper over lower end of
the measured ones.
"""

import argparse
import json
import math
import statistics
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from nas_explorer.evaluators.base import CandidateError, Measurement
from nas_explorer.evaluators.cost.cost import architecture_cost
from nas_explorer.evaluators.latency.evaluator import LatencyEvaluator
from nas_explorer.evaluators.latency.features import part_features
from nas_explorer.evaluators.latency.predictor import LEVEL, LatencyPredictor, Timed
from nas_explorer.evaluators.latency.provenance import describe
from nas_explorer.evaluators.latency.settings import LatencySettings
from nas_explorer.search_space.architecture.architecture import Architecture
from nas_explorer.search_space.components.parts import Part
from nas_explorer.search_space.files import load_space
from nas_explorer.search_space.walk.choosers import RandomChooser

Logs = Callable[[Architecture], float]
"""A function from a network to the logarithm of its latency in ms."""


def by_macs(timed: Sequence[Timed]) -> Logs:
    """Return the straight line between the logarithms of MACs and latency."""

    def log_macs(architecture: Architecture) -> float:
        return math.log(architecture_cost(architecture).macs + 1)

    logs = [log_macs(each.architecture) for each in timed]
    line = np.polyfit(logs, [math.log(each.latency) for each in timed], 1)
    return lambda architecture: float(np.polyval(line, log_macs(architecture)))


def by_table(timed: Sequence[Timed]) -> Logs:
    """Return the sum over a table of times of parts, scaled by the median ratio to the latency."""
    times: dict[object, list[float]] = {}
    rates: dict[str, list[float]] = {}
    for each in timed:
        for part in each.architecture.parts():
            taken = each.part_ms.get(part.name, 0.0)
            times.setdefault(part.key, []).append(taken)
            rates.setdefault(type(part.component).__name__, []).append(taken / work(part))
    overall = statistics.median([rate for found in rates.values() for rate in found])

    def total(architecture: Architecture) -> float:
        found = 0.0
        for part in architecture.parts():
            known = times.get(part.key)
            rate = statistics.median(rates.get(type(part.component).__name__, [overall]))
            found += rate * work(part) if known is None else statistics.median(known)
        return math.log(found)

    shift = statistics.median(math.log(e.latency) - total(e.architecture) for e in timed)
    return lambda architecture: total(architecture) + shift


def work(part: Part) -> float:
    """Return the operations of a part, at least 1."""
    return 1.0 + sum(v for name, v in part_features(part).items() if name.startswith("work."))


def by_predictor(timed: Sequence[Timed]) -> Logs:
    """Return the predictor of the package."""
    fitted = LatencyPredictor(timed)
    return lambda architecture: math.log(fitted.predict(architecture).value)


def conformal(fit: Callable[[Sequence[Timed]], Logs], timed: Sequence[Timed]) -> float:
    """Return the half width of intervals from errors of networks left out, in ten folds."""
    errors: list[float] = []
    for fold in range(10):
        logs = fit([each for place, each in enumerate(timed) if place % 10 != fold])
        errors += [abs(logs(e.architecture) - math.log(e.latency)) for e in timed[fold::10]]
    return sorted(errors)[min(len(errors), math.ceil((len(errors) + 1) * LEVEL)) - 1]


def figures(logs: Logs, half_width: float, test: Sequence[Timed]) -> Mapping[str, float | None]:
    """Return how well the networks of a test are predicted."""
    errors = [logs(each.architecture) - math.log(each.latency) for each in test]
    close = [abs(math.exp(error) - 1) <= 0.1 for error in errors]
    large = [c for c, each in zip(close, test, strict=True) if each.latency > 1]
    return {
        "within_10": statistics.mean(close),
        "within_10_over_1ms": statistics.mean(large) if large else None,
        "cover_90": statistics.mean(abs(error) <= half_width for error in errors),
        "half_width": half_width,
        "median_error": statistics.median(abs(math.exp(error) - 1) for error in errors),
    }


def compare(train: Sequence[Timed], test: Sequence[Timed]) -> dict[str, Mapping[str, float | None]]:
    """Return the figures of each method."""
    found = {"predictor": figures(by_predictor(train), LatencyPredictor(train).half_width, test)}
    for name, fit in (("macs", by_macs), ("table", by_table)):
        found[name] = figures(fit(train), conformal(fit, train), test)
    return found


def measure(
    space_name: str, count: int, evaluator: LatencyEvaluator, *, resolution: int, seed: int
) -> list[tuple[Architecture, Measurement]]:
    """Measure random networks; those that fail are left out."""
    space = load_space(space_name).bind(channels=3, resolution=resolution, classes=10)
    found: list[tuple[Architecture, Measurement]] = []
    while len(found) < count:
        architecture = space.walk(RandomChooser(seed)).architecture
        seed += 1
        try:
            (latency,) = evaluator.measure(architecture)
        except CandidateError as error:
            print(f"left out: {error}")
            continue
        found.append((architecture, latency))
    return found


def main() -> None:
    """Measure, predict and print the results."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--train", type=int, default=50)
    parser.add_argument("--test", type=int, default=100)
    parser.add_argument("--space", default="universal")
    parser.add_argument("--resolution", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--windows", type=int, default=5, help="most windows of a measurement")
    parser.add_argument("--quick", action="store_true", help="20 and 4 networks, brief windows")
    options = parser.parse_args()
    torch.set_num_threads(1)
    device = torch.device(options.device)
    brief = {"warmup_seconds": 0.0, "min_seconds": 0.0, "max_seconds": 0.0, "windows": 1}
    given = {**(brief if options.quick else {"windows": options.windows}), "parts": True}
    evaluator = LatencyEvaluator(device=device, settings=LatencySettings.from_json(given))
    train, test = (20, 4) if options.quick else (options.train, options.test)
    space, side = ("micro", 8) if options.quick else (options.space, options.resolution)
    found = measure(space, train + test, evaluator, resolution=side, seed=options.seed)
    usual = statistics.median(m.provenance["sentinel"]["median"] for _, m in found)
    results: dict[str, dict[str, Mapping[str, float | None]]] = {}
    for name in ("measured", "by_sentinel"):
        timed = [
            Timed(
                architecture=architecture,
                latency=m.value
                if name == "measured"
                else m.provenance["ratio_to_sentinel"] * usual,
                part_ms=m.provenance["part_ms"],
            )
            for architecture, m in found
        ]
        results[name] = compare(timed[:train], timed[train:])
        print(f"{name:14} {'within 10 %':>12} {'cover of 90 %':>14} {'median error':>13}")
        for method, values in results[name].items():
            print(
                f"  {method:12} {100 * (values['within_10'] or 0):>11.0f}% "
                f"{100 * (values['cover_90'] or 0):>13.0f}% "
                f"{100 * (values['median_error'] or 0):>12.0f}%"
            )
    line = {
        "benchmark": "latency_predictor",
        "space": space,
        "train": train,
        "test": test,
        **results,
        "interval": statistics.median(m.high / m.low for _, m in found if m.low and m.high),
        "unstable": statistics.mean(m.provenance["unstable"] for _, m in found),
        **describe(device),
    }
    print(json.dumps(line))


if __name__ == "__main__":
    main()
