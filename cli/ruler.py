"""``nas ruler``."""

from pathlib import Path
from typing import Annotated

import typer

from .shared import Json, print_json, print_rows
from .tables import Column


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("ruler")(ruler)


def ruler(
    *,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE.py", help="Write the script to this file."),
    ] = None,
    as_json: Json = False,
) -> None:
    """List the runtimes, or write the script that times model files on another device.

    The script is one file, which needs Python, NumPy and the runtime.
    """
    from ..evaluators.runtime_table import RUNTIMES

    if output is not None:
        from ..evaluators.runtimes import is_ruler, ruler_script
        from ..results.analysis.table import write_atomically
        from ..results.export.overwrite_guard import check_marked

        check_marked(output, marked=is_ruler(output))
        write_atomically(output, ruler_script().read_text(encoding="utf-8"))
        if as_json:
            print_json({"file": str(output)})
        else:
            print(f"Wrote {output}; use it as in --device-command 'ssh pi python3 {output.name}'")
        return
    found = {name: list(each.absent()) for name, each in RUNTIMES.items()}
    if as_json:
        print_json(
            {name: {"absent": found[name], "extra": e.extra} for name, e in RUNTIMES.items()}
        )
        return
    rows = [
        [
            name,
            each.metric.name,
            "installed" if not found[name] else f"pip install 'nas-explorer[{each.extra}]'",
        ]
        for name, each in RUNTIMES.items()
    ]
    print_rows([Column(title=each) for each in ("runtime", "metric", "")], rows)
