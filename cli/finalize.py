"""``nas finalize``."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .shared import (
    Augmentation,
    Json,
    Plugins,
    Recipe,
    Resolution,
    Storage,
    StudyName,
    Target,
    WorkError,
    print_json,
    shown,
    sigterm_interrupts,
)
from .working import working

if TYPE_CHECKING:
    from ..results.final.finalize import Finalized, Prepared
    from ..results.final.trainings import Step
    from .working import Working

_PAUSE = 5.0
"""Seconds between two lines of progress where standard error is no terminal."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("finalize")(finalize)


def finalize(
    network: Annotated[
        str,
        typer.Argument(
            metavar="CANDIDATE|NAME|FILE",
            help="A candidate, a published network, or a .json or .safetensors file.",
        ),
    ],
    *,
    data: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The data, as of nas search.  [those of the study]"),
    ] = None,
    target: Target = None,
    epochs: Annotated[
        str | None,
        typer.Option(metavar="N", help="Passes over the training images.  [sized by the data]"),
    ] = None,
    init: Annotated[
        str,
        typer.Option(
            metavar="START",
            help="Weights at the start: scratch, search, another candidate, a .safetensors file, "
            "timm:NAME or timm:NAME:FILE.",
        ),
    ] = "scratch",
    seeds: Annotated[
        str, typer.Option(metavar="K", help="Number of trainings, each with its own seed.")
    ] = "1",
    seed: Annotated[
        str, typer.Option(metavar="N", help="Seed that those of the trainings derive from.")
    ] = "0",
    resolution: Resolution = None,
    augmentation: Augmentation = None,
    class_weights: Annotated[
        bool,
        typer.Option("--class-weights", help="Let every class count the same in training."),
    ] = False,
    recipe: Recipe = None,
    device: Annotated[
        str, typer.Option(metavar="NAME", help="auto, cpu, cuda or cuda:N.")
    ] = "auto",
    no_test: Annotated[bool, typer.Option("--no-test", help="Do not read the test split.")] = False,
    read_test_again: Annotated[
        bool,
        typer.Option(
            "--read-test-again", help="Read the test split although it has been read; it counts."
        ),
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FOLDER", help="Results.  [one in runs/final]"),
    ] = None,
    study: StudyName = None,
    storage: Storage = None,
    plugin: Plugins = None,
    as_json: Json = False,
) -> None:
    """Train a network in full, and read the test split once.

    Run it again to continue: the same command ends with the same weights.
    """
    from ..evaluators.accuracy.option_table import read_options
    from ..evaluators.units import read_whole
    from ..results.final.options import FinalOptions
    from ..searchers.run.options import read_side
    from .shared import storage_url

    options = FinalOptions(
        network=network,
        data=data,
        target=target,
        epochs=None if epochs is None else read_whole("epochs", epochs),
        init=init,
        seeds=read_whole("seeds", seeds),
        seed=read_whole("seed", seed),
        resolution=None if resolution is None else read_side("resolution", resolution),
        augmentation=augmentation,
        class_weights=class_weights,
        recipe=read_options(recipe) if recipe else {},
        device=device,
        test=not no_test,
        read_test_again=read_test_again,
        output=None if output is None else str(output),
        study=study,
        storage=storage_url(storage),
    )
    prepared = None
    try:
        with sigterm_interrupts():
            from ..results.final.finalize import finished, prepare, run

            with working("Reading the network and the images"):
                prepared = prepare(options)
                before = finished(prepared)
            if before is None:
                _begin(prepared)
                with working("Training: the first epoch") as view:
                    found = run(prepared, TrainingView(options.seeds, view))
            else:
                found = before
    except KeyboardInterrupt:
        raise _interrupted(None if prepared is None else prepared.folder) from None
    if as_json:
        print_json({"folder": str(found.folder), **found.result})
        return
    if before is not None:
        print("This run was finished before; nothing was trained or read again.")
    _print(found)


def _interrupted(folder: Path | None) -> WorkError:
    """Return the error for an interruption, which says what is stored."""
    if folder is None or not any(folder.glob("seed-*")):
        return WorkError("interrupted; nothing is stored yet, and the same command starts again")
    return WorkError(
        f"interrupted; finished trainings and the last checkpoint are in {folder}, and the same "
        "command resumes"
    )


def _begin(prepared: "Prepared") -> None:
    """Print what is trained on standard error."""
    from ..evaluators.units import plural

    subject, recipe, data = prepared.subject, prepared.recipe, prepared.subject.data
    where = "" if subject.study is None else f" of study {subject.study.name}"
    lines = [
        f"{subject.label[0].upper()}{subject.label[1:]}{where}: {subject.architecture.outline()}",
        f"Data {data.spec.name}: {len(data.train_labels):,} training and "
        f"{len(data.validation_labels):,} validation images of {data.channels}x{data.resolution}x"
        f"{data.resolution}",
        *(f"Left out: {each}" for each in data.left_out),
        *subject.notes,
        f"Training {plural(prepared.options.seeds, 'network')} for up to "
        f"{plural(recipe.epochs, 'epoch')} on {prepared.trainer.device}; results in "
        f"{prepared.folder}",
    ]
    for line in lines:
        print(line, file=sys.stderr, flush=True)


class TrainingView:
    """The progress of trainings: a line every few seconds, or one that changes on a terminal."""

    def __init__(self, seeds: int, view: "Working") -> None:
        from rich.console import Console

        self._view = view
        self._console = Console(stderr=True, highlight=False)
        self._seeds = seeds
        self._shown = 0.0

    def __call__(self, step: "Step") -> None:
        """Show an epoch."""
        self._view.close()
        last = step.epoch == step.epochs
        terminal = self._console.is_terminal
        if not (terminal or last) and time.monotonic() - self._shown < _PAUSE:
            return
        self._shown = time.monotonic()
        result = step.result
        left = result.seconds / step.epoch * (step.epochs - step.epoch)
        named = "" if result.metric == "accuracy" else f"{result.metric} "
        which = f"seed {step.seed + 1}/{self._seeds}, " if self._seeds > 1 else ""
        line = (
            f"[{which}epoch {step.epoch}/{step.epochs}] training loss {result.train_loss:.3g}, "
            f"validation {named}{shown(result.metric, result.validation_score)} (loss "
            f"{result.validation_loss:.3g}), {left:.0f} s left"
        )
        if terminal:
            self._console.print(line, markup=False, end="\n" if last else "\r", overflow="ellipsis")
        else:
            print(line, file=sys.stderr, flush=True)
        if last and step.seed + 1 == self._seeds:
            self._view.reopen("Scoring the splits and writing the files")


def _print(found: "Finalized") -> None:
    """Print the scores and the files."""
    from ..results.final.card import confusion_lines, output_table, summary_lines

    result = found.result
    for line in summary_lines(result):
        print(f"{line[0].upper()}{line[1:]}")
    for name, each in (("validation", found.validation), ("test", found.test)):
        if each is not None and len(each.metrics) > 1:
            texts = [f"{key} {each.text(key)}" for key in each.metrics if key != each.main_name]
            print(f"{name.capitalize()}: {', '.join(texts)}")
    print()
    for lines in filter(None, (output_table(result), confusion_lines(result))):
        print("\n".join(lines))
        print()
    print(f"Wrote {found.model}, card.md, curve.csv, curve.html and result.json beside it")
