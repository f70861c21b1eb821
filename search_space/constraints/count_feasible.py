"""How much the feasible walks of a small space count together."""

from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np

from ..walk.decision_graph import Node, StepGraph
from .constraint import Constraint
from .cost_table import Floats, StepTable

Come = list[tuple[Floats, Floats]]
"""Walks that have come to a step: what they have spent, (W, M), and how often they count, (W,)."""


def feasible_count(
    graph: StepGraph,
    table: StepTable,
    constraints: Sequence[Constraint],
    weights: Callable[[Node], Sequence[int]],
) -> int:
    """Return how much the walks that keep ``constraints`` count together; all walks are made.

    Args:
        graph: The steps.
        table: Their costs.
        constraints: On its metrics.
        weights: Tells how often the choices at a node count; a walk counts their product.
    """
    nodes = {0: graph.start}
    come: dict[int, Come] = defaultdict(list)
    come[0].append((np.zeros((1, len(table.metrics))), np.ones(1)))
    for number in range(table.end):
        spent_WM, weight_W = _together(come.pop(number))
        step, nexts = graph.step(nodes[number]), table.steps[number].nexts
        costs_RM = table.costs(number)
        for choice, weight in enumerate(weights(nodes[number])):
            after = int(nexts[choice if len(nexts) > 1 else 0])
            nodes[after] = step.nexts[choice]
            come[after].append((table.add(spent_WM, costs_RM[choice]), weight * weight_W))
    spent_WM, weight_W = _together(come[table.end])
    inside = np.ones(len(weight_W), dtype=np.bool_)
    for each in constraints:
        values = spent_WM[:, table.metrics.index(each.metric)].tolist()
        inside &= np.array([each.holds(value) for value in values])
    return round(weight_W[inside].sum().item())


def _together(come: Come) -> tuple[Floats, Floats]:
    spent, weights = zip(*come, strict=True)
    return np.concatenate(spent), np.concatenate(weights)
