"""The spill file: finished candidates that could not be stored, kept until the storage works."""

import hashlib
import json
import logging
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from ..candidate import Candidate
from .storage import file_beside

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
                flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
                with os.fdopen(os.open(path, flags, 0o600), "ab") as file:
                    file.write(b"\n" + line)  # separates it from a line that was cut off
                    file.flush()
                    os.fsync(file.fileno())
            except OSError as error:
                _log.warning("cannot keep candidate %d in %s: %s", candidate.number, path, error)
            else:
                return str(path)
        _log.error("candidate %d: %s", candidate.number, line.decode())
        return "only in the log, as no file could be written"

    def read(self) -> list[Candidate]:
        """Return the candidates of the file, without lines that were cut off."""
        found: list[Candidate] = []
        for path in self.pending():
            for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
                try:
                    if line:
                        found.append(Candidate.from_json(json.loads(line)))
                except (ValueError, LookupError, TypeError) as error:
                    _log.warning("%s holds a line that cannot be read: %s", path, error)
        return found

    def remove(self) -> None:
        """Remove the files."""
        for path in self.pending():
            path.unlink()
