"""Finds the parts of many architectures quickly, without making each part."""

from dataclasses import replace
from functools import cache
from operator import attrgetter
from typing import Any

from ...search_space.architecture.architecture import Architecture
from ...search_space.architecture.component_uses import wiring_of
from ...search_space.architecture.live_memory import alive_bytes, map_bytes
from ...search_space.architecture.stages import Stage
from ...search_space.components.base import Component, Layer, field_domains, field_kinds
from ...search_space.components.canonical import canonical_component
from ...search_space.components.wired import Block
from ...search_space.shapes import Shape
from .table import CostTable, Entry

_MOST_KNOWN = 100_000  # components cached before the cache is cleared


class _Known:
    """A cached component on maps of one shape."""

    __slots__ = ("canonical", "given", "numbers", "token")

    def __init__(self, given: Component, canonical: Component, token: object) -> None:
        self.given = given
        """The component as given, kept so that its ``id`` stays unique."""
        self.canonical = canonical
        """The canonical form."""
        self.token = token
        """The component's contribution to the key of a wiring: see ``Block.wire``."""
        self.numbers: dict[int, int] = {}
        """Row number by place (the index of input shapes and width)."""


class _Wiring:
    """The parts of blocks with one wiring key on maps of one shape."""

    def __init__(self) -> None:
        self.made: int | None = None
        """Row number of the sum of the parts that all these blocks have."""
        self.own: list[tuple[int, int, int, int]] = []
        """Parts that are components of the block: index, place, times, live bytes."""


@cache
def _fields(cls: type[Block]) -> tuple[tuple[str, ...], Any, Any]:
    """Return the component fields of a block, and readers of these and of its knobs."""

    def reader(names: tuple[str, ...]) -> Any:
        if len(names) > 1:
            return attrgetter(*names)
        return lambda block: tuple([getattr(block, name) for name in names])  # pyright: ignore

    components, knobs = tuple(field_kinds(cls)), tuple(field_domains(cls))
    return components, reader(components), reader(knobs)


class _OnMap:
    """The cache of blocks on maps of one shape."""

    def __init__(self, shape: Shape, table: CostTable) -> None:
        self._shape = shape
        self._table = table
        self._known: dict[
            int, _Known
        ] = {}  # by id, since a look-up by value takes ten times as long
        self._tokens: dict[Component, int] = {}
        self._wirings: dict[tuple[Any, ...], _Wiring] = {}
        self._places: list[tuple[tuple[Shape, ...], int | None]] = []

    def add(self, block: Block, times: int, found: list[int]) -> None:
        """Add the parts of a block that runs ``times`` times to ``found``."""
        cls = type(block)
        _, components_of, knobs_of = _fields(cls)
        components = components_of(block)
        inner: Any = list(map(self._known.get, map(id, components)))
        if None in inner:
            inner = [self._known.get(id(each)) or self._meet(each) for each in components]
        key = (cls, *[each.token for each in inner], knobs_of(block))
        wiring = self._wirings.get(key)
        if wiring is None:
            wiring = self._wirings[key] = self._wire(block, inner)
        if wiring.made is not None:
            found += (wiring.made, times, 0)
        for which, place, each, alive in wiring.own:
            number = inner[which].numbers.get(place)
            if number is None:
                number = self._number(inner[which], place)
            found += (number, each * times, alive)

    def _meet(self, component: Component) -> _Known:
        canonical = canonical_component(component, self._shape)
        if isinstance(canonical, Layer):
            token: object = type(canonical)
        else:
            token = self._tokens.setdefault(canonical, len(self._tokens))
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        known = self._known[id(component)] = _Known(component, canonical, token)
        return known

    def _number(self, known: _Known, place: int) -> int:
        number = self._table.number(known.canonical, *self._places[place])
        known.numbers[place] = number
        return number

    def _wire(self, block: Block, inner: list[_Known]) -> _Wiring:
        names, *_ = _fields(type(block))
        canonical: Any = {name: each.canonical for name, each in zip(names, inner, strict=True)}
        wiring, made = _Wiring(), list[Entry]()
        whole = replace(block, **canonical).canonical(self._shape)
        assert all(getattr(whole, name) is each for name, each in canonical.items()), (
            "the canonical form of a block must keep its components"
        )
        for use in wiring_of(whole, self._shape):
            where = (use.in_shapes, use.width)
            if use.field is None:
                number = self._table.number(use.component, *where)
                made.append((number, use.times, use.alive))
                continue
            if where not in self._places:
                self._places.append(where)
            place = self._places.index(where)
            wiring.own.append((names.index(use.field), place, use.times, use.alive))
        if made:
            wiring.made = self._table.add_sum(made)
        return wiring


class Fold:
    """Finds the parts of architectures, with a cache."""

    def __init__(self, table: CostTable) -> None:
        self._table = table
        self._maps: dict[Shape, _OnMap] = {}
        self._singles: dict[Any, tuple[Component, Shape, tuple[int, ...]]] = {}

    def add(self, architecture: Architecture, found: list[int]) -> None:
        """Add the parts of an architecture to ``found``; they sum to those of ``parts()``.

        The entries (``table.Entry``) are added as three flat numbers each, since many live tuples
        would slow down Python's garbage collector. Live bytes exclude the image, which is kept
        throughout.

        Raises:
            UncountableOperation: If a part cannot be analysed.
        """
        if architecture.overview is not None or any(stage.tied for stage in architecture.stages):
            self._add_parts(architecture, found)
            return
        shape: Shape = architecture.input
        first = True
        for stage in architecture.stages:
            if not stage.depth:
                continue
            before = architecture.stem if first else stage.downsampling
            assert before is not None
            shape = self._single(before, shape, stage.width, found, image=first)
            first = False
            on_map = self._maps.get(shape)
            if on_map is None:
                on_map = self._maps[shape] = _OnMap(shape, self._table)
            for block, times in _block_times(stage):
                on_map.add(block, times, found)
        self._single(architecture.head, shape, architecture.classes, found)

    def _add_parts(self, architecture: Architecture, found: list[int]) -> None:
        """Add the parts one by one, for the few architectures that are not a chain of stages."""
        parts = architecture.parts()
        image = map_bytes(architecture.input)
        living = alive_bytes(parts, architecture.input, held=True)
        for part, alive in zip(parts, living, strict=True):
            found += (self._table.number(*part.key), 1, alive - image)

    def _single(
        self,
        component: Component,
        shape: Shape,
        width: int,
        found: list[int],
        *,
        image: bool = False,
    ) -> Shape:
        """Add a stem, a downsampling or a head to ``found``; return the output's shape.

        Args:
            component: The component.
            shape: Shape of the input.
            width: Output channels or classes.
            found: The list that the entry is added to.
            image: Whether the input is the image.
        """
        key = (id(component), shape, width)
        known = self._singles.get(key)
        if known is None:
            canonical = canonical_component(component, shape)
            entry: tuple[int, ...] = ()
            if not canonical.is_identity:
                alive = 0 if image else map_bytes(shape)
                entry = (self._table.number(canonical, (shape,), width), 1, alive)
            if len(self._singles) >= _MOST_KNOWN:
                self._singles.clear()
            known = (component, component.out_shape(shape, width), entry)
            self._singles[key] = known
        found += known[2]
        return known[1]


def _block_times(stage: Stage) -> list[tuple[Block, int]]:
    """Return the blocks of a stage with the number of times each occurs."""
    blocks, depth = stage.blocks, stage.depth
    if len(blocks) == 1:
        return [(blocks[0], depth)]
    full = (blocks * -(-depth // len(blocks)))[:depth]
    places = list(map(id, full))
    return [
        (block, places.count(each)) for each, block in dict(zip(places, full, strict=True)).items()
    ]
