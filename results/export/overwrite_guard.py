"""The overwrite guard: only files that nas-explorer wrote may be replaced."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from ...search_space.errors import InputError
from .formats import FORMATS, MARK

CARD_SIGN = f"<!-- {MARK} "
"""First characters of a Markdown model card."""


def targets(path: Path) -> list[Path]:
    """Return the files that an export to ``path`` writes: model, side files, cards."""
    chosen = FORMATS[path.suffix.lower()]
    pair = [chosen.paired] if chosen.paired else []
    cards = [path.with_suffix(".json")] if chosen.json_card else []
    return [*(chosen.file(path, end) for end in ("", *chosen.beside, *pair, ".md")), *cards]


def check_ours(path: Path) -> None:
    """Check that an export to ``path`` replaces only files that an export wrote.

    Raises:
        InputError: If one of the files exists and no export wrote it.
    """
    for target in targets(path):
        sign = target if target.suffix.lower() in (*FORMATS, *_CARDS) else path
        check_marked(target, marked=is_ours(sign))


def check_marked(path: Path, *, marked: bool) -> None:
    """Check that a file may be written: there is none, or it has the mark of our files.

    Args:
        path: The file.
        marked: Whether it has the mark.

    Raises:
        InputError: If it has not.
    """
    if path.exists() and not marked:
        raise InputError(
            f"a file must be written by nas-explorer to be replaced, but {str(path)!r} is not"
        )


def is_ours(path: Path) -> bool:
    """Return whether an export wrote a file, by the mark inside."""
    ending = path.suffix.lower()
    marked = FORMATS[ending].is_marked if ending in FORMATS else _CARDS.get(ending)
    try:
        return marked is not None and marked(path)
    except Exception:  # a reader may raise anything for another program's file
        return False


def _json(path: Path) -> bool:
    card = json.loads(path.read_bytes())
    return isinstance(card, dict) and MARK in card


_CARDS: Mapping[str, Callable[[Path], bool]] = {
    ".json": _json,
    ".md": lambda path: path.read_bytes().startswith(CARD_SIGN.encode()),
}
