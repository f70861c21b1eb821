"""The uses of components by a block: the block's cost is the sum over them."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..components.base import Component, Layer
from ..components.parts import IMAGE, Part, PartList
from ..components.wired import Block
from ..shapes import Shape
from .live_memory import alive_bytes, map_bytes


@dataclass(frozen=True, kw_only=True)
class Use:
    """One component of a block on maps of given shapes, and how often the block runs it."""

    component: Component
    """The component; where ``field`` is given, any component of its class could stand there."""
    field: str | None
    """The field of the block that holds the component; None if the wiring adds it."""
    in_shapes: tuple[Shape, ...]
    """Shapes of its inputs."""
    width: int | None
    """See ``Part.width``."""
    times: int
    """How often the block runs the component."""
    alive: int
    """The most bytes of live maps before the component runs, its inputs included."""

    @classmethod
    def alone(cls, component: Component, in_shapes: tuple[Shape, ...], width: int | None) -> "Use":
        """Return the use of a component run once, with no live maps but its inputs."""
        return cls(
            component=component,
            field=None,
            in_shapes=in_shapes,
            width=width,
            times=1,
            alive=sum(map(map_bytes, in_shapes)),
        )


def wiring_of(block: Block, shape: Shape) -> list[Use]:
    """Return the uses of components by a block on ``shape``.

    Two blocks that differ only in the knobs of their layers use them in the same way: see
    ``Block.wire``.
    """
    parts, fields = _wired(block, shape)
    found: dict[Any, Use] = {}
    for part, field, alive in zip(parts, fields, alive_bytes(parts, shape), strict=True):
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


PartSignature = tuple[Component | str, int | None, tuple[int, ...]]
"""A part signature: the part's component (or its field of the block), its width (see ``Part``), and
how many parts back each of its inputs is. The signatures of a network identify it."""


def part_signatures(parts: Sequence[Part]) -> list[PartSignature]:
    """Return the signatures of a sequence of parts."""
    place = {IMAGE: -1} | {part.name: index for index, part in enumerate(parts)}
    return [
        (part.component, part.width, tuple(index - place[name] for name in part.inputs))
        for index, part in enumerate(parts)
    ]


def block_signatures(block: Block, shape: Shape) -> list[PartSignature]:
    """Return the signatures that a block adds to a network, with its fields in place of components.

    Blocks of one ``wiring_key`` have the same signatures, on all shapes.
    """
    parts, fields = _wired(block, shape)
    return [
        (field or component, width, back)
        for field, (component, width, back) in zip(fields, part_signatures(parts), strict=True)
    ]


def wiring_key(block: Block) -> tuple[Any, ...]:
    """Return the key of a block's wiring: equal keys mean equal wiring, see ``Block.wire``."""
    inner = block.components().values()
    classes = [type(each) if isinstance(each, Layer) else each for each in inner]
    return (type(block), *classes, *block.knobs().values())


def _wired(block: Block, shape: Shape) -> tuple[list[Part], list[str | None]]:
    """Return the parts of a block and the field that each comes from, if any."""
    own = {name: copy.copy(component) for name, component in block.components().items()}
    by_identity = {id(component): name for name, component in own.items()}
    copied = copy.copy(block)
    for name, component in own.items():
        object.__setattr__(copied, name, component)
    parts = PartList.start(shape)
    last = copied.wire(parts, IMAGE)
    added = [IMAGE, *(part.name for part in parts.parts)]
    assert last == added[-1], f"{block.name} must end with the last part that it adds"
    return parts.parts, [by_identity.get(id(part.component)) for part in parts.parts]
