"""``nas baselines``: well-known networks scaled to a study's budget."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from .beside import print_baselines
from .fronts import sorted_front
from .measure import find_architecture
from .shared import (
    Json,
    Plugins,
    Storage,
    StudyName,
    print_json,
    sigterm_interrupts,
    study_option,
)
from .show import open_study
from .working import working

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..results.study.study import Study
    from ..searchers.run.additions import Added
    from ..searchers.run.baselines import ScaledBaseline


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("baselines")(baselines)


def baselines(
    *,
    networks: Annotated[
        str,
        typer.Option(
            metavar="A,B,...",
            help="resnet, convnext, vit, or a name of the zoo or a .json file.",
        ),
    ] = "resnet,convnext,vit",
    to: Annotated[
        list[str] | None,
        typer.Option(
            "--to",
            metavar="'macs=2e6'",
            help="Cost that they have within 2 %, repeatable.  [the study's upper bounds, else the "
            "MACs of its best candidate]",
        ),
    ] = None,
    on_front: Annotated[
        bool,
        typer.Option("--on-front", help="Let them be candidates of the front like any other."),
    ] = False,
    workers: Annotated[
        str | None, typer.Option(metavar="N", help="Networks trained at once.  [one per core]")
    ] = None,
    study: StudyName = None,
    storage: Storage = None,
    plugin: Plugins = None,
    as_json: Json = False,
) -> int:
    """Train well-known networks of the study's budget by its recipe, and show them by the front.

    Run it again to continue: what is trained already is not trained again.
    """
    from ..evaluators.scaling import read_target
    from ..evaluators.units import read_whole
    from ..search_space.errors import InputError
    from ..searchers.run.baselines import add_baselines, budgets, keeping_all, scaled_baselines
    from ..searchers.run.ledger import Ledger

    names = [each.strip() for each in networks.split(",") if each.strip()]
    if not names:
        raise InputError(f"--networks must name a network, but got {networks!r}")
    many = None if workers is None else read_whole("workers", workers, low=1)
    targets = tuple(map(read_target, to or ()))
    record = open_study(study, storage)
    with sigterm_interrupts(), working("Scaling the baselines") as view:
        found, refused = scaled_baselines(
            record,
            names,
            targets or budgets(record),
            lambda name: find_architecture(name, study, storage),
        )
        if not targets:
            found = keeping_all(found)
        if not found:
            raise InputError("; ".join(refused))
        view.update(f"Training {len(found)} baselines")
        added = add_baselines(record, found, Ledger(), view.update, on_front=on_front, workers=many)
    if as_json:
        print_json(_as_json(record, found, added, refused))
    else:
        _print(record, found, added, refused)
    return int(any(each.candidate.status == "failed" for each in added))


def _as_json(
    record: "Study",
    found: "Sequence[ScaledBaseline]",
    added: "Sequence[Added]",
    refused: "Sequence[str]",
) -> dict[str, Any]:
    return {
        "study": record.name,
        "baselines": [
            {
                "name": each.title,
                "to": str(each.target),
                "value": each.scaled.value,
                "error": each.scaled.error,
                "candidate": one.candidate.number,
                "fresh": one.fresh,
                "status": one.candidate.status,
                "reason": one.candidate.reason,
                "measurements": {n: m.to_json() for n, m in one.candidate.measurements.items()},
            }
            for each, one in zip(found, added, strict=True)
        ],
        "refused": list(refused),
    }


def _print(
    record: "Study",
    found: "Sequence[ScaledBaseline]",
    added: "Sequence[Added]",
    refused: "Sequence[str]",
) -> None:
    from ..searchers.run.baselines import target_text

    objectives = record.settings.objectives
    print_baselines(record, sorted_front(record), objectives, list(objectives))
    for each, one in zip(found, added, strict=True):
        candidate = one.candidate
        if candidate.status != "baseline":
            reason = f": {candidate.reason}" if candidate.reason else ""
            print(f"{each.title} is candidate {candidate.number}: {candidate.status}{reason}")
        if not each.scaled.met:
            print(
                f"Note: {each.title} has no size within 2 % of {target_text(each.target)}; the "
                f"nearest, {each.scaled.error:+.1%}, was taken"
            )
    for line in refused:
        print(f"Note: {line}")
    option = study_option(record.name)
    print(f"Next: nas front {option} | nas report {option}")
