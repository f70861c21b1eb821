"""Exact costs of parts and of whole architectures.

The cost of a network is the sum over its parts (the peak memory: the image, and the maximum over
the running parts). Each distinct part is analysed once, and cached in memory and on disk.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from ...search_space.architecture.architecture import Architecture
from ...search_space.architecture.live_memory import map_bytes
from ...search_space.components.parts import Part
from .counting.handles import UncountableOperation
from .fold import Fold
from .table import CostTable, Integers
from .value import ADDITIVE_METRICS, COLUMNS, EXACT_METRICS, MAC_KINDS, Cost

__all__ = [
    "ADDITIVE_METRICS",
    "EXACT_METRICS",
    "additive_costs",
    "architecture_cost",
    "clear_memory",
    "costs_of",
    "part_cost",
]

_MAC_COLUMNS = [COLUMNS.index(kind) for kind in MAC_KINDS]
_CHUNK = 1024  # architectures summed at once: their rows fit into the processor's cache

_table = CostTable()
_fold = Fold(_table)


def clear_memory() -> None:
    """Clear the costs cached in this process, but not those on disk."""
    global _table, _fold
    _table = CostTable()
    _fold = Fold(_table)


def part_cost(part: Part) -> Cost:
    """Return the cost of one part of a network.

    Raises:
        UncountableOperation: If an operation has no formula.
    """
    row = _part_row(part)
    inputs = sum(map(map_bytes, part.in_shapes))
    return Cost.from_row(row[:-1], peak_memory=inputs + row[-1])


def additive_costs(part: Part) -> Mapping[str, int]:
    """Return the additive metrics of one part, and its working memory, by name.

    ``working_memory`` is the most bytes of live maps beside the inputs.

    Raises:
        UncountableOperation: If an operation has no formula.
    """
    row = _part_row(part)
    params, param_bytes, activations = row[:3]
    macs = sum(row[column] for column in _MAC_COLUMNS)
    return {
        "params": params,
        "macs": macs,
        "activations": activations,
        "param_bytes": param_bytes,
        "working_memory": row[-1],
    }


def _part_row(part: Part) -> list[int]:
    try:
        number = _table.number(*part.key)  # first, since it may replace the table
        return _table.rows[number].tolist()
    except UncountableOperation as error:
        raise UncountableOperation(error.operation, f"{error.where}, part {part.name}") from None


def architecture_cost(architecture: Architecture) -> Cost:
    """Return the cost of a whole network.

    Raises:
        UncountableOperation: If an operation has no formula; the message names the part.
    """
    found: list[int] = []
    _add(architecture, found)
    numbers, times, alive = np.array(found, dtype=np.int64).reshape(-1, 3).T
    rows = _table.rows[numbers]
    sums = times @ rows[:, :-1]
    peak = map_bytes(architecture.input) + int((rows[:, -1] + alive).max())
    return Cost.from_row(sums.tolist(), peak_memory=peak)


def costs_of(architectures: Sequence[Architecture]) -> Mapping[str, Integers]:
    """Return the exact metrics of many architectures at once, by name, in their order.

    Raises:
        UncountableOperation: If an operation has no formula; the message names the part.
    """
    chunks = [
        _chunk_costs(architectures[start : start + _CHUNK])
        for start in range(0, len(architectures), _CHUNK)
    ]
    table = np.concatenate(chunks) if chunks else np.zeros((0, len(EXACT_METRICS)), dtype=np.int64)
    return dict(zip(EXACT_METRICS, table.T, strict=True))


def _chunk_costs(architectures: Sequence[Architecture]) -> Integers:
    """Return the exact metrics as an array (architectures, metrics)."""
    found: list[int] = []
    starts: list[int] = []
    for each in architectures:
        starts.append(len(found) // 3)
        _add(each, found)
    numbers, times, alive = np.array(found, dtype=np.int64).reshape(-1, 3).T
    rows = _table.rows[numbers]
    params, param_bytes, activations = rows[:, :3].T
    macs = rows[:, _MAC_COLUMNS].sum(axis=1)
    additive = np.stack([params, macs, activations, param_bytes], axis=1) * times[:, None]
    images = np.array([map_bytes(each.input) for each in architectures])
    peaks = images + np.maximum.reduceat(rows[:, -1] + alive, starts)
    return np.concatenate([np.add.reduceat(additive, starts), peaks[:, None]], axis=1)


def _add(architecture: Architecture, found: list[int]) -> None:
    try:
        _fold.add(architecture, found)
    except UncountableOperation:
        for part in architecture.parts():
            part_cost(part)  # raises again, with the part's name
        raise
