"""Readers of search spaces: YAML files and the shipped spaces.

A field is given as one value (fixed), a list (a choice), ``{min, max, step}`` (a range) or ``any``
(all legal values). A slot for a component is given as a name (with default knobs), a list of names,
or a mapping from names to fields. In a mapping the name ``any`` stands for all components that are
not named. A field under ``any`` applies to the components that have it, each with the values that
are legal for it; a value that is legal for none is an error. ``input.resolution: data`` takes the
size of the images of the search (between ``min`` and ``max``).
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from .architecture.stages import DEPTH, WIDTH
from .components.base import (
    Component,
    Downsampling,
    Head,
    Stem,
    TokenMixer,
    field_domains,
    field_kinds,
)
from .components.tables import TABLES, component_class
from .components.wired import Block
from .domains import Choice, Domain, IntRange, Positive
from .errors import InputError, shown
from .json_fields import fields_of, is_list, is_mapping
from .shapes import Shape
from .space import SearchSpace
from .space_files import SPACE_ENDINGS, space_data, space_name
from .walk.slots import Option, Slot
from .walk.stage_space import PATTERNS, StageSpace

MOST_VALUES = 128
"""Maximum number of values of a decision in a file."""

MOST_STAGES = 32
"""Maximum number of stages in a file."""

ANY = "any"
"""The word for all values of a field, or for all components that are not named."""

_SPACE = ("name", "summary", "input", "stem", "every_stage", "stages", "head")


def load_space(name_or_file: str) -> SearchSpace:
    """Read a shipped space by name, or a YAML file by its path (ending in .yaml or .yml).

    Raises:
        InputError: If there is no such space or file, or the file is wrong: the path of the key,
        the rule and the value.
    """
    name = space_name(name_or_file)
    stem = Path(name).stem if name.endswith(SPACE_ENDINGS) else name
    return space_from_data(space_data(name), default_name=stem)


def space_from_data(data: object, default_name: str = "unnamed") -> SearchSpace:
    """Make a space from plain data, the content of a YAML file.

    Raises:
        InputError: If a key is unknown or missing, or a value outside its domain.
    """
    top = fields_of(
        data, "the space", required=("input", "stem", "stages", "head"), optional=_SPACE
    )
    size: Mapping[str, Any] = fields_of(
        top["input"],
        "input",
        required=("channels", "resolution", "classes"),
        optional=("min", "max"),
    )
    follows_data = size["resolution"] == "data"
    if follows_data:
        size = {"min": 8, **size, "resolution": size.get("min", 8)}
    for key, value in size.items():
        Positive(whole=True).check(f"input.{key}", value)
    listed = top["stages"]
    if not is_list(listed) or not 1 <= len(listed) <= MOST_STAGES:
        raise InputError(f"stages must be a list of 1 to {MOST_STAGES}, but got {shown(listed)}")
    every = _stage_fields(top.get("every_stage", {}), "every_stage")
    stages: list[StageSpace] = []
    for index, each in enumerate(listed):
        path = f"stages.{index}"
        follows = any(min(stage.depths) for stage in stages)
        stages.append(_stage({**every, **_stage_fields(each, path)}, path, follows=follows))
    resolution = size["resolution"]
    space = SearchSpace(
        name=str(top.get("name", default_name)),
        summary=str(top.get("summary", "")),
        input=Shape(size["channels"], resolution, resolution),
        resolutions=read_range({"min": 1, "max": 4096, **size}, "input"),
        follows_data=follows_data,
        classes=size["classes"],
        stem=read_slot(Stem, top["stem"], "stem"),
        stages=tuple(stages),
        head=read_slot(Head, top["head"], "head"),
        source=top,
    )
    return space.bind(channels=space.input.channels, resolution=resolution, classes=space.classes)


_STAGE: Mapping[str, Callable[[object, str], object]] = {
    "width": lambda data, path: read_domain(data, WIDTH, path),
    "depth": lambda data, path: read_domain(data, DEPTH, path),
    "block": lambda data, path: read_slot(Block, data, path),
    "downsampling": lambda data, path: read_slot(Downsampling, data, path),
    "pattern": lambda data, path: read_domain(data, Choice(PATTERNS), path),
}
"""The reader of each key of a stage."""


def _stage_fields(data: object, path: str) -> dict[str, Any]:
    """Read the keys of a stage that are given."""
    given = fields_of(data, path, optional=_STAGE)
    return {key: _STAGE[key](value, f"{path}.{key}") for key, value in given.items()}


def _stage(read: Mapping[str, Any], path: str, *, follows: bool) -> StageSpace:
    """Return a stage; one that ``follows`` another needs a downsampling."""
    required = ("width", "depth", "block", "downsampling")[: 4 if follows else 3]
    fields = fields_of(read, path, required=required, optional=_STAGE)
    pattern = fields.get("pattern", Choice(PATTERNS[:1]))
    return StageSpace(
        width=fields["width"],
        depth=fields["depth"],
        block=fields["block"],
        downsampling=fields.get("downsampling"),
        pattern=Choice(tuple(name for name in PATTERNS if name in pattern.values)),
    )


def read_range(bounds: Mapping[str, object], path: str) -> IntRange:
    """Read the integers from ``min`` to ``max``, by steps of ``step``."""
    numbers: list[int] = []
    for key in ("min", "max", "step"):
        value = bounds.get(key, 1)
        if not isinstance(value, int) or isinstance(value, bool):
            raise InputError(f"{path}.{key} must be an integer, but got {shown(value)}")
        numbers.append(value)
    try:
        return IntRange(*numbers)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def read_domain(data: object, declared: Domain, path: str) -> Domain:
    """Read the values of one field, all of which must lie in the ``declared`` domain."""
    if data == ANY:
        if isinstance(declared, Positive):
            raise InputError(f"{path} must be given its values, but got 'any'")
        return declared
    if is_mapping(data):
        bounds = fields_of(data, path, required=("min", "max"), optional=("step",))
        whole = read_range(bounds, path)
        if (whole.high - whole.low) // whole.step >= MOST_VALUES:
            raise InputError(
                f"{path} must have at most {MOST_VALUES} values, "
                f"but got {whole.low} to {whole.high} in steps of {whole.step}"
            )
        domain: Domain = whole
    else:
        listed = data if is_list(data) else [data]
        for value in listed:
            if not isinstance(value, bool | int | float | str):
                raise InputError(f"{path} must {declared.rule}, but got {shown(value)}")
        try:
            domain = Choice(listed)
        except InputError as error:
            raise InputError(f"{path}: {error}") from None
    for value in domain.values:
        declared.check(path, value)
    return domain


def read_slot(kind: type[Component], data: object, path: str) -> Slot:
    """Read the components allowed in a slot: a name, a list of names, or names with fields."""
    named: dict[object, object] = {}
    if is_mapping(data):
        named.update(data)
    else:
        for each in data if is_list(data) else [data]:
            one = {each: None} if isinstance(each, str) else each
            if not is_mapping(one):
                raise InputError(f"{path} must name a {kind.kind}, but got {shown(each)}")
            for name, fields in one.items():
                if name in named:
                    raise InputError(
                        f"{path} must name each {kind.kind} once, but got {name} twice"
                    )
                named[name] = fields
    if not named:
        raise InputError(f"{path} must name at least one {kind.kind}, but got none")
    written = set(named)
    if ANY in named:
        named.update(_all_others(kind, named, f"{path}.{ANY}"))
        del named[ANY]
    try:
        classes = {name: component_class(kind, name) for name in named}
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    return Slot(
        kind=kind,
        options=tuple(
            replace(_option(classes[name], fields, f"{path}.{name}"), named=name in written)
            for name, fields in named.items()
        ),
    )


def _all_others(
    kind: type[Component], named: Mapping[object, object], path: str
) -> Mapping[object, object]:
    """Return the components that are not named, each with the fields of ``any`` that it has.

    Mixers of images with one another, and components that suit few others, must be named.
    """
    others = {
        name: cls
        for name, cls in TABLES[kind].items()
        if name not in named
        and not cls.by_name
        and not (issubclass(cls, TokenMixer) and cls.traits.mixes_images)
    }
    fields: dict[str, set[str]] = {
        name: {*field_domains(cls), *field_kinds(cls)} for name, cls in others.items()
    }
    known = sorted(set[str]().union(*fields.values()))
    given = fields_of({} if named[ANY] is None else named[ANY], path, optional=known)
    found: dict[object, dict[str, object]] = {name: {} for name in others}
    for field, data in given.items():
        takers = {
            name: field_domains(cls).get(field)
            for name, cls in others.items()
            if field in fields[name]
        }
        if data in (ANY, []) or is_mapping(data) or None in takers.values():
            found |= {name: {**found[name], field: data} for name in takers}
            continue
        values = data if is_list(data) else [data]
        for value in values:
            if not any(is_legal(value, domain) for domain in takers.values()):
                raise InputError(
                    f"{path}.{field} must have values that some {kind.kind} takes, "
                    f"but got {shown(value)}"
                )
        for name, domain in takers.items():
            if legal := [value for value in values if is_legal(value, domain)]:
                found[name][field] = legal
    return found


def is_legal(value: object, declared: Domain | None) -> bool:
    """Whether a value lies in the ``declared`` domain."""
    assert declared is not None
    try:
        declared.check("", value)
    except InputError:
        return False
    return True


def _option(cls: type[Component], data: object, path: str) -> Option:
    domains, kinds = field_domains(cls), field_kinds(cls)
    fields = fields_of({} if data is None else data, path, optional=(*domains, *kinds))
    default = cls()
    slots = {
        name: read_slot(kind, fields[name], f"{path}.{name}")
        for name, kind in kinds.items()
        if name in fields
    }
    for name, kind in kinds.items():
        if name not in fields:
            slots[name] = _fixed(kind, getattr(default, name))
    return Option(
        cls=cls,
        knobs={
            name: read_domain(fields[name], domain, f"{path}.{name}")
            for name, domain in domains.items()
            if name in fields
        },
        slots={name: slots[name] for name in kinds},
    )


def _fixed(kind: type[Component], component: Component) -> Slot:
    """Return a slot with one component, whose knobs are fixed."""
    knobs = {name: Choice((value,)) for name, value in component.knobs().items()}
    return Slot(kind=kind, options=(Option(cls=type(component), knobs=knobs, slots={}),))
