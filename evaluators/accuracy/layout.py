"""How an image folder is laid out on disk: its parts, its classes, its files.

Nothing here opens an image.
"""

import os
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...search_space.errors import InputError

PARTS = {
    "train": ("train", "training"),
    "validation": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}
"""Names of the folders that hold a part of the data set, in small or capital letters."""

_JPEG = (".jpg", ".jpeg", ".jpe", ".jfif")
_PORTABLE = (".ppm", ".pgm", ".pbm", ".pnm")
_OTHER = (".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".avif", ".jp2", ".tga", ".ico")
SUFFIXES = frozenset({*_JPEG, *_PORTABLE, *_OTHER})
"""Endings of image files, in small or capital letters; other files are ignored."""

_RULE = "an image folder must hold one folder of images for each class"


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Where the parts of an image folder lie."""

    train: Path
    """Folder that holds the class folders."""
    validation: Path | None
    """The same for the validation split, where there is one."""
    test: Path | None
    """The same for the test split, where there is one."""


@dataclass(frozen=True, kw_only=True)
class ImageFile:
    """One file to be decoded."""

    path: Path
    """Where it lies."""
    label: int
    """Index of its class."""
    size: int
    """Bytes."""
    changed: tuple[int, int]
    """Nanoseconds of its last change: of its content, and of its entry on disk."""


def folders_in(folder: Path) -> tuple[Path, ...]:
    """Return the sub-folders that may be classes, by name.

    Raises:
        InputError: If ``folder`` cannot be listed.
    """
    try:
        found = [entry for entry in folder.iterdir() if entry.is_dir() and not _ignored(entry.name)]
    except OSError as error:
        raise _not_readable(folder, error) from None
    return tuple(sorted(found, key=lambda path: path.name))


def find_layout(root: Path) -> Layout:
    """Return the parts of the image folder ``root``.

    A part counts if it holds folders: a ``test`` folder of images without classes is ignored.

    Raises:
        InputError: If ``root`` is no folder, cannot be read, or its train folder holds no folders.
    """
    try:
        mode = root.stat().st_mode
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise InputError(
            f"folder: must name an existing folder, but got '{shown(root)}': {why}"
        ) from None
    if not stat.S_ISDIR(mode):
        raise InputError(f"folder: must name a folder, but got the file '{shown(root)}'")
    found = folders_in(root)
    parts: dict[str, Path] = {}
    for part, names in PARTS.items():
        for folder in found:
            if folder.name.lower() in names and folders_in(folder):
                parts.setdefault(part, folder)
    if "train" not in parts:
        # Else the parts themselves would be taken for the classes.
        if found and all(folder.name.lower() in sum(PARTS.values(), ()) for folder in found):
            names = few([folder.name for folder in found])
            raise InputError(
                f"a train folder must hold one folder of images for each class, but "
                f"'{shown(root)}' holds only {names}, with no class in a train folder"
            )
        return Layout(train=root, validation=None, test=None)
    return Layout(train=parts["train"], validation=parts.get("validation"), test=parts.get("test"))


def find_classes(folder: Path) -> tuple[str, ...]:
    """Return the names of the classes in ``folder``, at least two, in alphabetical order.

    Raises:
        InputError: If there are fewer than two.
    """
    found = folders_in(folder)
    if not found:
        loose = sum(entry.suffix.lower() in SUFFIXES for entry in folder.iterdir())
        raise InputError(
            f"{_RULE}, but '{shown(folder)}' holds no folders ({loose} "
            f"image{'' if loose == 1 else 's'})"
        )
    if len(found) == 1:
        inner = len(folders_in(found[0]))
        hint = f"; did you mean 'folder:{shown(found[0])}'?" if inner else ""
        raise InputError(
            f"{_RULE}, at least 2, but '{shown(folder)}' holds only '{shown(found[0].name)}'{hint}"
        )
    return tuple(path.name for path in found)


def same_classes(folder: Path, classes: Sequence[str]) -> None:
    """Check that ``folder`` holds the classes of the train folder.

    Raises:
        InputError: If it does not; the message names those that differ.
    """
    there = {path.name for path in folders_in(folder)}
    extra, missing = sorted(there - set(classes)), sorted(set(classes) - there)
    if extra or missing:
        differ = [f"{few(extra)} only in '{shown(folder)}'"] if extra else []
        differ += [f"{few(missing)} only in the train folder"] if missing else []
        raise InputError(
            f"'{shown(folder.name)}' and train folder must hold the same classes, but got "
            + " and ".join(differ)
        )


def find_images(folder: Path, classes: Sequence[str]) -> tuple[ImageFile, ...]:
    """Return the image files of every class, at any depth, by class and path.

    Raises:
        InputError: If a folder cannot be listed.
    """
    found: list[ImageFile] = []

    def refuse(error: OSError) -> None:
        raise _not_readable(Path(error.filename or folder), error)

    for label, name in enumerate(classes):
        for place, folders, files in os.walk(folder / name, onerror=refuse):
            folders[:] = sorted(each for each in folders if not _ignored(each))
            for file in sorted(files):
                path = Path(place, file)
                if path.suffix.lower() in SUFFIXES and not _ignored(file):
                    found.extend(_image_file(path, label))
    return tuple(found)


def _image_file(path: Path, label: int) -> Iterable[ImageFile]:
    """Return the file, or nothing where it is a pipe or a device: those may never end."""
    try:
        status = path.stat()
    except OSError:
        # A broken link, say: decoding will fail and name it.
        return [ImageFile(path=path, label=label, size=0, changed=(0, 0))]
    if not stat.S_ISREG(status.st_mode):
        return []
    changed = (status.st_mtime_ns, status.st_ctime_ns)
    return [ImageFile(path=path, label=label, size=status.st_size, changed=changed)]


def few(names: Sequence[str], most: int = 5) -> str:
    """Return the first names, quoted, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(repr(shown(name)) for name in names[:most]) + more


def shown(path: str | Path) -> str:
    """Return a path that can be printed on one line and stored, whatever bytes it is made of."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def _ignored(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _not_readable(folder: Path, error: OSError) -> InputError:
    return InputError(
        f"an image folder must be readable, but got '{shown(folder)}': {error.strerror}"
    )
