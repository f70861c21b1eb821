"""Why nothing can be built in a space: what its components refuse, and where."""

from collections import Counter
from collections.abc import Iterator

from .shapes import Shape
from .slots import Slot
from .steps import Node, StepGraph

Place = tuple[str, Slot, Shape, int | None]
"""A slot, where it is, the shape it sees, and the width asked of it."""


def usual_refusal(graph: StepGraph) -> str | None:
    """Return what components refuse most often, with its place; none where nothing is refused."""
    told = Counter[str]()
    for node in graph.seen:
        for path, slot, shape, width in _places(graph, node):
            told.update(_refused(path, slot, shape, width))
    return told.most_common(1)[0][0] if told else None


def _places(graph: StepGraph, node: Node) -> Iterator[Place]:
    """Yield the slots that are filled at one node."""
    match node:
        case ("before", index, shape, _, width):
            slot = graph.stem if shape is None else graph.stages[index].downsampling
            if slot is not None:
                path = "stem" if shape is None else f"stages.{index}.downsampling"
                yield path, slot, shape or graph.image, width
        case ("fields", index, shape, _, name):
            for field, slot in graph.option(index, name).slots.items():
                yield f"stages.{index}.block.{name}.{field}", slot, shape, None
        case ("head", Shape() as shape):
            yield "head", graph.head, shape, graph.classes
        case _:
            pass


def _refused(path: str, slot: Slot, shape: Shape, width: int | None) -> Iterator[str]:
    """Yield place and reason for every component that does not work there."""
    for option in slot.options:
        inner = f"{path}.{option.cls.name}"
        nested = {field: each.rows(shape) for field, each in option.slots.items()}
        for field, each in option.slots.items():
            yield from _refused(f"{inner}.{field}", each, shape, None)
        for component, _ in option.products(nested, ""):
            if reason := component.refuses(shape, width):
                yield f"{inner}: {reason}"
