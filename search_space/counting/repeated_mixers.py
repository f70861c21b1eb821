"""Duplicate walks: if the second mixer equals the first, the network is that of a uniform pattern.

The number of duplicates follows from the patterns alone. Each of the ``n`` patterns of a stage
offers every choice of equal mixers, and the uniform pattern offers nothing else. So every network
is counted once if the uniform pattern has the weight ``1 - (n - 1)`` and each other pattern the
weight 1.
"""

from collections.abc import Sequence
from functools import cached_property
from itertools import groupby

from ..domains import Value
from ..walk.decision_graph import END, Node, StepGraph
from ..walk.slots import Row


class Repeated:
    """Counts the networks of a graph in which only repeated mixers lead to duplicates."""

    def __init__(self, graph: StepGraph) -> None:
        self._graph = graph
        self._counts: dict[Node, int] = {END: 1}

    @cached_property
    def _patterns(self) -> list[list[Value | None]]:
        """The patterns of each node with several patterns."""
        self._graph.count(self._graph.start)  # makes all nodes
        nodes = (node for node in self._graph.seen if node[0] == "pattern")
        found = ([row.value for row in self._graph.step(node).rows] for node in nodes)
        return [each for each in found if len(each) > 1]

    @property
    def any(self) -> bool:
        """Whether repeated mixers can occur."""
        return bool(self._patterns)

    @property
    def countable(self) -> bool:
        """Whether each stage with several patterns has the uniform one, as ``weights`` requires."""
        return all("uniform" in each for each in self._patterns)

    def multiplicity(self, way: Sequence[tuple[Node, Row]]) -> int:
        """Return the number of walks that lead to the network of a walk."""
        found = 1
        for _, stage in groupby(way[:-1], key=lambda each: each[0][1]):
            nodes = {node[0]: (node, row) for node, row in stage}
            if "pattern" in nodes:
                mixers = [nodes[kind][1] for kind in ("mixer", "second") if kind in nodes]
                if mixers[0] is mixers[-1]:
                    found *= len(self._graph.step(nodes["pattern"][0]).rows)
        return found

    def count(self) -> int:
        """Return the number of networks, if ``countable``."""
        return self._count(self._graph.start)

    def weights(self, node: Node) -> list[int]:
        """Return the weights of the choices of a node, if ``countable``."""
        rows = self._graph.step(node).rows
        if node[0] != "pattern":
            return [1] * len(rows)
        return [2 - len(rows) if row.value == "uniform" else 1 for row in rows]

    def _count(self, node: Node) -> int:
        if node not in self._counts:
            each = zip(self.weights(node), self._graph.step(node).nexts, strict=True)
            self._counts[node] = sum(weight * self._count(after) for weight, after in each)
        return self._counts[node]
