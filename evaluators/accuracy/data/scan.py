"""The files below class folders: images, and files left out, with reasons.

Nothing here opens an image.
"""

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ....search_space.errors import InputError
from .image_files import ImageFile

_JPEG = (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo")
_JPEG_2000 = (".jp2", ".j2k", ".j2c", ".jpx", ".jpf")
_PORTABLE = (".ppm", ".pgm", ".pbm", ".pnm", ".pfm")
_BITMAPS = (".bmp", ".dib", ".ico", ".pcx", ".tga", ".sgi", ".qoi", ".dds")
_OTHER = (".png", ".apng", ".gif", ".webp", ".tif", ".tiff", ".avif")
SUFFIXES = frozenset({*_JPEG, *_JPEG_2000, *_PORTABLE, *_BITMAPS, *_OTHER})
"""Endings of image files, in lower case."""

UNSUPPORTED = frozenset(
    {".heic", ".heif", ".hif", ".jxl", ".jxr", ".svg", ".psd", ".eps", ".dcm", ".exr", ".hdr"}
    | {".raw", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf", ".npy", ".fits"}
)
"""Endings of images that cannot be read."""

_SYSTEM = frozenset(
    {"__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "@eadir", "#recycle"}
    | {"#snapshot", "$recycle.bin", "system volume information", "lost+found", "__pycache__"}
)
"""Files that operating systems create, in lower case; they are ignored, as are hidden files."""
_TEXTS = frozenset({"readme", "license", "licence", "copying", "notice", "authors", "makefile"})
"""Names of text files without an ending, in lower case."""


@dataclass
class Scan:
    """The files of one split of a data set."""

    files: list[ImageFile] = field(default_factory=list[ImageFile])
    """Possible images: files with an image's ending or without an ending."""
    others: dict[str, list[Path]] = field(default_factory=dict[str, list[Path]])
    """Files left out, by reason."""

    def left_out(self, root: Path) -> Iterator[str]:
        """Yield a sentence for each reason, with paths relative to ``root``."""
        for reason, paths in sorted(self.others.items()):
            more = "" if len(paths) == 1 else f" and {len(paths) - 1:,} more"
            yield f"'{shown(paths[0].relative_to(root))}'{more}: {reason}"


def scan(folder: Path, classes: Sequence[str]) -> Scan:
    """Find the files of every class in ``folder``, at any depth, by class and path.

    Links are followed; a folder that is reached several times, as in a loop of links, is read once.

    Raises:
        InputError: If a folder cannot be listed.
    """
    found = Scan()
    for label, name in enumerate(classes):
        _scan_folder(folder / name, label, found, set())
    return found


def _scan_folder(folder: Path, label: int, found: Scan, seen: set[tuple[int, int]]) -> None:
    """Add the files of a folder, then those of its subfolders, in order of name."""
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
    """Return the entries of a folder in order of name, without hidden and system files.

    Raises:
        InputError: If the folder cannot be listed.
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
    except OSError:  # such as a link to itself
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
        # Such as a broken link: decoding will fail and report it.
        found.files.append(ImageFile(path=path, label=label, size=0, changed=(0, 0)))
        return
    if not stat.S_ISREG(status.st_mode):  # reading a pipe or a device may never end
        found.others.setdefault("not a regular file", []).append(path)
        return
    changed = (status.st_mtime_ns, status.st_ctime_ns)
    found.files.append(ImageFile(path=path, label=label, size=status.st_size, changed=changed))


def may_be_image(name: str) -> bool:
    """Return whether a file name is that of an image, readable or not."""
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
        with os.scandir(folder) as listing:  # stops at the first image, as there may be a million
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
    """Return the ending of a file name in lower case; ``.txt`` for text files without one."""
    ending = Path(name).suffix.lower()
    return ".txt" if not ending and name.lower() in _TEXTS else ending


def few(names: Sequence[str], most: int = 5) -> str:
    """Return the first names in quotes, and the number of further names."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(repr(shown(name)) for name in names[:most]) + more


def shown(path: str | Path) -> str:
    """Return a path in printable characters on one line, whatever its bytes."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def not_readable(folder: Path, error: OSError) -> InputError:
    """Return the error for a folder that cannot be listed."""
    return InputError(
        f"an image folder must be readable, but got '{shown(folder)}': {error.strerror}"
    )


def _ignored(name: str) -> bool:
    return name.startswith(".") or name.lower() in _SYSTEM
