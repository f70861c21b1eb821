"""``nas refine``: better scores of the candidates of a finished search."""

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .shared import (
    Json,
    Plugins,
    Storage,
    StudyName,
    print_json,
    shown,
    sigterm_interrupts,
    study_option,
)

if TYPE_CHECKING:
    from ..results.candidate import Candidate
    from ..results.study.study import Study
    from ..searchers.run.lengthen import Lengthened
    from ..searchers.run.repeat import Repeated
    from ..searchers.run.rerun import Rerun


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
    long: Annotated[
        str | None,
        typer.Option(
            metavar="N",
            help="Train N candidates longer, at least 4; predict the long scores of the others.",
        ),
    ] = None,
    epochs: Annotated[
        str | None,
        typer.Option(metavar="N", help="Epochs of --long.  [five times the search's own]"),
    ] = None,
    runs: Annotated[
        str | None,
        typer.Option(
            metavar="N",
            help="Measure the latency of ties again, until they separate or each has N runs.",
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
    """Measure candidates again: with more seeds or runs (the front goes by means), or longer.

    Run it again to continue: what is trained already is not trained again.
    """
    from ..evaluators.units import read_whole
    from ..searchers.run.ledger import Ledger
    from ..searchers.run.refine_request import check_request

    given = {"seeds": seeds, "long": long, "epochs": epochs, "runs": runs, "workers": workers}
    counts = {
        name: None if text is None else read_whole(name, text, low=1)
        for name, text in given.items()
    }
    many, longer, length = counts["seeds"], counts["long"], counts["epochs"]
    check_request(seeds=many, long=longer, epochs=length, runs=counts["runs"])
    from .show import open_study

    record = open_study(study, storage)
    repeated = lengthened = rerun = None
    with sigterm_interrupts():
        from ..searchers.run.lengthen import lengthen
        from ..searchers.run.repeat import repeat_front
        from ..searchers.run.study_plan import training_of

        if counts["runs"] is not None:
            from ..searchers.run.rerun import rerun_ties

            rerun = rerun_ties(record, counts["runs"], Ledger(), say_seed)
        training = None
        if many is not None or longer is not None:
            training = training_of(record, engine=engine, workers=counts["workers"])
        if training is not None and many is not None:
            repeated = repeat_front(record, training, many, Ledger(), say_seed)
        if training is not None and longer is not None:
            lengthened = lengthen(record, training, longer, length, Ledger(), say_long)
    if as_json:
        print_json(_as_json(record, repeated, lengthened, rerun))
        return
    if rerun is not None:
        _print_rerun(record, rerun)
    if repeated is not None:
        _print_repeated(record, repeated)
    if lengthened is not None:
        _print_lengthened(record, lengthened)


def _as_json(
    record: "Study",
    repeated: "Repeated | None",
    lengthened: "Lengthened | None",
    rerun: "Rerun | None",
) -> dict[str, Any]:
    from .fronts import sorted_front

    found: dict[str, Any] = {"study": record.name}
    if rerun is not None:
        found["runs"] = {
            "measurements": rerun.measured.trainings,
            "candidates": list(rerun.measured.candidates),
            "failed": _by_text(rerun.measured.failed),
            "ties": {str(number): better for number, better in rerun.ties.items()},
        }
    if repeated is not None:
        found["seeds"] = {
            "trainings": repeated.trainings,
            "candidates": list(repeated.candidates),
            "failed": _by_text(repeated.failed),
        }
    if lengthened is not None:
        check = lengthened.check
        found["long"] = {
            "epochs": lengthened.epochs,
            "trained": list(lengthened.trained),
            "failed": _by_text(lengthened.failed),
            "predicted": lengthened.predicted,
            "left_out": None
            if check is None
            else {"count": check.count, "inside": check.inside, "median_error": check.error},
        }
    return {**found, "front": [each.number for each in sorted_front(record)]}


def _by_text(failed: Any) -> dict[str, str]:
    return {str(number): reason for number, reason in failed.items()}


def say_seed(candidate: "Candidate", reason: str | None) -> None:
    """Print a repeated training or measurement that has finished."""
    from ..results.analysis.means import repeats

    if reason is not None:
        print(f"#{candidate.number} failed: {reason}", file=sys.stderr, flush=True)
        return
    for name, singles in candidate.singles.items():
        mean = shown(name, candidate.measurements[name].value)  # the interval needs all trainings
        last = shown(name, singles[-1].value)
        text = f"{name} {last}, the mean of {len(singles)} {repeats(name)} is {mean}"
        print(f"#{candidate.number} {text}", file=sys.stderr, flush=True)


def say_long(candidate: "Candidate", reason: str | None) -> None:
    """Print a long training that has finished."""
    from ..results.analysis.main_metric import main_metric
    from ..results.numbers import format_measurement

    if reason is not None:
        print(f"#{candidate.number} failed: {reason}", file=sys.stderr, flush=True)
        return
    names = main_metric([candidate])
    short, score = (
        format_measurement(candidate.measurements[name]) for name in (names.short, names.long)
    )
    text = (
        f"#{candidate.number} {names.short} {short} after the search, {score} after long training"
    )
    print(text, file=sys.stderr, flush=True)


def _print_rerun(record: "Study", found: "Rerun") -> None:
    from ..evaluators.units import plural
    from .show import print_front

    print_front(record)
    left = f"{plural(len(found.ties), 'tie')} left, which more runs have not separated"
    print(
        f"Study {record.name}: {plural(found.measured.trainings, 'further run')} of "
        f"{plural(len(found.measured.candidates), 'candidate')}; {left if found.ties else 'no tie'}"
    )
    _print_failed(found.measured.failed)


def _print_repeated(record: "Study", found: "Repeated") -> None:
    from ..evaluators.units import plural
    from .fronts import resolution_text
    from .show import print_front

    print_front(record)
    print(
        f"Study {record.name}: {plural(found.trainings, 'further training')} of "
        f"{plural(len(found.candidates), 'candidate')}"
    )
    _print_failed(found.failed)
    if text := resolution_text(record):
        print(text)


def _print_lengthened(record: "Study", found: "Lengthened") -> None:
    from ..evaluators.units import plural
    from ..results.numbers import format_difference
    from .show import print_front

    if found.predicted:
        print_front(record, corrected=True)
    print(
        f"Study {record.name}: {plural(len(found.trained), 'candidate')} trained for "
        f"{plural(found.epochs, 'epoch')}; the scores of {found.predicted:,} others are predicted"
    )
    _print_failed(found.failed)
    if found.check is not None:
        print(
            f"Each long score predicted from the others: {found.check.inside} of "
            f"{found.check.count} in their 95 % intervals, median error "
            f"{format_difference(record.settings.main_metric, found.check.error)}"
        )
    print(f"Next: nas front --corrected {study_option(record.name)}")


def _print_failed(failed: Any) -> None:
    for number, reason in failed.items():
        print(f"Candidate {number} failed: {reason}")
