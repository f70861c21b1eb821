"""The kinds of target that an image may have, and the option that names one."""

from collections.abc import Mapping
from typing import Literal, get_args

from ..search_space.errors import InputError, known_name

Target = Literal["classes", "regression", "labels"]
"""``classes``: one of several classes; ``regression``: one or more numbers; ``labels``: any number
of several labels."""
TARGETS: tuple[Target, ...] = get_args(Target)

WORDS: Mapping[Target, str] = {"classes": "class", "regression": "number", "labels": "label"}
"""The word for one output of a network, by kind of target."""
OUTPUTS: Mapping[Target, str] = {
    "classes": "classes",
    "regression": "numbers to predict",
    "labels": "labels",
}
"""The words for all outputs, by kind of target."""
MISSING: Mapping[Target, str] = {
    "classes": "label",
    "regression": "number",
    "labels": "labels",
}
"""The word for what an image without a target lacks, by kind of target."""
_OTHER_NAMES: Mapping[str, Target] = {
    "classification": "classes",
    "multilabel": "labels",
    "multi-label": "labels",
}
RULE = "a target must read like classes, regression or labels, or like regression:COLUMN,COLUMN"


def read_target(text: str) -> str:
    """Return a target in its exact spelling: ``regression``, or ``regression:age,weight``.

    Raises:
        InputError: If the kind is unknown, or a column is empty or named twice.
    """
    given, colon, rest = text.strip().partition(":")
    kind = _OTHER_NAMES.get(given.strip().lower())
    kind = known_name("target", given.strip(), TARGETS) if kind is None else kind
    columns = [each.strip() for each in rest.split(",")] if colon else []
    if not all(columns) or len({*columns}) < len(columns):
        raise InputError(f"{RULE}, each column once, but got {text!r}")
    if kind == "classes" and len(columns) > 1:
        raise InputError(f"a target of classes must be one column, but got {text!r}")
    return f"{kind}:{','.join(columns)}" if columns else str(kind)


def split_target(text: str) -> tuple[Target | None, tuple[str, ...]]:
    """Return kind and columns of what ``read_target`` returned; for an empty text no kind."""
    given, _, rest = text.partition(":")
    kind: Target | None = next((each for each in TARGETS if each == given), None)
    return kind, tuple(rest.split(",")) if rest else ()


def stated_target(data: Mapping[str, object]) -> Target:
    """Return the kind of target that a record of data states; ``classes`` where it states none."""
    return split_target(str(data.get("target", "")))[0] or "classes"
