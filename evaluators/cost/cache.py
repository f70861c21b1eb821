"""A cache of the costs of parts on disk, for later runs.

There is one append-only file of JSON lines for each version of the code that parts depend on. A
line cut off by a crash is skipped. Several processes may write at once, since each line is one
write at the end of a file. Failures of the cache are logged and never fatal.
"""

import json
import logging
import os
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...search_space.json_fields import is_list
from ...search_space.shapes import Shape
from .value import COLUMNS, Row
from .version import part_version

if TYPE_CHECKING:
    from ...search_space.components.base import Component

Key = tuple[str, str]
"""Version of the code that a part depends on, and the part's text."""

_LOG = logging.getLogger(__name__)
_KEPT_DAYS = 30


def cache_folder() -> Path:
    """Return the folder of all caches: ``$NAS_CACHE``, or the user's cache folder."""
    if chosen := os.environ.get("NAS_CACHE"):
        return Path(chosen)
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "nas-explorer"


def cache_key(component: "Component", in_shapes: Sequence[Shape], width: int | None) -> Key | None:
    """Return the cache key of a part.

    The key is None for components from outside the package, whose code has no version.
    """
    from ...search_space.components.base import Component
    from ...search_space.components.canonical import component_text  # torch takes seconds to import

    package = Component.__module__.rpartition(".")[0]
    todo: list[Component] = [component]
    for each in todo:
        if not type(each).__module__.startswith(f"{package}."):
            return None
        todo.extend(each.components().values())
    counted = part_version(type(each).__module__ for each in todo)
    text = f"{component.kind} {component_text(component)} {[list(s) for s in in_shapes]} {width}"
    return None if counted is None else (counted, text)


class DiskCache:
    """The cached costs in one folder, for the current code."""

    def __init__(self, folder: Path) -> None:
        self._folder: Path | None = folder
        self._rows: dict[str, dict[str, Row]] = {}

    def get(self, key: Key) -> Row | None:
        """Return the row cached under ``key``, or None."""
        return self._of(key[0]).get(key[1])

    def add(self, key: Key, row: Row) -> None:
        """Cache ``row`` in memory and in the file of its version."""
        self._of(key[0])[key[1]] = row
        if self._folder is None:
            return
        path = self._file(self._folder, key[0])
        line = json.dumps([key[1], *row], separators=(",", ":"))
        try:
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                remove_old(path.parent, "costs-*.jsonl")
            # A line break in front too, in case a crash cut off the last line.
            with path.open("ab", buffering=0) as file:
                file.write(f"\n{line}\n".encode())
        except OSError as error:
            self._give_up(error)

    def _of(self, counted: str) -> dict[str, Row]:
        """Return the rows cached for one version of the code."""
        if counted not in self._rows:
            self._rows[counted] = {}
            try:
                if self._folder is not None:
                    self._rows[counted] = _read(self._file(self._folder, counted))
            except OSError as error:
                self._give_up(error)
        return self._rows[counted]

    @staticmethod
    def _file(folder: Path, counted: str) -> Path:
        return folder / f"costs-{counted}.jsonl"

    def _give_up(self, error: OSError) -> None:
        _LOG.warning("costs are not kept on disk: %s", error)
        self._folder = None


def _read(path: Path) -> dict[str, Row]:
    if not path.exists():
        return {}
    rows: dict[str, Row] = {}
    for line in path.read_bytes().splitlines():
        if found := _parsed(line):
            rows[found[0]] = found[1]
    return rows


def _parsed(line: bytes) -> tuple[str, Row] | None:
    """Return key and row of one line, or None for an incomplete line."""
    try:
        data: Any = json.loads(line)
    except ValueError:
        return None
    if not is_list(data) or len(data) != len(COLUMNS) + 2:
        return None
    key, *row = data
    whole = isinstance(key, str) and all(type(each) is int for each in row)
    return (key, tuple(row)) if whole else None


def remove_old(folder: Path, pattern: str) -> None:
    """Remove the files of other versions that have not been written to for long."""
    for path in folder.glob(pattern):
        with suppress(FileNotFoundError):  # another process may have removed them
            if time.time() - path.stat().st_mtime > _KEPT_DAYS * 86400:
                path.unlink(missing_ok=True)
