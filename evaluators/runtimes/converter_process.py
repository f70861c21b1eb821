"""Converters that run in processes of their own."""

import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from .program import ExportError

_SECONDS = 300.0
"""Longest time of a converter, s."""


def converted(
    command: Sequence[str], files: Mapping[str, bytes], wanted: Mapping[str, str]
) -> dict[str, bytes]:
    """Return the files that a converter writes.

    Args:
        command: The converter with its arguments.
        files: The files that it reads, by name.
        wanted: Names of the files that it writes, by the names they get.

    Raises:
        ExportError: If it fails, takes too long, or does not write one of them.
    """
    with tempfile.TemporaryDirectory(prefix="nas-convert-") as name:
        folder = Path(name)
        for file, data in files.items():
            (folder / file).write_bytes(data)
        try:
            done = subprocess.run(
                command, cwd=folder, capture_output=True, timeout=_SECONDS, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ExportError(f"the converter must run, but: {error}") from error
        if done.returncode or not all((folder / each).is_file() for each in wanted.values()):
            lines = (done.stderr + done.stdout).decode(errors="replace").strip().splitlines()
            last = lines[-1][:200] if lines else "no message"
            raise ExportError(
                f"the converter must write its files, but ended with code {done.returncode}: {last}"
            )
        return {key: (folder / each).read_bytes() for key, each in wanted.items()}
