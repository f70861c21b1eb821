"""``nas scale``: larger and smaller networks of the same kind."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .measure import find_architecture
from .scaling_laws import Asked, find_laws, read_cost
from .shared import (
    Column,
    DeviceCommand,
    Json,
    Plugins,
    Storage,
    StudyName,
    print_json,
    print_rows,
    shown,
    sigterm_interrupts,
    study_option,
)
from .show import open_study
from .working import working

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..results.study.study import Study
    from ..search_space.architecture.architecture import Architecture
    from ..search_space.constraints.constraint import Constraint
    from ..search_space.scale_to import Scaled
    from ..searchers.run.additions import Added

_SHOWN = ("params", "macs", "activations")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("scale")(scale)


def scale(
    architecture: Annotated[
        str,
        typer.Argument(metavar="ARCH", help="Candidate, zoo name, .json or .safetensors file."),
    ],
    *,
    to: Annotated[
        list[str] | None,
        typer.Option(
            "--to",
            metavar="'macs=2e9'",
            help="Cost that the result has within 2 %: params, macs, activations, latency, ...; "
            "repeatable.",
        ),
    ] = None,
    rule: Annotated[
        str,
        typer.Option(
            metavar="A,B,...",
            help="compound, width (mostly the width), depth, aspect (keeps depth by width), "
            "resolution, or all.",
        ),
    ] = "compound",
    aspect: Annotated[
        str,
        typer.Option(metavar="X", help="Factor on depth by width, at equal MACs, as in 0.5."),
    ] = "1",
    keep_resolution: Annotated[
        bool,
        typer.Option("--keep-resolution", help="Keep the size of the images; --train implies it."),
    ] = False,
    nearest: Annotated[
        bool,
        typer.Option("--nearest", help="Take the nearest network where none is within 2 %."),
    ] = False,
    train: Annotated[
        bool,
        typer.Option(
            "--train",
            help="Add the results to the study, trained and measured as the search does.",
        ),
    ] = False,
    fit: Annotated[
        bool,
        typer.Option(
            "--fit",
            help="Fit error = a x cost^-b + c to the trained sizes, and predict the largest, "
            "which is left out.",
        ),
    ] = False,
    by: Annotated[str, typer.Option(metavar="METRIC", help="Cost of --fit and --plot.")] = "macs",
    images: Annotated[
        str | None,
        typer.Option(
            metavar="0.1,0.3,...",
            help="Train the candidate on these shares of the images too; --fit fits to their "
            "number.",
        ),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE.html", help="Draw the score against the cost, by rule."),
    ] = None,
    workers: Annotated[
        str | None, typer.Option(metavar="N", help="Networks trained at once.  [one per core]")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE.json", help="Write the networks as JSON."),
    ] = None,
    runtime: Annotated[
        str | None, typer.Option(metavar="NAME", help="Runtime of a latency.  [eager]")
    ] = None,
    device: Annotated[
        str, typer.Option(metavar="NAME", help="Device of a latency: auto, cpu, cuda or cuda:N.")
    ] = "auto",
    device_command: DeviceCommand = None,
    study: StudyName = None,
    storage: Storage = None,
    plugin: Plugins = None,
    as_json: Json = False,
) -> int:
    """Make larger or smaller networks of the same kind, each with a given cost.

    Run it again to continue an interrupted --train: finished results are not made again.
    """
    from ..evaluators.scaling import measured_latency, read_target, scaled
    from ..evaluators.units import read_whole
    from ..search_space.errors import InputError
    from ..search_space.scaling_rules import read_aspect, read_rules
    from ..searchers.run.image_shares import read_shares

    rules, factor = read_rules(rule), read_aspect(aspect)
    targets = list(map(read_target, to or ()))
    shares = None if images is None else read_shares(images)
    asked = Asked(fit=fit, by=read_cost(by), shares=shares, plot=plot)
    if not targets and (train or output is not None or not asked.anything):
        raise InputError("a scaling must have a target, such as --to macs=2e9, or --fit or --plot")
    many = None if workers is None else read_whole("workers", workers, low=1)
    if keep_resolution or train:
        rules = tuple(each.keeping_resolution() for each in rules)
    if output is not None:
        _check_output(output)
    network = find_architecture(architecture, study, storage)
    record = _study_for(network, study, storage) if train or asked.anything else None
    found: list[tuple[Constraint, Scaled]] = []
    refused: list[str] = []
    with sigterm_interrupts(), working("Scaling") as view:
        for each in rules:
            for target in targets:
                view.update(f"Scaling by the rule {each.name} to {_text(target)}")
                latency = measured_latency(
                    target.metric,
                    runtime=runtime or "",
                    device=device,
                    device_command=device_command or "",
                )
                try:
                    made = scaled(network, each, target, aspect=factor, latency_of=latency)
                except InputError as error:
                    refused.append(f"rule {each.name}, {_text(target)}: {error}")
                    continue
                found.append((target, made))
    refused += [_missed(target, each) for target, each in found if not each.met]
    taken = [(target, each) for target, each in found if each.met or nearest]
    if targets and not taken:
        raise InputError("; ".join(refused))
    if output is not None:
        _write(output, [each.architecture for _, each in taken])
    added: list[Added] = []
    if train and record is not None:
        added = _train(record, architecture, network, taken, factor, many)
    laws = None if record is None else find_laws(record, network, asked, many)
    if as_json:
        fitted = {} if laws is None else {"fits": laws.to_json()}
        print_json({**_as_json(network, found, added, refused), **fitted})
        return int(any(each.candidate.status == "failed" for each in added))
    if found:
        _print(network, found, refused)
    if output is not None:
        print(f"Wrote {output}")
    if train and record is not None:
        _print_added(record, added)
    if laws is not None:
        laws.print()
    return int(any(each.candidate.status == "failed" for each in added))


def _text(target: "Constraint") -> str:
    from ..evaluators.units import write_value

    return f"{target.metric}={write_value(target.metric, target.low)}"


def _missed(target: "Constraint", found: "Scaled") -> str:
    """Return that no network is within 2 %, and the nearest."""
    from ..evaluators.units import write_value

    return (
        f"rule {found.rule.name}, {_text(target)}: no network is within 2 %; the nearest has "
        f"{target.metric} {write_value(target.metric, found.value)} ({found.error:+.1%}), "
        f"{found.architecture.outline()}"
    )


def _check_output(file: Path) -> None:
    """Check that a file may be written.

    Raises:
        InputError: If it ends otherwise than in ``.json``, or holds no architecture.
    """
    from ..results.export.architecture_files import read_architectures
    from ..search_space.errors import InputError

    if file.suffix != ".json":
        raise InputError(f"--output must end in .json, but got {str(file)!r}")
    if file.exists():
        try:
            read_architectures(file)
        except InputError:
            raise InputError(
                f"--output must not replace a file without architectures, but got {str(file)!r}"
            ) from None


def _write(file: Path, networks: "Sequence[Architecture]") -> None:
    import json

    from ..results.analysis.table import write_atomically

    data = [each.to_json() for each in networks]
    write_atomically(file, json.dumps(data if len(data) > 1 else data[0], indent=2) + "\n")


def _study_for(network: "Architecture", study: str | None, storage: str | None) -> "Study":
    """Open the study to which results are added.

    Raises:
        InputError: If the network has other images or classes than the study.
    """
    from ..searchers.run.additions import check_images

    record = open_study(study, storage)
    check_images(record, network)
    return record


def _train(
    record: "Study",
    name: str,
    network: "Architecture",
    found: "Sequence[tuple[Constraint, Scaled]]",
    aspect: float,
    workers: int | None,
) -> "list[Added]":
    """Add the results to the study."""
    from ..searchers.run.additions import Addition, add_candidates
    from ..searchers.run.ledger import Ledger

    parents = [each for each in record.candidates() if each.digest == network.digest]
    made_from = (
        {"parent": parents[0].number, "parent_digest": parents[0].digest}
        if parents
        else {"network": name, "parent_digest": network.digest}
    )
    additions = [
        Addition(
            architecture=each.architecture,
            origin={
                **made_from,
                "method": f"scaling ({each.rule.name})",
                "to": [_text(target)],
                "rule": each.rule.name,
                "aspect": aspect,
            },
        )
        for target, each in found
    ]
    with sigterm_interrupts(), working(f"Training {len(additions)} networks") as view:
        return add_candidates(record, additions, Ledger(), view.update, workers=workers)


def _as_json(
    network: "Architecture",
    found: "Sequence[tuple[Constraint, Scaled]]",
    added: "Sequence[Added]",
    refused: "Sequence[str]",
) -> dict[str, Any]:
    numbers = {each.candidate.digest: each.candidate for each in added}
    return {
        "digest": network.digest,
        "results": [
            {
                "rule": each.rule.name,
                "to": _text(target),
                "value": each.value,
                "error": each.error,
                "met": each.met,
                "factors": {
                    "depth": each.factors.depth,
                    "width": each.factors.width,
                    "resolution": each.factors.resolution,
                },
                "digest": each.architecture.digest,
                "architecture": each.architecture.to_json(),
                "candidate": _candidate(numbers.get(each.architecture.digest)),
            }
            for target, each in found
        ],
        "refused": list(refused),
    }


def _candidate(found: Any) -> dict[str, Any] | None:
    if found is None:
        return None
    measured = {name: each.to_json() for name, each in found.measurements.items()}
    return {"number": found.number, "status": found.status, "measurements": measured}


def _print(
    network: "Architecture",
    found: "Sequence[tuple[Constraint, Scaled]]",
    refused: "Sequence[str]",
) -> None:
    from ..evaluators.cost.cost import architecture_cost

    def costs(each: "Architecture") -> list[str]:
        counted = architecture_cost(each)
        return [shown(name, getattr(counted, name)) for name in _SHOWN]

    side = f"{network.input.height} px"
    rows = [["", "", "", "", "", side, *costs(network), network.outline()]]
    for target, each in found:
        made, by = each.architecture, each.factors
        rows.append(
            [
                each.rule.name,
                _text(target),
                f"{each.error:+.1%}",
                f"{by.depth:.2f}",
                f"{by.width:.2f}",
                f"{made.input.height} px",
                *costs(made),
                made.outline(),
            ]
        )
    titles = ("rule", "to", "off by", "depth x", "width x", "images", *_SHOWN)
    columns = [Column(title=each) for each in titles]
    print_rows([*columns, Column(title="architecture", cut=True)], rows)
    for line in refused:
        print(f"Note: {line}")


def _print_added(record: "Study", added: "Sequence[Added]") -> None:
    from ..results.numbers import format_measurement

    main = record.settings.main_metric
    for each in added:
        one = each.candidate
        score = one.measurements.get(main)
        text = "" if score is None else f", {main} {format_measurement(score)}"
        reason = f": {one.reason}" if one.reason else ""
        had = "" if each.fresh else " (in the study before)"
        print(f"Candidate {one.number}{had}: {one.status}{reason}{text}")
    print(f"Next: nas report {study_option(record.name)} | nas front {study_option(record.name)}")
