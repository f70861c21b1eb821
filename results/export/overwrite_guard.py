"""Which files nas-explorer wrote itself, so that they may be replaced."""

import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

from ...search_space.errors import InputError

MARK = "nas_explorer"
"""The key that makes a file's header ours; its value is the header's version."""

CARD_SIGN = f"<!-- {MARK} "
"""How a card for people begins."""


def targets(path: Path) -> list[Path]:
    """Return the files that an export to ``path`` writes: the model, what lies beside it, cards."""
    ending = path.suffix.lower()
    beside = [path.with_name(f"{path.name}.safetensors")] if ending == ".py" else []
    cards = [path.with_name(f"{path.name}.md")]
    return [
        path,
        *beside,
        *cards,
        *([path.with_suffix(".json")] if ending == ".safetensors" else []),
    ]


def check_ours(path: Path) -> None:
    """Check that an export to ``path`` replaces no file but what an export wrote.

    Raises:
        InputError: If one of the files is there and is another's.
    """
    for target in targets(path):
        if target.exists() and not is_ours(target):
            raise InputError(
                f"a file must be written by nas-explorer to be replaced, but {str(target)!r} is not"
            )


def is_ours(path: Path) -> bool:
    """Return whether an export wrote a file, by the mark that stands in it."""
    try:
        return _MARKED[path.suffix.lower()](path)
    except (OSError, ValueError, TypeError, AttributeError, RecursionError, zipfile.BadZipFile):
        return False


def _safetensors(path: Path) -> bool:
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(min(length, path.stat().st_size)))
    return MARK in header.get("__metadata__", {})


def _onnx(path: Path) -> bool:
    # A key of the metadata as protobuf writes it: its length before, the value's tag behind.
    return b"\n" + bytes([len(MARK)]) + MARK.encode() + b"\x12" in path.read_bytes()


def _pt2(path: Path) -> bool:
    with zipfile.ZipFile(path) as file:
        return any(name.endswith(f"/{MARK}.json") for name in file.namelist())


def _python(path: Path) -> bool:
    text = path.read_text(encoding="utf-8")
    before, _, rest = text.partition('"""')
    head = rest.partition('"""')[0]
    return not before and ", written by nas-explorer\n(architecture " in head


def _json(path: Path) -> bool:
    card = json.loads(path.read_bytes())
    return isinstance(card, dict) and MARK in card


_MARKED: Mapping[str, Callable[[Path], bool]] = {
    ".safetensors": _safetensors,
    ".onnx": _onnx,
    ".pt2": _pt2,
    ".py": _python,
    ".json": _json,
    ".md": lambda path: path.read_bytes().startswith(CARD_SIGN.encode()),
}
