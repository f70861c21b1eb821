"""Files that describe architectures: JSON files, and weights files."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...search_space.errors import InputError
from ...search_space.json_fields import is_list, is_mapping

if TYPE_CHECKING:  # torch takes seconds to import, and many files have errors
    from ...search_space.architecture.architecture import Architecture


def read_architecture(file: Path) -> "Architecture":
    """Return the architecture described by a JSON file or a weights file.

    The JSON is that of an architecture, or has it under ``architecture``, like the files of ``nas
    export`` and the output of ``nas measure --json``.

    Raises:
        InputError: If the file cannot be read, or describes no architecture that can be built.
    """
    if file.suffix == ".safetensors":
        from .header import read_header
        from .weights import read_weights

        return read_header(read_weights(file)[1])
    return _architecture(_read_json(file))


def read_architectures(file: Path) -> "list[Architecture]":
    """Return the architectures of a file: one, as for ``read_architecture``, or a list of such.

    Raises:
        InputError: As for ``read_architecture``; the message names the file and the place in the
            list. The list may not be empty.
    """
    if file.suffix != ".json":
        return [read_architecture(file)]
    data = _read_json(file)
    if is_list(data) and not data:
        raise InputError(f"an architecture file must hold an architecture, but got none in {file}")
    found: list[Architecture] = []
    for number, each in enumerate(data if is_list(data) else [data], 1):
        try:
            found.append(_architecture(each))
        except InputError as error:
            place = f"{file}, number {number}" if is_list(data) else str(file)
            raise InputError(f"{place}: {error}") from None
    return found


def _read_json(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"an architecture file must be readable, but got {file}: {error.strerror}"
        ) from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"an architecture file must be JSON, but got {file}: {error}") from None


def _architecture(data: Any) -> "Architecture":
    if is_mapping(data) and "architecture" in data:
        data = data["architecture"]
    from ...search_space.architecture.architecture import Architecture

    return Architecture.from_json(data)
