"""How much memory the maps of one forward pass take."""

import itertools
from collections.abc import Sequence

from ...search_space.liveness import FLOAT_BYTES
from .handles import is_view
from .reading import Value, elements, is_tensor, sizes
from .trace import Graph, Operation

Owners = frozenset[int]
"""The tensors whose memory a value has, by number."""

_NOBODY: Owners = frozenset()


def tensor_bytes(value: Value) -> int:
    """Return the bytes of a tensor in a trace: 4 a number (8 if complex), 8 an integer, 1 a bool.

    Integers without sizes are what torch makes of Python's, and take nothing.
    """
    kind = value.type().scalarType()
    if kind in ("Bool", "Byte", "Char"):
        return elements(value)
    if kind in ("Long", "Int", "Short"):
        return 8 * elements(value) if sizes(value) else 0
    return (2 if kind.startswith("Complex") else 1) * FLOAT_BYTES * elements(value)


def working_memory(found: Sequence[Operation], graph: Graph) -> int:
    """Return the most bytes alive at one time, beside the module's inputs and weights.

    A tensor lives from the operation that makes it to the last that uses it or a view of it; what
    works in place, or can be a view, has no memory of its own.
    """
    made: list[tuple[int, int]] = []  # of each tensor: when it is made, its bytes
    last: list[int] = []  # of each tensor: when it is used last
    owners: dict[int, Owners] = {}
    for time, (kind, inputs, outputs) in enumerate(found):
        held = [owners.get(each.unique(), _NOBODY) for each in inputs]
        for owner in _NOBODY.union(*held):
            last[owner] = time
        in_place = kind.endswith("_") and not kind.endswith("__")
        unpacks_new = kind == "prim::ListUnpack" and inputs[0].unique() not in owners
        shares = in_place or (is_view(kind) and not unpacks_new)
        shared = _NOBODY.union(*(held[:1] if in_place else held))
        for out in outputs:
            if shares:
                owners[out.unique()] = shared
            elif is_tensor(out):
                owners[out.unique()] = frozenset({len(made)})
                made.append((time, tensor_bytes(out)))
                last.append(time)
    for out in graph.outputs():
        for owner in owners.get(out.unique(), _NOBODY):
            last[owner] = len(found)
    return _peak(made, last, len(found))


def _peak(made: Sequence[tuple[int, int]], last: Sequence[int], steps: int) -> int:
    change = [0] * (steps + 2)
    for (time, size), end in zip(made, last, strict=True):
        change[time] += size
        change[end + 1] -= size
    return max(itertools.accumulate(change))
