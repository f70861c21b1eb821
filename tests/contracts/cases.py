"""The cases of the component contracts, which include every registered component."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import cycle

import pytest
import torch
from nas_explorer.search_space.components.base import Component, Layer
from nas_explorer.search_space.components.blocks import MetaFormerBlock
from nas_explorer.search_space.components.layers.folding import fold
from nas_explorer.search_space.components.parts import IMAGE, PartList
from nas_explorer.search_space.components.tables import TABLES
from nas_explorer.search_space.components.wired import Block, Residual
from nas_explorer.search_space.shapes import Shape
from torch import Tensor, nn

from ..knobs import opposites
from ..search_space.tensors import awake

CLASSES = [cls for table in TABLES.values() for cls in table.values()]
SHAPES = [Shape(32, 8, 8), Shape(32, 7, 5), Shape(32, 3, 3), Shape(32, 1, 1), Shape(24, 1, 6)]
OUT = 12
"""Output channels of a resampler and classes of a head: a number with few divisors."""

every_class = pytest.mark.parametrize(
    "cls",
    CLASSES,
    ids=[f"{cls.kind}-{cls.name}".replace(" ", "_") for cls in CLASSES],
    scope="module",  # all tests of one class are consecutive, so that they share its cases
)


def part_list(component: Component, shape: Shape, out: int = OUT) -> PartList:
    """Return the parts that a component makes on a map of ``shape``."""
    parts = PartList.start(shape)
    if isinstance(component, Residual):
        component = MetaFormerBlock(residual=component)
    if isinstance(component, Block):
        component.wire(parts, IMAGE)
    else:
        parts.add("part", component, IMAGE, width=width_of(component, out))
    return parts


def width_of(component: Component, out: int = OUT) -> int | None:
    """Return the output channels, ``out`` if they can be chosen."""
    return None if isinstance(component, Layer | Block | Residual) else out


def refusal(component: Component, shape: Shape) -> str | None:
    return component.why_invalid(shape, width_of(component))


class Wired(nn.Module):
    """A module of wired parts."""

    def __init__(self, parts: PartList) -> None:
        super().__init__()
        self.parts = parts.parts
        self.built = nn.ModuleList(part.build() for part in parts.parts)

    def forward(self, x: Tensor) -> Tensor:
        live = {IMAGE: x}
        for part, module in zip(self.parts, self.built, strict=True):
            x = live[part.name] = module(*[live[name] for name in part.inputs])
        return x


def built(component: Component, shape: Shape) -> Wired:
    torch.manual_seed(1)
    module = Wired(part_list(component, shape))
    awake(module)
    return module


def image(shape: Shape, batch: int = 2) -> Tensor:
    return torch.randn(batch, *shape, generator=torch.Generator().manual_seed(3))


@dataclass(frozen=True)
class Case:
    """A component on a map, with its module and output. Tests share cases and change only
    copies."""

    component: Component
    shape: Shape

    @cached_property
    def module(self) -> Wired:
        """The module in evaluation mode."""
        return built(self.component, self.shape).eval()

    @cached_property
    def folded(self) -> nn.Module:
        return fold(self.module)

    @cached_property
    def x(self) -> Tensor:
        """A batch of two images."""
        return image(self.shape)

    @cached_property
    def y(self) -> Tensor:
        """The module's output for the images."""
        with torch.no_grad():
            return self.module(self.x)

    def trainable(self) -> Wired:
        """Return a copy of the module in training mode."""
        return copy.deepcopy(self.module).train()


def cases(cls: type[Component]) -> Iterator[Case]:
    """Return cases: the default on every valid shape, other knobs on one of two shapes."""
    for shape in SHAPES:
        if refusal(cls(), shape) is None:
            yield Case(cls(), shape)
    two = SHAPES[1:3]
    others = opposites(cls, lambda each: all(refusal(each, shape) is None for shape in two))
    yield from map(Case, others, cycle(two))


@lru_cache(maxsize=1)
def shared_cases(cls: type[Component]) -> tuple[Case, ...]:
    """Return the cases of a class, shared by all tests."""
    return tuple(cases(cls))
