"""A search space: what may vary in a network, and the one walk through it."""

import hashlib
import json
import random
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby
from typing import Any, cast

from .architecture import Architecture, Stage
from .base import Block, Downsampling, Head, Stem
from .choosers import (
    Chooser,
    EnumerationChooser,
    FirstChooser,
    RecordingChooser,
    ReplayChooser,
)
from .domains import Domain, IntRange, Positive, Value, same
from .errors import InputError
from .feasibility import Constraint
from .guide import Guide, Stand
from .membership import ways_to
from .refusals import usual_refusal
from .shapes import Shape
from .slots import Row, Slot, choose_row
from .step_costs import PartCosts, step_table
from .steps import END, VARIED, Node, StageSpace, Step, StepGraph, second_mixer_at


@dataclass(frozen=True, kw_only=True)
class Draw:
    """What a walk gives."""

    architecture: Architecture
    """The network."""
    decisions: Mapping[str, Value]
    """What was chosen: path to value, those without an alternative at their place too."""


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
    guide: Guide | None = None
    """What keeps every walk within hard constraints; see ``constrained``."""

    def bind(self, *, channels: int, resolution: int, classes: int) -> "SearchSpace":
        """Return the space for images of this size and that many classes.

        Raises:
            InputError: If the space cannot take such images.
        """
        assert self.guide is None, "bind first, then constrain: costs depend on the images"
        self.resolutions.check(f"resolution of space {self.name!r}", resolution)
        Positive(whole=True).check("channels", channels)
        Positive(whole=True).check("classes", classes)
        bound = replace(
            self,
            input=Shape(channels, resolution, resolution),
            classes=classes,
        )
        if not bound.size():
            reason = usual_refusal(bound.graph)
            raise InputError(
                f"space {self.name!r} must hold a network for its images, but none can be built "
                f"on {bound.input}{f'; most often {reason}' if reason else ''}"
            )
        return bound

    def exportable(self) -> "SearchSpace":
        """Return the space without the components that cannot be written as ONNX.

        Raises:
            InputError: If none is left somewhere.
        """
        assert self.guide is None, "choose the components first, then constrain"
        stages = tuple(
            replace(
                stage,
                block=stage.block.only(
                    lambda cls: cls.exportable(), f"exportable stages.{index}.block"
                ),
            )
            for index, stage in enumerate(self.stages)
        )
        return replace(self, stages=stages)

    @property
    def digest(self) -> str:
        """SHA-256 of what may vary, on which images: 64 hexadecimal digits."""
        told = ("name", "summary")
        meant = {key: value for key, value in self.source.items() if key not in told}
        # "any" means more where more components are known: what is offered is part of the meaning
        offered = {path: domain.values for path, domain in self.decisions().items()}
        text = json.dumps([meant, self.input, self.classes, offered], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    @cached_property
    def graph(self) -> StepGraph:
        """The steps of the walk."""
        return StepGraph(
            image=self.input,
            classes=self.classes,
            stem=self.stem,
            stages=self.stages,
            head=self.head,
        )

    def constrained(self, constraints: Sequence[Constraint], costs: PartCosts) -> "SearchSpace":
        """Return the space in which every walk keeps ``constraints``.

        Args:
            constraints: On metrics that are sums over the parts of a network, or ``peak_memory``.
            costs: What a part costs.

        Raises:
            InputError: If no architecture keeps them.
        """
        assert self.guide is None, "give all constraints at once"
        metrics = dict.fromkeys(each.metric for each in constraints)
        table = step_table(self.graph, tuple(metrics), costs)
        guide = Guide(table=table, constraints=constraints)
        if guide.empty:
            told = " and ".join(str(each) for each in constraints)
            none = "none does" if guide.exact else "none was found"
            raise InputError(f"some architecture of {self.name!r} must keep {told}, but {none}")
        space = replace(self, guide=guide)
        space.__dict__["graph"] = self.graph  # the guide's own: its steps are made once
        return space

    def size(self) -> int:
        """Return the number of walks, exactly.

        Under constraints, of the feasible ones: an estimate unless ``guide.exact``.

        Each gives another architecture, except where stages can be left out or cut in two: there
        two walks may meet.
        """
        return self.graph.count(self.graph.start) if self.guide is None else self.guide.feasible

    @property
    def walks_differ(self) -> bool:
        """Whether each walk gives another architecture; see ``size``."""
        droppable = any(0 in stage.depth.values for stage in self.stages)
        slots = [stage.downsampling for stage in self.stages[1:] if stage.downsampling]
        cut = any(option.cls.absent for slot in slots for option in slot.options)
        return not (droppable or cut)

    def decisions(self) -> dict[str, Domain]:
        """Return every decision that a walk may ask: path to domain, stage by stage."""
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

    def walk(self, chooser: Chooser) -> Draw:
        """Go through the space, asking ``chooser`` at every open decision.

        At each, only those values are offered from which a whole network can be reached. A
        decision that does not apply is never asked, nor one with a single value left.
        """
        decisions: dict[str, Value] = {}

        def choose(step: Step, stand: Stand | None) -> int:
            possible = step.all
            if stand is not None and len(step.rows) > 1:
                possible = stand.possible()
            return choose_row(step.tree, possible, chooser, decisions)

        return Draw(architecture=self._assemble(self._way(choose)), decisions=decisions)

    def draw_uniform(self, seed: int) -> Draw:
        """Draw one of all walks, each as likely as any other.

        Under constraints, of all feasible ones; see ``Guide`` for when that is exact.
        """
        generator = random.Random(seed)

        def choose(step: Step, stand: Stand | None) -> int:
            if stand is None:
                return bisect_right(step.cumulative, generator.randrange(step.cumulative[-1]))
            return stand.drawn(generator)

        way = self._way(choose)
        return Draw(architecture=self._assemble(way), decisions=self._decisions(way))

    def _way(self, choose: "Callable[[Step, Stand | None], int]") -> list[tuple[Node, Row]]:
        """Go through the graph; ``choose`` gets a step and, under constraints, where it stands."""
        graph, node = self.graph, self.graph.start
        stand = None if self.guide is None else Stand(self.guide)
        chosen: list[tuple[Node, Row]] = []
        while node != END:
            step = graph.step(node)
            if stand is not None:
                stand.first = node[-1] if node[0] == "second" else None
            index = choose(step, stand)
            if stand is not None:
                stand.take(index)
            chosen.append((node, step.rows[index]))
            node = step.nexts[index]
        return chosen

    def _decisions(self, way: Sequence[tuple[Node, Row]]) -> dict[str, Value]:
        """Return the decisions of a way through the graph."""
        return {
            answer.path_under(self.graph.step(node).path): answer.value
            for node, row in way
            for answer in row.answers
        }

    def _assemble(self, chosen: Sequence[tuple[Node, Row]]) -> Architecture:
        """Return the architecture of one way through the graph."""
        *inner, (_, head) = chosen
        stages: list[Stage] = []
        stem: Stem | None = None
        for _, group in groupby(inner, key=lambda each: each[0][1]):
            picks = {node[0]: row for node, row in group}
            if picks["depth"].value == 0:
                continue
            before = picks["before"].component
            if isinstance(before, Stem):
                stem = before
            stages.append(
                Stage(
                    width=cast(int, picks["width"].value),
                    depth=cast(int, picks["depth"].value),
                    blocks=_blocks(picks),
                    downsampling=before if isinstance(before, Downsampling) else None,
                )
            )
        assert stem is not None
        return Architecture(
            input=self.input,
            classes=self.classes,
            stem=stem,
            stages=tuple(stages),
            head=cast(Head, head.component),
        )

    def enumerate(self) -> Iterator[Draw]:
        """Yield every walk once, in a fixed order."""
        chooser = EnumerationChooser()
        while True:
            yield self.walk(chooser)
            if not chooser.advance():
                return

    def neighbours(self, draw: Draw) -> Iterator[Draw]:
        """Yield the walks that differ from ``draw`` in one decision and in what that opens anew.

        What it opens takes its first allowed value.
        """
        record = RecordingChooser(ReplayChooser(draw.decisions))
        self.walk(record)
        for path, allowed in record.offered.items():
            for value in allowed:
                if not same(value, draw.decisions[path]):
                    changed = {**draw.decisions, path: value}
                    yield self.walk(ReplayChooser(changed, FirstChooser()))

    def find(self, architecture: Architecture) -> Draw | None:
        """Return a walk that gives ``architecture``, or none where the space does not hold it.

        Under constraints, one that keeps them.
        """
        for way in ways_to(self.graph, architecture.canonical):
            found = self._assemble(way)
            if found.digest == architecture.digest and self._keeps(way):
                return Draw(architecture=found, decisions=self._decisions(way))
        return None

    def _keeps(self, way: Sequence[tuple[Node, Row]]) -> bool:
        """Whether a way through the graph keeps the constraints."""
        if self.guide is None:
            return True
        stand = Stand(self.guide)
        for node, row in way:
            stand.first = node[-1] if node[0] == "second" else None
            stand.take(self.graph.step(node).rows.index(row))
        return self.guide.keeps(stand.spent_K)

    def contains(self, architecture: Architecture) -> bool:
        """Whether a walk gives ``architecture``."""
        return self.find(architecture) is not None


def _blocks(picks: Mapping[str, Row]) -> tuple[Block, ...]:
    """Return the blocks of a stage from the choices made in it."""
    block = cast(Block, picks["fields"].component)
    if "mixer" not in picks:
        return (block,)
    depth = cast(int, picks["depth"].value)
    first = _with_mixer(block, picks["mixer"])
    if "second" not in picks:
        return (first,)
    second = _with_mixer(block, picks["second"])
    places = second_mixer_at(cast(str, picks["pattern"].value), depth)
    return tuple(second if index in places else first for index in range(depth))


def _with_mixer(block: Block, row: Row) -> Block:
    """Return the block with another mixer; both have been checked, which takes long."""
    varied = copy(block)
    object.__setattr__(varied, VARIED, row.component)
    return varied
