"""The cost table of a decision graph: the costs of every choice, as numbers."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..architecture.component_uses import Use, wiring_key, wiring_of
from ..architecture.live_memory import map_bytes
from ..components.base import Component
from ..components.mixers.trivial import IdentityMixer
from ..components.parts import IMAGE, Part, PartCosts
from ..components.wired import Block
from ..shapes import Shape
from ..walk.assembly import with_mixer
from ..walk.decision_graph import DecisionGraph
from ..walk.nodes import (
    END,
    BeforeNode,
    BlockFieldNode,
    FieldsNode,
    HeadNode,
    MixerNode,
    Node,
)
from ..walk.stage_space import VARIED
from .cost_table import PEAK_MEMORY, CostedGraph, CostedNode

WORKING_MEMORY = "working_memory"
"""Name of the cost that ``peak_memory`` is computed from."""

Lane = tuple[Any, ...]
"""How the chosen block uses its varied mixer: inputs, repetitions and live bytes of each use, then
the peak bytes of the rest of the block if that mixer exists."""

Key = tuple[Node, Lane]
"""A node with the ``Lane`` of the walk, which is empty outside the blocks."""


def build_cost_table(graph: DecisionGraph, metrics: Sequence[str], costs: PartCosts) -> CostedGraph:
    """Return the decision nodes of a space with the costs of their choices.

    Args:
        graph: The decision graph.
        metrics: Metrics that ``costs`` returns, or ``peak_memory``.
        costs: A function from a part to its costs.
    """
    return _Builder(graph, metrics, costs).table()


class _Builder:
    """Computes the costs of every choice in a decision graph."""

    def __init__(self, graph: DecisionGraph, metrics: Sequence[str], costs: PartCosts) -> None:
        self._graph = graph
        self._metrics = tuple(metrics)
        self._peak = PEAK_MEMORY in self._metrics
        self._image = map_bytes(graph.image)  # live during the whole pass
        self._part_costs = costs
        self._known: dict[Any, tuple[list[float], float]] = {}
        self._tables: list[list[list[float]]] = []
        self._table_of: dict[Any, int] = {}
        self._wirings: dict[Any, list[Use]] = {}
        self._lanes: dict[Node, list[Lane]] = {}
        self._nexts: dict[Key, list[Key]] = {}

    def table(self) -> CostedGraph:
        """Return the cost table."""
        order = self._order()
        numbers = {key: number for number, key in enumerate([*order, (END, ())])}
        nodes: list[CostedNode] = []
        for node, lane in order:
            once, times = self._graph.once(node)
            afters = [numbers[each] for each in self._nexts[node, lane]]
            alike = len(set(afters)) == 1
            nodes.append(
                CostedNode(
                    table=self._table(once, lane),
                    times=times,
                    nexts=np.array(afters[:1] if alike else afters, dtype=np.int64),
                )
            )
        return CostedGraph(
            metrics=self._metrics,
            tables=tuple(
                np.array(each, dtype=np.float64).reshape(-1, len(self._metrics))
                for each in self._tables
            ),
            nodes=tuple(nodes),
        )

    def _order(self) -> list[Key]:
        """Return all nodes but the end, in topological order."""
        found: list[Key] = []
        seen: set[Key] = {(END, ())}
        stack: list[tuple[Key, bool]] = [((self._graph.start, ()), False)]
        while stack:
            key, left = stack.pop()
            if left:
                found.append(key)
            elif key not in seen:
                seen.add(key)
                self._nexts[key] = self._afters(key)
                stack.append((key, True))
                stack.extend((after, False) for after in dict.fromkeys(self._nexts[key]))
        found.reverse()
        return found

    def _afters(self, key: Key) -> list[Key]:
        """Return the nodes that the choices at a node lead to."""
        node, lane = key
        nexts = self._graph.choices_at(node).nexts
        if isinstance(node, FieldsNode) and isinstance(nexts[0], BlockFieldNode):
            self._table(self._graph.once(node)[0], ())
            lanes = self._lanes[self._graph.once(node)[0]]
            return list(zip(nexts, lanes, strict=True))
        return [(each, lane if isinstance(each, BlockFieldNode) else ()) for each in nexts]

    def _table(self, once: Node, lane: Lane) -> int:
        """Return the index of the costs of a node whose choices are built once."""
        here = self._graph.choices_at(once)
        if not isinstance(once, BeforeNode | FieldsNode | MixerNode | HeadNode):
            return self._numbered(len(here.choices))
        key = once, (lane if isinstance(once, MixerNode) else ())
        if key not in self._table_of:
            match once:
                case FieldsNode():
                    varied = isinstance(here.nexts[0], BlockFieldNode)
                    found = [
                        self._block(once, choice.made(Block), varied) for choice in here.choices
                    ]
                    costs = [cost for cost, _ in found]
                    self._lanes[once] = [each for _, each in found]
                case MixerNode():
                    costs = [self._mixer(choice.made(Component), lane) for choice in here.choices]
                case _:
                    image_read = isinstance(once, BeforeNode) and once.before is None
                    beside = 0 if image_read else self._image
                    costs = [
                        self._single(self._graph.parts(once, choice), beside)
                        for choice in here.choices
                    ]
            self._table_of[key] = len(self._tables)
            self._tables.append(costs)
        return self._table_of[key]

    def _numbered(self, count: int) -> int:
        """Return the index of a table of ``count`` choices without costs."""
        if count not in self._table_of:
            self._table_of[count] = len(self._tables)
            self._tables.append([[0.0] * len(self._metrics)] * count)
        return self._table_of[count]

    # Costs of one choice --------------------------------------------------------------------

    def _amounts(
        self, component: Component, in_shapes: tuple[Shape, ...], width: int | None
    ) -> tuple[list[float], float]:
        """Return the additive costs of a part (0 in place of the peak), and its working memory."""
        key = (component, in_shapes, width)
        if key not in self._known:
            part = Part(
                name=component.kind,
                component=component,
                inputs=(IMAGE,) * len(in_shapes),
                in_shapes=in_shapes,
                width=width,
                out_shape=component.out_shape(in_shapes[0], width),
            )
            found = self._part_costs(part)
            sums = [0.0 if name == PEAK_MEMORY else found[name] for name in self._metrics]
            self._known[key] = sums, found[WORKING_MEMORY] if self._peak else 0.0
        return self._known[key]

    def _summed(self, uses: Sequence[tuple[Component, Use]], rest: float = 0.0) -> list[float]:
        """Return the costs of components together; ``rest`` is the peak of everything else."""
        total, peak = [0.0] * len(self._metrics), rest
        for component, use in uses:
            sums, working = self._amounts(component, use.in_shapes, use.width)
            total = [mine + use.times * each for mine, each in zip(total, sums, strict=True)]
            peak = max(peak, use.alive + working)
        return self._with_peak(total, peak)

    def _with_peak(self, sums: list[float], peak: float) -> list[float]:
        return [peak if n == PEAK_MEMORY else s for n, s in zip(self._metrics, sums, strict=True)]

    def _single(self, parts: Sequence[Part], beside: int) -> list[float]:
        """Return the costs of a stem, downsampling or head; ``beside`` more bytes are live."""
        uses = [Use.alone(part.component, part.in_shapes, part.width) for part in parts]
        return self._summed(
            [(use.component, replace(use, alive=use.alive + beside)) for use in uses]
        )

    def _mixer(self, component: Component, lane: Lane) -> list[float]:
        """Return the costs of the varied mixer of one block."""
        if component.is_identity:
            return [0.0] * len(self._metrics)
        *uses, rest = lane
        return self._summed([(component, use) for use in uses], rest)

    def _block(self, node: FieldsNode, block: Block, varied: bool) -> tuple[list[float], Lane]:
        """Return the costs of a block without its varied mixer, and the lane of that mixer."""
        shape = node.shape
        if not varied:
            return self._rest(block, self._wiring(block, shape)), ()
        choices = self._graph.mixers(node.stage, shape, block.name)
        present = next(
            (choice.component for choice in choices if not _is_identity(choice.component)), None
        )
        if present is None:
            return self._rest(block, self._wiring(block, shape)), (0.0,)
        uses = self._wiring(with_mixer(block, present), shape)
        cost = self._rest(block, uses)
        lane = [replace(use, component=present) for use in uses if use.field == VARIED]
        if not self._peak:
            return cost, (*(replace(use, alive=0) for use in lane), 0.0)
        # A mixer can keep more bytes live beside the rest: its lane then carries them.
        bare = self._wiring(with_mixer(block, IdentityMixer()), shape)
        least = self._rest(block, bare)
        at = self._metrics.index(PEAK_MEMORY)
        more = cost[at] if cost[at] > least[at] else 0.0
        return self._with_peak(cost, least[at]), (*lane, more)

    def _rest(self, block: Block, uses: Sequence[Use]) -> list[float]:
        """Return the costs of the components of a block other than its varied mixer."""
        rest = [use for use in uses if use.field != VARIED]
        return self._summed([(_own(block, use), use) for use in rest])

    def _wiring(self, block: Block, shape: Shape) -> list[Use]:
        """Return the uses of components by a block; ``Block.wire`` states what they depend on."""
        key = (shape, *wiring_key(block))
        if key not in self._wirings:
            uses = wiring_of(block, shape)
            self._wirings[key] = [replace(use, alive=use.alive + self._image) for use in uses]
        return self._wirings[key]


def _own(block: Block, use: Use) -> Component:
    """Return the component of this block that a use refers to."""
    return use.component if use.field is None else getattr(block, use.field)


def _is_identity(component: Component | None) -> bool:
    return component is None or component.is_identity
