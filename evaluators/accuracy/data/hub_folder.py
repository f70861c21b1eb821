"""A data set in a folder in the form of Hugging Face's library ``datasets``."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ....search_space.errors import InputError
from ...targets import MISSING
from ...units import plural
from .hub_targets import HubTargets
from .image_files import StoredImage
from .layout import PARTS
from .listed import ListedImage, ListedImages, Listing
from .scan import few, shown


@dataclass(frozen=True, kw_only=True)
class HubFolder(ListedImages):
    """Images of a local data set of Hugging Face.

    The folder is one that ``save_to_disk`` wrote, or one that ``load_dataset`` reads, such as a
    clone of a repository of Parquet files. Nothing is downloaded. The data set has one feature of
    type ``Image``, and one of type ``ClassLabel`` or a list of these, or else a column ``label``
    or ``labels``, whose type tells the kind of target (see ``HubTargets``). A class or label that
    no training image has is left out. ``regression`` and ``labels`` take every column but the
    image, ``regression:A,B`` and ``labels:A,B`` these columns alone.
    """

    def make_listing(self) -> Listing:
        """Open the data set, without reading an image.

        Raises:
            InputError: If the package ``datasets`` is missing, or the folder is no data set of
                images with targets.
        """
        images: dict[str, list[ListedImage]] = {part: [] for part in PARTS}
        left_out: list[str] = []
        tables: list[tuple[str, str, Any]] = []
        for name, table in self._tables().items():
            part = next((part for part, names in PARTS.items() if name.lower() in names), None)
            if part is None:
                left_out.append(
                    f"split {name!r}: not read, since it is none of train, val and test"
                )
                continue
            tables.append((part, name, table))
        tables.sort(key=lambda each: each[0] != "train")  # the names are those of training
        where = f"'{shown(self.path)}'"
        targets = HubTargets(asked=self.target, where=where)
        for part, name, table in tables:
            image = _image_column(table, where)
            found = targets.read(table, image, name)
            changed = _changed(table)
            images[part] += [
                ListedImage(
                    source=StoredImage(
                        name=f"{self.path}:{name}[{row}]", read=partial(_bytes, table, row, image)
                    ),
                    label=each.label,
                    values=each.values,
                    size=0,
                    changed=changed,
                )
                for row, each in enumerate(found)
                if each is not None
            ]
            if lost := found.count(None):
                left_out.append(
                    f"{plural(lost, 'image')} of split {name!r} without a {MISSING[targets.kind]}"
                )
        if empty := targets.without_image:
            one, more = ("class", "classes") if targets.kind == "classes" else ("label", "labels")
            which = f"1 {one}" if len(empty) == 1 else f"{len(empty):,} {more}"
            left_out.append(f"{which} without a training image: {few(empty)}")
        return Listing(
            images=images, left_out=tuple(left_out), classes=targets.names, target=targets.kind
        )

    def _tables(self) -> Mapping[str, Any]:
        """Return the tables by the names of their splits, with images as bytes."""
        try:
            import datasets
        except ImportError as error:
            raise InputError(
                f"hf: needs the package datasets (pip install 'nas-explorer[hf]'), but {error}"
            ) from None
        cache = self.reader.cache
        folder = None if cache is None else str(cache.folder / "datasets")
        saved = any((self.path / each).exists() for each in ("state.json", "dataset_dict.json"))
        with _silent(datasets):
            try:
                if saved:
                    found: Any = datasets.load_from_disk(str(self.path))
                else:
                    found = datasets.load_dataset(str(self.path), cache_dir=folder)
            except Exception as error:  # readers of a damaged or foreign file may raise anything
                reason = " ".join(str(error).split()) or type(error).__name__
                raise InputError(
                    f"hf: must name a data set folder of Hugging Face, but got "
                    f"'{shown(self.path)}': {reason}"
                ) from None
        tables = found if isinstance(found, dict) else {"train": found}
        return {name: _undecoded(datasets, table) for name, table in tables.items()}


def _image_column(table: Any, where: str) -> str:
    """Return the name of the column of images."""
    kinds = {name: type(each).__name__ for name, each in table.features.items()}
    found = [name for name, kind in kinds.items() if kind == "Image"]
    if len(found) != 1:
        raise InputError(
            f"a data set must have one feature of type Image, but {where} has "
            f"{few(found) or 'none'} among {few(list(kinds))}"
        )
    return found[0]


@contextmanager
def _silent(datasets: Any) -> Generator[None]:
    """Turn the library's progress bars off within the context."""
    were_on = not datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        if were_on:
            datasets.enable_progress_bars()


def _undecoded(datasets: Any, table: Any) -> Any:
    for name, feature in table.features.items():
        if type(feature).__name__ == "Image":
            table = table.cast_column(name, datasets.Image(decode=False))
    return table


def _changed(table: Any) -> tuple[int, int]:
    """Return the latest times of change of the files of a table."""
    found = [Path(each["filename"]).stat() for each in table.cache_files]
    times = [(each.st_mtime_ns, each.st_ctime_ns) for each in found]
    return max(times, default=(0, 0))


def _bytes(table: Any, row: int, column: str) -> bytes:
    found = table[row][column]
    if found is None:
        raise ValueError("no image in this row")
    if found["bytes"] is not None:
        return found["bytes"]
    return Path(found["path"]).read_bytes()
