"""Lookup of space files, and a check of the image size, without loading components.

Importing components takes seconds, so errors in a space's name or the image size are reported
before that.
"""

from pathlib import Path

import yaml

from .errors import InputError, known_name
from .json_fields import is_mapping
from .presets import preset_text, presets
from .yaml_files import read_yaml

SPACE_ENDINGS = (".yaml", ".yml")
"""Endings of a space file."""


def space_name(name_or_file: str) -> str:
    """Return the name of a shipped space in its exact spelling, or the path of a file unchanged.

    Raises:
        InputError: If there is no such space or file; the message lists the shipped spaces.
    """
    if not name_or_file.endswith(SPACE_ENDINGS):
        try:
            return known_name("space (or a .yaml file)", name_or_file, presets())
        except InputError as error:
            if not _like_a_network(name_or_file):
                raise
            raise InputError(
                f"{error}; published networks are no spaces: nas measure {name_or_file}"
            ) from None
    path = Path(name_or_file)
    if not path.exists() and path.stem in presets():
        raise InputError(
            f"a space file must be readable, but got {name_or_file}: there is none; "
            f"the shipped space is named {path.stem!r}"
        )
    return name_or_file


def _like_a_network(name: str) -> bool:
    """Whether a name begins like the names of a family of published networks."""
    files = Path(__file__).with_name("zoo").glob("*.py")
    families = {each.stem.replace("_", "") for each in files} - {"init", "entry", "names"}
    return "".join(filter(str.isalnum, name.lower())).startswith(tuple(families))


def space_data(name_or_file: str) -> object:
    """Return the content of a space's file.

    Raises:
        InputError: If there is no such space, or its file cannot be read.
    """
    name = space_name(name_or_file)
    if name.endswith(SPACE_ENDINGS):
        return read_yaml(Path(name), "a space file")
    return yaml.safe_load(preset_text(name))


def takes(data: object) -> tuple[int, int] | None:
    """Return the smallest and the largest side of images, in pixels, that a space file allows.

    The result is None if the file gives no whole numbers; reading the space is then an error.
    """
    size = data.get("input") if is_mapping(data) else None
    if not is_mapping(size):
        return None
    low, high = size.get("min"), size.get("max", 4096)
    low = (8 if size.get("resolution") == "data" else 1) if low is None else low
    return (low, high) if type(low) is int and type(high) is int else None


def check_resolution(name_or_file: str, resolution: int) -> None:
    """Check that a space takes images of this size.

    Args:
        name_or_file: A shipped space or a YAML file.
        resolution: Side of the images in pixels.

    Raises:
        InputError: If the space does not; the message names the shipped spaces that do.
    """
    bounds = takes(space_data(name_or_file))
    if bounds is None or bounds[0] <= resolution <= bounds[1]:
        return
    others: list[str] = []
    for name in presets():
        low, high = takes(space_data(name)) or (1, 0)
        if low <= resolution <= high:
            others.append(name)
    listed = f"; spaces that take it: {', '.join(others)}" if others else ""
    raise InputError(
        f"resolution of space {name_or_file!r} must be from {bounds[0]} to {bounds[1]} pixels, "
        f"but got {resolution}{listed}"
    )
