"""Atomic writing of files."""

import os
import secrets
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from ...search_space.errors import InputError, unknown_name
from .formats import FORMATS
from .overwrite_guard import check_ours


def check_target(path: Path) -> None:
    """Check that a model file can be written at ``path``: its ending, its folder, what is there.

    Raises:
        InputError: If the ending is unknown, no file can be made there, or one that is not of an
            export would be replaced.
    """
    check_place(path)
    if path.suffix.lower() not in FORMATS:
        raise unknown_name("the ending of a model file", path.suffix.lower(), FORMATS)
    check_ours(path)
    trial = path.with_name(_hidden_name())
    with _one_line(path):
        trial.touch(exist_ok=False)
        trial.unlink()


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
def replacing(contents: Mapping[Path, bytes]) -> Generator[Path]:
    """Write files to temporary ones beside them and yield the path of the first.

    The temporary names begin alike and end as the files' do after the first one's stem. Each takes
    the place of its file at the end, or all are removed where the body raises.

    Raises:
        InputError: If one cannot be written: no such folder, no permission, disk full ...
    """
    name, stem = _hidden_name(), next(iter(contents)).stem
    temporary = {path: path.with_name(name + path.name.removeprefix(stem)) for path in contents}
    try:
        for path, data in contents.items():
            check_place(path)
            with _one_line(path), temporary[path].open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        yield next(iter(temporary.values()))
        for path, written in temporary.items():
            with _one_line(path):
                written.replace(path)
    finally:
        for written in temporary.values():
            with suppress(OSError):
                written.unlink()


def _hidden_name() -> str:
    return f".nas-{secrets.token_hex(4)}"


@contextmanager
def _one_line(path: Path) -> Generator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InputError(
            f"a model file must be writable, but got {str(path)!r}: {reason}"
        ) from error
