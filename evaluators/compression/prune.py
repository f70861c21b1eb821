"""Fewer channels: which sizes are reduced, and the weights of the smaller network."""

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ...search_space.architecture.architecture import Architecture
from ...search_space.architecture.network import Network
from ...search_space.errors import InputError
from .correspond import NotInterchangeableError
from .fuse import Group, Relevance, fused, groups_of, readers_of, relevance_of
from .knobs import Knob, knobs_of, reduced, resized
from .result import Compressed, Holds, Unreachable
from .trained import TrainedNetworks


@dataclass(frozen=True, kw_only=True)
class Path:
    """Smaller and smaller architectures, each with one size less than the one before."""

    steps: tuple[tuple[Knob, int], ...]
    """The size that each step reduces, and its new value."""
    kept: Mapping[str, str] = field(default_factory=dict[str, str])
    """Sizes that cannot be reduced, with the reason."""

    def sizes(self, count: int) -> list[tuple[Knob, int]]:
        """Return the sizes after some steps, in the order in which they are reduced.

        Hidden channels come before widths.
        """
        found = dict(self.steps[:count])
        return sorted(found.items(), key=lambda each: each[0].is_width)

    def architecture(self, network: Architecture, count: int) -> Architecture:
        """Return the architecture after some steps."""
        return reduced(network, self.sizes(count))


@dataclass(frozen=True, kw_only=True)
class _Choice:
    """A size with the loss and the gain of each of its steps."""

    knob: Knob
    sizes: tuple[int, ...]
    """The sizes, in descending order."""
    rates: tuple[float, ...]
    """Importance lost for each multiply-add, or parameter, that a step saves."""


def prune_path(
    network: Network, relevance: Relevance, *, by: str, without: Mapping[str, str] | None = None
) -> Path:
    """Return the path on which each step loses the least importance for what it saves.

    Args:
        network: The trained network.
        relevance: The importance of its weights.
        by: What is saved: ``params`` or ``macs``.
        without: Sizes that are known to be irreducible, with the reason.
    """
    architecture = network.architecture
    assert isinstance(architecture, Architecture)
    kept = dict(without or {})
    waiting: list[tuple[float, int, int, _Choice]] = []
    for place, knob in enumerate(knobs_of(architecture)):
        if knob.name in kept:
            continue
        try:
            choice = _choice(architecture, knob, relevance, by)
        except NotInterchangeableError as error:
            kept[knob.name] = str(error)
            continue
        if choice.sizes:
            waiting.append((choice.rates[0], place, 0, choice))
        else:
            kept[knob.name] = f"no smaller size than {knob.size} is possible"
    heapq.heapify(waiting)
    steps: list[tuple[Knob, int]] = []
    while waiting:
        _, place, index, choice = heapq.heappop(waiting)
        steps.append((choice.knob, choice.sizes[index]))
        if index + 1 < len(choice.sizes):
            heapq.heappush(waiting, (choice.rates[index + 1], place, index + 1, choice))
    return Path(steps=tuple(steps), kept=kept)


def _choice(architecture: Architecture, knob: Knob, relevance: Relevance, by: str) -> _Choice:
    """Return the steps of a size.

    Raises:
        NotInterchangeableError: If the weights of a part cannot be mapped.
    """
    sizes: list[int] = []
    groups: list[Group] = []
    stages = knob.stages if knob.is_width else ()
    for size in knob.smaller():
        try:
            smaller = resized(architecture, knob, size)
        except InputError:
            continue
        groups = groups or groups_of(architecture, smaller, stages)
        sizes.append(size)
    if not groups:
        return _Choice(knob=knob, sizes=(), rates=())
    main = groups[-1]
    cost = _cost(main, relevance, by)
    losses = np.sort(relevance_of(main, relevance))
    total = np.concatenate(([0.0], np.cumsum(losses)))
    rates: list[float] = []
    before = knob.size
    for size in sizes:
        left_out, had = knob.size - size, knob.size - before
        rates.append((total[left_out] - total[had]) / (before - size) / cost)
        before = size
    return _Choice(knob=knob, sizes=tuple(sizes), rates=tuple(np.maximum.accumulate(rates)))


def _cost(group: Group, relevance: Relevance, by: str) -> float:
    """Return the parameters or multiply-adds of one channel, in the present network."""
    total = 0.0
    for member in group.members:
        for name, _ in member.bound.axes.members:
            weights = relevance.get(f"{member.part}.{name}")
            if weights is not None and (by == "params" or weights.dim() > 1):
                total += weights.numel() * (1 if by == "params" else member.positions)
    return max(total, 1.0) / group.size


def prune(
    network: Network,
    trained: TrainedNetworks,
    holds: Holds,
    *,
    by: Sequence[str] = ("macs",),
    transport: bool = True,
) -> Compressed | Unreachable:
    """Return a network that keeps the bounds, with as little importance lost as possible.

    Args:
        network: The trained network.
        trained: The images and the loss.
        holds: Whether an architecture keeps the bounds, which smaller ones do if larger ones do.
        by: Metrics that have bounds; where the first is no number of parameters, multiply-adds are
            saved.
        transport: Whether channels that are left out are fused into the kept ones.
    """
    saved = "params" if by[0] in ("params", "param_bytes") else "macs"
    relevance = trained.relevance(network)
    without: dict[str, str] = {}
    while True:
        path = prune_path(network, relevance, by=saved, without=without)
        first = first_that_holds(network.architecture, path, holds)
        if first is None:
            least = path.architecture(network.architecture, len(path.steps))
            return Unreachable(architecture=least)
        made = _made(network, trained, path.sizes(first), transport, without)
        if made is not None:
            trained.renormalise(made)
            return Compressed(network=made, kept=path.kept)


def first_that_holds(network: Architecture, path: Path, holds: Holds) -> int | None:
    """Return the fewest steps after which the bounds are kept, by bisection; None: never."""
    low, high = 0, len(path.steps)
    if not high or not holds(path.architecture(network, high)):
        return None
    while low + 1 < high:
        middle = (low + high) // 2
        if holds(path.architecture(network, middle)):
            high = middle
        else:
            low = middle
    return high


def _made(
    network: Network,
    trained: TrainedNetworks,
    sizes: Sequence[tuple[Knob, int]],
    transport: bool,
    without: dict[str, str],
) -> Network | None:
    """Return the network with smaller sizes; None where one turns out to be irreducible.

    That size is then added to ``without``.
    """
    for knob, size in sizes:
        before = network.architecture
        smaller = resized(before, knob, size)
        try:
            groups = groups_of(before, smaller, knob.stages if knob.is_width else ())
        except NotInterchangeableError as error:
            without[knob.name] = str(error)
            return None
        relevance = trained.relevance(network)
        moments = trained.moments(network, readers_of(groups)) if transport else {}
        network = fused(network, smaller, groups, relevance, moments, transport=transport)
    return network
