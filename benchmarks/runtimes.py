"""What does the latency of a candidate cost in each runtime? Random networks are measured in every
installed runtime, one after the other as a worker does. For each runtime: the start of its process,
then the median and mean time of a candidate, the CPU time of this process, which converts, and the
conversion alone; how many networks the runtime ran rightly; and how its latencies rank the networks
compared with the first runtime. With --conversions, only the CPU time of three ways to an ONNX
graph is measured, side by side: torch's exporter as it is, the same with its tables kept between
exports, and graphs put together from those of parts, each of which is traced once.

    python benchmarks/runtimes.py [--space NAME] [--networks N] [--runtimes A,B,...]
        [--conversions] [--seed N] [--quick]
"""

import argparse
import json
import statistics
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from nas_explorer.evaluators.base import CandidateError, Setup
from nas_explorer.evaluators.latency.provenance import describe
from nas_explorer.evaluators.latency.settings import LatencySettings
from nas_explorer.evaluators.runtime_table import RUNTIMES, read_runtimes
from nas_explorer.evaluators.runtimes.exporter_tables import kept_tables
from nas_explorer.evaluators.runtimes.graph_runtime import GraphLatency
from nas_explorer.evaluators.runtimes.onnx_graph import OPSET
from nas_explorer.evaluators.runtimes.part_graphs import PartGraphs
from nas_explorer.evaluators.runtimes.program import quiet
from nas_explorer.evaluators.runtimes.ruler_process import RulerError
from nas_explorer.evaluators.runtimes.source import Source, source_of
from nas_explorer.search_space.architecture.architecture import Architecture
from nas_explorer.search_space.files import load_space
from nas_explorer.search_space.walk.choosers import RandomChooser
from scipy.stats import spearmanr

DEFAULT = ("eager", "onnxruntime", "openvino", "mnn", "tract", "ncnn", "executorch")
BRIEF = {"warmup_seconds": 0.0, "min_seconds": 0.0, "max_seconds": 0.02, "windows": 1}


def networks(space_name: str, count: int, seed: int) -> list[Architecture]:
    """Return different random networks for images of 32 pixels."""
    space = load_space(space_name).bind(channels=3, resolution=32, classes=10)
    found: dict[str, Architecture] = {}
    for each in range(seed, seed + 20 * count):
        architecture = space.walk(RandomChooser(each)).architecture
        found.setdefault(architecture.digest, architecture)
        if len(found) == count:
            break
    return list(found.values())


def conversions(space_name: str, chosen: Sequence[Architecture]) -> dict[str, list[float]]:
    """Measure and print the CPU time of each way to an ONNX graph, s, without the first network."""
    parts = PartGraphs()
    found: dict[str, list[float]] = {"exporter": [], "tables kept": [], "by parts": []}

    def whole(source: Source, tables: AbstractContextManager[None]) -> None:
        with quiet(), tables:
            torch.onnx.export(source.program, dynamo=True, opset_version=OPSET, verbose=False)

    ways: dict[str, Callable[[Source], object]] = {
        "exporter": lambda source: whole(source, nullcontext()),
        "tables kept": lambda source: whole(source, kept_tables()),
        "by parts": lambda source: source.onnx(OPSET),
    }
    for place, architecture in enumerate(chosen):
        for name, way in ways.items():
            network = source_of(architecture).network
            source = Source(
                network, architecture.input, parts=parts if name == "by parts" else None
            )
            start = time.process_time()
            way(source)
            if place:  # the first one loads the exporter
                found[name].append(time.process_time() - start)
    print(f"{len(chosen) - 1} networks of {space_name}; CPU seconds of a conversion to ONNX")
    for name, times in found.items():
        half = times[len(times) // 2 :]
        print(
            f"{name:12} mean {statistics.fmean(times):.2f} median {statistics.median(times):.2f}, "
            f"of the second half {statistics.fmean(half):.2f}"
        )
    return found


def main() -> None:
    """Measure and print the results."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--space", default="micro")
    parser.add_argument("--networks", type=int, default=20)
    parser.add_argument("--runtimes", help="runtimes by name, separated by commas")
    parser.add_argument("--conversions", action="store_true", help="conversions to ONNX alone")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="2 networks, briefly")
    options = parser.parse_args()
    torch.set_num_threads(1)
    chosen = networks(options.space, 2 if options.quick else options.networks, options.seed)
    if options.conversions:
        seconds_by_way = conversions(options.space, chosen)
        line = {"benchmark": "runtimes", "networks": len(chosen), "conversions": seconds_by_way}
        print(json.dumps({**line, **describe(torch.device("cpu"))}))
        return
    asked = read_runtimes(options.runtimes) if options.runtimes else DEFAULT
    names = [name for name in asked if not RUNTIMES[name].absent()]
    evaluators = {}
    starts: dict[str, float] = {}
    for name in names:
        settings = {**LatencySettings(runtime=name).to_json(), **(BRIEF if options.quick else {})}
        start = time.perf_counter()
        made = RUNTIMES[name].load()().evaluator(Setup(settings=settings))
        if isinstance(made, GraphLatency):
            try:
                made.hello()
            except RulerError as error:
                print(f"{name}: {error}")
                continue
        evaluators[name] = made
        starts[name] = time.perf_counter() - start
    seconds: dict[str, list[float]] = {name: [] for name in evaluators}
    host: dict[str, list[float]] = {name: [] for name in evaluators}
    converting: dict[str, list[float]] = {name: [] for name in evaluators}
    values: dict[str, dict[int, float]] = {name: {} for name in evaluators}
    reasons: dict[str, Counter[str]] = {name: Counter() for name in evaluators}
    for place, architecture in enumerate(chosen):
        for name, evaluator in evaluators.items():
            start, own = time.perf_counter(), time.process_time()
            try:
                (latency,) = evaluator.measure(architecture)
            except CandidateError as error:
                reasons[name][str(error)[:160]] += 1
                continue
            finally:
                seconds[name].append(time.perf_counter() - start)
                host[name].append(time.process_time() - own)
            values[name][place] = latency.value
            converting[name].append(latency.provenance.get("conversion_seconds", 0.0))
    first = next(iter(evaluators))
    result = {}
    print(f"{len(chosen)} networks of {options.space}; seconds; ranks compared with {first}")
    print(
        f"{'runtime':14} {'start':>6} {'median':>7} {'mean':>6} {'CPU':>6} {'convert':>8} "
        f"{'right':>6} rank"
    )
    for name in evaluators:
        both = sorted(values[name].keys() & values[first].keys())
        rank = None
        if len(both) > 2:
            mine, others = ([values[each][p] for p in both] for each in (name, first))
            rank = float(spearmanr(mine, others).statistic)
        result[name] = {
            "start": starts[name],
            "median": statistics.median(seconds[name]),
            "mean": statistics.fmean(seconds[name]),
            "host_cpu": statistics.fmean(host[name]),
            "conversion": statistics.fmean(converting[name]) if converting[name] else None,
            "right": len(values[name]),
            "rank": rank,
        }
        line = result[name]
        print(
            f"{name:14} {line['start']:>6.2f} {line['median']:>7.2f} {line['mean']:>6.2f} "
            f"{line['host_cpu']:>6.2f} "
            f"{line['conversion'] or 0:>8.2f} {line['right']:>6} "
            f"{'-' if rank is None else format(rank, '.2f')}"
        )
        for reason, count in reasons[name].items():
            print(f"    {count} x {reason}")
    line = {"benchmark": "runtimes", "networks": len(chosen), "runtimes": result}
    print(json.dumps({**line, **describe(torch.device("cpu"))}))


if __name__ == "__main__":
    main()
