"""Spaces around one network: its values are fixed except for the fields that may vary."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any

from .architecture.architecture import Architecture
from .architecture.stages import Stage
from .components.base import Component, field_domains
from .components.downsampling import NoDownsampling
from .domains import Domain, IntRange, Positive, Value, same
from .errors import InputError, unknown_name
from .files import ANY, MOST_STAGES, is_legal, space_from_data
from .space import SearchSpace

_FACTORS = (0.5, 0.75, 1.0, 1.25, 1.5)
"""Factors on the network's own value: they give the widths of a stage and other unbounded
numbers."""
_MULTIPLES = (8, 4, 2, 1)
"""Widths are multiples of the first of these that divides the network's width."""
_NEAR = 2
"""Number of neighbours on each side, for a number whose domain is a short list."""
_DEPTHS = 3
"""The depth changes by up to the depth over this number, at least by 1."""
_LISTED = 16
"""An integer field whose largest value exceeds this is multiplied by factors, since 33 hardly
differs from 32; a smaller one takes its neighbours."""


def space_around(
    architecture: Architecture, vary: Sequence[str], *, name: str = "around"
) -> SearchSpace:
    """Return the space of the networks that differ from one network in some fields.

    ``vary`` names fields: ``width`` and ``depth`` of stages, knobs such as ``kernel_size``, and
    slots such as ``mixer``. A name stands for all fields of this name; words before it, with dots,
    narrow it: ``mixer.kernel_size``, ``stages.0.width``. A number takes values near the network's,
    a field of names all its names, and a slot all its components: the network's with its own knobs,
    the others with their defaults. Each run of equal blocks is a stage of the space.

    Args:
        architecture: The network; the space contains it.
        vary: Names of the fields that may vary, at least one.
        name: Name of the space.

    Raises:
        InputError: If a name is unknown, or no space can hold the network: images that are not
            square, an overview, stages that share parameters, or too many runs.
    """
    return space_from_data(space_data_around(architecture, vary, name=name))


def space_data_around(
    architecture: Architecture, vary: Sequence[str], *, name: str = "around"
) -> dict[str, Any]:
    """Return the content of the YAML file of ``space_around``."""
    network = architecture.canonical
    _check(network)
    variation = _Variation(tuple(vary))
    stages = [run for stage in network.stages for run in _runs(stage)]
    if len(stages) > MOST_STAGES:
        raise InputError(
            f"a network must have at most {MOST_STAGES} runs of equal blocks to lie in a space, "
            f"but got {len(stages)}"
        )
    data = {
        "name": name,
        "summary": f"networks like {network.digest[:12]} with other {', '.join(vary)}",
        "input": {
            "channels": network.input.channels,
            "resolution": network.input.height,
            "classes": network.classes,
        },
        "stem": variation.slot(network.stem, "stem"),
        "stages": [variation.stage(each, f"stages.{index}") for index, each in enumerate(stages)],
        "head": variation.slot(network.head, "head"),
    }
    variation.check()
    return data


def _check(network: Architecture) -> None:
    if network.input.height != network.input.width:
        raise InputError(f"the images of a space must be square, but got {network.input}")
    if network.overview is not None:
        raise InputError("a network of a space must have no overview, but this one has")
    if any(stage.tied for stage in network.stages):
        raise InputError(
            "a network of a space must have no stages that share parameters, but this one has"
        )


def _runs(stage: Stage) -> Iterator[Stage]:
    """Yield a stage as stages of equal blocks; all but the first have no downsampling."""
    before = stage.downsampling
    for block, run in groupby(stage.block(index) for index in range(stage.depth)):
        depth = len(list(run))
        yield replace(stage, depth=depth, blocks=(block,), downsampling=before)
        before = NoDownsampling()


@dataclass(frozen=True)
class _Variation:
    """The names of the fields to vary, and which of them the network has."""

    vary: tuple[str, ...]
    known: set[str] = field(default_factory=set[str])
    matched: set[str] = field(default_factory=set[str])
    """The names in ``vary`` that matched a field."""

    def check(self) -> None:
        """Raise ``InputError`` for a name that matches no field."""
        if not self.vary:
            raise InputError("the fields to vary must be named, but got none")
        for each in self.vary:
            if each not in self.matched:
                raise unknown_name("a field to vary", each, self.known)

    def _varies(self, path: str) -> bool:
        """Whether a given name stands for the field of a path."""
        self.known.add(path.rpartition(".")[2])
        found = [each for each in self.vary if _stands_for(each, path)]
        self.matched.update(found)
        return bool(found)

    def _varied(self, path: str, value: Value, values: Sequence[Value]) -> Value | list[Value]:
        return list(values) if self._varies(path) else value

    def stage(self, stage: Stage, path: str) -> dict[str, Any]:
        """Return a stage of equal blocks as data of a space."""
        found: dict[str, Any] = {
            "width": self._varied(f"{path}.width", stage.width, widths(stage.width)),
            "depth": self._varied(f"{path}.depth", stage.depth, depths(stage.depth)),
            "block": self.slot(stage.blocks[0], f"{path}.block"),
        }
        if stage.downsampling is not None:
            found["downsampling"] = self.slot(stage.downsampling, f"{path}.downsampling")
        return found

    def slot(self, component: Component, path: str) -> dict[str, Any]:
        """Return a component as data of a slot; the word ``any`` is added if the slot varies."""
        if isinstance(component, NoDownsampling):  # before a run of blocks of the same stage
            return {component.name: {}}
        domains = field_domains(type(component))
        fields: dict[str, Any] = {
            name: self._varied(f"{path}.{name}", value, near(domains[name], value))
            for name, value in component.knobs().items()
        }
        for name, inner in component.components().items():
            fields[name] = self.slot(inner, f"{path}.{name}")
        found: dict[str, Any] = {component.name: fields}
        if self._varies(path):
            found[ANY] = {}
        return found


def _stands_for(name: str, path: str) -> bool:
    """Whether a name such as ``stages.0.kernel_size`` stands for the field of a path.

    The last words must be equal, and the words before occur in the path in their order.
    """
    *before, last = name.split(".")
    *words, field_name = path.split(".")
    rest = iter(words)
    return last == field_name and all(each in rest for each in before)


def widths(width: int) -> list[Value]:
    """Return widths around the given one: 0.5 to 1.5 times, in multiples of 8 if ``width`` is one.

    ``widths(12)`` are 8, 12 and 16: they are multiples of 4.
    """
    multiple = next(each for each in _MULTIPLES if width % each == 0)
    found = {max(1, round(width * each / multiple)) * multiple for each in _FACTORS}
    return sorted({*found, width})


def depths(depth: int) -> list[Value]:
    """Return at most five depths around the given one: up to a third away, at least 1.

    ``depths(2)`` are 1, 2 and 3, ``depths(18)`` 12, 15, 18, 21 and 24.
    """
    step = max(1, round(depth / _DEPTHS))
    offsets = {-step, -(step // 2), 0, step // 2, step}
    return sorted({max(1, depth + each) for each in offsets})


def near(domain: Domain, value: Value) -> list[Value]:
    """Return the values of a field near the given one; all values if they are names.

    A number of a short list has two neighbours on either side; others, such as ratios and the
    dimension of heads, are multiplied by 0.5 to 1.5 where that is legal.
    """
    if not domain.ordered:
        return list(domain.values)
    fine = isinstance(domain, IntRange) and domain.step == 1 and domain.high > _LISTED
    if not fine and not isinstance(domain, Positive):
        values = list(domain.values)
        at = next(index for index, each in enumerate(values) if same(each, value))
        return values[max(0, at - _NEAR) : at + _NEAR + 1]
    scaled = (
        float(value) * each if isinstance(value, float) else round(float(value) * each)
        for each in _FACTORS
    )
    return sorted({value, *(each for each in scaled if is_legal(each, domain))}, key=float)
