"""Duplicate walks: if the second mixer equals the first, the network is that of a uniform pattern.

The number of duplicates follows from the patterns alone. Each of the ``n`` patterns of a stage
offers every choice of equal mixers, and the uniform pattern offers nothing else. So every network
is counted once if the uniform pattern has the weight ``1 - (n - 1)`` and each other pattern the
weight 1.
"""

from collections.abc import Sequence
from functools import cached_property

from ..domains import Value
from ..walk.assembly import Step, by_stage
from ..walk.decision_graph import DecisionGraph
from ..walk.nodes import END, Node, PatternNode


class Repeated:
    """Counts the networks of a graph in which only repeated mixers lead to duplicates."""

    def __init__(self, graph: DecisionGraph) -> None:
        self._graph = graph
        self._counts: dict[Node, int] = {END: 1}

    @cached_property
    def _patterns(self) -> list[list[Value | None]]:
        """The patterns of each node with several patterns."""
        self._graph.count(self._graph.start)  # makes all nodes
        nodes = (node for node in self._graph.seen if isinstance(node, PatternNode))
        found = (
            [choice.value for choice in self._graph.choices_at(node).choices] for node in nodes
        )
        return [each for each in found if len(each) > 1]

    @property
    def any(self) -> bool:
        """Whether repeated mixers can occur."""
        return bool(self._patterns)

    @property
    def countable(self) -> bool:
        """Whether each stage with several patterns has the uniform one, as ``weights`` requires."""
        return all("uniform" in each for each in self._patterns)

    def multiplicity(self, steps: Sequence[Step]) -> int:
        """Return the number of walks that lead to the network of a walk."""
        found = 1
        patterns = [node for node, _ in steps if isinstance(node, PatternNode)]
        chosen = [picks for picks in by_stage(steps) if "pattern" in picks]
        for node, picks in zip(patterns, chosen, strict=True):
            if picks["mixer"] is picks.get("second", picks["mixer"]):
                found *= len(self._graph.choices_at(node).choices)
        return found

    def count(self) -> int:
        """Return the number of networks, if ``countable``."""
        return self._count(self._graph.start)

    def weights(self, node: Node) -> list[int]:
        """Return the weights of the choices of a node, if ``countable``."""
        choices = self._graph.choices_at(node).choices
        if not isinstance(node, PatternNode):
            return [1] * len(choices)
        return [2 - len(choices) if choice.value == "uniform" else 1 for choice in choices]

    def _count(self, node: Node) -> int:
        if node not in self._counts:
            each = zip(self.weights(node), self._graph.choices_at(node).nexts, strict=True)
            self._counts[node] = sum(weight * self._count(after) for weight, after in each)
        return self._counts[node]
