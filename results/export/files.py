"""Files that are there whole or not at all."""

import os
import secrets
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from ...search_space.errors import InputError


def check_place(path: Path) -> None:
    """Check that a file can be made at ``path``.

    Raises:
        InputError: If the folder is missing, or a folder has that name.
    """
    if not path.parent.is_dir():
        raise InputError(f"the folder of a model file must exist, but got {str(path)!r}")
    if path.is_dir():
        raise InputError(f"a model file must not be a folder, but got {str(path)!r}")


@contextmanager
def replacing(path: Path, data: bytes) -> Generator[Path]:
    """Write ``data`` to a temporary file beside ``path`` and yield its path.

    It takes the place of ``path`` at the end, or is removed where the body raises.

    Raises:
        InputError: If it cannot be written: no such folder, no permission, disk full ...
    """
    check_place(path)
    temporary = path.with_name(f".nas-{secrets.token_hex(4)}{path.suffix}")
    try:
        with _one_line(path), temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        yield temporary
        with _one_line(path):
            temporary.replace(path)
    finally:
        with suppress(OSError):
            temporary.unlink()


@contextmanager
def _one_line(path: Path) -> Generator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InputError(
            f"a model file must be writable, but got {str(path)!r}: {reason}"
        ) from error
