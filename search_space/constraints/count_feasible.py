"""The exact, weighted number of feasible walks of a small space."""

from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np

from ..walk.decision_graph import DecisionGraph
from ..walk.nodes import Node
from .constraint import Constraint
from .cost_table import CostedGraph, Floats

Arrived = list[tuple[Floats, Floats]]
"""Walks on arrival at a node: their costs so far, (W, M), and their weights, (W,)."""


def feasible_count(
    graph: DecisionGraph,
    table: CostedGraph,
    constraints: Sequence[Constraint],
    weights: Callable[[Node], Sequence[int]],
) -> int:
    """Return the sum of the weights of all feasible walks; every walk is enumerated.

    Args:
        graph: The decision graph.
        table: The costs of its choices.
        constraints: Bounds on metrics of ``table``.
        weights: Returns the weights of the choices at a node; a walk has the product of its
            choices' weights.
    """
    nodes = {0: graph.start}
    arrived: dict[int, Arrived] = defaultdict(list)
    arrived[0].append((np.zeros((1, len(table.metrics))), np.ones(1)))
    for number in range(table.end):
        spent_WM, weight_W = _together(arrived.pop(number))
        here, nexts = graph.choices_at(nodes[number]), table.nodes[number].nexts
        costs_RM = table.costs(number)
        for choice, weight in enumerate(weights(nodes[number])):
            after = int(nexts[choice if len(nexts) > 1 else 0])
            nodes[after] = here.nexts[choice]
            arrived[after].append((table.add(spent_WM, costs_RM[choice]), weight * weight_W))
    spent_WM, weight_W = _together(arrived[table.end])
    inside = np.ones(len(weight_W), dtype=np.bool_)
    for each in constraints:
        values = spent_WM[:, table.metrics.index(each.metric)].tolist()
        inside &= np.array([each.holds(value) for value in values])
    return round(weight_W[inside].sum().item())


def _together(arrived: Arrived) -> tuple[Floats, Floats]:
    spent, weights = zip(*arrived, strict=True)
    return np.concatenate(spent), np.concatenate(weights)
