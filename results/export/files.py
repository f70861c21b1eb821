"""Atomic writing of files."""

import os
import secrets
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from ...evaluators.runtime_table import check_installed
from ...search_space.errors import InputError, unknown_name
from .formats import FORMATS
from .overwrite_guard import check_ours


def check_target(path: Path) -> None:
    """Check that a model file can be written at ``path``: ending, runtime, folder, existing file.

    Raises:
        InputError: If the ending is unknown, its runtime is not installed, no file can be made
            there, or it would replace a file that no export wrote.
    """
    check_place(path)
    if path.suffix.lower() not in FORMATS:
        raise unknown_name("the ending of a model file", path.suffix.lower(), FORMATS)
    if runtime := FORMATS[path.suffix.lower()].runtime:
        check_installed([runtime])
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
    """Write temporary files beside their final paths and yield the path of the first.

    All temporary names share a random stem and keep the endings of the final names. At the end each
    is moved to its final path; if the body raises, all are removed.

    Raises:
        InputError: If a file cannot be written: missing folder, no permission, full disk ...
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
