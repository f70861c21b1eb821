"""A network as a list of parts with known shapes."""

from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from torch import nn

from ..shapes import Shape
from .base import Component
from .tying import Tied

IMAGE = "image"
"""The name under which the first part finds its input."""

Key = tuple[Component, tuple[Shape, ...], int | None]
"""Component, shapes of its inputs, width: see ``Part.key``."""

PartCosts = Callable[["Part"], Mapping[str, float]]
"""The amounts of a part by name: metrics that are sums over the parts and, if the peak memory is
asked for, ``working_memory``: the most bytes alive beside its inputs."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """One component of a network, where it stands and what it sees."""

    name: str
    """Its place, such as ``stages.0.blocks.1.mixer``; also where its weights are found."""
    component: Component
    """What is built there."""
    inputs: tuple[str, ...]
    """Names of the parts whose outputs it takes; ``image`` is the network's input."""
    in_shapes: tuple[Shape, ...]
    """Shapes of those outputs."""
    width: int | None
    """Output channels (or classes) where the component can change them; else none."""
    out_shape: Shape
    """Shape of its output."""

    @property
    def key(self) -> Key:
        """What its cost depends on: equal keys build equal modules on equal shapes."""
        return self.component, self.in_shapes, self.width

    def build(self) -> nn.Module:
        """Build the module."""
        return self.component.module(self.in_shapes[0], self.width)


def lenders(parts: Iterable[Part]) -> dict[str, str]:
    """Return the names of tied parts, each with the name of the part that lends it parameters."""
    last: dict[Key, str] = {}
    found: dict[str, str] = {}
    for part in parts:
        if isinstance(part.component, Tied):
            found[part.name] = last[part.component.of, part.in_shapes, part.width]
        elif part.component.ties:
            last[part.key] = part.name
    return found


@dataclass
class PartList:
    """Collects parts while a network is wired, and follows their shapes."""

    parts: list[Part] = field(default_factory=list[Part])
    """The parts so far, in an order in which they can be run."""
    guide: str | None = None
    """Name of the map of an overview, at the size of the stream, for blocks that take one."""
    lenders: set[Key] | None = None
    """Parts of a tied stage so far that have parameters to share; none outside such stages."""
    _shapes: dict[str, Shape] = field(default_factory=dict[str, Shape])
    _prefix: str = ""

    @classmethod
    def start(cls, image: Shape) -> "PartList":
        """Return an empty list over an image of that shape."""
        return cls(_shapes={IMAGE: image})

    def shape(self, name: str) -> Shape:
        """Return the shape of a part's output."""
        return self._shapes[name]

    @contextmanager
    def within(self, name: str) -> Generator[None]:
        """Put ``name`` before the names of the parts added inside."""
        outer, self._prefix = self._prefix, f"{self._prefix}{name}."
        try:
            yield
        finally:
            self._prefix = outer

    def add(self, name: str, component: Component, *inputs: str, width: int | None = None) -> str:
        """Add a part and return its full name; what is absent adds nothing.

        Args:
            name: Its name inside the current prefix.
            component: What is built.
            inputs: Full names of the parts it takes.
            width: Output channels, for components that can change them.
        """
        if component.is_identity:
            return inputs[0]
        full = self._prefix + name
        in_shapes = tuple(self._shapes[each] for each in inputs)
        out_shape = component.out_shape(in_shapes[0], width)
        component = self._tied(component, in_shapes, width)
        self.parts.append(
            Part(
                name=full,
                component=component,
                inputs=inputs,
                in_shapes=in_shapes,
                width=width,
                out_shape=out_shape,
            )
        )
        self._shapes[full] = out_shape
        return full

    def _tied(
        self, component: Component, in_shapes: tuple[Shape, ...], width: int | None
    ) -> Component:
        """Return a component, tied where an equal one came before in a tied stage."""
        if self.lenders is None or not component.ties:
            return component
        key = (component, in_shapes, width)
        if key in self.lenders:
            return Tied(of=component)
        self.lenders.add(key)
        return component
