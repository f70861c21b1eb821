"""Weights that a network inherits from another one, by the shapes of its parts.

Where the other network is contained in this one, the function is preserved as far as the norms
allow (Chen et al., Net2Net, 2016; Wei et al., Network Morphism, 2016): kernels lie in the middle of
larger ones, outputs that both have do not read new inputs, and new blocks begin as identities.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

import torch
from torch import Tensor, nn

from ...search_space.architecture.network import Network
from ...search_space.components.parts import Part
from ...search_space.components.residuals import Add
from .source import Source as Source
from .training.output_scale import OutputScale

_SAME = 1e-4
"""Largest difference of scores, as a share of the largest score, of equal functions."""


@dataclass(frozen=True, kw_only=True)
class Inheritance:
    """What a network has inherited, in parameters (buffers are not counted)."""

    source: str
    """Text for the source."""
    whole: int
    """Parameters in tensors that are inherited as they are."""
    part: int
    """Parameters in tensors that are inherited in part: a crop, or the middle of a larger one."""
    fresh: int
    """Parameters in tensors that are initialised anew."""
    fresh_parts: tuple[str, ...]
    """Names of the parts of the network with a parameter that is not inherited as it is."""
    difference: float | None
    """Largest difference between the scores of both networks on random images, as a share of the
    largest score; None where their inputs or classes differ."""

    @property
    def preserved(self) -> bool:
        """Whether the network begins with the function of its source."""
        return self.difference is not None and self.difference <= _SAME

    def text(self) -> str:
        """Return the inheritance in one line."""
        total = self.whole + self.part + self.fresh
        told = f"{self.whole:,} of {total:,} parameters inherited from {self.source}"
        if self.part:
            told += f", {self.part:,} in part"
        if self.fresh:
            told += f", {self.fresh:,} fresh"
        if self.difference is None:
            return f"{told}; inputs or classes differ, so functions are not compared"
        if self.preserved:
            return f"{told}; it begins with the function of its source"
        share = 100 * self.difference
        return (
            f"{told}; its function differs (scores by {share:{'.0f' if share >= 1 else '.2g'}} %)"
        )

    def to_json(self) -> dict[str, Any]:
        """Return the inheritance as JSON values."""
        return {**vars(self), "fresh_parts": list(self.fresh_parts), "preserved": self.preserved}


def inherit(
    network: Network, source: Source, classes: tuple[str, ...], scale: OutputScale | None = None
) -> Inheritance:
    """Give a network the weights that it can inherit; the others stay as they are.

    Args:
        network: The network, on the CPU.
        source: The network to inherit from.
        classes: Names of the network's classes.
        scale: Scale of numbers to predict, which the source's classifier holds: the network is to
            predict standardised numbers, as its training begins with them.
    """
    state = network.state_dict()
    names = {name for name, _ in network.named_parameters()}
    parts = {part.name: part for part in network.architecture.parts()}
    theirs = {part.name: part for part in source.architecture.parts()}
    partners = aligned(parts, theirs)
    head = next(reversed(parts))
    counts: dict[str, int] = {"whole": 0, "part": 0, "fresh": 0}
    fresh: dict[str, None] = {}
    own_outputs = False
    for name, value in state.items():
        owner = _owner(name, parts)
        partner = partners.get(owner)
        given = None if partner is None else source.weights.get(partner + name[len(owner) :])
        other_classes = owner == head and ".classifier" in name and source.classes != classes
        how = "fresh"
        if given is not None and not other_classes:
            how = _take(value, given, owner == "stem")
            own_outputs |= owner == head and ".classifier" in name
        if name in names:
            counts[how] += value.numel()
            if how != "whole":
                fresh[owner] = None
    _begin_as_identities(network, parts, partners)
    difference = _difference(network, source, classes)
    if scale is not None and own_outputs:
        scale.take_from(network)
    return Inheritance(
        source=source.name,
        whole=counts["whole"],
        part=counts["part"],
        fresh=counts["fresh"],
        fresh_parts=tuple(fresh),
        difference=difference,
    )


def _owner(name: str, parts: Mapping[str, Part]) -> str:
    """Return the name of the part that has a tensor."""
    place = name
    while place not in parts:
        place = place.rpartition(".")[0]
        assert place, f"{name} must belong to a part"
    return place


def _kind(part: Part) -> str:
    return type(part.component).__qualname__


def aligned(parts: Mapping[str, Part], theirs: Mapping[str, Part]) -> dict[str, str]:
    """Return the part of another network that stands for each part of a network, by name.

    Blocks on maps of one size are aligned in their order, however the networks divide them into
    stages: the longest runs of blocks with the same components stand for each other (Ratcliff and
    Metzener, Pattern Matching, 1988). A part has no partner of another component.
    """
    ours, others = _groups(parts), _groups(theirs)
    found = {
        name: name
        for name in parts
        if ".blocks." not in name and not name.startswith("stages.") and name in theirs
    }
    for mine, other in zip(ours, others, strict=False):
        found.update(zip(mine.before, other.before, strict=False))
        for here, there in _pairs(mine.blocks, other.blocks):
            for suffix in mine.blocks[here].keys() & other.blocks[there].keys():
                found[f"{here}.{suffix}"] = f"{there}.{suffix}"
    return {
        name: other for name, other in found.items() if _kind(parts[name]) == _kind(theirs[other])
    }


def _pairs(ours: "Blocks", theirs: "Blocks") -> list[tuple[str, str]]:
    """Return the pairs of blocks: by place if there are as many, else aligned."""
    if len(ours) == len(theirs):
        return list(zip(ours, theirs, strict=True))
    signs = [[_sign(block) for block in each.values()] for each in (ours, theirs)]
    names, others = list(ours), list(theirs)
    pairs: list[tuple[str, str]] = []
    for kind, one, end, two, stop in SequenceMatcher(None, *signs, autojunk=False).get_opcodes():
        if kind in ("equal", "replace"):
            pairs += zip(names[one:end], others[two:stop], strict=False)
    return pairs


Blocks = dict[str, dict[str, Part]]


@dataclass(frozen=True, kw_only=True)
class _Group:
    """The blocks on maps of one size."""

    before: list[str]
    """Names of the parts before and between the blocks, such as the downsampling."""
    blocks: Blocks
    """The parts of each block, by the block's name and their names inside it."""


def _groups(parts: Mapping[str, Part]) -> list[_Group]:
    groups: list[_Group] = []
    for name, part in parts.items():
        if not name.startswith("stages."):
            continue
        stage, inside, rest = name.partition(".blocks.")
        if not groups or (".downsampling" in stage and groups[-1].blocks):
            groups.append(_Group(before=[], blocks={}))
        if not inside:
            groups[-1].before.append(name)
            continue
        place, _, suffix = rest.partition(".")
        groups[-1].blocks.setdefault(f"{stage}.blocks.{place}", {})[suffix] = part
    return groups


def _sign(block: Mapping[str, Part]) -> tuple[tuple[str, str], ...]:
    return tuple((suffix, _kind(part)) for suffix, part in block.items())


def _take(value: Tensor, given: Tensor, of_stem: bool) -> str:
    """Copy what overlaps; return ``whole``, ``part`` or ``fresh``."""
    if of_stem and given.dim() == value.dim() == 4 and 1 in (given.shape[1], value.shape[1]):
        given = _for_channels(given, value.shape[1])
    if given.dim() != value.dim():
        return "fresh"
    if given.shape == value.shape:
        value.copy_(given)
        return "whole"
    sides = tuple(zip(value.shape, given.shape, strict=True))
    least = [min(pair) for pair in sides]
    # Channels begin at 0; kernels lie in the middle.
    into, out = (
        tuple(
            slice(start := (0 if axis < 2 else (own[which] - size) // 2), start + size)
            for axis, (own, size) in enumerate(zip(sides, least, strict=True))
        )
        for which in (0, 1)
    )
    if value.dim() > 1:
        value[into[0]] = 0  # outputs that both have read nothing new
    value[into] = given[out]
    return "part"


def _for_channels(given: Tensor, channels: int) -> Tensor:
    """Return a stem's kernels for another number of image channels, as timm does."""
    if given.shape[1] == channels:
        return given
    if channels == 1:
        return given.sum(1, keepdim=True)
    return given.expand(-1, channels, -1, -1) / channels


def _begin_as_identities(
    network: Network, parts: Mapping[str, Part], partners: Mapping[str, str]
) -> None:
    """Let new blocks beside inherited ones begin as identities: the last layer of their branches is
    zero."""
    for group in _groups(parts):
        known = {
            block: any(f"{block}.{suffix}" in partners for suffix in inside)
            for block, inside in group.blocks.items()
        }
        new = [block for block, inherited in known.items() if not inherited]
        if len(new) == len(known):
            continue
        for part in (each for block in new for each in group.blocks[block].values()):
            if isinstance(part.component, Add):
                _zero_last_layer(network.get_submodule(part.inputs[1]))


def _zero_last_layer(branch: nn.Module) -> None:
    last = [each for each in branch.modules() if dict(each.named_parameters(recurse=False))]
    for parameter in last[-1].parameters(recurse=False) if last else ():
        nn.init.zeros_(parameter)


@torch.no_grad()
def _difference(network: Network, source: Source, classes: tuple[str, ...]) -> float | None:
    """Return the largest difference of both networks' scores as a share of the largest one."""
    ours, theirs = network.architecture, source.architecture
    if ours.input != theirs.input or source.classes != classes:
        return None
    with torch.random.fork_rng(devices=[]):
        other = Network(theirs)
    other.load_state_dict(source.weights)
    images = torch.randn(4, *ours.input, generator=torch.Generator().manual_seed(0))
    was = network.training
    scores, expected = network.eval()(images), other.eval()(images)
    network.train(was)
    return float((scores - expected).abs().max() / expected.abs().max().clamp(min=1e-9))
