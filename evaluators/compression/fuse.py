"""Weights of a smaller network from those of a larger one, channel by channel.

Legend: N channels, K kept channels.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from ...search_space.architecture.architecture import Architecture
from ...search_space.architecture.network import Network
from ...search_space.components.parts import IMAGE, Part
from ...search_space.components.tying import Tied
from .correspond import Bound, Channels, Matched, NotInterchangeableError, matched, tensors_of
from .transport import (
    Floats,
    chosen,
    distances,
    most_important,
    read_instead,
    transport_plan,
)

Relevance = Mapping[str, Tensor]
"""The importance of each weight of a network by tensor, 0 or more."""


@dataclass(frozen=True, kw_only=True)
class Member:
    """Axes of a part's tensors that have the channels of a group."""

    part: str
    """Name of the part."""
    positions: int
    """Positions of the part's output, each of which uses the weights once."""
    bound: Bound
    """The axes."""


@dataclass(frozen=True, kw_only=True)
class Group:
    """Channels of a network that are reduced together."""

    members: tuple[Member, ...]
    """All axes that have them."""
    size: int
    """Number of channels."""
    new: int
    """Number of channels in the smaller network."""
    span: int
    """Channels that stay together, such as those of an attention head."""


def groups_of(network: Architecture, smaller: Architecture, stages: Collection[int]) -> list[Group]:
    """Return the channels that become fewer between two architectures that differ in one size.

    Args:
        network: The architecture.
        smaller: The same with one smaller size.
        stages: Stages whose width differs; empty where hidden channels differ.

    Raises:
        NotInterchangeableError: If the weights of a part cannot be mapped; the message names it.
    """
    stream: list[Member] = []
    found: list[Group] = []
    sizes = (network.stages[min(stages)].width, smaller.stages[min(stages)].width) if stages else ()
    for part, other in zip(network.parts(), smaller.parts(), strict=True):
        if part.key == other.key:
            continue
        if isinstance(part.component, Tied) or part.name != other.name:
            raise NotInterchangeableError(f"{part.name} shares its weights")
        reads = tuple(_has(name, stages) for name in part.inputs)
        try:
            match = _matched(_Keyed(part), _Keyed(other), reads, _has(part.name, stages))
        except NotInterchangeableError as error:
            raise NotInterchangeableError(f"{part.component.name} ({part.name}): {error}") from None
        stream += _members(part, match.stream)
        found += [
            Group(members=_members(part, each), size=each.size, new=each.new, span=each.span)
            for each in match.inner
        ]
    if sizes:
        found.append(Group(members=tuple(stream), size=sizes[0], new=sizes[1], span=1))
    return found


def _has(name: str, stages: Collection[int]) -> bool:
    """Whether the output of a part has the channels of these stages."""
    if name in (IMAGE, "head"):
        return False
    if name == "stem":
        return 0 in stages
    words = name.split(".")
    return words[0] == "stages" and int(words[1]) in stages


class _Keyed:
    """A part that equals others with equal modules."""

    def __init__(self, part: Part) -> None:
        self.part = part

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Keyed) and self.part.key == other.part.key

    def __hash__(self) -> int:
        return hash(self.part.key)


@lru_cache(maxsize=1024)
def _matched(part: _Keyed, smaller: _Keyed, reads: tuple[bool, ...], writes: bool) -> Matched:
    return matched(part.part, smaller.part, reads, writes)


def _members(part: Part, channels: Channels) -> tuple[Member, ...]:
    positions = part.out_shape.tokens
    return tuple(Member(part=part.name, positions=positions, bound=b) for b in channels.bound)


def relevance_of(group: Group, relevance: Relevance) -> Floats:
    """Return the importance of each channel of a group, the sum over its weights, (N,)."""
    total = np.zeros(group.size)
    for member in group.members:
        for name, axis in _named(member):
            if name in relevance:
                rows = _by_channel(relevance[name], axis, member.bound, group.size)
                total += rows.flatten(1).sum(1).double().numpy()
    return total


def fused(
    network: Network,
    smaller: Architecture,
    groups: Sequence[Group],
    relevance: Relevance,
    moments: Mapping[str, Floats],
    *,
    transport: bool = True,
) -> Network:
    """Return a network of the smaller architecture with the weights of the larger one.

    Args:
        network: The larger network.
        smaller: The smaller architecture.
        groups: The channels that become fewer.
        relevance: The importance of the weights.
        moments: Second moments of the inputs of the modules that read these channels.
        transport: Whether channels that are left out are fused into the kept ones; else they are
            dropped.
    """
    with torch.random.fork_rng(devices=[]):
        made = Network(smaller)
    old = {name: each.clone() for name, each in tensors_of(network).items()}
    for group in groups:
        _reduce(old, group, relevance, moments, transport=transport)
    new = tensors_of(made)
    others = network.state_dict()
    with torch.no_grad():
        for name, each in new.items():
            each.copy_(old[name])
        for name, each in made.state_dict().items():
            if name not in new and each.shape == others[name].shape:
                each.copy_(others[name])
    return made


def readers_of(groups: Sequence[Group]) -> set[str]:
    """Return the names of the modules that read the channels of groups."""
    return {
        name.rpartition(".")[0]
        for group in groups
        for member in group.members
        if member.bound.axes.reads
        for name, _ in _named(member)
    }


def _reduce(
    weights: dict[str, Tensor],
    group: Group,
    relevance: Relevance,
    moments: Mapping[str, Floats],
    *,
    transport: bool,
) -> None:
    """Replace the tensors of a group by those with fewer channels."""
    span = group.span
    count, kept_count = group.size // span, group.new // span
    importance_N = relevance_of(group, relevance).reshape(count, span).sum(1)
    kept_K = most_important(importance_N, kept_count)
    places_K = (kept_K[:, None] * span + np.arange(span)).ravel()
    selection = chosen(group.size, places_K)
    known = {
        name: _one_copy(moments[module], member.bound, group.size)
        for member in group.members
        if member.bound.axes.reads
        for name, _ in _named(member)
        if (module := name.rpartition(".")[0]) in moments
    }
    plan: Floats | None = None
    if transport and known:
        pooled = np.zeros((group.size, group.size))
        for each in known.values():
            pooled += each / max(float(np.trace(each)), 1e-30)
        plan_NK = transport_plan(_of_spans(pooled, span), np.sqrt(importance_N), kept_K)
        plan = np.repeat(np.repeat(plan_NK, span, axis=0), span, axis=1)
    for member in group.members:
        for name, axis in _named(member):
            matrix = selection
            if plan is not None and name in known:
                matrix = read_instead(known[name], plan, places_K)
            weights[name] = _mapped(weights[name], axis, member.bound, matrix)


def _one_copy(moments: Floats, bound: Bound, size: int) -> Floats:
    """Return the second moments of the channels, summed over their copies, (N, N)."""
    inside = bound.copies // bound.outer
    blocks = moments.reshape(bound.outer, size, inside, bound.outer, size, inside)
    return np.einsum("anbamb->nm", blocks)


def _of_spans(moments: Floats, span: int) -> Floats:
    """Return the distances between spans of channels: the root of the mean square, a metric."""
    each = distances(moments)
    count = len(each) // span
    blocks = each.reshape(count, span, count, span)
    return np.sqrt(np.einsum("nimi->nm", blocks**2) / span)


def _named(member: Member) -> list[tuple[str, int]]:
    """Return the names of the tensors in the network, each with its axis."""
    return [(f"{member.part}.{name}", axis) for name, axis in member.bound.axes.members]


def _by_channel(tensor: Tensor, axis: int, bound: Bound, size: int) -> Tensor:
    """Return a tensor with the channels as its first axis, (N, ...)."""
    front = tensor.movedim(axis, 0)
    inside = bound.copies // bound.outer
    return front.reshape(bound.outer, size, inside, *front.shape[1:]).movedim(1, 0)


def _mapped(tensor: Tensor, axis: int, bound: Bound, matrix_KN: Floats) -> Tensor:
    """Return a tensor with fewer channels on an axis, each a sum of the former ones."""
    rows = _by_channel(tensor, axis, bound, matrix_KN.shape[1])
    matrix = torch.from_numpy(matrix_KN).to(rows.dtype if rows.is_complex() else torch.float64)
    new = torch.tensordot(matrix, rows.to(matrix.dtype), dims=1).to(tensor.dtype)
    front = new.movedim(0, 1).flatten(0, 2)
    return front.movedim(0, axis).contiguous()
