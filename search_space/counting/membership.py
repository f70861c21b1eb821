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
from ..walk.assembly import Step, with_mixer
from ..walk.decision_graph import DecisionGraph
from ..walk.nodes import END, BeforeNode, BlockNode, Node, PatternNode
from ..walk.slots import SlotChoice
from ..walk.stage_space import VARIED, second_mixer_at

Steps = tuple[Step, ...]
"""The steps of one walk, in order: each node with its choice."""

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

    by_signatures: dict[Signatures, list[tuple[Fields, int | None]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    """From signatures with placeholders to the blocks that add them, each with the index of its
    mixer (None: any mixer)."""
    placeholders: dict[int, set[tuple[int, ...]]] = field(default_factory=lambda: defaultdict(set))
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

    def walks(self, architecture: Architecture) -> Iterator[Steps]:
        """Yield all walks that lead to an architecture."""
        parser = self._parser(architecture)
        return parser.walks(self.graph.start, 0) if parser else iter(())

    def count(self, architecture: Architecture) -> int:
        """Return the number of walks that lead to an architecture."""
        parser = self._parser(architecture)
        return parser.count(self.graph.start, 0) if parser else 0

    def first_unmatched(self, architecture: Architecture) -> str | None:
        """Return the name of the part before which all parts are those of a walk, and no further.

        The result is None if a walk leads to the architecture, ``input`` if its images are of
        another size, and ``end`` if further parts would have to follow.
        """
        parser = self._parser(architecture)
        if parser is None:
            return "input"
        if parser.count(self.graph.start, 0):
            return None
        names = [*(part.name for part in architecture.parts()), "end"]
        return names[parser.furthest]

    def _parser(self, architecture: Architecture) -> "_Parser | None":
        if architecture.input != self.graph.image:
            return None
        return _Parser(self, part_signatures(architecture.parts()))

    def number(self, signature: PartSignature) -> int:
        """Return the number of a signature."""
        found = self._numbers.setdefault(signature, len(self._numbered))
        if found == len(self._numbered):
            self._numbered.append(signature)
        return found

    def signature(self, number: int) -> PartSignature:
        """Return the signature with a number."""
        return self._numbered[number]

    def units(self, index: int, shape: Shape) -> Units:
        """Return the blocks of a stage on maps of ``shape``; computed once."""
        if (index, shape) not in self._units:
            found = self._units[index, shape] = Units()
            for name in self.graph.stages[index].block.by_name:
                varied = VARIED in self.graph.option(index, name).slots
                mixers = self.graph.mixers(index, shape, name) if varied else ()
                found.mixers[name] = {choice.component: at for at, choice in enumerate(mixers)}
                stand_ins = _stand_ins(mixers) if varied else {NO_MIXER: None}
                for fields, choice in enumerate(self.graph.field_choices(index, shape, name)):
                    for mixer, component in stand_ins.items():
                        block = choice.made(Block)
                        if varied:
                            block = with_mixer(block, component)
                        signatures = self._signatures(block, shape, masked=mixer is None)
                        numbers = tuple(map(self.number, signatures))
                        found.by_signatures[numbers].append(((name, fields), mixer))
                        placeholders = [
                            at
                            for at, signature in enumerate(signatures)
                            if signature[0] == PLACEHOLDER
                        ]
                        found.placeholders[len(numbers)].add(tuple(placeholders))
        return self._units[index, shape]

    def added(self, node: Node, choice: SlotChoice) -> list[PartSignature]:
        """Return the signature that a choice outside the blocks adds, if any."""
        if choice.component is None or choice.component.is_identity:
            return []
        width = node.width if isinstance(node, BeforeNode) else self.graph.classes
        return [(choice.component, width, (1,))]

    def signatures(self, block: Block, shape: Shape) -> Signatures:
        """Return the signatures that a block adds."""
        return tuple(map(self.number, self._signatures(block, shape)))

    def _signatures(
        self, block: Block, shape: Shape, *, masked: bool = False
    ) -> list[PartSignature]:
        """Return the signatures that a block adds, with its mixer replaced if ``masked``."""
        key = wiring_key(block)
        if key not in self._wirings:
            self._wirings[key] = block_signatures(block.canonical(shape), shape)
        return [
            (PLACEHOLDER if masked and name == VARIED else getattr(block, name), width, back)
            if isinstance(name, str)
            else (name, width, back)
            for name, width, back in self._wirings[key]
        ]


def _stand_ins(mixers: Sequence[SlotChoice]) -> dict[int | None, Component | None]:
    """Return each mixer that adds no part, by its index, and under None any one of the others.

    All mixers that add a part lead to the same signatures once the mixer is a placeholder.
    """
    found: dict[int | None, Component | None] = {}
    for number, choice in enumerate(mixers):
        assert choice.component is not None
        found.setdefault(number if choice.component.is_identity else None, choice.component)
    return found


class _Parser:
    """Parses the part signatures of one network into choices."""

    def __init__(self, space: Membership, signatures: Sequence[PartSignature]) -> None:
        self._space = space
        self._graph = space.graph
        self._signatures = signatures
        self._numbers = tuple(map(space.number, signatures))
        self._counts: dict[tuple[Node, int], int] = {}
        self._blocks: dict[tuple[int, Shape, int], dict[Fields, list[tuple[int, int]]]] = {}

    def count(self, node: Node, at: int) -> int:
        """Return the number of parses of the signatures from ``at`` on, beginning at ``node``."""
        if node == END:
            return at == len(self._signatures)
        key = (node, at)
        if key not in self._counts:
            self._counts[key] = sum(self.count(*rest[1:]) for rest in self._continuations(node, at))
        return self._counts[key]

    @property
    def furthest(self) -> int:
        """The furthest position that the parses so far have reached."""
        return max(at for *_, at in (*self._counts, *self._blocks))

    def walks(self, node: Node, at: int) -> Iterator[Steps]:
        """Yield the parses that ``count`` counts."""
        if node == END:
            yield ()
            return
        for chosen, after, end in self._continuations(node, at):
            if self.count(after, end):
                for rest in self.walks(after, end):
                    yield (*chosen, *rest)

    def _continuations(self, node: Node, at: int) -> Iterator[tuple[Steps, Node, int]]:
        """Yield choices that add the next signatures, the next node and the next position.

        All choices of a stage's blocks count as one.
        """
        if isinstance(node, BlockNode):
            yield from self._stage(node, at)
            return
        here = self._graph.choices_at(node)
        for choice, after in zip(here.choices, here.nexts, strict=True):
            added = self._space.added(node, choice)
            if added == self._signatures[at : at + len(added)]:
                yield ((node, choice),), after, at + len(added)

    def _stage(self, node: BlockNode, at: int) -> Iterator[tuple[Steps, Node, int]]:
        """Yield the choices of a stage's blocks; see ``_continuations``."""
        index, shape, depth, _ = node
        here = self._graph.choices_at(node)
        kinds = {choice.value: number for number, choice in enumerate(here.choices)}
        for fields in self._found(index, shape, at):
            kind, number = fields
            begin, after = self._take(*self._take((), node, kinds[kind]), number)
            if not isinstance(after, PatternNode):
                for _, _, end in self._runs(index, shape, fields, depth, [], at):
                    yield begin, after, end
                continue
            for choice, pattern in enumerate(self._graph.choices_at(after).choices):
                seconds = second_mixer_at(str(pattern.value), depth)
                for first, second, end in self._runs(index, shape, fields, depth, seconds, at):
                    chosen, then = self._take(*self._take(begin, after, choice), first)
                    if second is not None:
                        chosen, then = self._take(chosen, then, second)
                    yield chosen, then, end

    def _take(self, chosen: Steps, node: Node, number: int) -> tuple[Steps, Node]:
        """Return the choices with choice ``number`` of ``node`` added, and the next node."""
        here = self._graph.choices_at(node)
        return (*chosen, (node, here.choices[number])), here.nexts[number]

    def _runs(
        self, index: int, shape: Shape, fields: Fields, depth: int, seconds: Sequence[int], at: int
    ) -> Iterator[tuple[int, int | None, int]]:
        """Yield the ways to read ``depth`` blocks from position ``at``: two mixers, and the end.

        The blocks at the indices ``seconds`` have the second mixer, all others the first.
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
        """Return the blocks that begin at position ``at``: by their fields, mixer and next
        position."""
        key = (index, shape, at)
        if key not in self._blocks:
            found = self._blocks[key] = defaultdict(list)
            units = self._space.units(index, shape)
            for length, places in units.placeholders.items():
                if at + length <= len(self._signatures):
                    for placeholders in places:
                        self._match(units, at, length, placeholders, found)
        return self._blocks[key]

    def _match(
        self,
        units: Units,
        at: int,
        length: int,
        placeholders: Sequence[int],
        found: dict[Fields, list[tuple[int, int]]],
    ) -> None:
        """Add to ``found`` the blocks of ``length`` signatures, their mixer at ``placeholders``."""
        mixers = {self._signatures[at + placeholder][0] for placeholder in placeholders}
        if len(mixers) > 1:
            return
        numbers = list(self._numbers[at : at + length])
        for placeholder in placeholders:
            unnamed = (PLACEHOLDER, *self._signatures[at + placeholder][1:])
            numbers[placeholder] = self._space.number(unnamed)
        for fields, mixer in units.by_signatures.get(tuple(numbers), ()):
            if mixer is None:
                (component,) = mixers
                mixer = units.mixers[fields[0]].get(component)
            if mixer is not None:
                found[fields].append((mixer, at + length))
