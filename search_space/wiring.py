"""How often a block uses each of its components: then its cost is a sum over their costs."""

import copy
from dataclasses import dataclass
from typing import Any

from .base import Block, Component
from .liveness import alive_bytes, map_bytes
from .parts import IMAGE, PartList
from .shapes import Shape


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

    @classmethod
    def alone(cls, component: Component, in_shapes: tuple[Shape, ...], width: int | None) -> "Use":
        """Return the use of a component once, with nothing alive but its inputs."""
        return cls(
            component=component,
            field=None,
            in_shapes=in_shapes,
            width=width,
            times=1,
            alive=sum(map(map_bytes, in_shapes)),
        )


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
