"""The files below a class folder: which are images, and which are left out and why.

Nothing here opens an image.
"""

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ....search_space.errors import InputError

_JPEG = (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo")
_JPEG_2000 = (".jp2", ".j2k", ".j2c", ".jpx", ".jpf")
_PORTABLE = (".ppm", ".pgm", ".pbm", ".pnm", ".pfm")
_BITMAPS = (".bmp", ".dib", ".ico", ".pcx", ".tga", ".sgi", ".qoi", ".dds")
_OTHER = (".png", ".apng", ".gif", ".webp", ".tif", ".tiff", ".avif")
SUFFIXES = frozenset({*_JPEG, *_JPEG_2000, *_PORTABLE, *_BITMAPS, *_OTHER})
"""Endings of image files, in small or capital letters."""

UNSUPPORTED = frozenset(
    {".heic", ".heif", ".hif", ".jxl", ".jxr", ".svg", ".psd", ".eps", ".dcm", ".exr", ".hdr"}
    | {".raw", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf", ".npy", ".fits"}
)
"""Endings of images that cannot be read."""

_SYSTEM = frozenset(
    {"__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "@eadir", "#recycle"}
    | {"#snapshot", "$recycle.bin", "system volume information", "lost+found", "__pycache__"}
)
"""What systems put into folders, in small letters; ignored, as are hidden files."""
_TEXTS = frozenset({"readme", "license", "licence", "copying", "notice", "authors", "makefile"})
"""Names of text files that have no ending, in small letters."""


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


@dataclass
class Scan:
    """The files of one part of a data set."""

    files: list[ImageFile] = field(default_factory=list[ImageFile])
    """What may be an image: files with an ending of images or with none."""
    others: dict[str, list[Path]] = field(default_factory=dict[str, list[Path]])
    """What is left out, by reason."""

    def left_out(self, root: Path) -> Iterator[str]:
        """Yield a sentence for each reason, with paths relative to ``root``."""
        for reason, paths in sorted(self.others.items()):
            more = "" if len(paths) == 1 else f" and {len(paths) - 1:,} more"
            yield f"'{shown(paths[0].relative_to(root))}'{more}: {reason}"


def scan(folder: Path, classes: Sequence[str]) -> Scan:
    """Find the files of every class in ``folder``, at any depth, by class and path.

    Links are followed; a folder that is reached again, as in a loop of links, is read once.

    Raises:
        InputError: If a folder cannot be listed.
    """
    found = Scan()
    for label, name in enumerate(classes):
        _scan_folder(folder / name, label, found, set())
    return found


def _scan_folder(folder: Path, label: int, found: Scan, seen: set[tuple[int, int]]) -> None:
    """Add the files of a folder, then those of its folders, by name."""
    try:
        status = folder.stat()
    except OSError as error:
        raise not_readable(folder, error) from None
    place = (status.st_dev, status.st_ino)
    if place in seen:
        found.others.setdefault("a link to a folder that is read already", []).append(folder)
        return
    seen.add(place)
    folders: list[Path] = []
    for entry in entries(folder):
        if is_folder(entry):
            folders.append(Path(entry.path))
        else:
            _scan_file(Path(entry.path), label, found)
    for each in folders:
        _scan_folder(each, label, found, seen)


def entries(folder: Path) -> list["os.DirEntry[str]"]:
    """Return what a folder holds, by name, without hidden and system files.

    Raises:
        InputError: If it cannot be listed.
    """
    try:
        with os.scandir(folder) as listing:
            found = [entry for entry in listing if not _ignored(entry.name)]
    except OSError as error:
        raise not_readable(folder, error) from None
    return sorted(found, key=lambda entry: entry.name)


def is_folder(entry: "os.DirEntry[str]") -> bool:
    """Return whether an entry is a folder, or a link to one."""
    try:
        return entry.is_dir()
    except OSError:  # a link to itself, say
        return False


def _scan_file(path: Path, label: int, found: Scan) -> None:
    ending = _ending(path.name)
    if ending and ending not in SUFFIXES:
        kind = f"files ending in {shown(ending)}" if path.suffix else "text files"
        convert = "; convert them to JPEG or PNG" if ending in UNSUPPORTED else ""
        found.others.setdefault(f"{kind} are not read{convert}", []).append(path)
        return
    try:
        status = path.stat()
    except OSError:
        # A broken link, say: decoding will fail and name it.
        found.files.append(ImageFile(path=path, label=label, size=0, changed=(0, 0)))
        return
    if not stat.S_ISREG(status.st_mode):  # reading a pipe or a device may never end
        found.others.setdefault("not a regular file", []).append(path)
        return
    changed = (status.st_mtime_ns, status.st_ctime_ns)
    found.files.append(ImageFile(path=path, label=label, size=status.st_size, changed=changed))


def may_be_image(name: str) -> bool:
    """Return whether a file of that name is an image, be it of a kind that cannot be read."""
    ending = _ending(name)
    return not ending or ending in SUFFIXES or ending in UNSUPPORTED


def holds_images(folder: Path) -> bool:
    """Return whether a file that may be an image lies in a folder, at any depth.

    Raises:
        InputError: If a folder cannot be listed.
    """
    return _holds_images(folder, set())


def _holds_images(folder: Path, seen: set[str]) -> bool:
    real = os.path.realpath(folder)
    if real in seen:
        return False
    seen.add(real)
    folders: list[Path] = []
    try:
        with os.scandir(folder) as listing:  # to the first image: there may be a million
            for entry in listing:
                if _ignored(entry.name):
                    continue
                if is_folder(entry):
                    folders.append(Path(entry.path))
                elif may_be_image(entry.name):
                    return True
    except OSError as error:
        raise not_readable(folder, error) from None
    return any(_holds_images(each, seen) for each in sorted(folders))


def _ending(name: str) -> str:
    """Return the ending of a file's name in small letters; ``.txt`` for texts that have none."""
    ending = Path(name).suffix.lower()
    return ".txt" if not ending and name.lower() in _TEXTS else ending


def few(names: Sequence[str], most: int = 5) -> str:
    """Return the first names, quoted, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(repr(shown(name)) for name in names[:most]) + more


def shown(path: str | Path) -> str:
    """Return a path that can be printed on one line and stored, whatever bytes it is made of."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def not_readable(folder: Path, error: OSError) -> InputError:
    """Return the error for a folder that cannot be listed."""
    return InputError(
        f"an image folder must be readable, but got '{shown(folder)}': {error.strerror}"
    )


def _ignored(name: str) -> bool:
    return name.startswith(".") or name.lower() in _SYSTEM
