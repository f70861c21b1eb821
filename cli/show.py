"""``nas front``, ``nas show``, ``nas measure``, ``nas zoo`` and ``nas report``."""

import json
import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from .shared import (
    Column,
    Json,
    Storage,
    StudyName,
    WorkError,
    print_json,
    print_rows,
    shown,
    storage_url,
)

if TYPE_CHECKING:
    from ..evaluators.base import Measurement
    from ..results.candidate import Candidate
    from ..results.study import Study
    from ..search_space.architecture import Architecture, Stage
    from ..search_space.base import Block

CandidateName = Annotated[
    str, typer.Argument(metavar="CANDIDATE", help="Its number or a unique prefix of its digest.")
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("front")(front)
    app.command("show")(show)
    app.command("measure")(measure)
    app.command("report")(report)


def open_study(study: str | None, storage: str | None) -> "Study":
    """Open the study named by the options."""
    from ..results.study import Study

    return Study.open(study, storage_url(storage))


def sorted_front(study: "Study", sort: str | None = None) -> "list[Candidate]":
    """Return the front, the best of a metric on top; none: of the first objective.

    Raises:
        InputError: If there is no such metric.
    """
    from ..evaluators.base import metric
    from ..evaluators.units import read_metric
    from ..results.front import pareto_front

    objectives = study.settings.objectives
    by = metric(objectives[0] if sort is None else read_metric(sort))
    members = pareto_front(study.candidates(), objectives)
    worst = math.inf if by.direction == "minimize" else -math.inf

    def key(candidate: "Candidate") -> float:
        value = candidate.value(by.name)
        return worst if value is None else value

    return sorted(members, key=key, reverse=by.direction == "maximize")


def print_front(
    study: "Study", top: int | None = None, sort: str | None = None
) -> "list[Candidate]":
    """Print the front as a table and return it, all of it.

    Args:
        study: The record.
        top: How many are printed at most; none: all.
        sort: The metric of which the best stands on top; none: the first objective.
    """
    from ..results.table import format_measurement
    from ..search_space.outline import outlines

    members = sorted_front(study, sort)
    if not members:
        print("No candidate is complete and feasible yet, so there is no front.")
        return members
    shown_ones = members[:top]
    objectives = study.settings.objectives
    names = list(dict.fromkeys((*objectives, "params", "macs", "latency")))
    names = [name for name in names if any(each.value(name) is not None for each in members)]
    told = outlines([each.architecture_json for each in members])
    rows = [
        [
            str(each.number),
            each.digest[:8],
            *(format_measurement(each.measurements.get(name)) for name in names),
            line,
        ]
        for each, line in zip(shown_ones, told, strict=False)
    ]
    # What was optimised stays in the narrowest table; digests go first, then the other metrics.
    metrics = [
        Column(title=name, drop=0 if name in objectives else 2 + index)
        for index, name in enumerate(names)
    ]
    digest = Column(title="digest", drop=2 + len(names))
    print_rows([Column(title="#"), digest, *metrics, Column(title="architecture", cut=True)], rows)
    if len(shown_ones) < len(members):
        print(f"The first {len(shown_ones)} of {len(members)} candidates on the front.")
    return members


def front(
    *,
    top: Annotated[
        str | None, typer.Option(metavar="N", help="Only the first N candidates.")
    ] = None,
    sort: Annotated[
        str | None,
        typer.Option(metavar="METRIC", help="Best of it on top.  [the first objective]"),
    ] = None,
    study: StudyName = None,
    storage: Storage = None,
    csv: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the front as CSV.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Print the Pareto front: values with their 95 % intervals, in brackets."""
    from ..evaluators.units import read_metric, read_whole

    count = None if top is None else read_whole("top", top, low=1)
    if sort is not None:
        read_metric(sort)
    record = open_study(study, storage)
    if csv is not None:
        from ..results.table import to_frame, write_csv

        write_csv(to_frame(sorted_front(record, sort)[:count]), csv)
    if as_json:
        print_json([_candidate_json(each) for each in sorted_front(record, sort)[:count]])
    else:
        print_front(record, count, sort)


def _candidate_json(candidate: "Candidate") -> dict[str, Any]:
    return {
        "number": candidate.number,
        "digest": candidate.digest,
        "status": candidate.status,
        "measurements": {name: each.to_json() for name, each in candidate.measurements.items()},
        "decisions": dict(candidate.decisions),
        "architecture": candidate.architecture_json,
        "reason": candidate.reason,
        "traceback": candidate.traceback,
        "seconds": dict(candidate.seconds),
    }


def show(
    candidate: CandidateName,
    *,
    graph: Annotated[
        Path | None,
        typer.Option("--graph", metavar="FILE.html", help="Write a picture of the network."),
    ] = None,
    study: StudyName = None,
    storage: Storage = None,
    as_json: Json = False,
) -> None:
    """Show one candidate: architecture, measurements, where they come from, failures."""
    from ..results.provenance import told
    from ..results.table import format_measurement

    record = open_study(study, storage)
    found = record.find(candidate)
    if graph is not None:
        _write_graph(found, record.name, graph)
    if as_json:
        print_json(_candidate_json(found))
        return
    print(f"Candidate {found.number} of study {record.name}: {found.status}")
    print(f"digest     {found.digest}")
    if found.reason:
        print(f"reason     {found.reason}")
    for each in found.measurements.values():
        print(f"{each.metric:<10} {format_measurement(each)}")
    print()
    print_parts(found.architecture)
    print("\nDecisions")
    for path, value in found.decisions.items():
        print(f"  {path}: {value}")
    print("\nProvenance")
    for each in found.measurements.values():
        way = told(each)
        if way:
            print(f"  {each.metric}")
        for name, text in way.items():
            print(f"    {name:<20} {text}")
        for epoch, point in enumerate(each.provenance.get("learning_curve") or (), 1):
            print(
                f"    epoch {epoch}: training loss {point['train_loss']:.4g}, validation loss "
                f"{point['validation_loss']:.4g}, accuracy {point['validation_accuracy']:.4f}"
            )
    if found.traceback:
        print(f"\n{found.traceback.rstrip()}")
    if graph is not None:
        print(f"\nWrote {graph}")


def _write_graph(candidate: "Candidate", study: str, file: Path) -> None:
    from ..evaluators.cost.cost import additive_costs
    from ..results.graph_plot import graph_page
    from ..results.table import write_atomically

    graph = candidate.architecture.graph(additive_costs)
    write_atomically(file, graph_page(graph, f"Candidate {candidate.number} of study {study}"))


def print_parts(architecture: "Architecture") -> None:
    """Print the stages of an architecture, and what each costs."""
    from ..evaluators.cost.cost import part_cost

    print(f"input      {architecture.input}, {architecture.classes} classes")
    sums: dict[str, list[float]] = {}
    for part in architecture.parts():
        names = part.name.split(".")
        place = ".".join(names[:2]) if names[0] in ("stages", "overview") else names[0]
        cost = part_cost(part)
        for each in dict.fromkeys((place, ".".join(names[:3]))):
            total = sums.setdefault(each, [0, 0])
            total[0] += cost.params
            total[1] += cost.macs
    canonical = architecture.canonical
    print(f"stem       {canonical.stem.label()}{_cost(sums['stem'])}")
    for index, (stage, shape) in enumerate(
        zip(canonical.stages, canonical.stage_shapes, strict=True)
    ):
        _print_stage(f"stages.{index}", stage, f"{shape}, ", sums)
    if canonical.overview:
        for index, stage in enumerate(canonical.overview.stages):
            _print_stage(f"overview.{index}", stage, f"width {stage.width}, ", sums)
        after = f"after stages.{canonical.overview.after - 1}, guides the stages that follow"
        print(f"guide      width {canonical.overview.width}, {after}{_cost(sums['guide'])}")
    print(f"head       {canonical.head.label()}{_cost(sums['head'])}")


def _print_stage(place: str, stage: "Stage", size: str, sums: Mapping[str, list[float]]) -> None:
    print(f"{place:<10} {size}depth {stage.depth}{_cost(sums.get(place, [0, 0]))}")
    if stage.downsampling is not None:
        cost = _cost(sums.get(f"{place}.downsampling", [0, 0]))
        print(f"  downsampling     {stage.downsampling.label()}{cost}")
    same: dict[Block, list[int]] = {}
    for index in range(stage.depth):
        same.setdefault(stage.block(index), []).append(index)
    for block, places in same.items():
        print(f"  {block_places(places)}: {block.name}")
        for name, inner in block.components().items():
            print(f"    {name:<14} {inner.label()}")


def block_places(places: Sequence[int]) -> str:
    """Return which blocks of a stage, from 0, are meant: ``blocks 0-2, 4``, ``block 3``.

    Every second one, three or more of them, is ``blocks 0, 2 ... 16``.
    """
    word = "block" if len(places) == 1 else "blocks"
    steps = {after - before for before, after in pairwise(places)}
    if len(places) > 2 and len(steps) == 1 and steps != {1}:
        return f"{word} {places[0]}, {places[1]} ... {places[-1]}"
    runs: list[list[int]] = []
    for place in places:
        if runs and place == runs[-1][-1] + 1:
            runs[-1].append(place)
        else:
            runs.append([place])
    told = (f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)
    return f"{word} {', '.join(told)}"


def _cost(total: list[float]) -> str:
    return f"   [{shown('params', total[0])} params, {shown('macs', total[1])} MACs]"


def find_architecture(name: str, study: str | None, storage: str | None) -> "Architecture":
    """Return what a zoo name, a candidate, a JSON file or one of weights stands for.

    Raises:
        InputError: If it is none of them.
    """
    if name.isdecimal():
        return open_study(study, storage).find(name).architecture
    if name.endswith((".json", ".safetensors")):
        return _read_architecture(Path(name))
    from ..search_space.zoo import in_zoo, unknown_network, zoo_entry

    if in_zoo(name):
        return zoo_entry(name).architecture
    if name and all(c in "0123456789abcdef" for c in name.lower()):
        return open_study(study, storage).find(name).architecture
    raise unknown_network(
        "an architecture must be a candidate, a name of the zoo, or a .json or .safetensors file",
        name,
    )


def _read_architecture(file: Path) -> "Architecture":
    """Return what a JSON file or a file of weights describes.

    It may be the architecture's own JSON, or hold it under ``architecture``, as the files of
    ``nas export`` and the output of ``nas measure --json`` do.
    """
    from ..search_space.errors import InputError

    if file.suffix == ".safetensors":
        from ..results.export.header import read_header
        from ..results.export.weights import read_weights

        return read_header(read_weights(file)[1])
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"an architecture file must be readable, but got {file}: {error.strerror}"
        ) from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"an architecture file must be JSON, but got {file}: {error}") from None
    if isinstance(data, dict) and "architecture" in data:
        data = cast(dict[str, Any], data)["architecture"]
    from ..search_space.architecture import Architecture  # takes seconds to import

    return Architecture.from_json(data)


def measure(
    architecture: Annotated[
        str,
        typer.Argument(metavar="ARCH", help="Zoo name, .json or .safetensors file, or candidate."),
    ],
    *,
    latency: Annotated[bool, typer.Option("--latency", help="Measure the latency too.")] = False,
    device: Annotated[
        str, typer.Option(metavar="NAME", help="auto, cpu, cuda or cuda:N.")
    ] = "auto",
    batch: Annotated[
        str, typer.Option(metavar="N", help="Images of the forward pass that is timed.")
    ] = "1",
    study: StudyName = None,
    storage: Storage = None,
    as_json: Json = False,
) -> None:
    """Measure any architecture: exact costs, and latency if asked."""
    from ..evaluators.base import CandidateError
    from ..evaluators.device_name import device_name
    from ..evaluators.units import read_whole
    from ..results.table import format_measurement

    device, images = device_name(device), read_whole("batch", batch, low=1, hint="images")
    found = find_architecture(architecture, study, storage)
    from ..evaluators.cost.evaluator import CostEvaluator

    try:
        measurements = list(CostEvaluator().evaluate(found))
        if latency:
            import torch

            from ..evaluators.latency.evaluator import LatencyEvaluator
            from ..evaluators.latency.settings import LatencySettings
            from ..searchers.search import choose_device

            settings = LatencySettings(batch=images)
            timer = LatencyEvaluator(device=torch.device(choose_device(device)), settings=settings)
            measurements.extend(timer.evaluate(found))
    except CandidateError as error:
        raise WorkError(f"it could not be measured: {error}") from None
    if as_json:
        print_json(
            {
                "digest": found.digest,
                "architecture": found.to_json(),
                "measurements": {each.metric: each.to_json() for each in measurements},
            }
        )
        return
    print_parts(found)
    print()
    for each in measurements:
        exact = f"  ({each.value:,}{_training(each)})" if each.low is None else ""
        print(f"{each.metric:<12} {format_measurement(each)}{exact}")


def _training(measurement: "Measurement") -> str:
    """Return what it is in the form that is trained, where that is another."""
    value = measurement.provenance.get("training_form")
    return "" if value is None else f"; {value:,} while it is trained"


def report(
    *,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="Where to write it.")
    ] = Path("report.html"),
    csv: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write all candidates as CSV too.")
    ] = None,
    figures: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Write the figures as SVG and PNG too."),
    ] = None,
    compare: Annotated[
        list[str] | None,
        typer.Option(metavar="STUDY", help="A study to compare it with; repeatable."),
    ] = None,
    study: StudyName = None,
    storage: Storage = None,
) -> None:
    """Write the study as one HTML file that opens without a network."""
    from ..results.report import make_report, write_report
    from ..results.report_files import write_candidates, write_figures

    record = open_study(study, storage)
    drawn = make_report(record, [open_study(name, storage) for name in compare or ()])
    write_report(drawn, output)
    print(f"Wrote {output} ({output.stat().st_size / 1e6:.1f} MB)")
    if csv is not None:
        write_candidates(record, csv)
        print(f"Wrote {csv}")
    if figures is not None:
        print(f"Wrote {len(write_figures(drawn, figures))} files in {figures}")
