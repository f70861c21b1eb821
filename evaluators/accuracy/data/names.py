"""Names of data as users write them, checked without reading data."""

import os

from ....search_space.errors import InputError, known_name, unknown_name

DATA_NAMES = ("digits", "cifar10", "cifar100", "fashion-mnist")
"""Named data sets; other data are ``folder:PATH`` or ``arrays:FILE.npz``."""

_FOLDER = "folder:"
_ARRAYS = "arrays:"


def known_data() -> tuple[str, ...]:
    """Return the legal values of ``--data``, for messages."""
    return (*DATA_NAMES, f"{_FOLDER}PATH", f"{_ARRAYS}FILE.npz")


def data_name(text: str) -> str:
    """Return the exact name of a data set, ``folder:PATH`` or ``arrays:FILE``.

    A data set takes precedence over a folder with the same name.

    Raises:
        InputError: If it is none of these; the message lists the known names.
    """
    if text.startswith(_ARRAYS) or text.endswith(".npz"):
        path = text.removeprefix(_ARRAYS)
        if not os.path.isfile(os.path.expanduser(path)):  # noqa: PTH111, PTH113 (unknown users)
            raise InputError(f"an array file must exist, but got {path!r}")
        return _ARRAYS + path
    path = text.removeprefix(_FOLDER)
    if path == text and os.sep not in text and not text.startswith((".", "~")):
        try:
            return known_name("data", text, DATA_NAMES)
        except InputError:
            if not os.path.isdir(text):  # noqa: PTH112
                raise unknown_name("data", text, known_data()) from None
    if not path:
        raise InputError(f"data must be one of {', '.join(known_data())}, but got {text!r}")
    if not os.path.isdir(os.path.expanduser(path)):  # noqa: PTH111, PTH112 (unknown users)
        raise InputError(f"a data folder must exist, but got {path!r}")
    return _FOLDER + path
