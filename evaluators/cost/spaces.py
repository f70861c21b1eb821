"""Search spaces with their costs, cached on disk between runs.

A repeated question about a space then needs no torch, which takes seconds to import.
"""

import hashlib
import json
import logging
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ...search_space.component_filter import ComponentFilter
from ...search_space.plugins import COMPONENTS, has_outside
from ...search_space.presets import preset_text, presets
from .cache import cache_folder, remove_old
from .costed import CostedSpace, decoded, encoded
from .shipped import shipped_space
from .value import EXACT_METRICS
from .version import space_version

if TYPE_CHECKING:  # torch takes seconds to import
    from ...search_space.components.base import Component
    from ...search_space.space import SearchSpace

_LOG = logging.getLogger(__name__)


def costed_space(
    name_or_file: str,
    *,
    resolution: int | None = None,
    channels: int | None = None,
    classes: int | None = None,
    kept: ComponentFilter | None = None,
    any_resolution: bool = False,
) -> CostedSpace:
    """Return a search space with costs for given images and classes, by default its own.

    Args:
        name_or_file: A shipped space or a YAML file.
        resolution: Side of the images in pixels.
        channels: Channels of the images.
        classes: Number of classes.
        kept: The components to keep; None: all.
        any_resolution: Leave out components that take images of one size only.

    Raises:
        InputError: If there is no such space, or it cannot take such images.
        UncountableOperation: If an operation of one of its parts cannot be counted.
    """
    kind = ([kept.key] if kept else []) + ["any resolution"] * any_resolution
    shipped = name_or_file in presets() and not kind
    found = shipped_space(name_or_file) if shipped else None
    if found and _is_for(found, resolution, channels, classes):
        return found
    path = _path(name_or_file, [resolution, channels, classes, *kind])
    if path is not None and path.exists() and (found := _read(path)):
        return found
    found = computed_space(
        name_or_file,
        resolution,
        channels,
        classes,
        kept=kept,
        any_resolution=any_resolution,
    )
    if path is not None:
        _write(path, found)
    return found


def _is_for(
    space: CostedSpace, resolution: int | None, channels: int | None, classes: int | None
) -> bool:
    asked = (channels, resolution, resolution, classes)
    own = (*space.input, space.classes)
    return all(each in (None, mine) for each, mine in zip(asked, own, strict=True))


def computed_space(
    name_or_file: str,
    resolution: int | None = None,
    channels: int | None = None,
    classes: int | None = None,
    *,
    kept: ComponentFilter | None = None,
    any_resolution: bool = False,
) -> CostedSpace:
    """Return the space of ``costed_space``, without the cache."""
    from ...search_space.files import load_space

    space = load_space(name_or_file)
    space = space.bind(
        channels=space.input.channels if channels is None else channels,
        resolution=space.input.height if resolution is None else resolution,
        classes=space.classes if classes is None else classes,
    )
    if kept:
        space = space.only(kept)
    if any_resolution:
        space = space.any_resolution()
    return with_costs(space)


def with_costs(space: "SearchSpace") -> CostedSpace:
    """Return a search space with costs; parts that are not cached are counted."""
    from ...search_space.constraints.build_cost_table import build_cost_table
    from .cost import additive_costs

    return CostedSpace(
        name=space.name,
        input=space.input,
        classes=space.classes,
        walks_differ=space.walks_differ,
        size=space.size(),
        never_built=space.never_built(),
        table=build_cost_table(space.graph, EXACT_METRICS, additive_costs),
    )


def modules_of(components: Iterable["Component"]) -> set[str]:
    """Return the modules of components and of all components inside them."""
    todo = list(components)
    for each in todo:
        todo.extend(each.components().values())
    return {type(each).__module__ for each in todo}


def _path(name_or_file: str, asked: list[int | str | None]) -> Path | None:
    """Return the cache file for the text of a space and the current code, or None.

    There is no file for components from outside the package, whose code has no version.
    """
    if has_outside(COMPONENTS):
        return None
    try:
        known = name_or_file in presets()
        text = preset_text(name_or_file) if known else Path(name_or_file).read_text("utf-8")
        counted = space_version()
    except (OSError, EOFError, ValueError):
        return None
    if counted is None:
        return None
    key = json.dumps([counted, name_or_file, text, *asked])
    return cache_folder() / f"steps-{hashlib.sha256(key.encode()).hexdigest()[:32]}.npz"


def _read(path: Path) -> CostedSpace | None:
    try:
        return decoded(path.read_bytes())
    except (OSError, ValueError) as error:
        _LOG.warning("%s cannot be read and is made anew: %s", path, error)
        return None


def _write(path: Path, space: CostedSpace) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_old(path.parent, "steps-*")
        part = path.with_suffix(f".{os.getpid()}.part")
        part.write_bytes(encoded(space))
        part.replace(path)  # atomic
    except OSError as error:
        _LOG.warning("costs of %s are not kept on disk: %s", space.name, error)
