"""Membership of an architecture in a search space: all walks that lead to it.

A network is a sequence of part signatures (see ``PartSignature``), and each choice adds a
subsequence. The walks to a network are the parses of its signatures into choices, however its
stages and blocks were described.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ..architecture.architecture import Architecture
from ..architecture.component_uses import (
    PartSignature,
    block_signatures,
    part_signatures,
    wiring_key,
)
from ..components.base import Component
from ..components.wired import Block
from ..shapes import Shape
from ..walk.assembly import with_mixer
from ..walk.decision_graph import DecisionGraph
from ..walk.nodes import END, BeforeNode, BlockNode, Node, PatternNode
from ..walk.slots import Row
from ..walk.stage_space import VARIED, second_mixer_at

Walk = tuple[tuple[Node, Row], ...]
"""The choices of one walk, in order."""

Signatures = tuple[int, ...]
"""A sequence of part signatures, by their numbers."""

PLACEHOLDER = "the varied mixer"
"""Placeholder in signatures for any varied mixer."""

Fields = tuple[str, int]
"""A kind of block, and the index of a choice of its fields."""

NO_MIXER = -1
"""Index in place of a mixer's for a kind of block without a varied mixer."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Units:
    """The blocks of a stage on one input shape, by their signatures."""

    by_word: dict[Signatures, list[tuple[Fields, int | None]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    """From signatures with placeholders to the blocks that add them, each with the index of its
    mixer (None: any mixer)."""
    holes: dict[int, set[tuple[int, ...]]] = field(default_factory=lambda: defaultdict(set))
    """From the number of signatures to the positions of their placeholders."""
    mixers: dict[str, dict[object, int]] = field(default_factory=dict)
    """From the kind of block to the indices of its varied mixers."""


class Membership:
    """Finds the walks of a decision graph that lead to given architectures."""

    def __init__(self, graph: DecisionGraph) -> None:
        self.graph = graph
        self._numbers: dict[PartSignature, int] = {}
        self._numbered: list[PartSignature] = []
        self._wirings: dict[object, list[PartSignature]] = {}
        self._units: dict[tuple[int, Shape], Units] = {}

    def ways(self, architecture: Architecture) -> Iterator[Walk]:
        """Yield all walks that lead to an architecture."""
        reading = self._reading(architecture)
        return reading.ways(self.graph.start, 0) if reading else iter(())

    def count(self, architecture: Architecture) -> int:
        """Return the number of walks that lead to an architecture."""
        reading = self._reading(architecture)
        return reading.count(self.graph.start, 0) if reading else 0

    def _reading(self, architecture: Architecture) -> "_Parser | None":
        if architecture.input != self.graph.image:
            return None
        return _Parser(self, part_signatures(architecture.parts()))

    def number(self, line: PartSignature) -> int:
        """Return the number of a signature."""
        found = self._numbers.setdefault(line, len(self._numbered))
        if found == len(self._numbered):
            self._numbered.append(line)
        return found

    def line(self, number: int) -> PartSignature:
        """Return the signature with a number."""
        return self._numbered[number]

    def units(self, index: int, shape: Shape) -> Units:
        """Return the blocks of a stage on maps of ``shape``; computed once."""
        if (index, shape) not in self._units:
            found = self._units[index, shape] = Units()
            for name in self.graph.stages[index].block.by_name:
                varied = VARIED in self.graph.option(index, name).slots
                mixers = self.graph.mixers(index, shape, name) if varied else ()
                found.mixers[name] = {row.component: at for at, row in enumerate(mixers)}
                stand_ins = _stand_ins(mixers) if varied else {NO_MIXER: None}
                for fields, row in enumerate(self.graph.field_rows(index, shape, name)):
                    for mixer, component in stand_ins.items():
                        block = row.made(Block)
                        if varied:
                            block = with_mixer(block, component)
                        lines = self._lines(block, shape, hole=mixer is None)
                        word = tuple(map(self.number, lines))
                        found.by_word[word].append(((name, fields), mixer))
                        holes = [at for at, line in enumerate(lines) if line[0] == PLACEHOLDER]
                        found.holes[len(word)].add(tuple(holes))
        return self._units[index, shape]

    def added(self, node: Node, row: Row) -> list[PartSignature]:
        """Return the signature that a choice outside the blocks adds, if any."""
        if row.component is None or row.component.is_identity:
            return []
        width = node.width if isinstance(node, BeforeNode) else self.graph.classes
        return [(row.component, width, (1,))]

    def word(self, block: Block, shape: Shape) -> Signatures:
        """Return the signatures that a block adds."""
        return tuple(map(self.number, self._lines(block, shape)))

    def _lines(self, block: Block, shape: Shape, *, hole: bool = False) -> list[PartSignature]:
        """Return the signatures that a block adds, with placeholders if ``hole``."""
        key = wiring_key(block)
        if key not in self._wirings:
            self._wirings[key] = block_signatures(block.canonical(shape), shape)
        return [
            (PLACEHOLDER if hole and name == VARIED else getattr(block, name), width, back)
            if isinstance(name, str)
            else (name, width, back)
            for name, width, back in self._wirings[key]
        ]


def _stand_ins(mixers: Sequence[Row]) -> dict[int | None, Component | None]:
    """Return a mixer for each index that adds no part, and under None one for all others."""
    found: dict[int | None, Component | None] = {}
    for number, row in enumerate(mixers):
        assert row.component is not None
        found.setdefault(number if row.component.is_identity else None, row.component)
    return found


class _Parser:
    """Parses the part signatures of one network into choices."""

    def __init__(self, space: Membership, lines: Sequence[PartSignature]) -> None:
        self._space = space
        self._graph = space.graph
        self._lines = lines
        self._word = tuple(map(space.number, lines))
        self._counts: dict[tuple[Node, int], int] = {}
        self._blocks: dict[tuple[int, Shape, int], dict[Fields, list[tuple[int, int]]]] = {}

    def count(self, node: Node, at: int) -> int:
        """Return the number of parses of the signatures from ``at`` on, beginning at ``node``."""
        if node == END:
            return at == len(self._lines)
        key = (node, at)
        if key not in self._counts:
            self._counts[key] = sum(self.count(*rest[1:]) for rest in self._steps(node, at))
        return self._counts[key]

    def ways(self, node: Node, at: int) -> Iterator[Walk]:
        """Yield the parses that ``count`` counts."""
        if node == END:
            yield ()
            return
        for chosen, after, end in self._steps(node, at):
            if self.count(after, end):
                for rest in self.ways(after, end):
                    yield (*chosen, *rest)

    def _steps(self, node: Node, at: int) -> Iterator[tuple[Walk, Node, int]]:
        """Yield choices that add the next signatures, the next node and the next position.

        All choices of a stage's blocks count as one.
        """
        if isinstance(node, BlockNode):
            yield from self._stage(node, at)
            return
        step = self._graph.step(node)
        for row, after in zip(step.rows, step.nexts, strict=True):
            added = self._space.added(node, row)
            if added == self._lines[at : at + len(added)]:
                yield ((node, row),), after, at + len(added)

    def _stage(self, node: BlockNode, at: int) -> Iterator[tuple[Walk, Node, int]]:
        """Yield the choices of a stage's blocks; see ``_steps``."""
        index, shape, depth, _ = node
        step = self._graph.step(node)
        kinds = {row.value: number for number, row in enumerate(step.rows)}
        for fields in self._found(index, shape, at):
            kind, number = fields
            begin, after = self._take(*self._take((), node, kinds[kind]), number)
            if not isinstance(after, PatternNode):
                for _, _, end in self._runs(index, shape, fields, depth, [], at):
                    yield begin, after, end
                continue
            for choice, pattern in enumerate(self._graph.step(after).rows):
                seconds = second_mixer_at(str(pattern.value), depth)
                for first, second, end in self._runs(index, shape, fields, depth, seconds, at):
                    chosen, then = self._take(*self._take(begin, after, choice), first)
                    if second is not None:
                        chosen, then = self._take(chosen, then, second)
                    yield chosen, then, end

    def _take(self, chosen: Walk, node: Node, number: int) -> tuple[Walk, Node]:
        """Return the choices with one more, and the next node."""
        step = self._graph.step(node)
        return (*chosen, (node, step.rows[number])), step.nexts[number]

    def _runs(
        self, index: int, shape: Shape, fields: Fields, depth: int, seconds: Sequence[int], at: int
    ) -> Iterator[tuple[int, int | None, int]]:
        """Yield the first and second mixer of blocks that add the next signatures, and the end.

        The blocks at the indices ``seconds`` have the second mixer.
        """
        found: list[tuple[int | None, int | None, int]] = [(None, None, at)]
        for place in range(depth):
            before, found = found, []
            for first, second, start in before:
                for mixer, end in self._found(index, shape, start).get(fields, ()):
                    if place not in seconds and first in (None, mixer):
                        found.append((mixer, second, end))
                    elif place in seconds and second in (None, mixer):
                        found.append((first, mixer, end))
        for first, second, end in found:
            assert first is not None
            yield first, second, end

    def _found(self, index: int, shape: Shape, at: int) -> Mapping[Fields, list[tuple[int, int]]]:
        """Return the blocks that add the next signatures: their mixers, and the next position."""
        key = (index, shape, at)
        if key not in self._blocks:
            found = self._blocks[key] = defaultdict(list)
            units = self._space.units(index, shape)
            for length, places in units.holes.items():
                if at + length <= len(self._lines):
                    for holes in places:
                        self._match(units, at, length, holes, found)
        return self._blocks[key]

    def _match(
        self,
        units: Units,
        at: int,
        length: int,
        holes: Sequence[int],
        found: dict[Fields, list[tuple[int, int]]],
    ) -> None:
        """Add to ``found`` the blocks of ``length`` signatures with their mixer at ``holes``."""
        mixers = {self._lines[at + hole][0] for hole in holes}
        if len(mixers) > 1:
            return
        word = list(self._word[at : at + length])
        for hole in holes:
            word[hole] = self._space.number((PLACEHOLDER, *self._lines[at + hole][1:]))
        for fields, mixer in units.by_word.get(tuple(word), ()):
            if mixer is None:
                (component,) = mixers
                mixer = units.mixers[fields[0]].get(component)
            if mixer is not None:
                found[fields].append((mixer, at + length))
