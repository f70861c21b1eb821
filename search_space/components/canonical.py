"""The canonical form, and its text, of all components that build the same module."""

import json
from dataclasses import fields, replace
from functools import cache
from typing import Any, TypeVar

from ..shapes import Shape
from .base import Component, field_kinds

C = TypeVar("C", bound=Component)


def canonical_component(component: C, shape: Shape) -> C:
    """Return the canonical form of a component, and of the components inside it, on one shape."""
    nested = {
        field: canonical_component(getattr(component, field), shape)
        for field in field_kinds(type(component))
    }
    return (replace(component, **nested) if nested else component).canonical(shape)


@cache
def component_text(component: Component) -> str:
    """Return a component as text that is equal only for equal components."""
    return json.dumps(_described(component), sort_keys=True, separators=(",", ":"))


def _described(component: Component) -> dict[str, Any]:
    """Return a component as plain data with the earlier names and fields, so digests stay valid."""
    data: dict[str, Any] = {"name": component.name}
    then = dict(component.renamed)
    for field in fields(component):
        value = getattr(component, field.name)
        key = then.get(field.name, field.name)
        data[key] = _described(value) if isinstance(value, Component) else value
    if component.added:
        usual, before = type(component)(), dict(component.before)
        for name in component.added:
            if getattr(component, name) == before.get(name, getattr(usual, name)):
                del data[name]
    return data
