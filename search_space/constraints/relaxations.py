"""Relaxations of infeasible constraints: which bounds to move, and to what values."""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from .bounded_steps import BoundedSteps
from .constraint import Constraint
from .cost_table import PEAK_MEMORY, CostedGraph
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
        return _moved(constraint, True, low)
    if constraint.low > high or (constraint.strict and constraint.low == high):
        return _moved(constraint, False, high)
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
    column = table.metrics.index(constraint.metric)
    low, high = (each[column].item() for each in table.extremes())
    found: list[Constraint] = []
    for upper, end in ((True, high), (False, low)):
        if constraint.holds(end):
            continue
        if constraint.metric == PEAK_MEMORY:  # it has a value of some choice
            values = np.concatenate([each[:, column] for each in table.tables])
            values = values[values >= constraint.high if upper else values <= constraint.low]
        else:
            steps = BoundedSteps(table, [*others, _moved(constraint, upper, end)])
            aim = [each.metric for each in steps.sums].index(constraint.metric)
            values = reachable_sums(steps, aim=aim, up=not upper).sums(aim)
        nearest = sorted({each for each in values.tolist() if not constraint.holds(each)})
        moved = [_moved(constraint, upper, value) for value in nearest[:: 1 if upper else -1]]
        found += _first(moved, lambda each: _possible(table, [*others, each]))
    return found


def _first(moved: Sequence[Constraint], works: Callable[[Constraint], bool]) -> list[Constraint]:
    """Return the first relaxation that suffices, if any: all later ones suffice too."""
    if moved and works(moved[0]):
        return [moved[0]]
    place = bisect_left(moved, True, key=works)
    return [*moved[place : place + 1]]


def _moved(constraint: Constraint, upper: bool, value: float) -> Constraint:
    """Return the constraint with another upper or lower bound, which it includes."""
    if upper:
        return replace(constraint, high=value, strict=False)
    return replace(constraint, low=value, strict=False)


def _possible(table: CostedGraph, constraints: Sequence[Constraint]) -> bool:
    """Whether a feasible walk is found."""
    return reachable_sums(BoundedSteps(table, constraints)).size > 0


def _described(before: Sequence[Constraint], after: Sequence[Constraint]) -> str:
    """Return the moved bounds as text; empty if none was moved."""
    moved = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    return " and ".join(f"{old} must become {new} or {_further(old, new)}" for old, new in moved)


def _further(old: Constraint, new: Constraint) -> str:
    return "more" if np.isfinite(old.high) and new.low == old.low else "less"
