"""A data set listed in a CSV file: one row for each image file, with its class."""

import csv
import os
import stat
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ....search_space.errors import InputError
from ...units import plural
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
class CsvFile(ListedImages):
    """Images listed in a CSV file.

    The columns are ``image``, ``label`` and optionally ``split`` (see ``COLUMNS``), divided by
    commas, semicolons or tabs. Relative paths begin at the folder of the CSV file. A split is
    ``train``, ``val`` or ``test``; without that column, all images are for training.
    """

    def make_listing(self) -> Listing:
        """Read the CSV file, without reading an image.

        Raises:
            InputError: If it is no CSV file with these columns.
        """
        images: dict[str, list[ListedImage]] = {part: [] for part in PARTS}
        lost = Counter[str]()
        for line, image, label, split in self._rows():
            if not image or not label:
                lost["image" if not image else "label"] += 1
                continue
            part = next((p for p, names in PARTS.items() if split.lower() in names), None)
            if part is None:
                raise InputError(
                    f"a split must be one of train, val and test, but line {line} of "
                    f"'{shown(self.path)}' has {split!r}"
                )
            file = self.path.parent / os.path.expanduser(image)  # noqa: PTH111 (unknown users)
            images[part].append(_listed(file, label))
        left_out = [f"{plural(count, 'row')} without {each}" for each, count in lost.items()]
        return Listing(images=images, left_out=tuple(sorted(left_out)))

    def _rows(self) -> Iterator[tuple[int, str, str, str]]:
        """Yield line, image, label and split of each row."""
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
                places = self._places([each.strip() for each in next(table, [])])
                for row in table:
                    cells = {
                        name: row[place].strip() if place < len(row) else ""
                        for name, place in places.items()
                    }
                    if any(cells.values()):
                        split = cells.get("split", "train")
                        yield table.line_num, cells["image"], cells["label"], split
        except OSError as error:
            raise InputError(
                f"a CSV file must be readable, but got '{shown(self.path)}': {error.strerror}"
            ) from None
        except (UnicodeDecodeError, csv.Error) as error:
            raise InputError(
                f"a CSV file must be text in UTF-8 with closed quotes, but got "
                f"'{shown(self.path)}': {error}"
            ) from None

    def _places(self, header: Sequence[str]) -> dict[str, int]:
        """Return the places of the columns."""
        places: dict[str, int] = {}
        for name, known in COLUMNS.items():
            found = [place for place, each in enumerate(header) if each.lower() in known]
            if len(found) == 1:
                places[name] = found[0]
            elif found or name != "split":
                got = few([header[place] for place in found] or header) or "none"
                raise InputError(
                    f"a CSV file must have one column named {' or '.join(known)}, but "
                    f"'{shown(self.path)}' has {got}"
                )
        return places


def _listed(file: Path, label: str) -> ListedImage:
    try:
        found = file.stat()
    except (OSError, ValueError):  # decoding will fail and report it
        return ListedImage(source=file, label=label, size=0, changed=(0, 0))
    if not stat.S_ISREG(found.st_mode):  # reading a pipe or a device may never end
        raise InputError(f"an image must be a regular file, but '{shown(file)}' is not")
    changed = (found.st_mtime_ns, found.st_ctime_ns)
    return ListedImage(source=file, label=label, size=found.st_size, changed=changed)
