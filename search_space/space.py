"""A search space: the domains of a network's decisions, and the walk through them."""

import hashlib
import json
import random
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from .architecture.architecture import Architecture
from .component_filter import ANY_RESOLUTION, ComponentFilter
from .components.parts import PartCosts
from .constraints.build_cost_table import build_cost_table
from .constraints.constraint import Constraint
from .constraints.count_feasible import feasible_count
from .constraints.steering import Guide, SteeredPath
from .counting.count_distinct import MOST_COUNTED, SAMPLE, count_signatures, stages_differ
from .counting.membership import Membership
from .counting.repeated_mixers import Repeated
from .counting.size import Size, estimated
from .domains import Domain, IntRange, Positive, Value, same
from .errors import InputError
from .shapes import Shape
from .walk.assembly import Step, Walk, assembled
from .walk.choosers import (
    Chooser,
    FirstChooser,
    RecordingChooser,
    ReplayChooser,
    enumerate_walks,
)
from .walk.decision_graph import DecisionGraph, NodeChoices
from .walk.layouts import check_layouts
from .walk.nodes import END
from .walk.slots import Slot, decide
from .walk.stage_space import StageSpace
from .walk.unreachable import never_built, usual_refusal


@dataclass(frozen=True, eq=False, kw_only=True)
class SearchSpace:
    """The decisions of a network with their domains, for one image size and number of classes."""

    name: str
    """Name of the preset or file."""
    summary: str
    """A description of one line."""
    input: Shape
    """Shape of one image."""
    resolutions: IntRange
    """Legal sides of images, in pixels."""
    follows_data: bool = False
    """Whether images keep the size of the data, instead of the size of ``input``."""
    classes: int
    """Number of classes."""
    stem: Slot
    """Slot of the stem."""
    stages: tuple[StageSpace, ...]
    """The stages in order; at least one."""
    head: Slot
    """Slot of the head."""
    source: Mapping[str, Any]
    """The plain data that the space was read from."""
    guide: Guide | None = None
    """The guide that keeps every walk within hard constraints; see ``constrained``."""

    def bind(self, *, channels: int, resolution: int, classes: int) -> "SearchSpace":
        """Return the space for a given image size and number of classes.

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
        if not bound.walks:
            reason = usual_refusal(bound.graph)
            raise InputError(
                f"space {self.name!r} must hold a network for its images, but none can be built "
                f"on {bound.input}{f'; most often {reason}' if reason else ''}"
            )
        check_layouts(bound.graph)
        return bound

    def any_resolution(self) -> "SearchSpace":
        """Return the space without components that tie networks to images of one size.

        Components that do so only in exported programs (``.onnx``, ``.pt2``) are left out too.

        Raises:
            InputError: If a slot would be left empty.
        """
        return self.only(ANY_RESOLUTION)

    def only(self, kept: ComponentFilter) -> "SearchSpace":
        """Return the space without the components that a filter rejects.

        Raises:
            InputError: If a slot would be left empty.
        """
        assert self.guide is None, "choose the components first, then constrain"
        keep, what = kept.keep, kept.what
        stages = tuple(
            stage.only(keep, what, f"stages.{index}") for index, stage in enumerate(self.stages)
        )
        return replace(
            self,
            stem=self.stem.only(keep, what, "stem"),
            stages=stages,
            head=self.head.only(keep, what, "head"),
        )

    @property
    def digest(self) -> str:
        """SHA-256 of the decisions, domains and image size: 64 hexadecimal digits."""
        texts = ("name", "summary")
        meant = {key: value for key, value in self.source.items() if key not in texts}
        # "any" depends on the known components, so the offered ones are part of the digest
        offered = {path: domain.values for path, domain in self.decisions().items()}
        whole = [meant, self.input, self.classes, offered, *self._revisions()]
        text = json.dumps(whole, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def _revisions(self) -> Iterator[str]:
        """Yield the offered components with changed defaults, with their revision."""
        stages = [each for stage in self.stages for each in (stage.block, stage.downsampling)]
        slots = [slot for slot in (self.stem, *stages, self.head) if slot]
        classes = {cls for slot in slots for cls in slot.classes()}
        changed = (cls for cls in classes if cls.revision > 1)
        yield from sorted(f"{cls.kind} {cls.name} {cls.revision}" for cls in changed)

    @cached_property
    def graph(self) -> DecisionGraph:
        """The decision graph."""
        return DecisionGraph(
            image=self.input,
            classes=self.classes,
            stem=self.stem,
            stages=self.stages,
            head=self.head,
        )

    @cached_property
    def _repeated(self) -> Repeated:
        """Counts walks whose second mixer equals their first."""
        return Repeated(self.graph)

    @cached_property
    def membership(self) -> Membership:
        """Finds the walks that lead to an architecture."""
        return Membership(self.graph)

    def constrained(self, constraints: Sequence[Constraint], costs: PartCosts) -> "SearchSpace":
        """Return the space with only those walks that satisfy ``constraints``.

        Args:
            constraints: Bounds on metrics that are sums over the parts of a network, or on
                ``peak_memory``.
            costs: A function from a part to its costs.

        Raises:
            InputError: If no architecture satisfies the constraints.
        """
        assert self.guide is None, "give all constraints at once"
        metrics = dict.fromkeys(each.metric for each in constraints)
        table = build_cost_table(self.graph, tuple(metrics), costs)
        guide = Guide(table=table, constraints=constraints)
        if guide.empty:
            bounds = " and ".join(str(each) for each in constraints)
            none = "none does" if guide.proved else "none was found"
            raise InputError(f"some architecture of {self.name!r} must keep {bounds}, but {none}")
        space = replace(self, guide=guide)
        # share the guide's graph, whose nodes are computed once
        space.__dict__.update(
            graph=self.graph, membership=self.membership, _repeated=self._repeated
        )
        return space

    def never_built(self) -> tuple[str, ...]:
        """Return a line (path, name, reason) for each named component that no network has."""
        return never_built(self.graph)

    @property
    def walks(self) -> int:
        """Exact number of walks.

        Under constraints, the number of feasible walks, an estimate unless ``guide.exact``.
        """
        return self.graph.count(self.graph.start) if self.guide is None else self.guide.feasible

    def size(self) -> Size:
        """Return the number of different architectures; computed once.

        The number is exact if there are few walks, or if only repeated mixers lead to duplicates;
        else it is estimated from a sample.
        """
        return self._size

    @cached_property
    def _size(self) -> Size:
        walks, exact = self.walks, self.guide is None or self.guide.exact
        if self.walks_differ:
            return Size(architectures=walks, walks=walks, exact=exact)
        if self._only_repeated and self._repeated.countable and exact:
            return Size(architectures=self._counted_once(), walks=walks, exact=True)
        if self.guide is None and walks <= MOST_COUNTED:
            return Size(architectures=count_signatures(self.membership), walks=walks, exact=True)
        if walks <= SAMPLE:
            found = {walk.architecture.digest for walk in self.enumerate()}
            return Size(architectures=len(found), walks=walks, exact=exact)
        generator = random.Random(0)
        counts = [self._multiplicity(self._drawn(generator)) for _ in range(SAMPLE)]
        return estimated(walks, counts, exact_walks=exact)

    def _counted_once(self) -> int:
        """Return the number of networks if only repeated mixers lead to duplicate walks."""
        if self.guide is None:
            return self._repeated.count()
        table, constraints = self.guide.table, self.guide.constraints
        return feasible_count(self.graph, table, constraints, self._repeated.weights)

    @cached_property
    def walks_differ(self) -> bool:
        """Whether all walks provably lead to different architectures.

        Duplicates arise if a second mixer can equal the first, if stages can be left out or cut in
        two, or if different choices give equal blocks.
        """
        return self._only_repeated and not self._repeated.any

    @cached_property
    def _only_repeated(self) -> bool:
        """Whether repeated mixers are provably the only cause of duplicate walks."""
        vanish = (each.may_vanish(index) for index, each in enumerate(self.stages))
        return not any(vanish) and stages_differ(self.membership)

    def decisions(self) -> dict[str, Domain]:
        """Return the domain of every possible decision, by path, stage by stage."""
        found: dict[str, Domain] = {}
        for index, stage in enumerate(self.stages):
            before = self.stem.decisions("stem") if index == 0 else None
            found.update(stage.decisions(f"stages.{index}", before))
        found.update(self.head.decisions("head"))
        return found

    def walk(self, chooser: Chooser) -> Walk:
        """Return the walk that ``chooser`` decides.

        Only values that lead to a complete network are offered. The chooser is not asked about
        decisions that do not apply or have a single value left. Under constraints, every offered
        value leads to a feasible network, but some feasible values may not be offered, see
        ``Guide``; ``replay`` accepts them all.
        """
        decisions: dict[str, Value] = {}

        def choose(here: NodeChoices, steered: SteeredPath | None) -> int:
            possible = here.all
            if steered is not None and len(here.choices) > 1:
                possible = steered.possible()
            return decide(here.tree, possible, chooser, decisions)

        return Walk(architecture=assembled(self.graph, self._walked(choose)), decisions=decisions)

    def replay(self, decisions: Mapping[str, Value]) -> Walk:
        """Return the walk of stored decisions, even if ``walk`` would not offer them.

        Raises:
            InputError: If the decisions give no network of the space, or violate a constraint.
        """
        steps = self._walked(_replaying(ReplayChooser(decisions)))
        if broken := self._broken(steps):
            raise InputError(f"the network must keep {broken}")
        return Walk(architecture=assembled(self.graph, steps), decisions=self._decisions(steps))

    def draw_uniform(self, seed: int) -> Walk:
        """Sample an architecture uniformly.

        Under constraints the sample is from the feasible architectures; see ``Guide`` for when it
        is exactly uniform. Rejection sampling: a uniformly sampled walk is accepted with
        probability 1 / (number of walks to its architecture).
        """
        generator = random.Random(seed)
        while True:
            steps = self._drawn(generator)
            if not generator.randrange(self._multiplicity(steps)):
                architecture = assembled(self.graph, steps)
                return Walk(architecture=architecture, decisions=self._decisions(steps))

    def sample(self, seed: int) -> Architecture:
        """Return the architecture that ``draw_uniform`` samples with this seed."""
        return self.draw_uniform(seed).architecture

    def _multiplicity(self, steps: Sequence[Step]) -> int:
        """Return the number of walks that lead to the architecture of a walk."""
        if self._only_repeated:
            return self._repeated.multiplicity(steps)
        return self.membership.count(assembled(self.graph, steps))

    def _drawn(self, generator: random.Random) -> list[Step]:
        """Sample a walk uniformly."""

        def choose(here: NodeChoices, steered: SteeredPath | None) -> int:
            if steered is None:
                return bisect_right(here.cumulative, generator.randrange(here.cumulative[-1]))
            return steered.drawn(generator)

        return self._walked(choose)

    def _walked(self, choose: "Choose") -> list[Step]:
        """Return the walk whose choices ``choose`` makes."""
        graph, node = self.graph, self.graph.start
        steered = None if self.guide is None else SteeredPath(self.guide)
        chosen: list[Step] = []
        while node != END:
            here = graph.choices_at(node)
            index = choose(here, steered)
            if steered is not None:
                steered.take(index)
            chosen.append((node, here.choices[index]))
            node = here.nexts[index]
        return chosen

    def _decisions(self, steps: Sequence[Step]) -> dict[str, Value]:
        """Return the decisions of a walk."""
        return {
            decision.path_under(self.graph.choices_at(node).path): decision.value
            for node, choice in steps
            for decision in choice.decisions
        }

    def enumerate(self) -> Iterator[Walk]:
        """Yield every walk once, in a fixed order."""
        return enumerate_walks(self.walk)

    def neighbours(self, walk: Walk) -> Iterator[Walk]:
        """Yield the walks that differ from ``walk`` in one decision.

        New decisions that follow from it take their first allowed value.
        """
        replaying = _replaying(ReplayChooser(walk.decisions))
        record = RecordingChooser(ReplayChooser(walk.decisions))

        def choose(here: NodeChoices, steered: SteeredPath | None) -> int:
            own = replaying(here, steered)
            possible = here.all if steered is None else steered.possible() | 1 << own
            return decide(here.tree, possible, record, {})

        self._walked(choose)
        for path, allowed in record.offered.items():
            for value in allowed:
                if not same(value, walk.decisions[path]):
                    changed = {**walk.decisions, path: value}
                    yield self.walk(ReplayChooser(changed, FirstChooser()))

    def find(self, architecture: Architecture) -> Walk | None:
        """Return a walk to ``architecture``, or None if the space does not contain it.

        Under constraints the walk satisfies them, but ``walk`` may not offer it.
        """
        for steps in self.membership.walks(architecture):
            if self._broken(steps):
                return None  # as do all walks to this network: their costs are equal
            return Walk(architecture=assembled(self.graph, steps), decisions=self._decisions(steps))
        return None

    def _broken(self, steps: Sequence[Step]) -> str | None:
        """Return the constraint that a walk violates, with the value."""
        if self.guide is None:
            return None
        table = self.guide.table
        choices_at = self.graph.choices_at
        total = table.total([choices_at(node).choices.index(choice) for node, choice in steps])
        for each in self.guide.constraints:
            if not each.holds(value := float(total[table.metrics.index(each.metric)])):
                return f"{each}, but got {each.metric} {value:.12g}"
        return None

    def contains(self, architecture: Architecture) -> bool:
        """Whether a walk leads to ``architecture``."""
        return self.find(architecture) is not None


def _replaying(chooser: Chooser) -> "Choose":
    """Return a function that asks a chooser at every node, regardless of the constraints."""
    return lambda here, steered: decide(here.tree, here.all, chooser, {})


Choose = Callable[[NodeChoices, SteeredPath | None], int]
"""A function from a decision node and the steered path, if any, to the number of a choice."""
