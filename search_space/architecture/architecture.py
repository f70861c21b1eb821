"""The architecture with its module and its graph."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..components.parts import PartCosts
from . import forms
from .graph import architecture_graph
from .network import Network
from .value import ArchitectureValue

if TYPE_CHECKING:
    import networkx as nx


@dataclass(frozen=True, kw_only=True)
class Architecture(ArchitectureValue):
    """A network as an immutable value. Equal digest means equal network.

    Raises:
        InputError: If the network cannot be built: the rule and the values.
    """

    def build(self) -> Network:
        """Build the module: ``(B, *input)`` to ``(B, classes)``."""
        return Network(self)

    def graph(self, costs: PartCosts | None = None) -> "nx.DiGraph[str]":
        """Return the network as a directed graph; its nodes are ``image`` and the names of the
        parts.

        The attributes of a node are those of ``graph.Node``. An edge goes from a part to one that
        takes its output. The nodes are in an order in which the parts can be run.

        Args:
            costs: A function from a part to at least its ``params`` and ``macs``; by default that
            of ``nas_explorer.evaluators.cost``.
        """
        return architecture_graph(self, costs)

    def _repr_html_(self) -> str:
        return forms.html(self)

    def __rich__(self) -> str:
        return forms.text(self)
