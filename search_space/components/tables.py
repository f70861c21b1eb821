"""All components by kind and name, and their conversion to and from plain data."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

from ..errors import InputError, shown, unknown_name
from ..plugins import COMPONENTS, add, load_installed
from .base import ChannelMixer, Component, Downsampling, Head, Norm, Stem, TokenMixer, field_kinds
from .blocks import BLOCKS
from .channel_mixers import CHANNEL_MIXERS
from .downsampling import DOWNSAMPLINGS
from .heads import HEADS
from .mixers import MIXERS
from .norms import NORMS
from .residuals import RESIDUALS
from .stems import STEMS
from .wired import Block, Residual

C = TypeVar("C", bound=Component)

TABLES: Mapping[type[Component], dict[str, type[Component]]] = {
    TokenMixer: MIXERS,
    ChannelMixer: CHANNEL_MIXERS,
    Norm: NORMS,
    Residual: RESIDUALS,
    Block: BLOCKS,
    Stem: STEMS,
    Downsampling: DOWNSAMPLINGS,
    Head: HEADS,
}


def component_class(kind: type[C], name: object) -> type[C]:
    """Return the component class of a kind and name.

    Raises:
        InputError: If the name is unknown; the message lists the known names.
    """
    table = TABLES[kind]
    if not isinstance(name, str) or name not in table:
        raise unknown_name(kind.kind, name, table)
    cls = table[name]
    assert issubclass(cls, kind)
    return cls


def register_component(cls: type[Component]) -> None:
    """Add a component to the table of its kind; spaces offer it by name and by ``any``.

    Raises:
        InputError: If the class has no kind that spaces offer, is no frozen dataclass, or its name
            is taken.
    """
    kind = next((each for each in TABLES if issubclass(cls, each)), None)
    if kind is None:
        raise InputError(
            f"a component must be one of {', '.join(each.__name__ for each in TABLES)}, but "
            f"{cls.__qualname__} is not"
        )
    if "__dataclass_params__" not in vars(cls) or not isinstance(getattr(cls, "name", None), str):
        raise InputError(
            f"a component must be a dataclass(frozen=True, kw_only=True) with a name, but "
            f"{cls.__qualname__} is not"
        )
    add(TABLES[kind], cls.name, cls, kind=kind.kind, group=COMPONENTS)


def component_to_data(component: Component) -> dict[str, Any]:
    """Return a component as plain data: its name, its knobs, the components inside it."""
    data: dict[str, Any] = {"name": component.name}
    for field in fields(component):
        value = getattr(component, field.name)
        data[field.name] = component_to_data(value) if isinstance(value, Component) else value
    return data


def component_from_data(kind: type[C], data: object, path: str, *, older: bool = False) -> C:
    """Read what ``component_to_data`` wrote; knobs left out take their default.

    Args:
        kind: The kind expected, as in ``TokenMixer``. data: A name, or a mapping with ``name`` and
            knobs. path: Path of the component in the file, for messages. older: Whether the data
            have an older form. Knobs added later then take their value in ``before``; the same
            holds for a knob with its earlier name.

    Raises:
        InputError: If a name is unknown, a knob misspelt, or a value outside its domain.
    """
    if isinstance(data, str):
        data = {"name": data}
    if not isinstance(data, Mapping) or "name" not in data:
        raise InputError(f"{path} must be a {kind.kind} with a name, but got {shown(data)}")
    try:
        cls = component_class(kind, data["name"])
        known = [field.name for field in fields(cls)]
        present = {then: now for now, then in cls.renamed}
        values: dict[str, Any] = {}
        former = dict(cls.before) if older or present.keys() & data.keys() else {}
        for key, value in data.items():
            if key == "name":
                continue
            key = present.get(key, key)
            if key not in known or key in values:
                raise unknown_name(f"field of {cls.name}", key, known)
            nested = field_kinds(cls).get(key)
            if nested:
                value = component_from_data(nested, value, f"{path}.{key}", older=older)
            values[key] = value
        return cls(**(former | values))
    except InputError as error:
        if str(error).startswith(path):
            raise
        raise InputError(f"{path}: {error}") from None


load_installed(COMPONENTS, register_component)
