"""How often a block uses each of its components: then its cost is a sum over their costs."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...search_space.base import Block, Component
from ...search_space.parts import IMAGE, Part, PartList
from ...search_space.shapes import Shape
from .analysis import map_bytes


@dataclass(frozen=True, kw_only=True)
class Use:
    """One component of a block (or of its wiring) on maps of some shapes."""

    component: Component
    """What is used; where ``field`` is given, it stands for all of its class."""
    field: str | None
    """The field of the block that it comes from; none for what the wiring makes."""
    in_shapes: tuple[Shape, ...]
    """Shapes of its inputs."""
    width: int | None
    """See ``Part.width``."""
    times: int
    """How often."""
    alive: int
    """The most bytes alive before it runs, its inputs among them."""


def alive_bytes(parts: Sequence[Part], image: Shape) -> list[int]:
    """Return the bytes of the maps alive while each part runs, its output left out.

    A map lives from the part that makes it to the last that takes it; ``Network`` runs parts so.

    Args:
        parts: In the order in which they run.
        image: The shape of the map that they start from.
    """
    last = {name: index for index, part in enumerate(parts) for name in part.inputs}
    size = {IMAGE: map_bytes(image)} | {part.name: map_bytes(part.out_shape) for part in parts}
    found: list[int] = []
    alive = size[IMAGE]
    for index, part in enumerate(parts):
        found.append(alive)
        alive += size[part.name] - sum(
            size[name] for name in set(part.inputs) if last[name] == index
        )
    return found


def wiring_of(block: Block, shape: Shape) -> list[Use]:
    """Return what a block uses on ``shape``.

    Other blocks with layers of the same classes, and all else equal, use their own layers in the
    same way: see ``Block.wire``.
    """
    own = {name: copy.copy(component) for name, component in block.components().items()}
    by_identity = {id(component): name for name, component in own.items()}
    told_apart = copy.copy(block)
    for name, component in own.items():
        object.__setattr__(told_apart, name, component)
    parts = PartList.start(shape)
    told_apart.wire(parts, IMAGE)
    found: dict[Any, Use] = {}
    for part, alive in zip(parts.parts, alive_bytes(parts.parts, shape), strict=True):
        field = by_identity.get(id(part.component))
        key = (field or part.component, part.in_shapes, part.width)
        before = found.get(key)
        found[key] = Use(
            component=part.component,
            field=field,
            in_shapes=part.in_shapes,
            width=part.width,
            times=1 if before is None else before.times + 1,
            alive=alive if before is None else max(alive, before.alive),
        )
    return list(found.values())
