"""Layouts of positions in a space: each choice must take the layouts that can come before it."""

from collections.abc import Iterator, Mapping

from ..architecture.component_uses import wiring_of
from ..components.base import GRID, Component
from ..components.wired import Block
from ..errors import InputError
from ..shapes import Shape
from .decision_graph import DecisionGraph
from .nodes import BeforeNode, FieldsNode, HeadNode, MixerNode, SecondMixerNode

Given = Mapping[str, str]
"""Layouts that can come before a choice, with the name of what gives each."""

Placed = tuple[str, Component, Shape]
"""The path of a choice, a component that it adds, and the component's input."""


def check_layouts(graph: DecisionGraph) -> None:
    """Check a space whose stems, downsamplings or heads have another layout than a grid.

    Raises:
        InputError: If a choice does not take a layout that can come before it.
    """
    slots = (graph.stem, graph.head, *(stage.downsampling for stage in graph.stages))
    ends = [option.cls() for slot in slots if slot is not None for option in slot.options]
    if all(each.arranged(GRID, graph.image) == GRID for each in ends):
        return
    image: Given = {GRID: "the image"}
    given = image
    for index, stage in enumerate(graph.stages):
        after: dict[str, str] = {}
        for path, component, shape in _before(graph, index):
            for layout, giver in (image if path == "stem" else given).items():
                found = _taken(path, component, shape, layout, giver)
                after[found] = f"{path} ({component.name})"
        for placed in _inside(graph, index):
            for layout, giver in after.items():
                _taken(*placed, layout, giver)
        given = {**given, **after} if 0 in stage.depths and index else after
    for node in graph.seen:
        if isinstance(node, HeadNode) and node.shape is not None:
            for choice in graph.choices_at(node).choices:
                for layout, giver in given.items():
                    _taken("head", choice.made(Component), node.shape, layout, giver)


def _taken(path: str, component: Component, shape: Shape, layout: str, giver: str) -> str:
    """Return the layout that a component gives.

    Raises:
        InputError: If the component does not take the layout before it.
    """
    found = component.arranged(layout, shape)
    if found is None:
        raise InputError(
            f"{path} must take {layout}, which {giver} gives, but got {component.name}"
        )
    return found


def _before(graph: DecisionGraph, index: int) -> Iterator[Placed]:
    """Yield the stems, or the downsamplings before a stage."""
    for node in graph.seen:
        if isinstance(node, BeforeNode) and node.stage == index:
            path = "stem" if node.before is None else f"stages.{index}.downsampling"
            for choice in graph.choices_at(node).choices:
                yield path, choice.made(Component), node.before or graph.image


def _inside(graph: DecisionGraph, index: int) -> Iterator[Placed]:
    """Yield the components of the blocks of a stage, once each for each map."""
    met: set[tuple[Component, Shape]] = set()
    for node in graph.seen:
        if not isinstance(node, FieldsNode | MixerNode | SecondMixerNode) or node.stage != index:
            continue
        for choice in graph.choices_at(node).choices:
            component = choice.made(Component)
            if (component, node.shape) in met:
                continue
            met.add((component, node.shape))
            path = f"stages.{index}.block.{node.block}"
            if not isinstance(component, Block):
                yield f"{path}.mixer", component, node.shape
                continue
            for use in wiring_of(component.canonical(node.shape), node.shape):
                inner = getattr(component, use.field) if use.field else use.component
                yield f"{path}.{use.field or inner.name}", inner, use.in_shapes[0]
