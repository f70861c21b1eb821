"""What the commands share: options, consoles, numbers as people read them."""

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from ..evaluators.base import Measurement

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


class WorkError(Exception):
    """The request was right but the work failed: exit code 1."""


def storage_url(given: str | None) -> str:
    """Return the storage's URL, or the default one."""
    from ..results.storage import DEFAULT_STORAGE

    return given or DEFAULT_STORAGE


def console() -> "Console":
    """Return a console on standard output that never wraps what is piped."""
    from rich.console import Console

    return Console(soft_wrap=not sys.stdout.isatty(), highlight=False)


def print_json(data: Any) -> None:
    """Print JSON on standard output."""
    print(json.dumps(data, indent=2, allow_nan=False))


def quantity(value: float) -> str:
    """Return a count with three digits and k, M or G: 1234567 is ``1.23M``."""
    for size, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= 0.9995 * size:  # 999,900 is 1M, not 1e+03k
            return f"{value / size:.3g}{suffix}"
    return f"{value:.3g}"


def shown(metric: str, value: float | None) -> str:
    """Return a metric's value as people read it."""
    if value is None:
        return "-"
    if metric == "accuracy":
        return f"{100 * value:.2f} %"
    if metric == "latency":
        return f"{value:.3g} ms"
    return quantity(value)


def with_interval(measurement: "Measurement") -> str:
    """Return a measurement with its interval, where it has one."""
    text = shown(measurement.metric, measurement.value)
    if measurement.low is None or measurement.high is None:
        return text
    low, high = (shown(measurement.metric, end) for end in (measurement.low, measurement.high))
    return f"{text}  ({low} to {high})"


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
