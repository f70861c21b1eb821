"""The overwrite guard: only files that nas-explorer wrote may be replaced."""

import json
from collections.abc import Callable, Mapping
from hashlib import sha256
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
    paired = FORMATS[path.suffix.lower()].paired
    for target in targets(path):
        if paired and target.suffix == paired:
            _check_paired(target, path)
        else:
            sign = target if target.suffix.lower() in (*FORMATS, *_CARDS) else path
            check_marked(target, marked=is_ours(sign))


def _check_paired(target: Path, path: Path) -> None:
    """Check that a second file, which has no mark, is the one that the card of ``path`` names.

    Raises:
        InputError: If it exists and is another one.
    """
    if not target.is_file():
        return check_marked(target, marked=False)
    digest = sha256(target.read_bytes()).hexdigest()
    owners = [card for card in sorted(path.parent.glob("*.md")) if _names(card, digest)]
    own = path.with_name(f"{path.name}.md")
    if owners and own not in owners:
        raise InputError(
            f"{str(target)!r} must belong to {path.name!r} to be replaced, but belongs to "
            f"{owners[0].stem!r}"
        )
    return check_marked(target, marked=bool(owners))


def _names(card: Path, digest: str) -> bool:
    """Return whether a card of ours names a file by its digest."""
    return is_ours(card) and digest in card.read_text(encoding="utf-8")


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
