"""The layout of an image folder on disk: its splits and its classes.

An ambiguous layout is an error; it is never guessed.
"""

import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ....search_space.errors import InputError
from ...units import plural
from .scan import entries, few, holds_images, is_folder, may_be_image, shown

PARTS = {
    "train": ("train", "training"),
    "validation": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing"),
}
"""Names of the folders of each split of a data set, in any case."""

_NAMES = frozenset(sum(PARTS.values(), ()))
_UNCLEAR = frozenset({"eval", "evaluation", "holdout", "heldout"})
"""Words for a split that may be validation or test."""
_PLAIN_WORDS = frozenset({"train", "valid", "dev"})
"""Names of splits that may also name classes: a train beside a car, valid beside invalid."""

_RULE = "an image folder must hold one folder of images for each class"
_WAY_OUT = "put a folder for each class into 'train', and 'val' and 'test' beside it"


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The folders of the splits of an image folder."""

    train: Path
    """Folder of the training images' class folders."""
    validation: Path | None
    """Folder of the validation split's class folders, or None."""
    test: Path | None
    """Folder of the test split's class folders, or None."""
    left_out: tuple[str, ...] = ()
    """Unused entries beside the splits, with reasons, one sentence each."""


@dataclass(frozen=True, kw_only=True)
class Classes:
    """The classes of one split."""

    names: tuple[str, ...]
    """Names of the folders with image files, in alphabetical order."""
    left_out: tuple[str, ...]
    """Unused entries, one sentence each."""


def find_layout(root: Path) -> Layout:
    """Return the splits of the image folder ``root``.

    A folder is a split only if it holds folders.

    Raises:
        InputError: If ``root`` is no folder or cannot be read, or if it is not clear which of
            its folders are splits and which are classes.
    """
    _check_folder(root)
    found = _folders_in(root)
    parts: dict[str, Path] = {}
    for part, names in PARTS.items():
        own = [each for each in found if each.name.lower() in names and _folders_in(each)]
        if len(own) > 1:
            raise InputError(
                f"the {part} images must lie in one folder, but '{shown(root)}' holds "
                f"{few([each.name for each in own])}"
            )
        if own:
            parts[part] = own[0]
    if "train" not in parts:
        _check_classes_alone(root, found, list(parts.values()))
        return Layout(train=root, validation=None, test=None)
    rest = [each for each in found if each not in parts.values()]
    return Layout(
        train=parts["train"],
        validation=parts.get("validation"),
        test=parts.get("test"),
        left_out=(*_beside_parts(root, parts["train"], rest), *loose_files(root, root)),
    )


def find_classes(folder: Path) -> Classes:
    """Return the classes in ``folder``.

    Raises:
        InputError: If there are fewer than two, or a class is divided into splits.
    """
    found = _folders_in(folder)
    kept: list[Path] = []
    empty: list[Path] = []
    for each in found:
        (kept if holds_images(each) else empty).append(each)
    for each in kept:
        _check_undivided(each)
    if not found:
        images = sum(may_be_image(entry.name) for entry in entries(folder))
        raise InputError(
            f"{_RULE}, but '{shown(folder)}' holds no folders ({plural(images, 'image')})"
        )
    if len(kept) < 2:
        raise InputError(
            f"{_RULE}, at least 2, but '{shown(folder)}' holds only "
            f"{few([each.name for each in kept]) or 'folders without images'}"
            + _hint(kept or found, empty)
        )
    return Classes(
        names=tuple(each.name for each in kept),
        left_out=tuple(f"'{shown(each.name)}': a class folder without images" for each in empty),
    )


def same_classes(folder: Path, classes: Sequence[str]) -> None:
    """Check that ``folder`` holds the classes of the train folder.

    A class may have no images there.

    Raises:
        InputError: If it does not; the message names the classes that differ.
    """
    there = _folders_in(folder)
    holding = {each.name for each in there if holds_images(each)}
    extra = sorted(holding - set(classes))
    missing = sorted(set(classes) - {each.name for each in there})
    if extra or missing:
        differ = [f"{few(extra)} only in '{shown(folder)}'"] if extra else []
        differ += [f"{few(missing)} only in the train folder"] if missing else []
        raise InputError(
            f"'{shown(folder.name)}' and train folder must hold the same classes, but got "
            + " and ".join(differ)
        )


def loose_files(folder: Path, root: Path) -> tuple[str, ...]:
    """Return notes on unused files beside class folders or splits, relative to ``root``."""
    files = [e for e in entries(folder) if not is_folder(e) and may_be_image(e.name)]
    if not files:
        return ()
    more = f" and {len(files) - 1:,} more" if len(files) > 1 else ""
    return (f"'{shown(Path(files[0].path).relative_to(root))}'{more}: in no class folder",)


def _check_folder(root: Path) -> None:
    try:
        mode = root.stat().st_mode
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise InputError(
            f"folder: must name an existing folder, but got '{shown(root)}': {why}"
        ) from None
    if not stat.S_ISDIR(mode):
        raise InputError(f"folder: must name a folder, but got the file '{shown(root)}'")


def _check_classes_alone(root: Path, found: Sequence[Path], parts: Sequence[Path]) -> None:
    """Raise ``InputError`` where a folder could be a split or a class."""
    if found and all(each.name.lower() in _NAMES for each in found):
        names = few([each.name for each in found])
        raise InputError(
            f"a train folder must hold one folder of images for each class, but "
            f"'{shown(root)}' holds only {names}, with no class in a train folder"
        )
    suspects = [each for each in _suspects(found, parts) if holds_images(each)]
    if suspects:
        others = [each.name for each in found if each not in suspects]
        beside = f" beside {few(others)}" if others else ""
        raise InputError(
            f"an image folder must hold either classes or splits, but in '{shown(root)}' "
            f"{few([each.name for each in suspects])} may be either{beside}: {_WAY_OUT}"
        )


def _suspects(found: Sequence[Path], parts: Sequence[Path]) -> list[Path]:
    """Return the folders whose names suggest splits, if none is called ``train``."""
    words = {each: _words(each.name) & (_NAMES | _UNCLEAR) for each in found}
    trained = [each for each in found if words[each] & {*PARTS["train"]}]
    scored = [each for each in found if words[each] - {*PARTS["train"]} - _PLAIN_WORDS]
    divided = {*trained, *scored} if trained and scored else set[Path]()  # trainA, trainB, testA
    if all(words.values()) and any(each - {*PARTS["train"]} for each in words.values()):
        divided |= {*found}

    def suspect(each: Path) -> bool:
        named = each.name.lower() in (_NAMES | _UNCLEAR) - _PLAIN_WORDS
        return each in parts or each in divided or named or bool(words[each] and _folders_in(each))

    return [each for each in found if suspect(each)]


def _beside_parts(root: Path, train: Path, rest: Sequence[Path]) -> list[str]:
    """Return notes on unused folders beside the splits; one with images is an error."""
    unused: list[str] = []
    extra: list[str] = []
    for each in rest:
        if not holds_images(each):
            unused.append(f"'{shown(each.name)}': a folder without images")
        elif each.name.lower() in _NAMES:
            unused.append(f"'{shown(each.name)}': its images lie in no class folders")
        else:
            extra.append(each.name)
    if extra:
        raise InputError(
            f"beside '{shown(train.name)}' there may be 'val' and 'test', but '{shown(root)}' also "
            f"holds images in {few(extra)}: {_WAY_OUT}"
        )
    return unused


def _check_undivided(folder: Path) -> None:
    """Raise ``InputError`` for a class that contains a test or validation folder."""
    names = {each.name.lower(): each.name for each in _folders_in(folder)}
    scored = {*PARTS["validation"], *PARTS["test"]}
    if not names.keys() & set(PARTS["train"]):
        scored -= _PLAIN_WORDS
    if divided := names.keys() & scored:
        raise InputError(
            f"splits must contain the classes, as in 'test/{shown(folder.name)}', but "
            f"'{shown(folder)}' holds {few([names[each] for each in sorted(divided)])}"
        )


def _folders_in(folder: Path) -> list[Path]:
    return [Path(entry.path) for entry in entries(folder) if is_folder(entry)]


def _hint(found: Sequence[Path], empty: Sequence[Path]) -> str:
    if len(found) == 1 and _folders_in(found[0]):
        return f"; did you mean 'folder:{shown(found[0])}'?"
    return f"; no images are in {few([each.name for each in empty])}" if empty else ""


def _words(name: str) -> set[str]:
    """Return the words of a name such as ``trainA``, ``test_set`` or ``hold-out``."""
    words = {each.lower() for each in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)}
    return words | {re.sub("[^a-z]", "", name.lower())}
