"""How many bytes of maps are alive while a network runs, part by part."""

import math
from collections.abc import Sequence

from ..components.parts import IMAGE, Part
from ..shapes import Shape

FLOAT_BYTES = 4
"""Bytes of a number: float32."""


def map_bytes(shape: Sequence[int]) -> int:
    """Return the bytes of a map of one image."""
    return FLOAT_BYTES * math.prod(shape)


def alive_bytes(parts: Sequence[Part], image: Shape, *, held: bool = False) -> list[int]:
    """Return the bytes of the maps alive while each part runs, its output left out.

    A map lives from the part that makes it to the last that takes it; ``Network`` runs parts so.

    Args:
        parts: In the order in which they run.
        image: The shape of the map that they start from.
        held: Whether that map lives on to the end: who calls a network holds its image.
    """
    last = {name: index for index, part in enumerate(parts) for name in part.inputs}
    if held:
        last[IMAGE] = len(parts)
    size = {IMAGE: map_bytes(image)} | {part.name: map_bytes(part.out_shape) for part in parts}
    found: list[int] = []
    alive = size[IMAGE]
    for index, part in enumerate(parts):
        found.append(alive)
        alive += size[part.name] - sum(
            size[name] for name in set(part.inputs) if last[name] == index
        )
    return found
