"""A search space: what may vary in a network, and the one walk through it.

The walk goes stage by stage: depth, width, what comes before (stem or downsampling), the fields
of the block, the pattern in which two mixers alternate; then the head. At every decision only
those values are offered from which a whole network can still be reached.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

from .architecture import Architecture, Stage
from .base import Block, Downsampling, Head, Stem
from .choosers import Chooser, EnumerationChooser
from .domains import Choice, Domain, IntRange, Value
from .errors import InputError
from .shapes import Shape
from .slots import Option, Row, Slot, choose_row, choose_value

PATTERNS = ("uniform", "alternate", "last")
"""How the mixer varies inside a stage: not at all; first and second in turn; the second in the
last block only."""

VARIED = "mixer"
"""The field of a block that a pattern varies."""


@dataclass(frozen=True, eq=False, kw_only=True)
class StageSpace:
    """What may vary in one stage."""

    width: Domain
    """Channels."""
    depth: Domain
    """Blocks; 0 leaves the stage out."""
    block: Slot
    """The blocks."""
    downsampling: Slot | None
    """Before the stage; none where it can only be the first."""
    pattern: Choice = Choice(("uniform",))  # noqa: RUF009  (a frozen value)
    """How the mixer varies inside the stage: some of ``PATTERNS``."""


@dataclass(frozen=True, kw_only=True)
class Draw:
    """What a walk gives."""

    architecture: Architecture
    """The network."""
    decisions: Mapping[str, Value]
    """What was chosen: path to value, those without an alternative at their place too."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One way into a stage: what it chooses before its blocks."""

    depth: int
    """Blocks of the stage; 0 leaves it out."""
    width: int
    """Channels; 0 where the stage is left out."""
    before: Row | None
    """Stem or downsampling; none where the stage is left out."""
    out: Shape | None
    """The map its blocks see; none as long as no stage is present."""


@dataclass(frozen=True, eq=False, kw_only=True)
class SearchSpace:
    """What may vary in a network, bound to the size of its images and the number of classes."""

    name: str
    """Name of the preset or file."""
    summary: str
    """One line for people."""
    input: Shape
    """One image."""
    resolutions: IntRange
    """Image sides that the space can be bound to, in pixels."""
    follows_data: bool = False
    """Whether the data's own size is to be taken, rather than ``input``'s."""
    classes: int
    """Number of classes."""
    stem: Slot
    """From image to the first map."""
    stages: tuple[StageSpace, ...]
    """In order; at least one."""
    head: Slot
    """From the last map to class scores."""
    source: Mapping[str, Any]
    """The plain data that it was read from."""
    _rows: dict[Any, tuple[Row, ...]] = field(default_factory=dict[Any, tuple[Row, ...]])
    _entries: dict[Any, tuple[Entry, ...]] = field(default_factory=dict[Any, tuple[Entry, ...]])
    _counts: dict[Any, int] = field(default_factory=dict[Any, int])

    def bind(self, *, channels: int, resolution: int, classes: int) -> "SearchSpace":
        """Return the space for images of this size and that many classes.

        Raises:
            InputError: If the space cannot take such images.
        """
        self.resolutions.check(f"resolution of space {self.name!r}", resolution)
        bound = replace(
            self,
            input=Shape(channels, resolution, resolution),
            classes=classes,
            _rows={},
            _entries={},
            _counts={},
        )
        if not bound.size():
            raise InputError(
                f"space {self.name!r} must hold a network for its images, but none can be built "
                f"on {bound.input}"
            )
        return bound

    @property
    def digest(self) -> str:
        """SHA-256 of what may vary, on which images: 64 hexadecimal digits."""
        told = ("name", "summary")
        meant = {key: value for key, value in self.source.items() if key not in told}
        text = json.dumps([meant, self.input, self.classes], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    # Concrete choices -----------------------------------------------------------------------

    def rows(self, slot: Slot, shape: Shape, width: int | None = None) -> tuple[Row, ...]:
        """Return what ``slot`` offers on ``shape``; computed once."""
        key = (id(slot), shape, width)
        if key not in self._rows:
            self._rows[key] = slot.rows(shape, width)
        return self._rows[key]

    def entries(self, index: int, shape: Shape | None) -> tuple[Entry, ...]:
        """Return the ways into stage ``index``, after a map of ``shape``, that lead to an end.

        ``shape`` is none as long as no stage is present: then the stem comes before.
        """
        key = (index, shape)
        if key not in self._entries:
            self._entries[key] = tuple(
                entry for entry in self._all_entries(index, shape) if self.entry_count(index, entry)
            )
        return self._entries[key]

    def _all_entries(self, index: int, shape: Shape | None) -> Iterator[Entry]:
        stage = self.stages[index]
        slot = self.stem if shape is None else stage.downsampling
        for depth in cast(tuple[int, ...], stage.depth.values):
            if depth == 0:
                yield Entry(depth=0, width=0, before=None, out=shape)
            elif slot is not None:
                for width in cast(tuple[int, ...], stage.width.values):
                    for row in self.rows(slot, shape or self.input, width):
                        before = cast(Stem | Downsampling, row.component)
                        out = before.out_shape(shape or self.input, width)
                        yield Entry(depth=depth, width=width, before=row, out=out)

    def patterns(self, index: int, depth: int, mixers: int) -> tuple[str, ...]:
        """Return the patterns that differ from each other at this depth with so many mixers."""
        names = cast(tuple[str, ...], self.stages[index].pattern.values)
        if depth < 2 or mixers < 2:
            return ("uniform",)
        if depth == 2 and "alternate" in names:
            return tuple(name for name in names if name != "last")
        return names

    def decisions(self) -> dict[str, Domain]:
        """Return every decision that a walk may ask: path to domain, in the walk's order."""
        found: dict[str, Domain] = {}
        for index, stage in enumerate(self.stages):
            path = f"stages.{index}"
            own = {f"{path}.depth": stage.depth, f"{path}.width": stage.width}
            found.update({name: each for name, each in own.items() if len(each.values) > 1})
            if index == 0:
                found.update(self.stem.decisions("stem"))
            if index and stage.downsampling is not None:
                found.update(stage.downsampling.decisions(f"{path}.downsampling"))
            found.update(stage.block.decisions(f"{path}.block"))
            if len(stage.pattern.values) > 1:
                found[f"{path}.pattern"] = stage.pattern
            if stage.pattern.values != ("uniform",):
                found.update(self._second(stage, f"{path}.block"))
        found.update(self.head.decisions("head"))
        return found

    def _second(self, stage: StageSpace, path: str) -> Iterator[tuple[str, Domain]]:
        """Yield the decisions of the second mixer of a stage."""
        for option in stage.block.options:
            prefix = path if len(stage.block.options) == 1 else f"{path}.{option.cls.name}"
            if VARIED in option.slots:
                yield from option.slots[VARIED].decisions(f"{prefix}.second_{VARIED}")

    # Counting -------------------------------------------------------------------------------

    def block_count(self, index: int, option: Option, shape: Shape, depth: int) -> int:
        """Return in how many ways the blocks of a stage can be chosen from one option."""
        ways = 1
        for name, slot in option.slots.items():
            count = len(self.rows(slot, shape))
            if name == VARIED:
                patterns = self.patterns(index, depth, count)
                count *= sum(1 if pattern == "uniform" else count - 1 for pattern in patterns)
            ways *= count
        return ways * len(option.own_rows())

    def stage_count(self, index: int, shape: Shape, depth: int) -> int:
        """Return in how many ways the blocks of a stage can be chosen."""
        key = ("stage", index, shape, depth)
        if key not in self._counts:
            self._counts[key] = sum(
                self.block_count(index, option, shape, depth)
                for option in self.stages[index].block.options
            )
        return self._counts[key]

    def entry_count(self, index: int, entry: Entry) -> int:
        """Return how many walks go on from a way into stage ``index``."""
        if entry.before is None:
            return self.count(index + 1, entry.out)
        assert entry.out is not None
        blocks = self.stage_count(index, entry.out, entry.depth)
        return blocks and blocks * self.count(index + 1, entry.out)

    def count(self, index: int, shape: Shape | None) -> int:
        """Return how many walks go on from stage ``index`` after a map of ``shape``."""
        key = ("from", index, shape)
        if key not in self._counts:
            if index < len(self.stages):
                total = sum(self.entry_count(index, entry) for entry in self.entries(index, shape))
            else:
                total = 0 if shape is None else len(self.rows(self.head, shape, self.classes))
            self._counts[key] = total
        return self._counts[key]

    def size(self) -> int:
        """Return the number of walks, exactly.

        Each gives another architecture, except where stages can be left out or cut in two: there
        two walks may meet.
        """
        return self.count(0, None)

    # The walk -------------------------------------------------------------------------------

    def walk(self, chooser: Chooser) -> Draw:
        """Go through the space, asking ``chooser`` at every open decision.

        A decision that does not apply is never asked, nor one with a single value left.
        """
        decisions: dict[str, Value] = {}
        shape: Shape | None = None
        stages: list[Stage] = []
        stem: Stem | None = None
        for index in range(len(self.stages)):
            entry = self._choose_entry(index, shape, chooser, decisions)
            shape = entry.out
            if entry.before is None:
                continue
            assert shape is not None
            blocks = self._choose_blocks(index, shape, entry.depth, chooser, decisions)
            before = entry.before.component
            if isinstance(before, Stem):
                stem = before
            stages.append(
                Stage(
                    width=entry.width,
                    depth=entry.depth,
                    blocks=blocks,
                    downsampling=before if isinstance(before, Downsampling) else None,
                )
            )
        assert stem is not None and shape is not None
        head = choose_row(self.rows(self.head, shape, self.classes), "head", chooser, decisions)
        architecture = Architecture(
            input=self.input,
            classes=self.classes,
            stem=stem,
            stages=tuple(stages),
            head=cast(Head, head.component),
        )
        return Draw(architecture=architecture, decisions=decisions)

    def _choose_entry(
        self, index: int, shape: Shape | None, chooser: Chooser, decisions: dict[str, Value]
    ) -> Entry:
        stage, path = self.stages[index], f"stages.{index}"
        open_ways = self.entries(index, shape)
        depth = choose_value(
            f"{path}.depth", stage.depth, [way.depth for way in open_ways], chooser, decisions
        )
        open_ways = tuple(way for way in open_ways if way.depth == depth)
        if depth == 0:
            return open_ways[0]
        width = choose_value(
            f"{path}.width", stage.width, [way.width for way in open_ways], chooser, decisions
        )
        by_row = {id(way.before): way for way in open_ways if way.width == width}
        rows = [way.before for way in by_row.values() if way.before is not None]
        name = "stem" if shape is None else f"{path}.downsampling"
        return by_row[id(choose_row(rows, name, chooser, decisions))]

    def _choose_blocks(
        self, index: int, shape: Shape, depth: int, chooser: Chooser, decisions: dict[str, Value]
    ) -> tuple[Block, ...]:
        slot, path = self.stages[index].block, f"stages.{index}.block"
        possible = {
            option.cls.name: option
            for option in slot.options
            if self.block_count(index, option, shape, depth)
        }
        name = choose_value(path, slot.names, list(possible), chooser, decisions)
        option = possible[cast(str, name)]
        prefix = path if len(slot.options) == 1 else f"{path}.{name}"
        base = choose_row(option.own_rows(), prefix, chooser, decisions)
        block = cast(Block, base.component)
        chosen: dict[str, Row] = {
            field: choose_row(self.rows(sub, shape), f"{prefix}.{field}", chooser, decisions)
            for field, sub in option.slots.items()
        }
        fields: dict[str, Any] = {field: row.component for field, row in chosen.items()}
        block = replace(block, **fields)
        if VARIED not in chosen:
            return (block,)
        others = [row for row in self.rows(option.slots[VARIED], shape) if row != chosen[VARIED]]
        allowed = self.patterns(index, depth, len(others) + 1)
        if allowed == ("uniform",):
            return (block,)
        pattern = choose_value(
            f"stages.{index}.pattern", self.stages[index].pattern, allowed, chooser, decisions
        )
        if pattern == "uniform":
            return (block,)
        second = choose_row(others, f"{prefix}.second_{VARIED}", chooser, decisions)
        other = replace(block, **cast(Any, {VARIED: second.component}))
        return (block, other) if pattern == "alternate" else (block,) * (depth - 1) + (other,)

    def enumerate(self) -> Iterator[Draw]:
        """Yield every walk once, in a fixed order."""
        chooser = EnumerationChooser()
        while True:
            yield self.walk(chooser)
            if not chooser.advance():
                return
