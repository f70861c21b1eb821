"""The part of ``docs/runtimes.md`` that shows the table of components."""

import math
from collections import Counter
from collections.abc import Sequence
from itertools import groupby

from ..runtime_table import RUNTIMES
from .component_networks import component_kinds
from .component_table import NOT_EXPORTABLE, RIGHT, VERDICTS, WITHIN, WRONG, Entry, Table

BEGIN, END = "<!-- components: written by docs/write_runtimes.py -->", "<!-- components end -->"


def with_components(page: str, table: Table) -> str:
    """Return the page with the part about components written anew.

    Args:
        page: The page, which has the lines ``BEGIN`` and ``END``.
        table: The table.
    """
    before, _, rest = page.partition(f"{BEGIN}\n")
    return f"{before}{BEGIN}\n\n{_section(table)}\n{END}{rest.partition(END)[2]}"


def _section(table: Table) -> str:
    names = [name for name in RUNTIMES if any(each.runtime == name for each in table.values())]
    head = ("runtime", "torch", "run", "batches", "tolerance", *VERDICTS, "runs")
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    lines += [_totals(name, [e for e in table.values() if e.runtime == name]) for name in names]
    for kind, components in component_kinds().items():
        lines += ["", f"| {kind} | " + " | ".join(names) + " |", "|" + "---|" * (len(names) + 1)]
        for name in components:
            cells = [_cell(table.get((runtime, kind, name))) for runtime in names]
            lines.append(f"| `{name}` | " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", *_reasons(table, names)])


def _totals(name: str, entries: Sequence[Entry]) -> str:
    counts = Counter(each.verdict for each in entries)
    typed = len(entries) - counts[NOT_EXPORTABLE]
    runtime = RUNTIMES[name].load()
    share = math.floor(1000 * sum(each.runs for each in entries) / typed) / 10
    versions = ", ".join(sorted({each.version for each in entries}))
    torches = ", ".join(sorted({each.torch for each in entries}))
    dates = sorted({each.date for each in entries})
    days = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
    batches = ", ".join(map(str, runtime.batches))
    cells = [
        f"`{name}` {versions}",
        torches,
        days,
        batches,
        f"{runtime.tolerance['float32']:g}",
        *(str(counts[each]) for each in VERDICTS),
        f"{share:g} % of {typed}",
    ]
    return f"| {' | '.join(cells)} |"


def _cell(entry: Entry | None) -> str:
    if entry is None:
        return "not run"
    if entry.verdict in (RIGHT, NOT_EXPORTABLE):
        return entry.verdict
    bold = f"**{entry.verdict}**" if entry.verdict == WRONG else entry.verdict
    if entry.difference is None:
        return bold
    text = f"{entry.difference:.1g}"
    return f"{text} off" if entry.verdict == WITHIN else f"{bold}, {text} off"


def _reasons(table: Table, names: Sequence[str]) -> list[str]:
    """Return the reasons of what is not right, by runtime, each once."""
    lines = ["What is wrong or refused, and why:", ""]
    for name in names:
        failed = [e for e in table.values() if e.runtime == name and e.reason]
        for reason, group in groupby(sorted(failed, key=lambda e: e.reason), lambda e: e.reason):
            who = ", ".join(f"`{each.component}`" for each in group)
            lines.append(f"- {name}: {who}: {_escaped(reason)}")
    return lines


def _escaped(reason: str) -> str:
    return f"`{reason.replace('`', chr(39))}`"
