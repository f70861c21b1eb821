"""``nas search``."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from .shared import (
    Augmentation,
    ClassWeights,
    Constraints,
    DeviceCommand,
    ExportableTo,
    LatencyFrom,
    Plugins,
    Recipe,
    Resolution,
    Storage,
    Target,
    sigterm_interrupts,
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("search")(search)


def search(  # one parameter for each option of the command
    *,
    budget: Annotated[
        str | None,
        typer.Option(metavar="N", help="Total number of candidates in the study.  [100]"),
    ] = None,
    max_time: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Time limit of this run, such as 90s, 30m or 1h30m: no candidate starts later, "
            "running ones finish. Without --budget, only the time limits the search.",
        ),
    ] = None,
    space: Annotated[
        str | None, typer.Option(metavar="NAME|FILE.yaml", help="Search space.  [micro]")
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="digits, cifar10, cifar100, fashion-mnist, folder:PATH (./PATH), csv:FILE, "
            "shards:PATH, hf:PATH or FILE.npz.  [digits]",
        ),
    ] = None,
    target: Target = None,
    resolution: Resolution = None,
    max_megapixels: Annotated[
        str | None,
        typer.Option(metavar="N", help="Leave out image files above N megapixels.  [250]"),
    ] = None,
    objectives: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,...",
            help="Metrics to optimise.  [accuracy,macs; for regression r2,macs; for labels "
            "mean_average_precision,macs]",
        ),
    ] = None,
    constraint: Constraints = None,
    scores: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,...",
            help="Training-free scores to record beside the metrics, or all.  [the study's]",
        ),
    ] = None,
    rank_by_score: Annotated[
        bool | None,
        typer.Option("--rank-by-score", help="Let objectives and bounds be training-free scores."),
    ] = None,
    searcher: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="pareto, tpe, nsga2, random ...  [the study's, or pareto]"
        ),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="asha stops poor trainings early, or none.  [the study's, or none]"
        ),
    ] = None,
    eta: Annotated[
        str | None,
        typer.Option(metavar="N", help="asha: 1/N of the candidates continue at a rung.  [3]"),
    ] = None,
    rungs: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,...",
            help="asha: epochs after which a training may stop.  [the epochs / N^2 and / N]",
        ),
    ] = None,
    architectures: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help="Propose first the networks of a .json file, one or a list, or of a "
            ".safetensors file; repeatable.",
        ),
    ] = None,
    from_study: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="STUDY",
            help="Propose first the front of another study. It is measured again here.",
        ),
    ] = None,
    seed_zoo: Annotated[
        bool | None,
        typer.Option("--seed-zoo", help="Propose first the published networks of the space."),
    ] = None,
    engine: Annotated[
        str | None, typer.Option(metavar="NAME", help="local or ray.  [local]")
    ] = None,
    ray_address: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="An existing Ray cluster.")
    ] = None,
    workers: Annotated[
        str | None, typer.Option(metavar="N", help="Candidates measured at once.  [one per core]")
    ] = None,
    device: Annotated[
        str | None, typer.Option(metavar="NAME", help="auto, cpu, cuda or cuda:N.  [auto]")
    ] = None,
    epochs: Annotated[
        str | None,
        typer.Option(metavar="N", help="Passes over the training images.  [depends on the data]"),
    ] = None,
    augmentation: Augmentation = None,
    class_weights: ClassWeights = None,
    init: Annotated[
        str | None,
        typer.Option(
            metavar="START",
            help="Weights that trainings begin with, as far as they fit: timm:NAME, timm:NAME:FILE "
            "or a .safetensors file.  [from scratch]",
        ),
    ] = None,
    recipe: Recipe = None,
    time_limit: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="Time limit of a candidate: 90s, 10m, 1h; a number is in seconds."
        ),
    ] = None,
    seed: Annotated[
        str | None, typer.Option(metavar="N", help="Seed of all random numbers.  [0]")
    ] = None,
    exportable_only: Annotated[
        bool | None,
        typer.Option("--exportable-only", help="Another name of --exportable-to onnxruntime."),
    ] = None,
    exportable_to: ExportableTo = None,
    runtime: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,...",
            help="What latency is measured in: eager, compiled, onnxruntime, openvino ...; the "
            "latency in further ones is recorded as latency@NAME.  [eager]",
        ),
    ] = None,
    device_command: DeviceCommand = None,
    latency_from: LatencyFrom = None,
    any_resolution: Annotated[
        bool | None,
        typer.Option("--any-resolution", help="Only networks that take images of any size."),
    ] = None,
    remeasure: Annotated[
        bool | None,
        typer.Option(
            "--remeasure",
            help="Measure again the latencies that come from another device or other versions.",
        ),
    ] = None,
    predict_latency: Annotated[
        bool | None,
        typer.Option(
            "--predict-latency",
            help="Predict latencies; measure those near a bound or the front alone.",
        ),
    ] = None,
    join: Annotated[
        bool | None,
        typer.Option("--join", help="Search together with other processes that join the study."),
    ] = None,
    study: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Name of the study.  [made from the settings]"),
    ] = None,
    storage: Storage = None,
    plugin: Plugins = None,
    config: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="YAML file with any of these options as keys."),
    ] = None,
) -> int:
    """Search: sample, cost and train candidates until the study holds the budget.

    Run it again to continue: the same command finishes the same study.
    """
    given: dict[str, object] = {
        "budget": budget,
        "max_time": max_time,
        "space": space,
        "data": data,
        "target": target,
        "resolution": resolution,
        "max_megapixels": max_megapixels,
        "objectives": objectives,
        "constraints": constraint or None,
        "scores": scores,
        "rank_by_score": rank_by_score,
        "searcher": searcher,
        "scheduler": scheduler,
        "eta": eta,
        "rungs": rungs,
        "architectures": architectures or None,
        "from_study": from_study,
        "seed_zoo": seed_zoo,
        "engine": engine,
        "ray_address": ray_address,
        "workers": workers,
        "device": device,
        "epochs": epochs,
        "augmentation": augmentation,
        "class_weights": class_weights,
        "init": init,
        "recipe": recipe or None,
        "time_limit": time_limit,
        "seed": seed,
        "exportable_only": exportable_only,
        "exportable_to": exportable_to,
        "runtime": runtime,
        "device_command": device_command,
        "latency_from": latency_from,
        "any_resolution": any_resolution,
        "remeasure": remeasure,
        "predict_latency": predict_latency,
        "join": join,
        "study": study,
        "storage": storage,
        "plugins": plugin or None,
    }
    written = {} if config is None else read_config(Path(config))
    return _run({**written, **{key: value for key, value in given.items() if value is not None}})


def read_config(path: Path) -> dict[str, object]:
    """Read search options from a YAML file; keys as on the command line, without the dashes.

    Raises:
        InputError: If the file cannot be read or has an unknown key.
    """
    from ..search_space.errors import InputError, unknown_name
    from ..search_space.json_fields import is_mapping
    from ..search_space.yaml_files import read_yaml
    from ..searchers.run.options import option_names

    data = read_yaml(path, "a config file")
    if not is_mapping(data):
        raise InputError(f"a config file must hold keys and values, but got {path}")
    known = {name: name for name in option_names()} | {
        "constraint": "constraints",
        "plugin": "plugins",
        "from": "from_study",
    }
    options: dict[str, object] = {}
    for key, value in data.items():
        name = str(key).replace("-", "_")
        if name not in known:
            raise unknown_name("key of the config file", key, known)
        options[known[name]] = value
    return options


def _run(values: Mapping[str, object]) -> int:
    from ..searchers.run.ledger import Ledger
    from ..searchers.run.options import read_options

    ledger = Ledger()
    options = read_options(values)  # before torch is imported, which takes seconds
    for note in options.notes:
        print(f"nas: {note}", file=sys.stderr)
    from ..searchers.run.early_workers import early_workers
    from .progress import show_progress

    with sigterm_interrupts(), show_progress() as progress, early_workers(options):
        from ..searchers.run.search import prepare, run

        prepared = prepare(options, ledger)
        with progress.searching(prepared):
            summary = run(prepared, progress)
    from .search_end import print_end

    print_end(prepared, summary)
    return 0
