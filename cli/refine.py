"""``nas refine``: better measurements of the candidates of a finished search."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from .shared import Json, Plugins, Storage, StudyName, print_json, shown, sigterm_interrupts

if TYPE_CHECKING:
    from ..results.candidate import Candidate
    from ..results.study.study import Study


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("refine")(refine)


def refine(
    *,
    seeds: Annotated[
        str | None,
        typer.Option(
            metavar="N", help="Train each candidate of the front until it has N seeds, at least 2."
        ),
    ] = None,
    engine: Annotated[str, typer.Option(metavar="NAME", help="local or ray.")] = "local",
    workers: Annotated[
        str | None, typer.Option(metavar="N", help="Candidates trained at once.  [one per core]")
    ] = None,
    study: StudyName = None,
    storage: Storage = None,
    plugin: Plugins = None,
    as_json: Json = False,
) -> None:
    """Train the candidates of the front again; the front then goes by means and their intervals.

    Run it again to continue: what is trained already is not trained again.
    """
    from ..evaluators.units import read_whole
    from ..search_space.errors import InputError
    from ..searchers.run.ledger import Ledger

    if seeds is None:
        raise InputError("nas refine must be told what to do: --seeds 3")
    count = read_whole("seeds", seeds, low=2, hint="trainings of each candidate")
    at_once = None if workers is None else read_whole("workers", workers, low=1)
    ledger = Ledger()
    from .show import open_study

    record = open_study(study, storage)
    with sigterm_interrupts():
        from ..searchers.run.repeat import repeat_front
        from ..searchers.run.study_plan import training_of

        training = training_of(record, engine=engine, workers=at_once)
        found = repeat_front(record, training, count, ledger, _say)
    if as_json:
        front = [each.number for each in _front(record)]
        trained = {"trainings": found.trainings, "candidates": list(found.candidates)}
        failed = {str(number): reason for number, reason in found.failed.items()}
        print_json({"study": record.name, **trained, "failed": failed, "front": front})
        return
    _print_end(record, found.trainings, len(found.candidates), ledger.clock.wall)


def _say(candidate: "Candidate", reason: str | None) -> None:
    """Print a training that has finished."""
    from ..results.numbers import format_measurement

    if reason is not None:
        print(f"#{candidate.number} failed: {reason}", file=sys.stderr, flush=True)
        return
    for name, singles in candidate.singles.items():
        mean = format_measurement(candidate.measurements[name])
        last = shown(name, singles[-1].value)
        text = f"{name} {last}, the mean of {len(singles)} seeds is {mean}"
        print(f"#{candidate.number} {text}", file=sys.stderr, flush=True)


def _front(record: "Study") -> "list[Candidate]":
    from .show import sorted_front

    return sorted_front(record)


def _print_end(record: "Study", trainings: int, candidates: int, wall: float) -> None:
    from ..evaluators.units import plural
    from ..results.study.run_time import duration
    from .show import print_front, resolution_text

    print_front(record)
    print(
        f"Study {record.name}: {plural(trainings, 'training')} of "
        f"{plural(candidates, 'candidate')} in {duration(wall)}"
    )
    if text := resolution_text(record):
        print(text)
