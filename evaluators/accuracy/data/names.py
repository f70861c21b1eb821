"""Names of data as users write them, checked without reading data."""

import os
from collections.abc import Mapping

from ....search_space.errors import InputError, known_name, unknown_name

DATA_NAMES = ("digits", "cifar10", "cifar100", "fashion-mnist")
"""Named data sets; other data are named by a kind of ``WITH_PATH`` and a path: ``folder:PATH``."""

WITH_PATH: Mapping[str, str] = {
    "folder": "PATH",
    "csv": "FILE.csv",
    "arrays": "FILE.npz",
    "shards": "PATH",
    "hf": "PATH",
}
"""What follows the colon of each kind of data that has a path."""

_ENDINGS = {".npz": "arrays", ".csv": "csv", ".tsv": "csv", ".tar": "shards"}
_FILES = {"arrays": "an array file", "csv": "a CSV file"}


def known_data() -> tuple[str, ...]:
    """Return the legal values of ``--data``, for messages."""
    return (*DATA_NAMES, *(f"{kind}:{path}" for kind, path in WITH_PATH.items()))


def data_name(text: str) -> str:
    """Return the exact name of a data set, or a kind of ``WITH_PATH`` with its path.

    A path alone is that of a folder, or of a file whose ending tells its kind. A data set takes
    precedence over a folder with the same name.

    Raises:
        InputError: If it is none of these; the message lists the known names.
    """
    kind, colon, path = text.partition(":")
    if not colon or kind not in WITH_PATH:
        kind, path = kind_of(text), text
        if kind == "folder" and os.sep not in text and not text.startswith((".", "~")):
            try:
                return known_name("data", text, DATA_NAMES)
            except InputError:
                if not os.path.isdir(text):  # noqa: PTH112
                    raise unknown_name("data", text, known_data()) from None
    if not path:
        raise InputError(f"data must be one of {', '.join(known_data())}, but got {text!r}")
    place = os.path.expanduser(path)  # noqa: PTH111 (fails on unknown users)
    if kind in _FILES:
        if not os.path.isfile(place):  # noqa: PTH113
            raise InputError(f"{_FILES[kind]} must exist, but got {path!r}")
    elif kind == "shards":
        if not os.path.exists(place):  # noqa: PTH110
            raise InputError(f"a file or folder of shards must exist, but got {path!r}")
    elif not os.path.isdir(place):  # noqa: PTH112
        raise InputError(f"a data folder must exist, but got {path!r}")
    return f"{kind}:{path}"


def kind_of(path: str) -> str:
    """Return the kind of data at a path, by the ending of its name."""
    return _ENDINGS.get(os.path.splitext(path)[1].lower(), "folder")  # noqa: PTH122
