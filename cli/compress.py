"""``nas compress``: a smaller candidate from a trained one."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from .origin import origin_lines, origin_text
from .shared import (
    Json,
    Plugins,
    Storage,
    StudyName,
    print_json,
    sigterm_interrupts,
    study_option,
)
from .show import CandidateName, front_text, open_study
from .working import working

if TYPE_CHECKING:
    from ..results.candidate import Candidate
    from ..results.study.study import Study


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("compress")(compress)


def compress(
    candidate: CandidateName,
    *,
    to: Annotated[
        list[str],
        typer.Option(
            "--to",
            metavar="'macs<=1e6'",
            help="Bound that the result keeps: on params, macs, latency, ...; repeatable.",
        ),
    ],
    method: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="prune (fewer channels), depth (fewer blocks), or best: try all and take the "
            "best start.",
        ),
    ] = "best",
    epochs: Annotated[
        str | None,
        typer.Option(metavar="N", help="Epochs of the fine-tuning.  [those of the search]"),
    ] = None,
    seed: Annotated[str, typer.Option(metavar="N", help="Seed of the compression.")] = "0",
    study: StudyName = None,
    storage: Storage = None,
    plugin: Plugins = None,
    as_json: Json = False,
) -> int:
    """Make a smaller candidate from a trained one: reduce, fine-tune, measure.

    Run it again to continue: a finished result is not made again.
    """
    from ..evaluators.units import read_whole
    from ..searchers.run.compress import CompressRequest
    from ..searchers.run.compress import compress as compress_
    from ..searchers.run.ledger import Ledger

    request = CompressRequest(
        to=tuple(to),
        method=method,
        epochs=None if epochs is None else read_whole("epochs", epochs, low=1),
        seed=read_whole("seed", seed, low=0),
    )
    record = open_study(study, storage)
    with sigterm_interrupts(), working("Reading the study") as view:

        def say(line: str) -> None:
            view.update(line)

        found = compress_(record, candidate, request, Ledger(), say)
    if as_json:
        print_json(
            {
                **_as_json(record, found.candidate, fresh=found.fresh),
                "missed": list(found.missed),
            }
        )
    else:
        _print(record, found.candidate, fresh=found.fresh)
        for each in found.missed:
            print(f"The recorded value does not keep the bound {each}; ask for a lower one.")
    return int(found.candidate.status == "failed")


def _as_json(record: "Study", candidate: "Candidate", *, fresh: bool) -> dict[str, Any]:
    return {
        "study": record.name,
        "candidate": candidate.number,
        "fresh": fresh,
        "status": candidate.status,
        "reason": candidate.reason,
        "origin": dict(candidate.origin),
        "measurements": {name: each.to_json() for name, each in candidate.measurements.items()},
    }


def _print(record: "Study", candidate: "Candidate", *, fresh: bool) -> None:
    from ..results.numbers import format_measurement

    if not fresh:
        print("This result was made before; nothing was trained again.")
    print(f"Candidate {candidate.number} of study {record.name}: {candidate.status}")
    print(f"{'made from':<12} {origin_text(candidate)}")
    for line in origin_lines(candidate):
        print(f"{'':<12} {line}")
    if candidate.reason:
        print(f"{'reason':<12} {candidate.reason}")
    parent = record.find(candidate.origin["parent"])
    for name, each in candidate.measurements.items():
        had = parent.measurements.get(name)
        was = "" if had is None else f"   (candidate {parent.number}: {format_measurement(had)})"
        print(f"{name:<12} {format_measurement(each)}{was}")
    if text := front_text(candidate, record):
        print(f"{'front':<12} {text}")
    if candidate.status == "complete":
        number = candidate.number
        print(
            f"Next: nas show {number} | nas export {number} -o model.safetensors (each with "
            f"{study_option(record.name)})"
        )
