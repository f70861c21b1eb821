"""``nas fidelity``: how well the short score of a study ranks its candidates."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from .refine import say_long, say_seed
from .shared import (
    Column,
    Json,
    Plugins,
    Storage,
    StudyName,
    print_json,
    print_rows,
    sigterm_interrupts,
)
from .working import working

if TYPE_CHECKING:
    from ..results.analysis.fidelity import Fidelity
    from ..results.candidate import Candidate
    from ..results.study.study import Study


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("fidelity")(fidelity)


def fidelity(
    *,
    sample: Annotated[
        str | None,
        typer.Option(
            metavar="N",
            help="Candidates to train longer, spread over the short score and the MACs.  [24]",
        ),
    ] = None,
    epochs: Annotated[
        str | None,
        typer.Option(
            metavar="N", help="Epochs of the long training.  [five times the search's own]"
        ),
    ] = None,
    seeds: Annotated[
        str | None,
        typer.Option(metavar="N", help="Short trainings of each candidate, 1 or more.  [2]"),
    ] = None,
    scores: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,...",
            help="Training-free scores to compare too; none: recorded ones alone.  [all]",
        ),
    ] = None,
    diagnostics: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,...",
            help="Diagnostics of the search's kept weights to compare too, or all.",
        ),
    ] = None,
    recipe: Annotated[
        list[str] | None,
        typer.Option(
            "--recipe",
            metavar="NAME[=VALUE],...",
            help="Options of one more short training to compare, as listed by nas recipes; "
            "repeatable.",
        ),
    ] = None,
    seed: Annotated[
        str, typer.Option(metavar="N", help="Seed of the sample and of the intervals.")
    ] = "0",
    engine: Annotated[str, typer.Option(metavar="NAME", help="local or ray.")] = "local",
    workers: Annotated[
        str | None, typer.Option(metavar="N", help="Candidates trained at once.  [one per core]")
    ] = None,
    study: StudyName = None,
    storage: Storage = None,
    plugin: Plugins = None,
    as_json: Json = False,
) -> None:
    """Train a sample longer and with other seeds: how well does the short score rank?

    The results are stored in the study. Run it again to continue.
    """
    from ..evaluators.accuracy.option_table import read_options
    from ..evaluators.diagnostics import read_diagnostics
    from ..evaluators.scores import ALL, read_scores
    from ..evaluators.units import read_whole
    from .show import open_study

    given = {"sample": sample, "epochs": epochs, "seeds": seeds, "workers": workers, "seed": seed}
    counts = {
        name: read_whole(name, text, low=0 if name == "seed" else 1)
        for name, text in given.items()
        if text is not None
    }
    asked = scores or ALL
    names = () if asked.strip().lower() == "none" else read_scores(asked)
    trained = () if diagnostics is None else read_diagnostics(diagnostics)
    record = open_study(study, storage)
    with sigterm_interrupts():
        from ..searchers.run.fidelity import FidelityRequest, measure_fidelity
        from ..searchers.run.study_plan import training_of

        many = counts.pop("workers", None)
        request = FidelityRequest(
            scores=names,
            diagnostics=trained,
            recipe=read_options(recipe) if recipe else {},
            **counts,
        )
        training = training_of(record, engine=engine, workers=many)
        with working("Reading the study") as view:
            found = measure_fidelity(
                record,
                training,
                request,
                said_long=say_long,
                said_seeds=say_seed,
                said_recipe=_say_recipe,
                steps=lambda what, done, count: view.count(what.capitalize(), done, count),
            )
            view.update("Computing the intervals")
    if as_json:
        print_json({"study": record.name, **found.to_json()})
        return
    _print(record, found)


def _say_recipe(candidate: "Candidate", reason: str | None) -> None:
    """Print a training with recipe options that has finished."""
    text = "trained with the recipe options" if reason is None else f"failed: {reason}"
    print(f"#{candidate.number} {text}", file=sys.stderr, flush=True)


def _print(record: "Study", found: "Fidelity") -> None:
    """Print the table of rankings, the noise and the verdict."""
    from ..evaluators.units import plural
    from ..results.analysis.fidelity import verdict
    from ..results.analysis.rank_agreement import best_count
    from ..results.numbers import difference_number, format_difference

    rows = [
        [
            each.name,
            str(each.agreement.count),
            each.agreement.spearman.text(),
            each.agreement.kendall.text(),
            each.agreement.top_tenth.text(),
        ]
        for each in found.predictors
    ]
    titles = ("ranking by", "candidates", "Spearman", "Kendall", "best tenth")
    print_rows([Column(title=title) for title in titles], rows)
    print(
        f"Study {record.name}: {plural(len(found.sample), 'candidate')} trained for "
        f"{found.long_epochs} epochs, {found.short_epochs} in the search. Each ranking is compared "
        f"with that by the long score, with 95 % bootstrap intervals. The best tenth is the best "
        f"{best_count(len(found.sample))}; the last column is the share of them that is found."
    )
    if found.noise is not None:
        noise = found.noise
        both = "" if noise.agreement is None else f"; Spearman {noise.agreement.spearman.text()}"
        apart = difference_number(found.metric, noise.between_candidates)
        others = f", the candidates by {apart}{both}" if noise.candidates > 1 else ""
        print(
            f"Two seeds of one network differ by "
            f"{format_difference(found.metric, noise.between_seeds)} (standard deviation, "
            f"{plural(noise.candidates, 'candidate')}){others}"
        )
    print(
        f"The validation split distinguishes at most {found.distinguishable} of "
        f"{plural(found.complete, 'candidate')} by the short score."
    )
    for number, reason in found.failed.items():
        print(f"Candidate {number} failed: {reason}")
    print(verdict(found))
