"""The decision graph of a search space: every walk is one path through it.

A node holds the kind of decision, the stage, the stage's input map, and what else of the earlier
choices the later ones depend on. All walks through a node have the same choices from there on, so
counting, bounds and sampling are sums over this graph.

The choices of a walk come in this order, at one node each: for every stage its depth, width, stem
or downsampling, kind of block, fields of the block, pattern and mixers; then the head.

The depth is chosen first where it can be 0 (its ``map`` is None), else after ``before`` (its ``map
before`` is None, and so is the depth of the nodes up to there). So the graph does not grow with the
product of earlier widths, widths and depths.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate, product
from math import prod
from typing import Any

from ..components.base import Component, Head, Resampler
from ..components.parts import IMAGE, Part, PartList
from ..components.wired import Block
from ..shapes import Shape
from .nodes import (
    END,
    BeforeNode,
    BlockNode,
    DepthNode,
    EndNode,
    FieldsNode,
    HeadNode,
    MixerNode,
    Node,
    PatternNode,
    SecondMixerNode,
    WidthNode,
)
from .slots import Decision, Option, Slot, SlotChoice, TreeNode, decision_tree, value_choice
from .stage_space import VARIED, StageSpace, patterns, second_mixer_at


@dataclass(frozen=True, eq=False, kw_only=True)
class NodeChoices:
    """The choices at one decision node, and the nodes they lead to."""

    path: str
    """Prefix of the paths of the node's decisions."""
    make_choices: Callable[[], tuple[SlotChoice, ...]]
    """Function that makes the choices: a stage has thousands of blocks, and counting needs none."""
    nexts: tuple[Node, ...]
    """The node that each choice leads to."""
    counts: tuple[int, ...]
    """Number of paths to the end after each choice."""
    trees: "dict[Any, TreeNode | int]"
    """The decision trees of all nodes; nodes with equal choices share one."""

    @cached_property
    def choices(self) -> tuple[SlotChoice, ...]:
        """The choices."""
        return self.make_choices()

    @property
    def all(self) -> int:
        """All choices, as a bit mask."""
        return (1 << len(self.nexts)) - 1

    @cached_property
    def cumulative(self) -> tuple[int, ...]:
        """Cumulative sums of ``counts``."""
        return tuple(accumulate(self.counts))

    @cached_property
    def tree(self) -> TreeNode | int:
        """The tree of decisions that lead to each choice."""
        key = (self.path, *map(id, self.choices))
        if key not in self.trees:
            self.trees[key] = decision_tree(self.choices, self.path)
        return self.trees[key]


class DecisionGraph:
    """The decision graph of a space for images of one size; nodes are computed on first use."""

    def __init__(
        self,
        *,
        image: Shape,
        classes: int,
        stem: Slot,
        stages: tuple[StageSpace, ...],
        head: Slot,
    ) -> None:
        self.image = image
        self.classes = classes
        self.stem = stem
        self.stages = stages
        self.head = head
        self._node_choices: dict[Node, NodeChoices] = {}
        self._trees: dict[Any, TreeNode | int] = {}
        self._counts: dict[Node, int] = {END: 1}
        self._slot_choices: dict[Any, tuple[SlotChoice, ...]] = {}
        self.start: Node = self._enter(0, None)

    @property
    def seen(self) -> tuple[Node, ...]:
        """The nodes computed so far."""
        return tuple(self._node_choices)

    def choices_at(self, node: Node) -> NodeChoices:
        """Return the choices at ``node``, without those that lead to a dead end."""
        if node not in self._node_choices:
            self._node_choices[node] = (
                self._fields(node)
                if isinstance(node, FieldsNode)
                else self._open_choices(*self._edges(node))
            )
        return self._node_choices[node]

    def _open_choices(self, path: str, edges: Sequence[tuple[SlotChoice, Node]]) -> NodeChoices:
        """Return the choices of a node, without those that lead to a dead end."""
        counted = [(choice, after, self.count(after)) for choice, after in edges]
        open_edges = [each for each in counted if each[2]]
        choices = tuple(choice for choice, _, _ in open_edges)
        return NodeChoices(
            path=path,
            make_choices=lambda: choices,
            nexts=tuple(after for _, after, _ in open_edges),
            counts=tuple(count for _, _, count in open_edges),
            trees=self._trees,
        )

    def count(self, node: Node) -> int:
        """Return the exact number of paths from ``node`` to the end."""
        if node not in self._counts:
            self._counts[node] = sum(self.choices_at(node).counts)
        return self._counts[node]

    # Choices of a slot ----------------------------------------------------------------------

    def choices_of(
        self, slot: Slot, shape: Shape, width: int | None = None
    ) -> tuple[SlotChoice, ...]:
        """Return the choices of ``slot`` on ``shape`` (for ``width`` channels); computed once."""
        key = (id(slot), shape)
        if key not in self._slot_choices:
            self._slot_choices[key] = slot.choices(shape)
        choices = self._slot_choices[key]
        if width is None:
            return choices
        return tuple(
            choice for choice in choices if choice.made(Component).why_invalid(shape, width) is None
        )

    def option(self, index: int, name: str) -> Option:
        """Return the option for one kind of block of a stage."""
        return self.stages[index].block.by_name[name]

    def mixers(self, index: int, shape: Shape, name: str) -> tuple[SlotChoice, ...]:
        """Return the choices of the varied mixer of one kind of block."""
        return self.choices_of(self.option(index, name).slots[VARIED], shape)

    def field_choices(self, index: int, shape: Shape, name: str) -> tuple[SlotChoice, ...]:
        """Return the blocks of one kind: all choices of all fields but the varied mixer.

        The varied mixer has the first choice of its slot.
        """
        option = self.option(index, name)
        key = (id(option), shape)
        if key not in self._slot_choices:
            tables = self._choices_by_field(option, shape)
            choices: list[SlotChoice] = []
            for own in _own_choices(option, shape):
                for chosen in product(*tables.values()):
                    parts: Any = {
                        field: choice.component
                        for field, (choice, _) in zip(tables, chosen, strict=True)
                    }
                    decisions = [decision for _, under in chosen for decision in under]
                    block = replace(own.made(Block), **parts)
                    choices.append(
                        SlotChoice(component=block, decisions=(*own.decisions, *decisions))
                    )
            self._slot_choices[key] = tuple(choices)
        return self._slot_choices[key]

    def _choices_by_field(self, option: Option, shape: Shape) -> "dict[str, list[FieldChoice]]":
        """Return the choices of each field of a kind of block."""
        tables: dict[str, list[FieldChoice]] = {}
        for field, slot in option.slots.items():
            choices = self.choices_of(slot, shape)
            if field == VARIED:
                tables[field] = [(choice, ()) for choice in choices[:1]]
            else:
                tables[field] = [
                    (choice, tuple(decision.under(field) for decision in choice.decisions))
                    for choice in choices
                ]
        return tables

    def _field_choice_count(self, index: int, shape: Shape, name: str) -> int:
        """Return the number of ``field_choices``, without making them."""
        option = self.option(index, name)
        offered = (
            len(self.choices_of(slot, shape)[: 1 if field == VARIED else None])
            for field, slot in option.slots.items()
        )
        return prod(offered) * len(_own_choices(option, shape))

    # Choices, node by node ------------------------------------------------------------------

    def _edges(self, node: Node) -> "Edges":
        """Return the choices at a node, by the kind of the node."""
        assert not isinstance(node, FieldsNode | EndNode)
        match node:
            case DepthNode():
                return self._depth(node)
            case WidthNode():
                return self._width(node)
            case BeforeNode():
                return self._before(node)
            case BlockNode():
                return self._block(node)
            case PatternNode():
                return self._pattern(node)
            case MixerNode():
                return self._mixer(node)
            case SecondMixerNode():
                return self._second(node)
            case HeadNode():
                return self._classify(node)

    def _enter(self, index: int, shape: Shape | None) -> Node:
        """Return the first node of a stage; after the last, that of the head."""
        if index == len(self.stages):
            return HeadNode(shape)
        if 0 in self.stages[index].depths:
            return DepthNode(index, shape, None)
        return WidthNode(index, shape, None)

    def _after(self, index: int, shape: Shape | None) -> Node:
        return self._enter(index + 1, shape)

    def _depth(self, node: DepthNode) -> "Edges":
        index, before, shape, _ = node
        stage = self.stages[index]
        edges: list[tuple[SlotChoice, Node]] = []
        for depth in stage.depths:
            after: Node = WidthNode(index, before, depth)
            if shape is not None:
                after = BlockNode(index, shape, depth)
            elif not depth:
                after = self._after(index, before)
            edges.append((value_choice(stage.depth, depth), after))
        return f"stages.{index}.depth", edges

    def _width(self, node: WidthNode) -> "Edges":
        index, before, depth, _ = node
        stage = self.stages[index]
        edges = [
            (value_choice(stage.width, width), BeforeNode(index, before, depth, width))
            for width in stage.widths
        ]
        return f"stages.{index}.width", edges

    def _before(self, node: BeforeNode) -> "Edges":
        index, before, depth, width, _ = node
        slot = self.stem if before is None else self.stages[index].downsampling
        shape = before or self.image
        choices = () if slot is None else self.choices_of(slot, shape, width)
        edges: list[tuple[SlotChoice, Node]] = []
        for choice in choices:
            out = choice.made(Resampler).out_shape(shape, width)
            after = BlockNode(index, out, depth) if depth else DepthNode(index, None, out)
            edges.append((choice, after))
        return "stem" if before is None else f"stages.{index}.downsampling", edges

    def _block(self, node: BlockNode) -> "Edges":
        names = self.stages[node.stage].block.names
        edges = [
            (value_choice(names, name), FieldsNode(node.stage, node.shape, node.depth, str(name)))
            for name in names.values
        ]
        return f"stages.{node.stage}.block", edges

    def _fields(self, node: FieldsNode) -> NodeChoices:
        index, shape, _, name, _ = node
        varied = VARIED in self.option(index, name).slots
        after = PatternNode(*node[:4]) if varied else self._after(index, shape)
        count = self.count(after)
        choices = self._field_choice_count(index, shape, name) if count else 0
        return NodeChoices(
            path=self._prefix(index, name),
            make_choices=lambda: self.field_choices(index, shape, name) if count else (),
            nexts=(after,) * choices,
            counts=(count,) * choices,
            trees=self._trees,
        )

    def _pattern(self, node: PatternNode) -> "Edges":
        index, shape, depth, name, _ = node
        domain = self.stages[index].pattern
        possible = patterns(self.stages[index], depth, len(self.mixers(index, shape, name)))
        edges = [
            (
                value_choice(domain, pattern)
                if pattern in domain.values
                else SlotChoice(value=pattern),
                MixerNode(index, shape, depth, name, pattern),
            )
            for pattern in possible
        ]
        return f"stages.{index}.pattern", edges

    def _mixer(self, node: MixerNode) -> "Edges":
        index, shape, _, name, pattern, _ = node
        after = self._after(index, shape) if pattern == "uniform" else SecondMixerNode(*node[:5])
        choices = self.mixers(index, shape, name)
        return f"{self._prefix(index, name)}.{VARIED}", [(choice, after) for choice in choices]

    def _second(self, node: SecondMixerNode) -> "Edges":
        index, shape, _, name, _, _ = node
        after, choices = self._after(index, shape), self.mixers(index, shape, name)
        return f"{self._prefix(index, name)}.second_{VARIED}", [
            (choice, after) for choice in choices
        ]

    def _classify(self, node: HeadNode) -> "Edges":
        choices = () if node.shape is None else self.choices_of(self.head, node.shape, self.classes)
        return "head", [(choice, END) for choice in choices]

    def _prefix(self, index: int, name: str) -> str:
        several = len(self.stages[index].block.options) > 1
        return f"stages.{index}.block.{name}" if several else f"stages.{index}.block"

    # Parts that a choice adds to the network ------------------------------------------------------

    def once(self, node: Node) -> tuple[Node, int]:
        """Return the node that adds the same parts once, and how often ``node`` adds them."""
        match node:
            case FieldsNode(depth=depth):
                return node._replace(depth=1), depth
            case MixerNode(depth=depth, pattern=pattern):
                times = depth - len(second_mixer_at(pattern, depth))
            case SecondMixerNode(depth=depth, pattern=pattern):
                times = len(second_mixer_at(pattern, depth))
            case _:
                return node, 1
        return MixerNode(node.stage, node.shape, 1, node.block, "uniform"), times

    def parts(self, node: Node, choice: SlotChoice) -> tuple[Part, ...]:
        """Return the parts that a stem, downsampling or head adds to the network."""
        match node:
            case BeforeNode():
                return _single(choice.made(Resampler), node.before or self.image, node.width)
            case HeadNode(shape=Shape() as shape):
                return _single(choice.made(Head), shape, self.classes)
            case _:
                return ()


FieldChoice = tuple[SlotChoice, tuple[Decision, ...]]
"""A choice of one field of a block; its decisions, their paths prefixed with the field's name."""

Edges = tuple[str, Sequence[tuple[SlotChoice, Node]]]
"""Prefix of the paths of the decisions; the choices and the nodes they lead to."""


def _own_choices(option: Option, shape: Shape) -> list[SlotChoice]:
    """Return the choices of a block's own knobs that work on ``shape``."""
    return [
        each for each in option.own_choices() if each.made(Block).why_knobs_invalid(shape) is None
    ]


def _single(component: Component, shape: Shape, width: int | None) -> tuple[Part, ...]:
    """Return the part of one component; empty for the identity."""
    parts = PartList.start(shape)
    parts.add("part", component, IMAGE, width=width)
    return tuple(parts.parts)
