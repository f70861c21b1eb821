"""The weights that trainings begin with or learn from, in files beside those of the study."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...evaluators.accuracy.option_table import teacher_text
from ...search_space.errors import InputError

if TYPE_CHECKING:
    from ...evaluators.accuracy.inherit import Source


def kept_start(
    folder: Path, recipe: Mapping[str, Any], source: "Source | None" = None
) -> str | None:
    """Return the path of the file of the weights that a recipe begins with; None: from scratch.

    Args:
        folder: Folder of the study's weights.
        recipe: The recipe, as the study stores it.
        source: The network to write to the file if it is not there.

    Raises:
        InputError: If the file cannot be written.
    """
    return _kept(folder, "start", recipe.get("init", ""), source)


def kept_teacher(
    folder: Path, recipe: Mapping[str, Any], source: "Source | None" = None
) -> str | None:
    """Return the path of the file of the teacher that a recipe names; see ``kept_start``."""
    return _kept(folder, "teacher", teacher_text(recipe.get("options", {})) or "", source)


def _kept(folder: Path, what: str, name: str, source: "Source | None") -> str | None:
    """Return the path of the file of weights with a name and a checksum; None: no name."""
    from ...results.export.header import make_header
    from ...results.export.weights import save_weights

    found = re.search(r"\((\w+)\)$", name)
    if found is None:
        return None
    path = folder / f"{what}-{found[1]}.safetensors"
    if source is not None and not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        facts = {"name": name, "classes": source.classes and list(source.classes)}
        save_weights(path, source.weights, make_header(source.architecture, facts))
    return str(path)


def read_start(path: Path) -> "Source":
    """Return the network that ``kept_start`` or ``kept_teacher`` wrote.

    Raises:
        InputError: If the file is missing or damaged.
    """
    from ...evaluators.accuracy.inherit import Source
    from ...results.export.header import read_facts, read_header
    from ...results.export.weights import read_weights

    try:
        weights, header = read_weights(path)
    except InputError as error:
        raise InputError(f"the weights that trainings need must be there: {error}") from error
    facts = read_facts(header)
    classes = facts["classes"]
    return Source(
        name=facts["name"],
        architecture=read_header(header),
        weights=weights,
        classes=classes and tuple(classes),
    )
