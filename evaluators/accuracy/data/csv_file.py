"""A data set listed in a CSV file: a row for each image file, with its class or other target."""

import csv
import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ....search_space.errors import InputError, unknown_name
from ...targets import MISSING, Target, split_target
from ...units import plural
from .cells import Cell, all_binary, binary, label_names, labels_in, names_in, number
from .layout import PARTS
from .listed import ListedImage, ListedImages, Listing
from .scan import few, shown

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "image": ("image", "path", "file", "filename", "file_name", "filepath", "image_path"),
    "label": ("label", "class", "target", "category"),
    "split": ("split", "set", "subset", "partition"),
}
"""Names of the columns, in any case; ``split`` is optional."""


@dataclass(frozen=True, kw_only=True)
class _Row:
    """A row of the table."""

    line: int
    image: str
    split: str
    cells: tuple[str, ...]
    """Cells of the columns of the target."""


@dataclass(frozen=True, kw_only=True)
class _Columns:
    """The places of the columns."""

    image: int
    split: int | None
    targets: tuple[int, ...]
    names: tuple[str, ...]
    """Names of the columns of the target."""


@dataclass(frozen=True, kw_only=True)
class CsvFile(ListedImages):
    """Images listed in a CSV file.

    The columns are ``image``, ``label`` and optionally ``split`` (see ``COLUMNS``), divided by
    commas, semicolons or tabs. Relative paths begin at the folder of the CSV file. A split is
    ``train``, ``val`` or ``test``; without that column, all images are for training.

    With the target ``regression``, every column but image and split holds numbers, one output of
    the network each; with ``labels`` each holds 0 or 1, or there is one column of names divided by
    ``|``, ``;`` or ``,``. ``regression:A,B`` and ``labels:A,B`` take these columns alone.
    """

    def make_listing(self) -> Listing:
        """Read the CSV file, without reading an image.

        Raises:
            InputError: If it is no CSV file with these columns, or a target has another form.
        """
        kind = split_target(self.target)[0] or "classes"
        columns, rows = self._table(kind)
        images: dict[str, list[tuple[_Row, Path]]] = {part: [] for part in PARTS}
        lost = dict[str, list[int]]()
        named = (
            kind == "labels"
            and len(columns.names) == 1
            and not all_binary(each.cells[0] for each in rows)
        )
        for row in rows:
            if not row.image or not (named or all(row.cells)):
                what = "image" if not row.image else MISSING[kind]
                lost.setdefault(what, []).append(row.line)
                continue
            part = next((p for p, names in PARTS.items() if row.split.lower() in names), None)
            if part is None:
                raise InputError(
                    f"a split must be one of train, val and test, but line {row.line} of "
                    f"'{shown(self.path)}' has {row.split!r}"
                )
            file = self.path.parent / os.path.expanduser(row.image)  # noqa: PTH111 (unknown users)
            images[part].append((row, file))
        outputs = columns.names
        if named:
            outputs = label_names(self._cell(row, columns, 0) for row, _ in images["train"])
        listed = {
            part: [self._image(row, file, kind, columns, outputs) for row, file in found]
            for part, found in images.items()
        }
        left_out = [
            f"{plural(len(lines), 'row')} without {each}, the first in line {lines[0]}"
            for each, lines in lost.items()
        ]
        return Listing(
            images=listed,
            left_out=tuple(sorted(left_out)),
            classes=() if kind == "classes" else outputs,
            target=kind,
        )

    def _image(
        self, row: _Row, file: Path, kind: Target, columns: _Columns, outputs: tuple[str, ...]
    ) -> ListedImage:
        """Return an image with its target."""
        found = _listed(file)
        if kind == "classes":
            return replace(found, label=row.cells[0])
        cells = [self._cell(row, columns, place) for place in range(len(columns.names))]
        if outputs is not columns.names:
            return replace(
                found, values=labels_in(names_in(cells[0].text), outputs, cells[0].where)
            )
        read = number if kind == "regression" else binary
        return replace(found, values=tuple(map(read, cells)))

    def _cell(self, row: _Row, columns: _Columns, place: int) -> Cell:
        where = f"line {row.line} of '{shown(self.path)}'"
        return Cell(text=row.cells[place], column=columns.names[place], where=where)

    def _table(self, kind: Target) -> tuple[_Columns, list[_Row]]:
        """Return the places of the columns, and the rows that are not empty."""
        try:
            with self.path.open(newline="", encoding="utf-8-sig") as file:
                first = file.readline()
                file.seek(0)
                table = csv.reader(
                    file,
                    delimiter=max(",;\t", key=first.count),
                    skipinitialspace=True,
                    strict=True,  # else an open quote takes in all further rows
                )
                header = [each.strip() for each in next(table, [])]
                columns = self._columns(header, kind)
                rows = (_row(table.line_num, cells, columns) for cells in table)
                return columns, [each for each in rows if each is not None]
        except OSError as error:
            raise InputError(
                f"a CSV file must be readable, but got '{shown(self.path)}': {error.strerror}"
            ) from None
        except (UnicodeDecodeError, csv.Error) as error:
            raise InputError(
                f"a CSV file must be text in UTF-8 with closed quotes, but got "
                f"'{shown(self.path)}': {error}"
            ) from None

    def _columns(self, header: Sequence[str], kind: Target) -> _Columns:
        """Return the places of the columns."""
        image, split = self._place(header, "image"), self._place(header, "split")
        assert image is not None, "the column of images is required"
        chosen = split_target(self.target)[1]
        for name in chosen:
            if header.count(name) != 1 or header.index(name) in (image, split):
                free = [each for place, each in enumerate(header) if place not in (image, split)]
                raise unknown_name(f"target column of '{shown(self.path)}'", name, free)
        if chosen:
            targets = tuple(header.index(name) for name in chosen)
        elif kind == "classes":
            place = self._place(header, "label")
            assert place is not None, "the column of labels is required"
            targets = (place,)
        else:
            targets = tuple(
                place for place, name in enumerate(header) if place not in (image, split) and name
            )
        names = tuple(header[place] for place in targets)
        if not names or len({*names}) < len(names):
            raise InputError(
                f"a CSV file must have columns of targets besides image and split, each with its "
                f"own name, but '{shown(self.path)}' has {few(names) or 'none'}"
            )
        return _Columns(image=image, split=split, targets=targets, names=names)

    def _place(self, header: Sequence[str], name: str) -> int | None:
        """Return the place of a column of ``COLUMNS``; None for no split."""
        known = COLUMNS[name]
        found = [place for place, each in enumerate(header) if each.lower() in known]
        if len(found) == 1:
            return found[0]
        if not found and name == "split":
            return None
        got = few([header[place] for place in found] or header) or "none"
        more = ""
        if name == "label" and not found and len(header) > 1:
            more = "; --target classes:COLUMN, regression or labels takes columns of any name"
        raise InputError(
            f"a CSV file must have one column named {' or '.join(known)}, but "
            f"'{shown(self.path)}' has {got}{more}"
        )


def _row(line: int, cells: Sequence[str], columns: _Columns) -> _Row | None:
    """Return a row, or None for an empty one."""

    def cell(place: int | None) -> str:
        return cells[place].strip() if place is not None and place < len(cells) else ""

    image, split = cell(columns.image), cell(columns.split)
    targets = tuple(map(cell, columns.targets))
    if not (image or split or any(targets)):
        return None
    split = "train" if columns.split is None else split
    return _Row(line=line, image=image, split=split, cells=targets)


def _listed(file: Path) -> ListedImage:
    try:
        found = file.stat()
    except (OSError, ValueError):  # decoding will fail and report it
        return ListedImage(source=file, size=0, changed=(0, 0))
    if not stat.S_ISREG(found.st_mode):  # reading a pipe or a device may never end
        raise InputError(f"an image must be a regular file, but '{shown(file)}' is not")
    changed = (found.st_mtime_ns, found.st_ctime_ns)
    return ListedImage(source=file, size=found.st_size, changed=changed)
