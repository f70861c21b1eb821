"""Fewer blocks: which ones are left out, by dynamic programming.

Kim et al., LayerMerge: Neural Network Depth Compression through Layer Pruning and Merging, 2024,
arXiv:2406.12837: a table of the cost of each layer and of the importance of leaving it out, and an
exact solution under the bound. Convolutions are not merged: between those of neighbouring blocks
there is a norm, an activation or a residual.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import torch

from ...search_space.architecture.architecture import Architecture
from ...search_space.architecture.network import Network
from ..cost.cost import additive_costs
from ..latency.parts import part_times
from .result import Compressed, Holds, Unreachable
from .trained import TrainedNetworks

Place = tuple[int, int]
"""Stage and block, each from 0."""
_MOST = 10_000
"""Most sets of blocks that are compared; with more, those that save little for their loss are
dropped."""


@dataclass(frozen=True, kw_only=True)
class BlockCost:
    """A block that may be left out."""

    place: Place
    """Stage and block."""
    loss: float
    """How much the loss grows without the block."""
    saves: tuple[float, ...]
    """What the network costs less without the block, by metric."""


@dataclass(frozen=True, kw_only=True)
class Removal:
    """Blocks that are left out."""

    places: frozenset[Place]
    """Stages and blocks."""
    loss: float
    """Sum of the losses of the blocks."""
    saves: tuple[float, ...]
    """Sum of what they save, by metric."""


def best_removals(blocks: Sequence[BlockCost]) -> list[Removal]:
    """Return the sets of blocks to leave out than which no other saves as much for less loss.

    They are in the order of their loss. For any bound on sums, the first one that keeps it is the
    best one. At least one block of each stage stays.

    Args:
        blocks: The blocks of all stages, in the order of the network.
    """
    count = len(blocks[0].saves) if blocks else 0
    found = [Removal(places=frozenset(), loss=0.0, saves=(0.0,) * count)]
    for _, group in groupby(blocks, key=lambda each: each.place[0]):
        # Sets that have left out all blocks of the stage so far compete with each other alone.
        whole, parted = found, list[Removal]()
        for block in group:
            without = [_with(each, block) for each in parted]
            parted = _undominated([*parted, *whole, *without])
            whole = [_with(each, block) for each in whole]
        found = parted
    return sorted(found, key=lambda each: each.loss)


def _with(removal: Removal, block: BlockCost) -> Removal:
    return Removal(
        places=removal.places | {block.place},
        loss=removal.loss + block.loss,
        saves=tuple(a + b for a, b in zip(removal.saves, block.saves, strict=True)),
    )


def _undominated(removals: Sequence[Removal]) -> list[Removal]:
    """Return the removals of which no other has at most the loss and saves at least as much."""
    kept: list[Removal] = []
    for each in sorted(removals, key=lambda one: (one.loss, [-saved for saved in one.saves])):
        if not any(_saves_as_much(other, each) for other in reversed(kept)):
            kept.append(each)
    return kept[:_MOST]


def _saves_as_much(one: Removal, other: Removal) -> bool:
    return all(a >= b for a, b in zip(one.saves, other.saves, strict=True))


def leave_out(
    network: Network, trained: TrainedNetworks, holds: Holds, *, by: Sequence[str]
) -> Compressed | Unreachable:
    """Return a network with fewer blocks that keeps the bounds; see ``Method``."""
    architecture = network.architecture
    assert isinstance(architecture, Architecture)
    places = [*_removable(architecture)]
    if not places:
        return Unreachable(architecture=architecture, reason="each stage has one block")
    before, _ = trained.score(network)
    costs = block_costs(architecture, by)
    blocks = [
        BlockCost(
            place=place,
            loss=trained.score(without(network, {place}))[0] - before,
            saves=tuple(each[place] for each in costs),
        )
        for place in places
    ]
    for removal in best_removals(blocks):
        if removal.places and holds(shorter(architecture, removal.places)):
            made = without(network, removal.places)
            trained.renormalise(made)
            return Compressed(network=made)
    last = {place for place in places if place[1]}
    return Unreachable(architecture=shorter(architecture, last))


def _removable(architecture: Architecture) -> Iterator[Place]:
    """Yield the blocks of stages that have several, without those that share parameters."""
    for index, stage in enumerate(architecture.stages):
        if stage.depth > 1 and not stage.tied:
            yield from ((index, block) for block in range(stage.depth))


def block_costs(architecture: Architecture, by: Sequence[str]) -> list[Mapping[Place, float]]:
    """Return what each block costs, for each metric: a sum over its parts.

    For a latency these are the times of the parts in eager runs on this device, ms; for a metric
    that is no sum over parts, multiply-adds.
    """
    found: list[Mapping[Place, float]] = []
    for name in by:
        times = part_times(architecture) if name.startswith("latency") else None
        costs: dict[Place, float] = {}
        for part in architecture.parts():
            place = _place(part.name)
            if place is not None:
                counted = additive_costs(part)
                own = times[part.name] if times else counted.get(name, counted["macs"])
                costs[place] = costs.get(place, 0.0) + own
        found.append(costs)
    return found


def _place(name: str) -> Place | None:
    words = name.split(".")
    if words[0] != "stages" or words[2] != "blocks":
        return None
    return int(words[1]), int(words[3])


def shorter(architecture: Architecture, places: Collection[Place]) -> Architecture:
    """Return an architecture without some blocks."""
    stages = list(architecture.stages)
    for index, stage in enumerate(stages):
        kept = [stage.block(at) for at in range(stage.depth) if (index, at) not in places]
        if len(kept) < stage.depth:
            stages[index] = replace(stage, depth=len(kept), blocks=tuple(kept))
    return replace(architecture, stages=tuple(stages)).canonical


def without(network: Network, places: Collection[Place]) -> Network:
    """Return a network without some blocks, with the weights of the others."""
    architecture = network.architecture
    assert isinstance(architecture, Architecture)
    smaller = shorter(architecture, places)
    with torch.random.fork_rng(devices=[]):
        made = Network(smaller)
    names: dict[Place, Place] = {}
    for index, stage in enumerate(architecture.stages):
        kept = [at for at in range(stage.depth) if (index, at) not in places]
        names |= {(index, new): (index, old) for new, old in enumerate(kept)}
    weights = network.state_dict()
    made.load_state_dict({name: weights[_renamed(name, names)] for name in made.state_dict()})
    return made.eval()


def _renamed(name: str, names: Mapping[Place, Place]) -> str:
    """Return the name of a tensor in the larger network."""
    place = _place(name) if name.startswith("stages.") else None
    if place is None:
        return name
    stage, block = names[place]
    words = name.split(".")
    return ".".join(("stages", str(stage), "blocks", str(block), *words[4:]))
