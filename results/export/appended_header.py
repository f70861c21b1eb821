"""A header after the end of a model file, for formats without a place for one.

The readers of these formats stop at the end of their own contents. It is one line: the mark, a
space, and the header as JSON.
"""

import json
from collections.abc import Mapping
from pathlib import Path

MARK = "nas_explorer"
"""Key that marks the header of a file as ours; its value is the header's version."""

_BEFORE = f"\n{MARK} ".encode()


def with_header(data: bytes, header: Mapping[str, str]) -> bytes:
    """Return the contents of a file with a header after them."""
    return data + _BEFORE + json.dumps(dict(header)).encode() + b"\n"


def appended_header(path: Path) -> Mapping[str, str]:
    """Return the header after the contents of a file.

    Raises:
        ValueError: If there is none.
    """
    _, found, text = path.read_bytes().rpartition(_BEFORE)
    if not found:
        raise ValueError(f"a model file must end with its header, but {str(path)!r} does not")
    return json.loads(text)
