"""``nas report``."""

from pathlib import Path
from typing import Annotated

import typer

from .shared import Plugins, Storage, StudyName
from .show import open_study
from .working import working


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("report")(report)


def report(
    *,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="Output file.")
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
        typer.Option(metavar="STUDY", help="Study to compare with; repeatable."),
    ] = None,
    study: StudyName = None,
    storage: Storage = None,
    plugin: Plugins = None,
) -> None:
    """Write the study as one HTML file that opens without a network."""
    from ..results.report.figure_files import write_candidates, write_figures
    from ..results.report.report import make_report, write_report

    record = open_study(study, storage)
    with working("Drawing the figures"):
        drawn = make_report(record, [open_study(name, storage) for name in compare or ()])
        write_report(drawn, output)
    print(f"Wrote {output} ({output.stat().st_size / 1e6:.1f} MB)")
    if csv is not None:
        write_candidates(record, csv)
        print(f"Wrote {csv}")
    if figures is not None:
        with working("Writing the figures as files"):
            files = write_figures(drawn, figures)
        print(f"Wrote {len(files)} files in {figures}")
