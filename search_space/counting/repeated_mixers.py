"""Walks whose second mixer equals their first: they give the network of a uniform pattern.

How many such walks there are follows from the patterns alone. Of the ``n`` patterns that a stage
can have, each gives every choice of equal mixers, the uniform one nothing else. So a walk counts
once in all if the uniform pattern counts ``1 - (n - 1)`` times and each other once.
"""

from collections.abc import Sequence
from functools import cached_property
from itertools import groupby

from ..domains import Value
from ..walk.decision_graph import END, Node, StepGraph
from ..walk.slots import Row


class Repeated:
    """Counts the walks of a graph in which only a repeated mixer makes two networks one."""

    def __init__(self, graph: StepGraph) -> None:
        self._graph = graph
        self._counts: dict[Node, int] = {END: 1}

    @cached_property
    def _patterns(self) -> list[list[Value | None]]:
        """The patterns of each node that offers several."""
        self._graph.count(self._graph.start)  # makes all nodes
        nodes = (node for node in self._graph.seen if node[0] == "pattern")
        found = ([row.value for row in self._graph.step(node).rows] for node in nodes)
        return [each for each in found if len(each) > 1]

    @property
    def any(self) -> bool:
        """Whether some network has several walks by this."""
        return bool(self._patterns)

    @property
    def countable(self) -> bool:
        """Whether each stage of several patterns can be uniform, so that ``weights`` are right."""
        return all("uniform" in each for each in self._patterns)

    def multiplicity(self, way: Sequence[tuple[Node, Row]]) -> int:
        """Return the number of walks that give the network of a way."""
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
        """Return how often the choices of a node count, if ``countable``."""
        rows = self._graph.step(node).rows
        if node[0] != "pattern":
            return [1] * len(rows)
        return [2 - len(rows) if row.value == "uniform" else 1 for row in rows]

    def _count(self, node: Node) -> int:
        if node not in self._counts:
            each = zip(self.weights(node), self._graph.step(node).nexts, strict=True)
            self._counts[node] = sum(weight * self._count(after) for weight, after in each)
        return self._counts[node]
