"""``nas export``."""

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .shared import Plugins, Storage, StudyName, WorkError, sigterm_interrupts
from .show import CandidateName, open_study
from .working import working

if TYPE_CHECKING:
    from collections.abc import Generator


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("export")(export)


def export(
    candidate: CandidateName,
    *,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Output file; the ending decides: .safetensors, .onnx, .pt2, .py, or for a "
            "runtime .xml (OpenVINO), .mnn, .param (ncnn), .pte (ExecuTorch) or .tflite (LiteRT).",
        ),
    ],
    untrained: Annotated[
        bool, typer.Option("--untrained", help="Export new, untrained weights.")
    ] = False,
    any_resolution: Annotated[
        bool,
        typer.Option("--any-resolution", help="Let .onnx and .pt2 take images of any size."),
    ] = False,
    batch: Annotated[
        str | None,
        typer.Option(
            "--batch",
            metavar="N",
            help="Images in one pass, for .onnx, .pt2 and runtimes.  [any number; runtimes: 1]",
        ),
    ] = None,
    int8: Annotated[
        bool,
        typer.Option(
            "--int8",
            help="Quantise the .onnx or .xml file to int8, calibrated on the training split, and "
            "state what that costs.",
        ),
    ] = False,
    int8_keep_worst: Annotated[
        str,
        typer.Option(metavar="N", help="Keep the N parts that lose most in int8 in float."),
    ] = "0",
    licence: Annotated[
        str | None,
        typer.Option("--data-licence", metavar="TEXT", help="Licence of the data, for the card."),
    ] = None,
    study: StudyName = None,
    storage: Storage = None,
    plugin: Plugins = None,
) -> None:
    """Write a candidate as a model file, checked against the measured network."""
    from ..evaluators.targets import stated_target
    from ..evaluators.units import read_whole

    images = None if batch is None else read_whole("batch", batch, low=1, hint="images")
    with _stopped_in_order():
        from ..results.export.files import check_target
        from ..results.export.formats import check_int8

        check_target(
            output
        )  # first, since reading the study takes a second, and importing torch several
        keep_worst = check_int8(output, int8, int8_keep_worst, any_resolution=any_resolution)
        record = open_study(study, storage)
        found = record.find(candidate)
        import torch

        torch.set_num_threads(1)  # more threads would wait for each other on a busy machine
        with working(f"Writing {output} and checking it against the measured network"):
            proof, checks = record.export(
                found,
                output,
                untrained=untrained,
                any_resolution=any_resolution,
                batch=images,
                int8=int8,
                int8_keep_worst=keep_worst,
                licence=licence,
            )
    from ..results.export.overwrite_guard import targets

    print(f"Wrote {output} ({proof.size / 1e6:.2f} MB)")
    _, *others = targets(output)
    cards = [each.name for each in others if each.suffix in (".md", ".json")]
    for beside in others[: -len(cards)]:
        print(f"Wrote {beside} ({beside.stat().st_size / 1e6:.2f} MB), its weights")
    card, *data = cards
    print(f"Wrote {card}, the model card" + "".join(f", and {each}, its data" for each in data))
    print(f"Candidate {found.number} of {record.name}: {found.architecture.outline()}")
    print("Weights: " + ("untrained" if untrained else "from the search's short schedule"))
    print(
        f"Checked on {proof.inputs} inputs: largest difference {proof.absolute:.3g} "
        f"(relative {proof.relative:.3g})"
    )
    where = f"{proof.real} images of the data" if proof.real else "random images"
    if stated_target(record.settings.data) == "classes":
        print(f"Top-1 agreement {100 * proof.agreement:.1f} % on {where}")
    for what, found_again in checks.items():
        print(f"{what.replace('_', ' ').capitalize()}: {found_again}")
    print(f"Sizes of images: {proof.sizes}")
    print(f"Images in one pass: {proof.batches}")
    print(f"Time of a pass: {proof.latency_ratio:.2g} times that of the network in torch")


@contextmanager
def _stopped_in_order() -> "Generator[None]":
    """At Ctrl-C or SIGTERM, report in one line that the unfinished export is removed."""
    try:
        with sigterm_interrupts():
            yield
    except KeyboardInterrupt:
        raise WorkError("interrupted; the model file was not written") from None
