"""A network as a graph: its operations with their inputs, shapes and costs."""

from importlib.metadata import entry_points
from typing import TYPE_CHECKING, TypedDict

from ..components.parts import IMAGE, Part, PartCosts
from ..components.tying import untied
from ..shapes import Shape
from .value import ArchitectureValue

if TYPE_CHECKING:
    import networkx as nx

COSTS = "nas_explorer.part_costs"
"""The group of entry points that names the function which counts the costs of a part."""


class Node(TypedDict):
    """The attributes of a node: a part of the network, or the image that it starts from."""

    kind: str
    """Kind of the component: ``token mixer``, ``norm``, ``joint``, ...; ``image`` for the image."""
    operation: str
    """Name of the component: ``separable_conv``."""
    label: str
    """Name of the component with its knobs."""
    stage: int | None
    """Number of the stage, from 0; None outside the stages."""
    block: int | None
    """Number of the block in its stage, from 0; None outside the blocks."""
    in_shapes: tuple[Shape, ...]
    """Shapes of the inputs for one image, in the order of the edges into the node."""
    out_shape: Shape
    """Shape of the output for one image."""
    params: int
    """Trainable parameters."""
    macs: int
    """Multiply-adds for one image."""


def installed_costs() -> PartCosts:
    """Return the installed function that counts the costs of a part.

    Raises:
        LookupError: If none is installed.
    """
    for found in entry_points(group=COSTS):
        return found.load()
    raise LookupError(f"{COSTS} must be installed, but is not: install nas-explorer again")


def architecture_graph(
    architecture: ArchitectureValue, costs: PartCosts | None
) -> "nx.DiGraph[str]":
    """Return the graph of a network; see ``Architecture.graph``."""
    import networkx as nx

    costs = costs or installed_costs()
    graph = nx.DiGraph()
    graph.add_node(IMAGE, **_image(architecture.input))
    for part in architecture.parts():
        graph.add_node(part.name, **_node(part, costs))
        graph.add_edges_from((name, part.name) for name in part.inputs)
    return graph


def _image(shape: Shape) -> Node:
    return Node(
        kind=IMAGE,
        operation=IMAGE,
        label=IMAGE,
        stage=None,
        block=None,
        in_shapes=(),
        out_shape=shape,
        params=0,
        macs=0,
    )


def _node(part: Part, costs: PartCosts) -> Node:
    counted = costs(part)
    component = untied(part.component)
    return Node(
        kind=component.kind,
        operation=component.name,
        label=part.component.label(),
        stage=_number_after("stages", part.name),
        block=_number_after("blocks", part.name),
        in_shapes=part.in_shapes,
        out_shape=part.out_shape,
        params=int(counted["params"]),
        macs=int(counted["macs"]),
    )


def _number_after(word: str, name: str) -> int | None:
    """Return 3 for ``stages`` in ``stages.3.downsampling``; None if the word is missing."""
    words = name.split(".")
    return int(words[words.index(word) + 1]) if word in words else None
