"""The weights that the trainings of a study begin with, in a file beside the study's weights."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...search_space.errors import InputError

if TYPE_CHECKING:
    from ...evaluators.accuracy.inherit import Source

_SUM = 8
"""Digits of the checksum in the name of the recipe."""


def described(source: "Source") -> str:
    """Return the text for weights in a recipe: name and checksum."""
    from ...results.export.weights import checksum

    return f"{source.name} ({checksum(source.weights, {})[:_SUM]})"


def kept_start(
    folder: Path, recipe: Mapping[str, Any], source: "Source | None" = None
) -> str | None:
    """Return the path of the file of the weights that a recipe names; None if it names none.

    Args:
        folder: Folder of the study's weights.
        recipe: The recipe, as the study stores it.
        source: The network to write to the file if it is not there.

    Raises:
        InputError: If the file cannot be written.
    """
    from ...results.export.header import make_header
    from ...results.export.weights import save_weights

    found = re.search(r"\((\w+)\)$", recipe.get("init", ""))
    if found is None:
        return None
    path = folder / f"start-{found[1]}.safetensors"
    if source is not None and not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        facts = {"name": recipe["init"], "classes": source.classes and list(source.classes)}
        save_weights(path, source.weights, make_header(source.architecture, facts))
    return str(path)


def read_start(path: Path) -> "Source":
    """Return the network that ``keep_start`` wrote.

    Raises:
        InputError: If the file is missing or damaged.
    """
    from ...evaluators.accuracy.inherit import Source
    from ...results.export.header import read_facts, read_header
    from ...results.export.weights import read_weights

    try:
        weights, header = read_weights(path)
    except InputError as error:
        raise InputError(f"the weights that trainings begin with must be there: {error}") from error
    facts = read_facts(header)
    classes = facts["classes"]
    return Source(
        name=facts["name"],
        architecture=read_header(header),
        weights=weights,
        classes=classes and tuple(classes),
    )
