"""Division of a data set into splits without copies of each other's images."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from ....search_space.errors import InputError
from ....search_space.seeds import derive_seed
from ...units import plural
from .copies import absent_from, first_alike, under_two_classes
from .images import LabelledImages
from .scan import few
from .sources import Source
from .splits import stratified_cut
from .target_checks import check_targets, row_keys, strata

TEST_SHARE = 0.2
"""Share of the test split where a data set has none of its own."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Parts:
    """The splits of a data set."""

    train: LabelledImages
    """Images for training."""
    validation: LabelledImages | None
    """The data set's own validation split; None if it has none."""
    test: LabelledImages | None
    """Test split taken from the training images; None if the data set has its own."""
    copies: tuple[str, ...]
    """Notes on the number of exact copies, and on copies under two classes, one sentence each."""
    left_out: tuple[str, ...]
    """Notes on unused copies, one sentence each."""


def divide(source: Source, *, name: str, seed: int) -> Parts:
    """Read a data set without its test split; split off a test split if there is none.

    Args:
        source: The data set's source.
        name: Name of the data in errors.
        seed: Seed of the split.

    Raises:
        InputError: If all training images of a class are copies of validation images.
    """
    train = source.train()
    validation = source.validation(train)
    read = [train] if validation is None else [train, validation]
    copies = _copies(read, source)
    left_out: tuple[str, ...] = ()
    if validation is not None:
        alone = train.take(absent_from(train.hashes, [validation.hashes]))
        if lost := len(train) - len(alone):
            left_out = (f"{plural(lost, 'training image')}: also in the validation split",)
        _check_left(alone, name)
        train = alone
    test = None
    if not source.has_test:
        train, test = cut(train, share=TEST_SHARE, keep=2, seed=derive_seed("test split", seed))
    return Parts(train=train, validation=validation, test=test, copies=copies, left_out=left_out)


def cut(
    images: LabelledImages, *, share: float, keep: int, seed: int
) -> tuple[LabelledImages, LabelledImages]:
    """Return the two parts of ``stratified_cut``: remaining, cut off. Copies stay together."""
    groups, count = strata(images.target, images.labels)
    kept, off = stratified_cut(
        groups,
        classes=count,
        share=share,
        keep=keep,
        seed=seed,
        pictures=first_alike(images.hashes),
    )
    return images.take(kept), images.take(off)


def without_copies(test: LabelledImages, parts: Parts, *, name: str) -> LabelledImages:
    """Return a test split without copies of other splits' images; ``left_out`` counts them.

    Raises:
        InputError: If no image remains.
    """
    seen = [each.hashes for each in (parts.train, parts.validation) if each is not None]
    alone = test.take(absent_from(test.hashes, seen))
    lost = len(test) - len(alone)
    if lost and not len(alone):
        raise InputError(
            f"a test split must hold images of its own, but all of {name!r} are copies of training "
            "or validation images"
        )
    reason = f"{plural(lost, 'test image')}: also in the training or validation split"
    return replace(alone, left_out=(reason,)) if lost else test


def _copies(parts: Sequence[LabelledImages], source: Source) -> tuple[str, ...]:
    """Return the notes on copies: their number, and those under two classes."""
    first = first_alike(torch.cat([part.hashes for part in parts]))
    count = len(first) - len(first.unique())
    if not count:
        return ()
    are = "image is an exact copy of another" if count == 1 else "images are exact copies of others"
    lines = [f"{count:,} {are}; copies stay in one split"]
    twice = under_two_classes(first, row_keys(torch.cat([part.labels for part in parts])))
    if twice:
        files = [file for part in parts for file in part.files]
        names = [source.name_of(files[each]) if files else f"image {each}" for each in twice[0]]
        more = f" (and {len(twice) - 1:,} more)" if len(twice) > 1 else ""
        what = "classes" if parts[0].target == "classes" else "targets"
        lines.append(f"one picture under two {what}: {', '.join(names)}{more}")
    return tuple(lines)


def _check_left(train: LabelledImages, name: str) -> None:
    if train.target != "classes":
        check_targets(
            train.target,
            train.labels,
            train.classes,
            train.hashes,
            where=name,
            notes=", without copies of validation images",
        )
        return
    counts = torch.bincount(train.labels, minlength=len(train.classes)).tolist()
    empty = [each for each, count in zip(train.classes, counts, strict=True) if not count]
    if empty:
        raise InputError(
            f"every class must have training images of its own, but in {name!r} all of "
            f"{few(empty)} are copies of validation images"
        )
