"""Relaxations of infeasible constraints: which bounds to move, and to what values."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from .bounded_steps import BoundedSteps
from .constraint import Constraint
from .cost_table import PEAK_MEMORY, CostedGraph, Floats
from .steering import reachable_sums


def relaxations(table: CostedGraph, constraints: Sequence[Constraint]) -> tuple[str, ...]:
    """Return relaxations as text; each one alone makes some walk feasible.

    A bound that no walk satisfies moves to the least or greatest value in the space. If the bounds
    only conflict with each other, each relaxation moves one of them; if none of these suffices, a
    single relaxation moves several. The new values are the nearest feasible ones if all sums are
    known (see ``Guide``).
    """
    low, high = (dict(zip(table.metrics, each.tolist(), strict=True)) for each in table.extremes())
    alone = [_within(each, low[each.metric], high[each.metric]) for each in constraints]
    if alone != [*constraints] and _possible(table, alone):
        return (_described(constraints, alone),)
    found: list[str] = []
    for index, each in enumerate(alone):
        others = [*alone[:index], *alone[index + 1 :]]
        for moved in _nearest(table, each, others):
            found.append(_described(constraints, [*alone[:index], moved, *alone[index + 1 :]]))
    found = [each for each in found if each]
    together = "" if found else _described(constraints, _one_by_one(table, alone))
    return tuple(found or filter(None, [together]))


def _within(constraint: Constraint, low: float, high: float) -> Constraint:
    """Return the constraint, relaxed if no value from ``low`` to ``high`` satisfies it."""
    if constraint.high < low or (constraint.strict and constraint.high == low):
        return replace(constraint, high=low, strict=False)
    if constraint.low > high or (constraint.strict and constraint.low == high):
        return replace(constraint, low=high, strict=False)
    return constraint


def _one_by_one(table: CostedGraph, constraints: Sequence[Constraint]) -> list[Constraint]:
    """Return the constraints, each relaxed if it conflicts with those before it."""
    kept: list[Constraint] = []
    for each in constraints:
        if not _possible(table, [*kept, each]):
            each = next(iter(_nearest(table, each, kept)), each)
        kept.append(each)
    return kept


def _nearest(
    table: CostedGraph, constraint: Constraint, others: Sequence[Constraint]
) -> list[Constraint]:
    """Return at most two relaxations of a constraint: the least move up, and the least move down.

    There is none if the other constraints alone cannot be satisfied.
    """
    if constraint.metric == PEAK_MEMORY:
        return _nearest_peaks(table, constraint, others)
    low, high = (each[table.metrics.index(constraint.metric)].item() for each in table.extremes())
    found: list[Constraint] = []
    if constraint.high < high or (constraint.strict and constraint.high == high):
        wide = replace(constraint, high=high, strict=False)
        found += [replace(wide, high=value) for value in _closest(table, wide, others, "high")]
    if constraint.low > low or (constraint.strict and constraint.low == low):
        wide = replace(constraint, low=low, strict=False)
        found += [replace(wide, low=value) for value in _closest(table, wide, others, "low")]
    return found


def _closest(
    table: CostedGraph, wide: Constraint, others: Sequence[Constraint], side: str
) -> list[float]:
    """Return the tightest feasible value found for one side of a bound, if any."""
    steps = BoundedSteps(table, [*others, wide])
    aim = [each.metric for each in steps.sums].index(wide.metric)
    values = np.unique(reachable_sums(steps, aim=aim, up=side == "low").sums(aim)).tolist()
    tightest = values if side == "high" else values[::-1]
    # trimmed sums may miss the only walks at the tightest value
    for value in tightest[:1] + tightest[len(tightest) // 2 :][:1] + tightest[-1:]:
        moved = replace(wide, high=value) if side == "high" else replace(wide, low=value)
        if _possible(table, [*others, moved]):
            return [value]
    return []


def _possible(table: CostedGraph, constraints: Sequence[Constraint]) -> bool:
    """Whether a feasible walk is found."""
    return reachable_sums(BoundedSteps(table, constraints)).size > 0


def _nearest_peaks(
    table: CostedGraph, constraint: Constraint, others: Sequence[Constraint]
) -> list[Constraint]:
    """Return the relaxations of a bound on the peak memory, which has a value of some choice."""
    column = table.metrics.index(PEAK_MEMORY)
    values = np.unique(np.concatenate([each[:, column] for each in table.tables]))

    def first(candidates: Sequence[float], side: str) -> Floats:
        """Return the first value that suffices, by bisection: all later ones suffice too."""
        start, end = 0, len(candidates)
        while start < end:
            middle = (start + end) // 2
            if side == "high":
                bounds = replace(constraint, high=candidates[middle], strict=False)
            else:
                bounds = replace(constraint, low=candidates[middle], strict=False)
            start, end = (
                (start, middle) if _possible(table, [*others, bounds]) else (middle + 1, end)
            )
        return np.array(candidates[start : start + 1])

    above, below = _beyond(values, constraint)
    found = first(above.tolist(), "high"), first(below[::-1].tolist(), "low")
    return _moved(constraint, *found)


def _beyond(values: Floats, constraint: Constraint) -> tuple[Floats, Floats]:
    """Return the values above the constraint and those below; a strict bound itself is included."""
    if constraint.strict:
        return values[values >= constraint.high], values[values <= constraint.low]
    return values[values > constraint.high], values[values < constraint.low]


def _moved(constraint: Constraint, above: Floats, below: Floats) -> list[Constraint]:
    raised = [replace(constraint, high=value, strict=False) for value in above.tolist()]
    return raised + [replace(constraint, low=value, strict=False) for value in below.tolist()]


def _described(before: Sequence[Constraint], after: Sequence[Constraint]) -> str:
    """Return the moved bounds as text; empty if none was moved."""
    moved = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    return " and ".join(f"{old} must become {new} or {_further(old, new)}" for old, new in moved)


def _further(old: Constraint, new: Constraint) -> str:
    return "more" if np.isfinite(old.high) and new.low == old.low else "less"
