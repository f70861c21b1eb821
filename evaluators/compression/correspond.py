"""Which axes of a module's tensors belong to the same channels, found by permutations.

If the channels of a module's input are permuted, and so are all axes of its tensors that belong to
them, then the channels of its output are permuted too, and nothing else changes. This holds for
random weights only if the axes are the right ones: so the axes are searched for, and a module whose
channels are not interchangeable is recognised.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.modules.conv import _ConvNd  # pyright: ignore[reportPrivateUsage]

from ...search_space.components.parts import Part

_MOST_SETS = 150
"""Most sets of axes tried before all of them at once."""
_MOST_TESTS = 1000
"""Most permutations tried for one part."""
_TOLERANCE = 1e-8
"""Largest difference of outputs in float64, as a share of the largest one, that is rounding."""


class NotInterchangeableError(Exception):
    """The channels of a part cannot be matched with the axes of its tensors."""


@dataclass(frozen=True, kw_only=True)
class Axes:
    """Axes of tensors that have the same channels in any case, such as those of weight and bias."""

    members: tuple[tuple[str, int], ...]
    """Name of the tensor in the module's state, and the axis."""
    reads: bool
    """Whether the tensor reads these channels (the second axis of a linear map)."""
    sure: bool
    """Whether that is known; else both are tried."""
    size: int
    """Length of the axis."""
    new: int
    """Length in the smaller module."""


@dataclass(frozen=True, kw_only=True)
class Bound:
    """Axes that belong to channels, and how the channels lie in them."""

    axes: Axes
    """The axes."""
    copies: int
    """How often each channel occurs: 3 where queries, keys and values are one map."""
    outer: int
    """Of these copies, how many lie outside: all channels come once, then again. The others lie
    side by side."""

    def places(self, channels: Tensor, size: int) -> Tensor:
        """Return the places along the axes of some of ``size`` channels."""
        inside = self.copies // self.outer
        start = torch.arange(self.outer)[:, None, None] * size + channels[None, :, None]
        return (start * inside + torch.arange(inside)).flatten()


@dataclass(frozen=True, kw_only=True)
class Channels:
    """Channels with all axes of one part that belong to them."""

    bound: tuple[Bound, ...]
    """The axes."""
    size: int
    """Number of channels."""
    new: int
    """Number of channels in the smaller module."""
    span: int = 1
    """Channels that stay together, such as those of an attention head."""


@dataclass(frozen=True, kw_only=True)
class Matched:
    """The channels of one part."""

    stream: Channels
    """The channels of the feature map."""
    inner: tuple[Channels, ...]
    """The channels inside the part."""


def matched(part: Part, smaller: Part, reads: Sequence[bool], writes: bool) -> Matched:
    """Return which axes of a part's tensors belong to which channels.

    Args:
        part: The part.
        smaller: The part with fewer channels.
        reads: For each input, whether its channels become fewer.
        writes: Whether the channels of the output become fewer.

    Raises:
        NotInterchangeableError: If there is no such match, with the reason.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        before, after = _Probe(part), _Probe(smaller)
        units = _units(before.module, after.module)
        size, new = _stream_sizes(part, smaller, reads, writes)
        return _Search(before, after, reads, writes).run(units, size, new)


def _stream_sizes(
    part: Part, smaller: Part, reads: Sequence[bool], writes: bool
) -> tuple[int, int]:
    """Return the channels of the feature map, before and after; 1 and 1 if they stay."""
    pairs = [(part.out_shape.channels, smaller.out_shape.channels)] if writes else []
    shapes = zip(part.in_shapes, smaller.in_shapes, strict=True)
    pairs += [(a.channels, b.channels) for (a, b), read in zip(shapes, reads, strict=True) if read]
    assert len({*pairs}) <= 1, f"{part.name} must have one number of channels"
    return pairs[0] if pairs else (1, 1)


class _Probe:
    """A part's module with random weights, in float64."""

    def __init__(self, part: Part) -> None:
        self.module = part.build().double().eval()
        self.state = {name: _random(name, each) for name, each in tensors_of(self.module).items()}
        self.inputs = [torch.randn(2, *each, dtype=torch.float64) for each in part.in_shapes]
        self.output = self.run(self.state, self.inputs)

    def run(self, state: Mapping[str, Tensor], inputs: Sequence[Tensor]) -> Tensor:
        with torch.no_grad():
            return functional_call(self.module, dict(state), tuple(inputs))

    def unchanged(
        self, bound: Sequence[tuple[Bound, Tensor]], inputs: Sequence[Tensor], output: Tensor
    ) -> bool:
        """Whether the module with permuted weights maps permuted inputs to the output."""
        state = dict(self.state)
        for each, order in bound:
            places = each.places(order, len(order))
            for name, axis in each.axes.members:
                state[name] = state[name].index_select(axis, places)
        difference = (self.run(state, inputs) - output).abs().max()
        return bool(difference <= _TOLERANCE * output.abs().max())


def tensors_of(module: nn.Module) -> dict[str, Tensor]:
    """Return the tensors of numbers in a module's state, shared ones once."""
    own = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    stored = module.state_dict()
    return {
        name: each.detach()
        for name, each in own.items()
        if name in stored and (each.is_floating_point() or each.is_complex())
    }


def _random(name: str, like: Tensor) -> Tensor:
    """Return random weights; variances are positive."""
    if name.endswith("running_var"):
        return torch.rand_like(like) + 0.5
    fan_in = max(1, like.numel() // like.shape[0]) if like.dim() > 1 else 4
    return torch.randn_like(like) / fan_in**0.5


def _units(module: nn.Module, smaller: nn.Module) -> list[Axes]:
    """Return the axes whose length differs; those that belong together in any case are one."""
    before, after = tensors_of(module), tensors_of(smaller)
    found: dict[tuple[str, str, int], list[tuple[str, int]]] = {}
    modules = dict(module.named_modules())
    for name, value in before.items():
        if name not in after or after[name].dim() != value.dim():
            raise NotInterchangeableError("the smaller module has other tensors")
        changed = [a for a in range(value.dim()) if value.shape[a] != after[name].shape[a]]
        owner, _, leaf = name.rpartition(".")
        for axis in changed:
            role = _role(modules[owner], leaf, axis, alone=len(changed) == 1)
            found.setdefault((owner, role, value.shape[axis]), []).append((name, axis))
    return [
        Axes(
            members=tuple(members),
            reads=role == "reads",
            sure=role in ("reads", "writes", "same"),
            size=size,
            new=after[members[0][0]].shape[members[0][1]],
        )
        for (_, role, size), members in found.items()
    ]


def _role(owner: nn.Module, leaf: str, axis: int, *, alone: bool) -> str:
    """Return the role of an axis; axes of one module, role and length belong together."""
    if isinstance(owner, nn.Linear | _ConvNd):
        return "reads" if axis == 1 else "writes"
    if isinstance(owner, nn.RNNBase):
        return "writes" if axis == 0 else "reads"
    return "same" if alone and axis == 0 else f"{leaf} {axis}"


class _Search:
    """The search for axes that can be permuted together."""

    def __init__(self, before: _Probe, after: _Probe, reads: Sequence[bool], writes: bool) -> None:
        self._before = before
        self._after = after
        self._reads = reads
        self._writes = writes
        self._tests = 0

    def run(self, units: Sequence[Axes], size: int, new: int) -> Matched:
        """Return the channels of the map with as few axes as possible, and those inside."""
        if not (self._writes or any(self._reads)):
            empty = Channels(bound=(), size=1, new=1)
            return Matched(stream=empty, inner=tuple(self._inner(units)))
        reason = NotInterchangeableError("its channels are not interchangeable")
        for bound in self._sets(units, (), size, new):
            if not self._holds(self._before, bound, size, 1, of_stream=True):
                continue
            used = [each.axes for each in bound]
            try:
                stream = self._checked(Channels(bound=bound, size=size, new=new), of_stream=True)
                inner = tuple(self._inner([each for each in units if each not in used]))
            except NotInterchangeableError as error:
                reason = error
                continue
            return Matched(stream=stream, inner=inner)
        raise reason

    def _inner(self, units: Sequence[Axes]) -> Iterator[Channels]:
        """Yield groups of the axes that belong to channels inside the part."""
        left = sorted(units, key=lambda each: each.size)
        while left:
            first, *others = left
            found = self._group(first, others)
            used = [each.axes for each in found.bound]
            left = [each for each in left if each not in used]
            yield found

    def _group(self, first: Axes, others: Sequence[Axes]) -> Channels:
        """Return the smallest group with the first axes, in the smallest spans."""
        size, new = first.size, first.new
        own = Bound(axes=first, copies=1, outer=1)
        reason = NotInterchangeableError(f"the {size} channels inside it are not interchangeable")
        for span in _spans(size, new):
            for bound in self._sets(others, (own,), size, new):
                if not self._holds(self._before, bound, size, span):
                    continue
                try:
                    return self._checked(Channels(bound=bound, size=size, new=new, span=span))
                except NotInterchangeableError as error:
                    reason = error
        raise reason

    def _sets(
        self, units: Sequence[Axes], own: tuple[Bound, ...], size: int, new: int
    ) -> Iterator[tuple[Bound, ...]]:
        """Yield sets of axes to try, from few to all; of many axes only some sets."""
        usable = [e for e in units if e.size % size == 0 and e.new == e.size // size * new]
        tried = 0
        for count in range(len(usable) + 1):
            for bound in self._choices(usable, count, size):
                yield (*own, *bound)
                tried += 1
                if tried == _MOST_SETS:
                    yield (*own, *next(self._choices(usable, len(usable), size)))
                    return

    def _choices(
        self, usable: Sequence[Axes], count: int, size: int
    ) -> Iterator[tuple[Bound, ...]]:
        for chosen in combinations(usable, count):
            ways = [_layouts(each, size) for each in chosen]
            yield from product(*ways)

    def _checked(self, found: Channels, *, of_stream: bool = False) -> Channels:
        """Return channels, with sure roles, whose axes belong together in the smaller module too.

        Raises:
            NotInterchangeableError: If they do not, or no roles let two equal channels become one.
        """
        if not self._holds(self._after, found.bound, found.new, found.span, of_stream=of_stream):
            raise NotInterchangeableError("its channels are grouped otherwise when fewer")
        unsure = [place for place, each in enumerate(found.bound) if not each.axes.sure]
        for roles in product((False, True), repeat=len(unsure)):
            bound = list(found.bound)
            for place, reads in zip(unsure, roles, strict=True):
                axes = replace(bound[place].axes, reads=reads, sure=True)
                bound[place] = replace(bound[place], axes=axes)
            if self._fuses(bound, found.size, found.span, of_stream=of_stream):
                return replace(found, bound=tuple(bound))
        raise NotInterchangeableError("two equal channels of it cannot become one")

    def _fuses(self, bound: Sequence[Bound], size: int, span: int, *, of_stream: bool) -> bool:
        """Whether, of two equal channels, one can take over what is read from the other."""
        self._tests += 1
        probe, first, second = self._before, torch.arange(span), torch.arange(span, 2 * span)
        if size < 2 * span:
            return True
        equal, fused = dict(probe.state), {}
        for each in bound:
            for name, axis in each.axes.members:
                tensor = equal[name].clone().movedim(axis, 0)
                one, two = each.places(first, size), each.places(second, size)
                if not each.axes.reads:
                    tensor[two] = tensor[one]
                equal[name] = tensor.movedim(0, axis)
        fused = dict(equal)
        for each in bound:
            for name, axis in each.axes.members:
                if each.axes.reads:
                    tensor = fused[name].clone().movedim(axis, 0)
                    one, two = each.places(first, size), each.places(second, size)
                    tensor[one] += tensor[two]
                    tensor[two] = 0
                    fused[name] = tensor.movedim(0, axis)
        inputs = [each.clone() for each in probe.inputs]
        if of_stream:
            for each, read in zip(inputs, self._reads, strict=True):
                if read:
                    each[:, second] = each[:, first]
        wanted, got = probe.run(equal, inputs), probe.run(fused, inputs)
        return bool((wanted - got).abs().max() <= _TOLERANCE * wanted.abs().max())

    def _holds(
        self,
        probe: _Probe,
        bound: Sequence[Bound],
        size: int,
        span: int,
        *,
        of_stream: bool = False,
    ) -> bool:
        self._tests += 1
        if self._tests > _MOST_TESTS:
            raise NotInterchangeableError("it has too many tensors")
        return all(
            self._unchanged(probe, bound, order, of_stream=of_stream)
            for order in _orders(size, span)
        )

    def _unchanged(
        self, probe: _Probe, bound: Sequence[Bound], order: Tensor, *, of_stream: bool
    ) -> bool:
        inputs, output = probe.inputs, probe.output
        if of_stream:
            pairs = zip(inputs, self._reads, strict=True)
            inputs = [each.index_select(1, order) if read else each for each, read in pairs]
            output = output.index_select(1, order) if self._writes else output
        return probe.unchanged([(each, order) for each in bound], inputs, output)


def _layouts(axes: Axes, size: int) -> list[Bound]:
    """Return the ways in which channels can lie along axes, the usual ones first."""
    copies = axes.size // size
    outer = dict.fromkeys((copies, 1, *(each for each in (2, 3) if copies % each == 0)))
    return [Bound(axes=axes, copies=copies, outer=each) for each in outer]


def _spans(size: int, new: int) -> list[int]:
    """Return the spans that divide both numbers of channels and leave something to permute."""
    return [span for span in range(1, new + 1) if size % span == new % span == 0 and span < size]


def _orders(size: int, span: int) -> tuple[Tensor, Tensor]:
    """Return two orders of the channels, in which spans stay together, that prove all of them.

    One is a cycle through all spans, the other swaps two neighbours of the cycle. Every order is a
    sequence of such ones, so that what neither changes, none does.
    """
    count = size // span
    turn = torch.randperm(count)
    cycle, swap = torch.empty_like(turn), torch.arange(count)
    cycle[turn] = turn.roll(1)
    swap[turn[:2]] = turn[:2].flip(0)
    steps = torch.arange(span)
    whole, two = ((each[:, None] * span + steps).flatten() for each in (cycle, swap))
    return whole, two
