"""A network as a list of parts with known shapes."""

from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from torch import nn

from ..shapes import Shape
from .base import Component
from .tying import Tied

IMAGE = "image"
"""Name of the network's input."""

Key = tuple[Component, tuple[Shape, ...], int | None]
"""Component, input shapes, width: see ``Part.key``."""

PartCosts = Callable[["Part"], Mapping[str, float]]
"""A function from a part to its metrics by name. They are summed over parts; ``working_memory``,
the most bytes the part needs beside its inputs, is needed for the peak memory alone."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """One component of a network, with its name, inputs and shapes."""

    name: str
    """Path of the part, such as ``stages.0.blocks.1.mixer``; also the prefix of its weights."""
    component: Component
    """The component that is built."""
    inputs: tuple[str, ...]
    """Names of the parts whose outputs are the inputs; ``image`` is the network's input."""
    in_shapes: tuple[Shape, ...]
    """Shapes of the inputs."""
    width: int | None
    """Output channels (or classes) where the component can change them; else None."""
    out_shape: Shape
    """Shape of the output."""

    @property
    def key(self) -> Key:
        """The key of the part's cost: equal keys build equal modules on equal shapes."""
        return self.component, self.in_shapes, self.width

    def build(self) -> nn.Module:
        """Build the module."""
        return self.component.module(self.in_shapes[0], self.width)


def lenders(parts: Iterable[Part]) -> dict[str, str]:
    """Return for each tied part the name of the earlier part whose parameters it shares."""
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
    """Collects the parts of a network while it is wired, and computes their shapes."""

    parts: list[Part] = field(default_factory=list[Part])
    """The parts so far, in an order in which they can be run."""
    guide: str | None = None
    """Name of an overview's guide at the current map size, for guided blocks; None without one."""
    lenders: set[Key] | None = None
    """Keys of a tied stage's parts with parameters to share; None outside tied stages."""
    _shapes: dict[str, Shape] = field(default_factory=dict[str, Shape])
    _prefix: str = ""

    @classmethod
    def start(cls, image: Shape) -> "PartList":
        """Return an empty list for an image of the given shape."""
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
        """Add a part and return its full name; an identity adds nothing.

        Args:
            name: Name of the part, to which the current prefix is added.
            component: The component that is built.
            inputs: Full names of the parts whose outputs are the inputs.
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
        """Return a component, or its tied form if the tied stage already has an equal one."""
        if self.lenders is None or not component.ties:
            return component
        key = (component, in_shapes, width)
        if key in self.lenders:
            return Tied(of=component)
        self.lenders.add(key)
        return component
