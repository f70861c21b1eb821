"""What the commands share: options, consoles, tables."""

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..search_space.errors import WorkError as WorkError

if TYPE_CHECKING:
    from rich.console import Console

Json = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
StudyName = Annotated[
    str | None, typer.Option("--study", metavar="NAME", help="Name of the study.  [the latest]")
]
Storage = Annotated[
    str | None,
    typer.Option(
        "--storage", metavar="URL", help="Where studies are kept.  [sqlite:///runs/nas.db]"
    ),
]
ExportableOnly = Annotated[
    bool,
    typer.Option("--exportable-only", help="Only networks that can be written as ONNX."),
]
AnyResolution = Annotated[
    bool,
    typer.Option("--any-resolution", help="Only networks that take images of any size."),
]


def storage_url(given: str | None) -> str:
    """Return the storage's URL, or the default one."""
    from ..results.storage_url import read_storage

    return read_storage(given)


def console() -> "Console":
    """Return a console on standard output that never wraps what is piped."""
    from rich.console import Console

    return Console(soft_wrap=not sys.stdout.isatty(), highlight=False)


def print_json(data: Any) -> None:
    """Print JSON on standard output."""
    print(json.dumps(data, indent=2, allow_nan=False))


def shown(metric: str, value: float | None) -> str:
    """Return a metric's value as people read it."""
    from ..results.numbers import format_value

    return format_value(metric, value)


def print_rows(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table: lines drawn on a terminal, tabs where piped."""
    if not sys.stdout.isatty():
        for row in (header, *rows):
            print("\t".join(row))
        return
    from rich.box import SIMPLE
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE, pad_edge=False)
    for index, name in enumerate(header):
        last = index == len(header) - 1
        table.add_column(name, justify="left" if last else "right", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console().print(table)
