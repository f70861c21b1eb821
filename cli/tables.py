"""Tables for terminals of any width: one line per row, without broken names."""

import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_GAP = "  "
_MORE = " …"
_LEAST = 24
"""Fewest characters of a column that may be cut."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of a table: its title, and how it shrinks on narrow terminals."""

    title: str
    """Title of the column."""
    drop: int = 0
    """Order in which columns are left out: the largest number first; 0: never."""
    cut: bool = False
    """Whether long cells are cut."""
    tail: str = ""
    """Separator before the part of a cell that is kept when the cell is cut; empty: none."""
    pieces: str = ""
    """Separator of the names in a cell, of which the first is kept, the others if they fit; empty:
    the cell is one name."""


def print_rows(columns: Sequence[str | Column], rows: Iterable[Sequence[str]]) -> None:
    """Print a table as wide as the terminal; in a pipe, with tabs and all columns.

    A column given by its title alone is never left out; the last column may be cut.
    """
    specs = [_column(each, index == len(columns) - 1) for index, each in enumerate(columns)]
    cells = [[" ".join(cell.split()) for cell in row] for row in rows]
    if not sys.stdout.isatty():
        for row in ([each.title for each in specs], *cells):
            print("\t".join(row))
        return
    for line in table_lines(specs, cells, shutil.get_terminal_size().columns):
        print(line)


def _column(given: str | Column, last: bool) -> Column:
    return Column(title=given, cut=last) if isinstance(given, str) else given


def table_lines(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """Return the lines of a table, none longer than ``width`` unless a name is longer.

    Args:
        columns: Columns of the table.
        rows: The cells.
        width: Characters per line.
    """
    natural = [
        max([_places(each.title), *(_places(row[index]) for row in rows)])
        for index, each in enumerate(columns)
    ]
    least = [_least(each, natural[i], [row[i] for row in rows]) for i, each in enumerate(columns)]
    kept, widths = _fitted(columns, natural, least, width)
    lines: list[list[str]] = [[columns[index].title for index in kept]]
    lines.append(["─" * widths[index] for index in kept])
    numbers = {index for index in kept if all(_is_number(row[index]) for row in rows)}
    for row in rows:
        lines.append([_shortened(row[index], widths[index], columns[index]) for index in kept])
    shown = [
        _GAP.join(
            _padded(cell, widths[index], right=index in numbers)
            for index, cell in zip(kept, line, strict=True)
        ).rstrip()
        for line in lines
    ]
    if len(kept) < len(columns):
        left_out = [each.title for index, each in enumerate(columns) if index not in kept]
        note = f"Columns that need a wider terminal: {', '.join(left_out)}"
        shown += textwrap.wrap(note, max(width, 20))
    return shown


def _least(column: Column, natural: int, cells: Sequence[str]) -> int:
    """Return the fewest characters that a column needs."""
    if column.pieces:
        firsts = [_places(each.partition(column.pieces)[0]) + len(_MORE) for each in cells]
        return min(natural, max([_places(column.title), *firsts]))
    return min(_LEAST, natural) if column.cut else natural


def _fitted(
    columns: Sequence[Column], natural: Sequence[int], least: Sequence[int], width: int
) -> tuple[list[int], dict[int, int]]:
    """Return the columns shown, and the width of each."""
    kept = list(range(len(columns)))

    def room() -> int:
        return width - sum(least[index] for index in kept) - len(_GAP) * (len(kept) - 1)

    while room() < 0:
        droppable = [index for index in kept if columns[index].drop]
        if not droppable:
            break
        kept.remove(max(droppable, key=lambda index: (columns[index].drop, index)))
    left = max(0, room())
    widths: dict[int, int] = {}
    for index in kept:
        more = min(left, natural[index] - least[index])
        widths[index] = least[index] + more
        left -= more
    return kept, widths


def _places(text: str) -> int:
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def _padded(text: str, width: int, *, right: bool) -> str:
    space = " " * (width - _places(text))
    return space + text if right else text + space


def _is_number(cell: str) -> bool:
    return not cell or cell == "-" or cell[0].isdigit()


def _shortened(text: str, width: int, column: Column) -> str:
    """Cut a text to ``width``; the part before a tail is cut first."""
    if _places(text) <= width:
        return text
    if column.pieces:
        names = text.split(column.pieces)
        while len(names) > 1 and _places(column.pieces.join(names)) + len(_MORE) > width:
            names.pop()
        return column.pieces.join(names) + _MORE
    head, separator, tail = text.rpartition(column.tail) if column.tail else ("", "", "")
    kept = separator + tail
    if separator and _places(kept) <= width - 4:
        return _cut(head, width - _places(kept)) + kept
    return _cut(text, width)


def _cut(text: str, width: int) -> str:
    while _places(text) > width - 1:
        text = text[: max(0, min(len(text) - 1, width - 1))]
    return f"{text.rstrip()}…"
