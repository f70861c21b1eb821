"""The table of what each runtime does with each component, usable before torch is imported.

``benchmarks/runtime_matrix.py`` writes it from runs; ``docs/runtimes.md`` shows it.
"""

import csv
import io
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("component_table.csv")
"""The shipped table."""

RIGHT, WITHIN, WRONG, REFUSED = "right", "within tolerance", "wrong", "refused"
NOT_EXPORTABLE = "not exportable"
VERDICTS = (RIGHT, WITHIN, WRONG, REFUSED, NOT_EXPORTABLE)
"""All verdicts."""
ACTIVATION = "activation"
"""Kind of the activations, which are values of a knob of that name."""
RUNS = (RIGHT, WITHIN)
"""The verdicts of a runtime that runs the component."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What a runtime does with a component, found by running a small network."""

    runtime: str
    """Name of the runtime."""
    version: str
    """Version of the runtime."""
    kind: str
    """Kind of the component; ``activation`` for an activation."""
    component: str
    """Name of the component."""
    verdict: str
    """One of ``VERDICTS``."""
    difference: float | None = None
    """Largest difference of a score from torch's, relative to the largest score; None: there are no
    scores, or some are not finite."""
    network: str = ""
    """Start of the network's digest."""
    torch: str = ""
    """Version of torch, whose exporters wrote the network."""
    date: str = ""
    """Day of the run, UTC."""
    reason: str = ""
    """Why the component is wrong or refused, one line."""

    @property
    def key(self) -> tuple[str, str, str]:
        """Runtime, kind and name."""
        return self.runtime, self.kind, self.component

    @property
    def runs(self) -> bool:
        """Whether the runtime runs the component rightly, or within its tolerance."""
        return self.verdict in RUNS


Table = Mapping[tuple[str, str, str], Entry]
"""Entries by runtime, kind and name."""


@cache
def component_table() -> Table:
    """Return the shipped table."""
    return read_table(FILE)


def read_table(file: Path) -> dict[tuple[str, str, str], Entry]:
    """Return the table of a file; an empty one if there is no file."""
    if not file.exists():
        return {}
    with file.open(encoding="utf-8", newline="") as lines:
        entries = [_entry(line) for line in csv.DictReader(lines)]
    return {each.key: each for each in entries}


def _entry(line: Mapping[str, str]) -> Entry:
    values: dict[str, Any] = dict(line)
    values["difference"] = float(line["difference"]) if line["difference"] else None
    return Entry(**values)


def write_table(entries: Iterable[Entry], file: Path) -> None:
    """Write a table."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [each.name for each in fields(Entry)], lineterminator="\n")
    writer.writeheader()
    for each in entries:
        found = each.difference
        writer.writerow(asdict(each) | {"difference": "" if found is None else f"{found:.2g}"})
    part = file.with_suffix(f".{os.getpid()}.part")
    part.write_text(text.getvalue(), encoding="utf-8")
    part.replace(file)


def versions(table: Table, runtime: str) -> tuple[str, ...]:
    """Return the versions of a runtime in a table, sorted as text; none: it is not there."""
    return tuple(sorted({each.version for each in table.values() if each.runtime == runtime}))
