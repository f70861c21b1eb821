"""Bytes of feature maps that must be kept while a network runs, part by part."""

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
    """Return the bytes of the maps kept while each part runs, without the part's output.

    A map is kept from the part that computes it to the last part that reads it, as in ``Network``.

    Args:
        parts: The parts in the order in which they run.
        image: The shape of the first part's input.
        held: Whether that input is kept to the end, as the caller of a network keeps its image.
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
