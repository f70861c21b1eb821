"""Features of a part of a network for the prediction of its time.

They are what the part costs, so that a component that was never timed is known too.
"""

from ...search_space.architecture.live_memory import map_bytes
from ...search_space.components.parts import Part
from ..cost.cost import part_cost

Numbers = dict[str, float]


def part_features(part: Part) -> Numbers:
    """Return the features of one part by name; a missing one is 0.

    ``macs.KIND`` and ``other.KIND`` are operations by kind, ``bytes`` is the data moved, and
    ``of.COMPONENT`` and ``work.COMPONENT`` are 1 and all operations, under the kind of component.

    Raises:
        UncountableOperation: If an operation has no formula.
    """
    cost = part_cost(part)
    kind = type(part.component).__name__
    return {
        "bytes": float(bytes_moved(part)),
        f"of.{kind}": 1.0,
        f"work.{kind}": float(cost.macs + cost.other),
        **{f"macs.{name}": float(count) for name, count in cost.macs_by_kind.items() if count},
        **{f"other.{name}": float(count) for name, count in cost.other_by_kind.items() if count},
    }


def bytes_moved(part: Part) -> int:
    """Return the least bytes that a part moves for one image in float32.

    These are its inputs, its outputs and its weights, each read or written once.
    """
    maps = sum(map(map_bytes, part.in_shapes)) + map_bytes(part.out_shape)
    return maps + part_cost(part).param_bytes
