"""Reasons why components, or all networks, of a space cannot be built."""

from collections import Counter
from collections.abc import Iterable, Iterator

from ..shapes import Shape
from .decision_graph import DecisionGraph
from .nodes import BeforeNode, BlockNode, FieldsNode, HeadNode, MixerNode, Node
from .slots import Option, Slot
from .stage_space import VARIED

Place = tuple[str, Slot, Shape, int | None]
"""A slot, its path, its input shape and its output width."""


def usual_refusal(graph: DecisionGraph) -> str | None:
    """Return the path and the most frequent reason why components are invalid; None if none is."""
    reasons = Counter[str]()
    for node in graph.seen:
        for path, slot, shape, width in (*_blocks(graph, node), *_places(graph, node)):
            reasons.update(_refused(path, slot, shape, width))
    return reasons.most_common(1)[0][0] if reasons else None


def _places(graph: DecisionGraph, node: Node) -> Iterator[Place]:
    """Yield the slots of one decision node."""
    match node:
        case BeforeNode(stage=index, before=shape, width=width):
            slot = graph.stem if shape is None else graph.stages[index].downsampling
            if slot is not None:
                path = "stem" if shape is None else f"stages.{index}.downsampling"
                yield path, slot, shape or graph.image, width
        case FieldsNode(stage=index, shape=shape, block=name):
            for field, slot in graph.option(index, name).slots.items():
                yield f"stages.{index}.block.{name}.{field}", slot, shape, None
        case HeadNode(shape=Shape() as shape):
            yield "head", graph.head, shape, graph.classes
        case _:
            pass


def _refused(path: str, slot: Slot, shape: Shape, width: int | None) -> Iterator[str]:
    """Yield the path and the reason for every component that is invalid in a slot."""
    for option in slot.options:
        inner = f"{path}.{option.cls.name}"
        nested = {field: each.choices(shape) for field, each in option.slots.items()}
        for field, each in option.slots.items():
            yield from _refused(f"{inner}.{field}", each, shape, None)
        for component, _ in option.products(nested, ""):
            if reason := component.why_invalid(shape, width):
                yield f"{inner}: {reason}"


def never_built(graph: DecisionGraph) -> tuple[str, ...]:
    """Return a line (path, name, reason) for each named component that no network has."""
    if not graph.count(graph.start):
        return ()
    built = {each for node in graph.seen for each in _built(graph, node)}
    missing: dict[tuple[str, str], list[tuple[Option, Shape, int | None]]] = {}
    for node in graph.seen:
        for path, slot, shape, width in (*_blocks(graph, node), *_places(graph, node)):
            for option in slot.options:
                if option.named and (path, option.cls.name) not in built:
                    missing.setdefault((path, option.cls.name), []).append((option, shape, width))
    return tuple(
        f"{path}: {name!r} can never be built here: {_usual(seen)}"
        for (path, name), seen in sorted(missing.items(), key=lambda each: each[0])
        if not any(inner.startswith(f"{path}.{name}.") for inner, _ in missing)
    )


def _blocks(graph: DecisionGraph, node: Node) -> Iterator[Place]:
    """Yield the slot of a stage's blocks, at the node that chooses the kind."""
    match node:
        case BlockNode(stage=index, shape=shape):
            yield f"stages.{index}.block", graph.stages[index].block, shape, None
        case _:
            pass


def _built(graph: DecisionGraph, node: Node) -> Iterator[tuple[str, str]]:
    """Yield the components that the choices at one node add, with their paths."""
    for choice in graph.choices_at(node).choices:
        match node:
            case BeforeNode(stage=index, before=shape) if choice.component:
                yield (
                    ("stem" if shape is None else f"stages.{index}.downsampling"),
                    choice.component.name,
                )
            case BlockNode(stage=index):
                yield f"stages.{index}.block", str(choice.value)
            case FieldsNode(stage=index, block=kind) if choice.component:
                for field, inner in choice.component.components().items():
                    if field != VARIED:
                        yield f"stages.{index}.block.{kind}.{field}", inner.name
            case MixerNode(stage=index, block=kind) if choice.component:
                yield f"stages.{index}.block.{kind}.{VARIED}", choice.component.name
            case HeadNode() if choice.component:
                yield "head", choice.component.name
            case _:
                pass


def _usual(seen: Iterable[tuple[Option, Shape, int | None]]) -> str:
    """Return the most frequent reason why an option cannot be built."""
    reasons = Counter[str]()
    for option, shape, width in seen:
        slot = Slot(kind=option.cls, options=(option,))
        reasons.update(
            each.removeprefix(f".{option.cls.name}").lstrip(".: ")
            for each in _refused("", slot, shape, width)
        )
    return reasons.most_common(1)[0][0] if reasons else "no network can go on after it"
