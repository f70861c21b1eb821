"""Search spaces as YAML files: reading them, and the shipped ones.

A field is given as one value (fixed), a list (a choice), ``{min, max, step}`` (a range) or ``any``
(all that the component allows). A place for a component is given as a name (with its defaults), a
list of names, or a mapping from name to fields. ``input.resolution: data`` takes the size of the
images searched on (between ``min`` and ``max``).
"""

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any, cast

import yaml

from .base import Block, Component, Downsampling, Head, Stem, field_domains, field_kinds
from .domains import Choice, Domain, IntRange, Positive, Value
from .errors import InputError, unknown_name
from .shapes import Shape
from .slots import Option, Slot
from .space import SearchSpace
from .steps import PATTERNS, StageSpace
from .tables import component_class

_STAGE = ("width", "depth", "block", "downsampling", "pattern")
_SPACE = ("name", "summary", "input", "stem", "every_stage", "stages", "head")


def presets() -> tuple[str, ...]:
    """Return the names of the shipped spaces."""
    folder = resources.files(f"{__package__}.presets")
    return tuple(sorted(each.name[:-5] for each in folder.iterdir() if each.name.endswith(".yaml")))


def load_space(name_or_file: str) -> SearchSpace:
    """Read a shipped space by name, or a YAML file by its path (ending in .yaml or .yml).

    Raises:
        InputError: If there is no such space or file, or the file is wrong: the place in it, the
            rule and the value.
    """
    if name_or_file.endswith((".yaml", ".yml")):
        data = read_yaml(Path(name_or_file), "a space file")
        return space_from_data(data, default_name=Path(name_or_file).stem)
    if name_or_file not in presets():
        raise unknown_name("space (or a .yaml file)", name_or_file, presets())
    text = (resources.files(f"{__package__}.presets") / f"{name_or_file}.yaml").read_text("utf-8")
    return space_from_data(yaml.safe_load(text), default_name=name_or_file)


def read_yaml(path: Path, what: str) -> object:
    """Read a YAML file; ``what`` it is goes into messages.

    Raises:
        InputError: If it cannot be read or is not YAML.
    """
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{what} must be readable, but got {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"{what} must be UTF-8 text, but got {path}") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f" line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "not YAML"
        raise InputError(f"{what} must be YAML, but got {path}{place}: {problem}") from None


def space_from_data(data: object, default_name: str = "unnamed") -> SearchSpace:
    """Make a space from plain data (what a YAML file holds).

    Raises:
        InputError: If a key is unknown or missing, or a value outside its domain.
    """
    top = _mapping(data, "the space", known=_SPACE, required=("input", "stem", "stages", "head"))
    size = _mapping(
        top["input"],
        "input",
        known=("channels", "resolution", "classes", "min", "max"),
        required=("channels", "resolution", "classes"),
    )
    follows_data = size["resolution"] == "data"
    if follows_data:
        size = {"min": 8, **size, "resolution": size.get("min", 8)}
    for key, value in size.items():
        Positive(whole=True).check(f"input.{key}", value)
    listed = top["stages"]
    if not isinstance(listed, list) or not listed:
        raise InputError(f"stages must be a list of at least one stage, but got {listed!r}")
    every = _mapping(top.get("every_stage") or {}, "every_stage", known=_STAGE)
    stages = tuple(
        _stage(every, each, f"stages.{index}")
        for index, each in enumerate(cast(list[object], listed))
    )
    resolution = size["resolution"]
    space = SearchSpace(
        name=str(top.get("name", default_name)),
        summary=str(top.get("summary", "")),
        input=Shape(size["channels"], resolution, resolution),
        resolutions=IntRange(size.get("min", 1), size.get("max", 4096)),
        follows_data=follows_data,
        classes=size["classes"],
        stem=read_slot(Stem, top["stem"], "stem"),
        stages=stages,
        head=read_slot(Head, top["head"], "head"),
        source=cast(Mapping[str, Any], data),
    )
    return space.bind(channels=space.input.channels, resolution=resolution, classes=space.classes)


def _mapping(
    data: object, path: str, *, known: tuple[str, ...], required: tuple[str, ...] = ()
) -> Mapping[str, Any]:
    """Return ``data`` as a mapping with known keys only."""
    if not isinstance(data, Mapping):
        raise InputError(f"{path} must be a mapping, but got {data!r}")
    mapping = cast(Mapping[str, Any], data)
    for key in mapping:
        if key not in known:
            raise unknown_name(f"key of {path}", key, known)
    for key in required:
        if key not in mapping:
            raise InputError(f"{path} must have {', '.join(required)}, but got no {key!r}")
    return mapping


def _stage(every: Mapping[str, Any], data: object, path: str) -> StageSpace:
    own = _mapping(data, path, known=_STAGE)
    stage = _mapping({**every, **own}, path, known=_STAGE, required=("width", "depth", "block"))
    pattern = read_domain(stage.get("pattern", "uniform"), Choice(PATTERNS), f"{path}.pattern")
    depth = read_domain(stage["depth"], IntRange(0, 1000), f"{path}.depth")
    before = stage.get("downsampling")
    return StageSpace(
        width=read_domain(stage["width"], Positive(whole=True), f"{path}.width"),
        depth=depth,
        block=read_slot(Block, stage["block"], f"{path}.block"),
        downsampling=None
        if before is None
        else read_slot(Downsampling, before, f"{path}.downsampling"),
        pattern=Choice(tuple(name for name in PATTERNS if name in pattern.values)),
    )


def read_domain(data: object, declared: Domain, path: str) -> Domain:
    """Read the values of one field, all of which must lie in the ``declared`` domain."""
    if data == "any":
        declared.values  # noqa: B018  (refuses an unbounded domain)
        return declared
    if isinstance(data, Mapping):
        bounds = _mapping(
            cast(object, data), path, known=("min", "max", "step"), required=("min", "max")
        )
        for key, value in bounds.items():
            if type(value) is not int:
                raise InputError(f"{path}.{key} must be an integer, but got {value!r}")
        try:
            domain: Domain = IntRange(bounds["min"], bounds["max"], bounds.get("step", 1))
        except InputError as error:
            raise InputError(f"{path}: {error}") from None
    else:
        listed = cast(list[Value], data if isinstance(data, list) else [data])
        for value in cast(list[object], listed):
            if not isinstance(value, bool | int | float | str):
                raise InputError(f"{path} must {declared.rule}, but got {value!r}")
        try:
            domain = Choice(listed)
        except InputError as error:
            raise InputError(f"{path}: {error}") from None
    for value in domain.values:
        declared.check(path, value)
    return domain


def read_slot(kind: type[Component], data: object, path: str) -> Slot:
    """Read what may stand in one place: a name, a list of names, or names with their fields."""
    named: dict[object, object] = {}
    if isinstance(data, Mapping):
        named.update(cast(Mapping[object, object], data))
    else:
        for each in cast(list[object], data) if isinstance(data, list) else [data]:
            one = cast(Mapping[object, object], each) if isinstance(each, Mapping) else {each: None}
            for name, fields in one.items():
                if name in named:
                    raise InputError(
                        f"{path} must name each {kind.kind} once, but got {name!r} twice"
                    )
                named[name] = fields
    if not named:
        raise InputError(f"{path} must name at least one {kind.kind}, but got none")
    try:
        classes = {name: component_class(kind, name) for name in named}
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    return Slot(
        kind=kind,
        options=tuple(
            _option(classes[name], fields, f"{path}.{name}") for name, fields in named.items()
        ),
    )


def _option(cls: type[Component], data: object, path: str) -> Option:
    domains, kinds = field_domains(cls), field_kinds(cls)
    fields = _mapping(data or {}, path, known=(*domains, *kinds))
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
    """Return the slot that offers one component only, with its knobs as they are."""
    knobs = {name: Choice((value,)) for name, value in component.knobs().items()}
    return Slot(kind=kind, options=(Option(cls=type(component), knobs=knobs, slots={}),))
