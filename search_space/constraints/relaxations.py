"""Where no architecture keeps all constraints: which bounds to move, and to what values."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from .beam_search import Beam
from .bounded_steps import BoundedSteps
from .constraint import Constraint
from .cost_table import PEAK_MEMORY, Floats, StepTable
from .steering import EXACT_UP_TO, Guide


def moves(table: StepTable, constraints: Sequence[Constraint]) -> tuple[str, ...]:
    """Return what makes something feasible, each line by itself.

    A bound that nothing keeps moves to the least or greatest value there is. Where the bounds can
    only not be kept together, each line moves one more of them, if that is enough, and else one
    line moves as many as it takes. The values are such that something is feasible; they are the
    nearest such values where all sums are known (see ``Guide``).
    """
    low, high = (dict(zip(table.metrics, each.tolist(), strict=True)) for each in table.extremes())
    alone = [_within(each, low[each.metric], high[each.metric]) for each in constraints]
    if alone != [*constraints] and _possible(table, alone):
        return (_told(constraints, alone),)
    found: list[str] = []
    for index, each in enumerate(alone):
        others = [*alone[:index], *alone[index + 1 :]]
        for moved in _nearest(table, each, others):
            found.append(_told(constraints, [*alone[:index], moved, *alone[index + 1 :]]))
    found = [each for each in found if each]
    together = "" if found else _told(constraints, _one_by_one(table, alone))
    return tuple(found or filter(None, [together]))


def _within(constraint: Constraint, low: float, high: float) -> Constraint:
    """Return the constraint, moved if need be so that some value from low to high keeps it."""
    if constraint.high < low or (constraint.strict and constraint.high == low):
        return replace(constraint, high=low, strict=False)
    if constraint.low > high or (constraint.strict and constraint.low == high):
        return replace(constraint, low=high, strict=False)
    return constraint


def _one_by_one(table: StepTable, constraints: Sequence[Constraint]) -> list[Constraint]:
    """Return the constraints, each moved if it cannot be kept together with those before."""
    kept: list[Constraint] = []
    for each in constraints:
        if not _possible(table, [*kept, each]):
            each = next(iter(_nearest(table, each, kept)), each)
        kept.append(each)
    return kept


def _nearest(
    table: StepTable, constraint: Constraint, others: Sequence[Constraint]
) -> list[Constraint]:
    """Return the constraint moved up, and moved down, as little as the others ask for.

    None if the others alone cannot be kept; at most two.
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
    table: StepTable, wide: Constraint, others: Sequence[Constraint], side: str
) -> Sequence[float]:
    """Return the last value found to which one side of a bound can be drawn in, if any."""
    bounds = [*others, wide]
    if table.ways[0] > EXACT_UP_TO:
        steps = BoundedSteps(table, bounds, as_given=True)
        aim = [each.metric for each in steps.sums].index(wide.metric)
        walks = Beam(steps, aim=aim, up=side == "low").walks()
        if len(walks):
            return [float(steps.of(walks[:1])[0, aim])]
        if not _between(others):
            return []
    guide = Guide(table=table, constraints=bounds, quick=True)
    if guide.empty:
        return []
    values = guide.values(wide.metric)
    return [float(values.min() if side == "high" else values.max())]


def _possible(table: StepTable, constraints: Sequence[Constraint]) -> bool:
    """Whether something is found that keeps the constraints."""
    if table.ways[0] > EXACT_UP_TO and not _between(constraints):
        return bool(len(Beam(BoundedSteps(table, constraints)).walks()))
    return not Guide(table=table, constraints=constraints, quick=True).empty


def _between(constraints: Sequence[Constraint]) -> bool:
    """Whether some metric is bounded from both sides: such sums are harder to meet."""
    return any(np.isfinite(each.low) and np.isfinite(each.high) for each in constraints)


def _nearest_peaks(
    table: StepTable, constraint: Constraint, others: Sequence[Constraint]
) -> list[Constraint]:
    """Return the same for the peak memory: its possible values are those of the choices."""
    column = table.metrics.index(PEAK_MEMORY)
    values = np.unique(np.concatenate([each[:, column] for each in table.tables]))

    def first(candidates: Sequence[float], side: str) -> Floats:
        """Return the first that is enough: all after it are too."""
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
    """Return the values above the constraint and those below; a strict bound's own too."""
    if constraint.strict:
        return values[values >= constraint.high], values[values <= constraint.low]
    return values[values > constraint.high], values[values < constraint.low]


def _moved(constraint: Constraint, above: Floats, below: Floats) -> list[Constraint]:
    raised = [replace(constraint, high=value, strict=False) for value in above.tolist()]
    return raised + [replace(constraint, low=value, strict=False) for value in below.tolist()]


def _told(before: Sequence[Constraint], after: Sequence[Constraint]) -> str:
    """Return in words what was moved; nothing if nothing was."""
    moved = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    return " and ".join(f"{old} must become {new} or {_further(old, new)}" for old, new in moved)


def _further(old: Constraint, new: Constraint) -> str:
    return "more" if np.isfinite(old.high) and new.low == old.low else "less"
