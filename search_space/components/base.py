"""Base classes of components: frozen typed values that describe and build modules."""

import types
import typing
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import ClassVar, Literal, Self

from torch import nn

from ..domains import Domain, Value
from ..errors import InputError, shown
from ..shapes import Shape

GRID = "a grid of positions"
"""Layout of a map: neighbours are neighbours in the image."""

TOKENS = "class tokens and patches in one column"
"""Layout of a map for components that treat all positions alike."""


@cache
def field_domains(cls: type["Component"]) -> Mapping[str, Domain]:
    """Return the domain of every knob of a component class, in the order of its fields."""
    hints = typing.get_type_hints(cls, include_extras=True)
    found: dict[str, Domain] = {}
    for field in fields(cls):
        for extra in getattr(hints[field.name], "__metadata__", ()):
            if isinstance(extra, Domain):
                found[field.name] = extra
    return types.MappingProxyType(found)


@cache
def field_kinds(cls: type["Component"]) -> Mapping[str, type["Component"]]:
    """Return the fields of a component class that hold components, with the kind of each."""
    hints = typing.get_type_hints(cls)
    found = {
        field.name: hints[field.name]
        for field in fields(cls)
        if isinstance(hints[field.name], type) and issubclass(hints[field.name], Component)
    }
    return types.MappingProxyType(found)


@cache
def float_fields(cls: type["Component"]) -> frozenset[str]:
    """Return the names of the knobs that are floating-point numbers."""
    hints = typing.get_type_hints(cls)
    return frozenset(name for name in field_domains(cls) if hints[name] is float)


@dataclass(frozen=True, kw_only=True)
class Component(ABC):
    """One option for a part of a network; its knobs (hyperparameters) are fields.

    A knob is declared ``Annotated[type, domain]``; a value outside its domain is refused when the
    component is made. A field that is a component itself (the mixer of a block) needs no domain.
    """

    name: ClassVar[str]
    """The name in files, tables and on the command line."""
    kind: ClassVar[str]
    """The kind of part that the component is an option for, such as "token mixer"."""
    catalogue: ClassVar[tuple[str, ...]] = ()
    """Rows of the catalogue of papers that the component implements; token mixers have them in
    ``traits``."""
    is_identity: ClassVar[bool] = False
    """Whether the component does nothing, so that a network has no part for it."""
    one_size: ClassVar[bool] = False
    """Whether the module accepts only maps of the size that it was built for; token mixers state
    this in ``traits``.
    """
    by_name: ClassVar[bool] = False
    """Whether spaces offer the component only by its name, since it suits few others; the same
    holds for token mixers that mix images."""
    order_free: ClassVar[bool] = False
    """Whether all positions are treated alike, wherever they lie, so that they may be class tokens
    and patches in one column."""
    ties: ClassVar[tuple[str, ...]] = ()
    """Parameters of the module that the blocks of a tied stage share; such modules do not fold."""
    added: ClassVar[tuple[str, ...]] = ()
    """Fields added since records were first kept. A digest omits such a field if it has the earlier
    value: that in ``before``, else the default."""
    before: ClassVar[tuple[tuple[str, Value], ...]] = ()
    """Fields of ``added`` whose earlier value is not the default, with that value: records that
    lack the field have it."""
    renamed: ClassVar[tuple[tuple[str, str], ...]] = ()
    """Fields with an earlier name, as (new name, earlier name): digests use the earlier name, and
    files may."""
    revision: ClassVar[int] = 1
    """Number raised when a default changes: spaces that offer the component are then different."""

    def __post_init__(self) -> None:
        for field, domain in field_domains(type(self)).items():
            value = getattr(self, field)
            domain.check(field, value)
            if field in float_fields(type(self)):  # 2 and 2.0 must not be two networks
                object.__setattr__(self, field, float(value))

        for field, kind in field_kinds(type(self)).items():
            if not isinstance(getattr(self, field), kind):
                raise InputError(
                    f"{field} must be a {kind.kind}, but got {shown(getattr(self, field))}"
                )

    @classmethod
    def exportable(cls) -> bool:
        """Whether the module can be exported to ONNX."""
        return True

    @classmethod
    def any_resolution(cls) -> bool:
        """Whether the module takes maps of any height and width."""
        return not cls.one_size

    @classmethod
    def any_size_program(cls) -> bool:
        """Whether an exported program (``.onnx``, ``.pt2``) takes maps of any height and width."""
        return cls.any_resolution()

    def one_size_program(self) -> bool:
        """Whether an exported program takes maps of one size only, with the component's knobs."""
        return not self.any_size_program()

    def why_invalid(self, shape: Shape, width: int | None = None) -> str | None:
        """Return the rule that ``shape`` breaks, then the values; None if it breaks none."""
        return None

    def arranged(self, given: str, shape: Shape) -> str | None:
        """Return the layout of the output for an input of a layout; None: it is not taken.

        Args:
            given: The input's layout: ``GRID``, ``TOKENS``, or another that a stem gives.
            shape: Shape of the input.
        """
        return given if given == GRID or (given == TOKENS and self.order_free) else None

    def canonical(self, shape: Shape) -> Self:
        """Return the canonical form of the component: one for all that build the same module on
        ``shape``.

        Two components that build the same module (same parameters, same function) must return
        equal components.
        """
        return self

    def out_shape(self, shape: Shape, width: int | None) -> Shape:
        """Return the shape of the output for an input of ``shape``; see ``Part.width``."""
        return shape

    @abstractmethod
    def module(self, shape: Shape, width: int | None) -> nn.Module:
        """Build the module for an input of ``shape`` (and ``width`` output channels, if given)."""

    def knobs(self) -> dict[str, Value]:
        """Return the knobs and their values."""
        return {name: getattr(self, name) for name in field_domains(type(self))}

    def components(self) -> "dict[str, Component]":
        """Return the fields that hold components, with their values."""
        return {name: getattr(self, name) for name in field_kinds(type(self))}

    def label(self) -> str:
        """Return the name with its knobs, one short line."""
        knobs = ", ".join(f"{name}={value}" for name, value in self.knobs().items())
        return f"{self.name}({knobs})" if knobs else self.name


def first_inside(component: Component, what: Callable[[Component], bool]) -> Component | None:
    """Return the first component, itself or one inside, for which ``what`` is true, or None."""
    if what(component):
        return component
    inner = (first_inside(each, what) for each in component.components().values())
    return next(filter(None, inner), None)


def bound_inside(component: Component) -> Component | None:
    """Return the component, itself or one inside, that takes one map size only, or None."""
    return first_inside(component, lambda each: not each.any_resolution())


@dataclass(frozen=True, kw_only=True)
class Traits:
    """Properties of a token mixer with its default knobs."""

    catalogue: tuple[str, ...] = ()
    """Rows of the catalogue of papers that the component implements."""
    paper: str
    """First author, title, year, and identifier of the source."""
    reach: Literal["none", "local", "regional", "global"]
    """Receptive field of one output position. none: itself; local: at most 3 pixels away; regional:
    further, but not all of a large map; global: every position."""
    weights: Literal["none", "static", "input-dependent"]
    """Whether the weights are learned once (static) or computed from the input.

    A product of two feature maps counts as input-dependent: one map weighs the other. Without norms
    and activations a static mixer is an affine map (or a sum of learned functions of one number
    each); an input-dependent mixer is not. With ``none`` there is nothing to train.
    """
    cost: str
    """Asymptotic multiply-adds in the number of tokens N, such as ``N k^2``;
    ``describe.COST_LETTERS`` defines the letters."""
    resolution_bound: bool = False
    """Whether the weights fit maps of one size only, such as one weight per position."""
    resizes: bool = False
    """Whether a mixer bound to one size resizes maps of other sizes."""
    any_size_program: bool = True
    """Whether torch's exporter can trace the mixer for maps of any size that its weights allow."""
    exportable: bool = True
    """Whether the module can be exported to ONNX."""
    mixes_images: bool = False
    """Whether an image's output depends on the other images of its batch, so that spaces offer the
    mixer only by its name."""
    code: str = "none"
    """Repository of the reference code on GitHub: owner/name, or none."""


@dataclass(frozen=True, kw_only=True)
class Layer(Component):
    """A component that keeps the shape of the map."""

    @abstractmethod
    def build(self, shape: Shape) -> nn.Module:
        """Build the module: maps ``(B, *shape)`` to ``(B, *shape)``."""

    def module(self, shape: Shape, width: int | None) -> nn.Module:
        """Build the module for an input of ``shape``."""
        return self.build(shape)


@dataclass(frozen=True, kw_only=True)
class TokenMixer(Layer):
    """Mixes the positions of a feature map."""

    kind = "token mixer"
    traits: ClassVar[Traits]
    """Properties of the mixer."""

    @classmethod
    def exportable(cls) -> bool:
        """Whether the module can be exported to ONNX."""
        return cls.traits.exportable

    @classmethod
    def any_resolution(cls) -> bool:
        """Whether the module takes maps of any height and width."""
        return not cls.traits.resolution_bound

    @classmethod
    def any_size_program(cls) -> bool:
        """Whether an exported program (``.onnx``, ``.pt2``) takes maps of any height and width."""
        return cls.any_resolution() and cls.traits.any_size_program


@dataclass(frozen=True, kw_only=True)
class ChannelMixer(Layer):
    """Mixes the channels of a feature map, position by position."""

    kind = "channel mixer"


@dataclass(frozen=True, kw_only=True)
class Norm(Layer):
    """Normalises a feature map."""

    kind = "norm"
    order_free = True


@dataclass(frozen=True, kw_only=True)
class Resampler(Component):
    """A component that changes the shape of the map: stem or downsampling."""

    @abstractmethod
    def build(self, shape: Shape, width: int) -> nn.Module:
        """Build the module: maps ``(B, *shape)`` to ``(B, *self.out_shape(shape, width))``."""

    @abstractmethod
    def out_size(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width of the output; below 1 if the input is too small."""

    def out_shape(self, shape: Shape, width: int | None) -> Shape:
        """Return the shape of the output with ``width`` channels."""
        assert width is not None
        return Shape(width, *self.out_size(shape.height, shape.width))

    def module(self, shape: Shape, width: int | None) -> nn.Module:
        """Build the module for an input of ``shape`` and ``width`` output channels."""
        assert width is not None
        return self.build(shape, width)

    def why_invalid(self, shape: Shape, width: int | None = None) -> str | None:
        """Return why ``shape`` is too small, or None."""
        if min(self.out_size(shape.height, shape.width)) < 1:
            return f"the map must not shrink below 1x1, but is {shape.height}x{shape.width} before"
        return None


@dataclass(frozen=True, kw_only=True)
class Stem(Resampler):
    """A module from the image to the first feature map."""

    kind = "stem"


@dataclass(frozen=True, kw_only=True)
class Downsampling(Resampler):
    """A module from the map of one stage to that of the next."""

    kind = "downsampling"


@dataclass(frozen=True, kw_only=True)
class Head(Component):
    """A module from the last feature map to class scores."""

    kind = "head"

    @abstractmethod
    def build(self, shape: Shape, classes: int) -> nn.Module:
        """Build the module, a ``heads.Classifier``: ``(B, *shape)`` to ``(B, classes)``."""

    def out_shape(self, shape: Shape, width: int | None) -> Shape:
        """Return ``classes x 1 x 1``."""
        assert width is not None
        return Shape(width, 1, 1)

    def module(self, shape: Shape, width: int | None) -> nn.Module:
        """Build the module for an input of ``shape`` and ``width`` classes."""
        assert width is not None
        return self.build(shape, width)


def table_of(*classes: type[Component]) -> dict[str, type[Component]]:
    """Return the table from name to class; a name used twice is an error."""
    table: dict[str, type[Component]] = {}
    for cls in classes:
        if cls.name in table:
            raise InputError(f"component names must differ, but got {cls.name!r} twice")
        table[cls.name] = cls
    return table
