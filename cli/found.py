"""A description of a search's data in lines of text."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..evaluators.targets import OUTPUTS, WORDS

if TYPE_CHECKING:
    from ..evaluators.accuracy.data.dataset import SearchData

_MOST = 10
"""Maximum number of lines of one kind."""
_CLASSES = 6
"""Maximum number of named classes."""
_KINDS = {
    "sixteen_bit": "16-bit greyscale",
    "integer": "greyscale of signed or 32-bit integers",
    "float": "greyscale of floating-point numbers",
}


def data_lines(data: "SearchData") -> Iterator[str]:
    """Yield targets, images per split, files left out with reasons, copies, grey levels."""
    names = ", ".join(data.classes[:_CLASSES])
    more = len(data.classes) - _CLASSES
    outputs = OUTPUTS[data.target] if len(data.classes) != 1 else WORDS[data.target]
    test = "an unknown number of" if data.test_count is None else f"{data.test_count:,}"
    own = {"validation": data.own_validation, "test": data.own_test}
    cut = " and ".join(part for part, its_own in own.items() if not its_own)
    yield (
        f"Data {data.spec.name}: {len(data.classes)} {outputs} ({names}"
        f"{f' and {more} more' if more > 0 else ''}), {len(data.train_labels):,} training, "
        f"{len(data.validation_labels):,} validation and {test} test images "
        f"of {data.channels}x{data.resolution}x{data.resolution}; "
        f"{f'{cut} taken from the training images; ' if cut else ''}the search reads no test image"
    )
    yield from _first([f"Left out: {each}" for each in (*_unreadable(data), *data.left_out)])
    yield from (f"Copies: {each}" for each in data.copies)
    for kind, (black, white) in data.levels.items():
        yield f"Scale of {_KINDS[kind]}: {black:g} is black, {white:g} is white"
    if data.shortened:
        files = "image has" if data.shortened == 1 else "images have"
        yield (
            f"Depth of colour: {data.shortened:,} {files} more than 8 bits a channel, "
            "of which 8 are read"
        )


def _unreadable(data: "SearchData") -> Iterator[str]:
    """Yield the files that could not be read, by reason."""
    by_reason: dict[str, list[str]] = {}
    for path, reason in data.unreadable:
        by_reason.setdefault(reason, []).append(path)
    for reason, paths in by_reason.items():
        more = f" and {len(paths) - 1:,} more" if len(paths) > 1 else ""
        yield f"'{paths[0]}'{more}: {reason}"


def _first(lines: list[str]) -> Iterator[str]:
    yield from lines[:_MOST]
    if len(lines) > _MOST:
        yield f"Left out: {len(lines) - _MOST} further kinds of files"
