"""A data set in tar archives in the form of WebDataset: ``KEY.jpg`` beside ``KEY.cls``."""

import json
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from ....search_space.errors import InputError
from ....search_space.json_fields import is_list
from ...units import plural
from .image_files import StoredImage
from .layout import PARTS
from .listed import ListedImage, ListedImages, Listing
from .output_form import OutputForm, Stated
from .scan import SUFFIXES, few, not_readable, shown

_LABELS = ("cls", "txt", "json")
"""Endings of the members that may hold a label; the first that is there counts."""
_KEYS = ("label", "cls", "class")
"""Keys of the label in a ``json`` member."""
_LONGEST = 1_000_000
"""Most bytes of a member that holds a label."""


@dataclass(frozen=True, kw_only=True)
class _Member:
    """A member of an archive."""

    place: int
    size: int


@dataclass(frozen=True, kw_only=True)
class TarShards(ListedImages):
    """Images in uncompressed tar archives, in the form of WebDataset.

    Members with the same name up to the first dot of their last part belong together: an image, and
    ``cls`` (a number or a name), ``txt`` (a name) or ``json`` (with a key ``label``, ``cls`` or
    ``class``). A ``json`` label that is a list of numbers is a target of regression, a list of 0
    and 1 one of labels; its key ``names`` may hold their names. An archive of a folder whose name
    has the word ``val`` or ``test`` (or another of ``PARTS``), as in ``birds-val-0001.tar``,
    belongs to that split, all others to training.
    """

    def make_listing(self) -> Listing:
        """Read the names of the archives' members, and the labels.

        Raises:
            InputError: If there is no archive, or one cannot be read.
        """
        alone = self.path.is_file()
        archives = [self.path] if alone else _archives(self.path)
        if not archives:
            raise InputError(
                f"shards must be a .tar file or a folder of them, but '{shown(self.path)}' is not"
            )
        images: dict[str, list[ListedImage]] = {part: [] for part in PARTS}
        outputs = OutputForm(asked=self.target)
        unlabelled: list[str] = []
        dotted: list[str] = []
        for archive in archives:
            part = "train" if alone else _part_of(archive)
            for key, members in _read_members(archive).items():
                image = next((each for each in members if f".{each}" in SUFFIXES), None)
                if image is None:
                    dotted += [f"{key}.{each}" for each in members if _is_dotted_image(each)]
                    continue
                found = _label(archive, key, members)
                label, values = outputs.read(found, f"'{key}' in '{shown(archive)}'")
                if not label and not values:
                    unlabelled.append(key)
                    continue
                listed = _listed(archive, f"{key}.{image}", members[image])
                images[part].append(replace(listed, label=label, values=values))
        left_out = {"without a label": unlabelled, "with a dot before its ending": dotted}
        return Listing(
            images=images,
            left_out=tuple(
                f"{plural(len(found), 'image')} {what}: {few(found, 1)}"
                for what, found in left_out.items()
                if found
            ),
            classes=outputs.names,
            target=outputs.target,
        )


def _archives(folder: Path) -> list[Path]:
    """Return the archives in a folder, by name."""
    try:
        found = sorted(folder.iterdir())
    except OSError as error:
        raise not_readable(folder, error) from None
    return [each for each in found if each.suffix.lower() == ".tar" and each.is_file()]


def _part_of(archive: Path) -> str:
    """Return the split of an archive, by the words of its name.

    Raises:
        InputError: If the name has the words of two splits.
    """
    words = "".join(each if each.isalpha() else " " for each in archive.stem.lower()).split()
    found = [part for part, names in PARTS.items() if {*names} & {*words}]
    if len(found) > 1:
        raise InputError(
            f"the name of an archive must tell one split, but '{shown(archive)}' has "
            f"{' and '.join(found)}"
        )
    return found[0] if found else "train"


def _is_dotted_image(ending: str) -> bool:
    """Whether an ending after the first dot, such as ``5.jpg``, is that of an image."""
    return Path(f"name.{ending}").suffix in SUFFIXES


def _read_members(archive: Path) -> Mapping[str, dict[str, _Member]]:
    """Return the members by key and ending, in the order of the archive."""
    found: dict[str, dict[str, _Member]] = {}
    try:
        for info in _members(archive):
            folder, _, name = info.name.rpartition("/")
            stem, _, ending = name.partition(".")
            key = f"{folder}/{stem}" if folder else stem
            member = _Member(place=info.offset_data, size=info.size)
            found.setdefault(key, {})[ending.lower()] = member
    except (OSError, tarfile.TarError) as error:
        raise InputError(
            f"shards must be uncompressed tar files, but '{shown(archive)}' is not: {error}"
        ) from None
    return found


def _members(archive: Path) -> Iterator[tarfile.TarInfo]:
    with tarfile.open(archive, "r:") as file:
        for info in file:
            if info.isreg() and not info.issparse():
                yield info


def _label(archive: Path, key: str, members: Mapping[str, _Member]) -> Stated | None:
    """Return the label of an image as its member states it, or None."""
    for ending in _LABELS:
        member = members.get(ending)
        if member is None:
            continue
        if member.size > _LONGEST:
            raise InputError(f"a label must be short, but '{key}.{ending}' has {member.size} bytes")
        try:
            text = _bytes(archive, member).decode()
            found: Any = json.loads(text) if ending == "json" else text
        except ValueError as error:
            raise InputError(
                f"a label must be text, but '{key}.{ending}' in '{shown(archive)}' is not: {error}"
            ) from None
        names: Any = ()
        if isinstance(found, dict):
            names = found.get("names", ())
            found = next((found[each] for each in _KEYS if each in found), None)
        if (isinstance(found, str | int | float) and str(found).strip()) or is_list(found):
            return Stated(value=found, names=tuple(map(str, names)) if is_list(names) else ())
    return None


def _listed(archive: Path, name: str, member: _Member) -> ListedImage:
    status = archive.stat()
    return ListedImage(
        source=StoredImage(name=f"{archive}/{name}", read=partial(_bytes, archive, member)),
        size=member.size,
        changed=(status.st_mtime_ns, status.st_ctime_ns),
    )


def _bytes(archive: Path, member: _Member) -> bytes:
    with archive.open("rb") as file:
        file.seek(member.place)
        return file.read(member.size)
