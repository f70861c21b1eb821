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
from .slots import Branch, Decision, Option, Row, Slot, decision_tree, value_row
from .stage_space import VARIED, StageSpace, patterns, second_mixer_at


@dataclass(frozen=True, eq=False, kw_only=True)
class NodeChoices:
    """The choices at one decision node, and the nodes they lead to."""

    path: str
    """Prefix of the paths of the node's decisions."""
    make_rows: Callable[[], tuple[Row, ...]]
    """Function that makes the choices: a stage has thousands of blocks, and counting needs none."""
    nexts: tuple[Node, ...]
    """The node that each choice leads to."""
    counts: tuple[int, ...]
    """Number of paths to the end after each choice."""
    trees: "dict[Any, Branch | int]"
    """The decision trees of all nodes; nodes with equal choices share one."""

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """The choices."""
        return self.make_rows()

    @property
    def all(self) -> int:
        """All choices, as a bit mask."""
        return (1 << len(self.nexts)) - 1

    @cached_property
    def cumulative(self) -> tuple[int, ...]:
        """Cumulative sums of ``counts``."""
        return tuple(accumulate(self.counts))

    @cached_property
    def tree(self) -> Branch | int:
        """The tree of decisions that lead to each choice."""
        key = (self.path, *map(id, self.rows))
        if key not in self.trees:
            self.trees[key] = decision_tree(self.rows, self.path)
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
        self._steps: dict[Node, NodeChoices] = {}
        self._trees: dict[Any, Branch | int] = {}
        self._counts: dict[Node, int] = {END: 1}
        self._rows: dict[Any, tuple[Row, ...]] = {}
        self.start: Node = self._enter(0, None)

    @property
    def seen(self) -> tuple[Node, ...]:
        """The nodes computed so far."""
        return tuple(self._steps)

    def step(self, node: Node) -> NodeChoices:
        """Return the choices at ``node``, without those that lead to a dead end."""
        if node not in self._steps:
            self._steps[node] = (
                self._fields(node)
                if isinstance(node, FieldsNode)
                else self._open_step(*self._ways(node))
            )
        return self._steps[node]

    def _open_step(self, path: str, ways: Sequence[tuple[Row, Node]]) -> NodeChoices:
        """Return the step of a node, without the choices that lead to a dead end."""
        counted = [(row, after, self.count(after)) for row, after in ways]
        open_ways = [each for each in counted if each[2]]
        rows = tuple(row for row, _, _ in open_ways)
        return NodeChoices(
            path=path,
            make_rows=lambda: rows,
            nexts=tuple(after for _, after, _ in open_ways),
            counts=tuple(count for _, _, count in open_ways),
            trees=self._trees,
        )

    def count(self, node: Node) -> int:
        """Return the exact number of paths from ``node`` to the end."""
        if node not in self._counts:
            self._counts[node] = sum(self.step(node).counts)
        return self._counts[node]

    # Choices of a slot ----------------------------------------------------------------------

    def rows(self, slot: Slot, shape: Shape, width: int | None = None) -> tuple[Row, ...]:
        """Return the choices of ``slot`` on ``shape`` (for ``width`` channels); computed once."""
        key = (id(slot), shape)
        if key not in self._rows:
            self._rows[key] = slot.rows(shape)
        rows = self._rows[key]
        if width is None:
            return rows
        return tuple(row for row in rows if row.made(Component).why_invalid(shape, width) is None)

    def option(self, index: int, name: str) -> Option:
        """Return the option for one kind of block of a stage."""
        return self.stages[index].block.by_name[name]

    def mixers(self, index: int, shape: Shape, name: str) -> tuple[Row, ...]:
        """Return the choices of the varied mixer of one kind of block."""
        return self.rows(self.option(index, name).slots[VARIED], shape)

    def field_rows(self, index: int, shape: Shape, name: str) -> tuple[Row, ...]:
        """Return the blocks of one kind: all choices of all fields but the varied mixer.

        The varied mixer has the first choice of its slot.
        """
        option = self.option(index, name)
        key = (id(option), shape)
        if key not in self._rows:
            tables = self._field_tables(option, shape)
            rows: list[Row] = []
            for own in option.own_rows():
                for chosen in product(*tables.values()):
                    parts: Any = {
                        field: row.component for field, (row, _) in zip(tables, chosen, strict=True)
                    }
                    answers = [answer for _, under in chosen for answer in under]
                    block = replace(own.made(Block), **parts)
                    rows.append(Row(component=block, answers=(*own.answers, *answers)))
            self._rows[key] = tuple(rows)
        return self._rows[key]

    def _field_tables(self, option: Option, shape: Shape) -> "dict[str, list[FieldRow]]":
        """Return the choices of each field of a kind of block."""
        tables: dict[str, list[FieldRow]] = {}
        for field, slot in option.slots.items():
            rows = self.rows(slot, shape)
            if field == VARIED:
                tables[field] = [(row, ()) for row in rows[:1]]
            else:
                tables[field] = [
                    (row, tuple(answer.under(field) for answer in row.answers)) for row in rows
                ]
        return tables

    def _field_choices(self, index: int, shape: Shape, name: str) -> int:
        """Return the number of ``field_rows``, without making them."""
        option = self.option(index, name)
        offered = (
            len(self.rows(slot, shape)[: 1 if field == VARIED else None])
            for field, slot in option.slots.items()
        )
        return prod(offered) * len(option.own_rows())

    # Choices, node by node ------------------------------------------------------------------

    def _ways(self, node: Node) -> "Ways":
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

    def _depth(self, node: DepthNode) -> "Ways":
        index, before, shape, _ = node
        stage = self.stages[index]
        ways: list[tuple[Row, Node]] = []
        for depth in stage.depths:
            after: Node = WidthNode(index, before, depth)
            if shape is not None:
                after = BlockNode(index, shape, depth)
            elif not depth:
                after = self._after(index, before)
            ways.append((value_row(stage.depth, depth), after))
        return f"stages.{index}.depth", ways

    def _width(self, node: WidthNode) -> "Ways":
        index, before, depth, _ = node
        stage = self.stages[index]
        ways = [
            (value_row(stage.width, width), BeforeNode(index, before, depth, width))
            for width in stage.widths
        ]
        return f"stages.{index}.width", ways

    def _before(self, node: BeforeNode) -> "Ways":
        index, before, depth, width, _ = node
        slot = self.stem if before is None else self.stages[index].downsampling
        shape = before or self.image
        rows = () if slot is None else self.rows(slot, shape, width)
        ways: list[tuple[Row, Node]] = []
        for row in rows:
            out = row.made(Resampler).out_shape(shape, width)
            after = BlockNode(index, out, depth) if depth else DepthNode(index, None, out)
            ways.append((row, after))
        return "stem" if before is None else f"stages.{index}.downsampling", ways

    def _block(self, node: BlockNode) -> "Ways":
        names = self.stages[node.stage].block.names
        ways = [
            (value_row(names, name), FieldsNode(node.stage, node.shape, node.depth, str(name)))
            for name in names.values
        ]
        return f"stages.{node.stage}.block", ways

    def _fields(self, node: FieldsNode) -> NodeChoices:
        index, shape, _, name, _ = node
        varied = VARIED in self.option(index, name).slots
        after = PatternNode(*node[:4]) if varied else self._after(index, shape)
        count = self.count(after)
        choices = self._field_choices(index, shape, name) if count else 0
        return NodeChoices(
            path=self._prefix(index, name),
            make_rows=lambda: self.field_rows(index, shape, name) if count else (),
            nexts=(after,) * choices,
            counts=(count,) * choices,
            trees=self._trees,
        )

    def _pattern(self, node: PatternNode) -> "Ways":
        index, shape, depth, name, _ = node
        domain = self.stages[index].pattern
        possible = patterns(self.stages[index], depth, len(self.mixers(index, shape, name)))
        ways = [
            (
                value_row(domain, pattern) if pattern in domain.values else Row(value=pattern),
                MixerNode(index, shape, depth, name, pattern),
            )
            for pattern in possible
        ]
        return f"stages.{index}.pattern", ways

    def _mixer(self, node: MixerNode) -> "Ways":
        index, shape, _, name, pattern, _ = node
        after = self._after(index, shape) if pattern == "uniform" else SecondMixerNode(*node[:5])
        rows = self.mixers(index, shape, name)
        return f"{self._prefix(index, name)}.{VARIED}", [(row, after) for row in rows]

    def _second(self, node: SecondMixerNode) -> "Ways":
        index, shape, _, name, _, _ = node
        after, rows = self._after(index, shape), self.mixers(index, shape, name)
        return f"{self._prefix(index, name)}.second_{VARIED}", [(row, after) for row in rows]

    def _classify(self, node: HeadNode) -> "Ways":
        rows = () if node.shape is None else self.rows(self.head, node.shape, self.classes)
        return "head", [(row, END) for row in rows]

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

    def parts(self, node: Node, row: Row) -> tuple[Part, ...]:
        """Return the parts that a stem, downsampling or head adds to the network."""
        match node:
            case BeforeNode():
                return _single(row.made(Resampler), node.before or self.image, node.width)
            case HeadNode(shape=Shape() as shape):
                return _single(row.made(Head), shape, self.classes)
            case _:
                return ()


FieldRow = tuple[Row, tuple[Decision, ...]]
"""A choice of one field of a block; its decisions, their paths prefixed with the field's name."""

Ways = tuple[str, Sequence[tuple[Row, Node]]]
"""Prefix of the paths of the decisions; the choices and the nodes they lead to."""


def _single(component: Component, shape: Shape, width: int | None) -> tuple[Part, ...]:
    """Return the part of one component; empty for the identity."""
    parts = PartList.start(shape)
    parts.add("part", component, IMAGE, width=width)
    return tuple(parts.parts)
