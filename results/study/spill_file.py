"""The spill file: finished candidates that could not be stored, kept until the storage works."""

import hashlib
import json
import logging
import os
import sys
import tempfile
from collections.abc import Generator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ..candidate import Candidate
from .storage import file_beside

if sys.platform != "win32":
    import fcntl

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class SpillFile:
    """The spill file of one study: beside its database, or else in the temporary folder."""

    url: str
    """The storage's URL."""
    study: str
    """The study's name."""

    def paths(self) -> tuple[Path, Path]:
        """Return the possible paths of the file."""
        beside = file_beside(self.url, self.study, ".rescued.jsonl")
        place = hashlib.sha256(str(beside.resolve()).encode()).hexdigest()[:8]
        return beside, Path(tempfile.gettempdir(), f"{place}-{beside.name}")

    def pending(self) -> list[Path]:
        """Return the existing files that belong to this user."""
        uid = os.getuid() if hasattr(os, "getuid") else None
        return [
            path
            for path in self.paths()
            # Any user can put a file into the temporary folder.
            if path.is_file() and not path.is_symlink() and uid in (None, path.stat().st_uid)
        ]

    def keep(self, candidate: Candidate) -> str:
        """Write the candidate to the first writable file; return its path."""
        line = json.dumps(candidate.to_json()).encode() + b"\n"
        for path in self.paths():
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                with _opened(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, "ab") as file:
                    file.write(b"\n" + line)  # separates it from a line that was cut off
                    file.flush()
                    os.fsync(file.fileno())
            except OSError as error:
                _log.warning("cannot keep candidate %d in %s: %s", candidate.number, path, error)
            else:
                return str(path)
        _log.error("candidate %d: %s", candidate.number, line.decode())
        return "only in the log, as no file could be written"

    def taken(self) -> Generator[list[Candidate]]:
        """Yield the candidates of each file, and remove the file once they are stored.

        Lines that were cut off are left out. Another process that keeps a candidate meanwhile
        waits, and writes to a new file.
        """
        for path in self.pending():
            try:
                file = _opened(path, os.O_RDWR, "rb")
            except FileNotFoundError:  # another process has taken it
                continue
            with file:
                yield _candidates(path, file.read().decode("utf-8", errors="replace"))
                path.unlink(missing_ok=True)


def _candidates(path: Path, text: str) -> list[Candidate]:
    found: list[Candidate] = []
    for line in text.splitlines():
        try:
            if line:
                found.append(Candidate.from_json(json.loads(line)))
        except (ValueError, LookupError, TypeError) as error:
            _log.warning("%s holds a line that cannot be read: %s", path, error)
    return found


def _opened(path: Path, flags: int, mode: str) -> IO[bytes]:
    """Open a file that stays at its path while it is open, as all processes open it here."""
    while True:
        file = os.fdopen(os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o600), mode)
        if sys.platform == "win32":  # where an open file cannot be removed
            return file
        fcntl.flock(file, fcntl.LOCK_EX)
        with suppress(FileNotFoundError):
            if os.path.samestat(path.stat(), os.fstat(file.fileno())):
                return file
        file.close()
