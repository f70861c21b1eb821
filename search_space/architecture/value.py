"""The immutable value that alone determines a network: parts, digest, JSON form."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain, groupby
from typing import Any, Self

from ..components.base import GRID, Head, Resampler, Stem
from ..components.canonical import canonical_component, component_text
from ..components.overview_parts import GuideMap
from ..components.parts import IMAGE, Part, PartList
from ..components.tables import component_from_data, component_to_data
from ..domains import Positive
from ..errors import InputError, shown
from ..json_fields import fields_of, is_list
from ..shapes import Shape
from .stages import (
    Overview,
    Place,
    Stage,
    canonical_stage,
    in_place,
    overview_from_json,
    overview_to_json,
    stage_to_json,
    stages_from_json,
    wire_stage,
)

FORMAT = 2
"""Version of the JSON form. Version 1 lacks later fields, which take their value in ``before``."""

_DIGESTED = 1
"""Version of the text that the digest is computed from."""


@dataclass(frozen=True, kw_only=True)
class ArchitectureValue:
    """A network as an immutable value. Equal digests mean equal networks.

    Raises:
        InputError: If the network cannot be built: the rule and the values.
    """

    input: Shape
    """Shape of one image."""
    classes: int
    """Number of class scores, at least 1."""
    stem: Stem
    """The stem: from the image to the first feature map."""
    stages: tuple[Stage, ...]
    """The stages, at least one of depth 1 or more."""
    head: Head
    """The head: from the last feature map to class scores."""
    overview: Overview | None = None
    """The branch that guides the last stages, if there is one."""

    def __post_init__(self) -> None:
        Positive(whole=True).check("classes", self.classes)
        for name, size in zip(Shape._fields, self.input, strict=True):
            Positive(whole=True).check(f"input {name}", size)
        if not any(stage.depth for stage in self.stages):
            raise InputError("an architecture must have a stage with blocks, but got none")
        branch = tuple(self._overview_places())  # first, so that errors of the overview are named
        for place in chain(self._places(), branch):
            if reason := place.resampler.why_invalid(place.shape, place.width):
                where = f"{place.path} after {place.shape}"
                raise InputError(f"{where}: {place.resampler.name}: {reason}")
            out = place.out
            for block in {id(each): each for each in place.stage.blocks}.values():
                if reason := block.why_invalid(out):
                    raise InputError(f"{place.path} on {out}: {reason}")
        self._check_layouts()

    def _check_layouts(self) -> None:
        """Raise ``InputError`` for a part that does not take the layout of positions before it."""
        between = (stage.downsampling for stage in self.stages)
        ends = (self.stem, *filter(None, between), self.head)
        if all(each.arranged(GRID, self.input) == GRID for each in ends):
            return
        parts = PartList.start(self.input)
        stream = IMAGE
        for place in self._places():
            stage = place.stage
            if isinstance(place.resampler, Stem):
                stream = parts.add("stem", self.stem, stream, width=place.width)
                stage = replace(stage, downsampling=None)
            stream = wire_stage(parts, place.path, stage, stream)
        parts.add("head", self.head, stream, width=self.classes)
        given: dict[str, tuple[str, str]] = {IMAGE: (GRID, IMAGE)}
        for part in parts.parts:
            own = f"{part.name} ({part.component.name})"
            for name in part.inputs:
                before, giver = given[name]
                layout = part.component.arranged(before, part.in_shapes[0])
                if layout is None:
                    raise InputError(
                        f"{part.name} must take {before}, which {giver} gives, but got "
                        f"{part.component.name}"
                    )
                begins = layout != before or isinstance(part.component, Resampler)
                given[part.name] = layout, (own if begins else giver)

    def _places(self) -> Iterator[Place]:
        return in_place(self.stages, self.input, "stages", self.stem, self.overview)

    def _overview_places(self) -> Iterator[Place]:
        if self.overview is None:
            return
        places = list(self._places())
        before = [place for place in places if place.number < self.overview.after]
        if not 0 < len(before) < len(places):
            raise InputError(
                f"after must leave stages with blocks on both sides, but got {self.overview.after}"
            )
        yield from in_place(self.overview.stages, before[-1].out, "overview", None, None)

    @cached_property
    def canonical(self) -> Self:
        """The canonical form: the same for all descriptions of the same network."""
        places = list(self._places())
        overview = self.overview and replace(
            self.overview,
            after=sum(place.number < self.overview.after for place in places),
            stages=tuple(map(canonical_stage, self._overview_places())),
        )
        return replace(
            self,
            stem=canonical_component(self.stem, self.input),
            stages=tuple(map(canonical_stage, places)),
            head=canonical_component(self.head, places[-1].out),
            overview=overview,
        )

    @cached_property
    def stage_shapes(self) -> tuple[Shape, ...]:
        """Shapes of the maps of all stages with blocks, without those of an overview."""
        return tuple(place.out for place in self._places())

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the parts and their wiring, 64 hexadecimal digits.

        Different descriptions of the same parts (a stage cut in two, say) are the same network and
        have the same digest. Names of parts do not count.
        """
        place = {IMAGE: -1}
        lines = [f"{_DIGESTED} {self.input} {self.classes}"]
        for index, part in enumerate(self.parts()):
            inputs = [place[name] for name in part.inputs]
            lines.append(f"{component_text(part.component)} {inputs} {part.width}")
            place[part.name] = index
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def parts(self) -> tuple[Part, ...]:
        """Return the parts of the canonical form, in an order in which they can be run.

        The last part is the head; its output is ``classes x 1 x 1``.
        """
        return self.canonical._parts

    @cached_property
    def _parts(self) -> tuple[Part, ...]:
        parts = PartList.start(self.input)
        stream = parts.add("stem", self.stem, IMAGE, width=self.stages[0].width)
        branch = self.overview.after if self.overview else len(self.stages)
        for index, stage in enumerate(self.stages[:branch]):
            stream = wire_stage(parts, f"stages.{index}", stage, stream)
        if self.overview:
            top = stream
            for index, stage in enumerate(self.overview.stages):
                top = wire_stage(parts, f"overview.{index}", stage, top)
            guide = parts.add("guide", GuideMap(), top, width=self.overview.width)
            for index, stage in enumerate(self.stages[branch:], branch):
                join = index == branch
                stream = wire_stage(parts, f"stages.{index}", stage, stream, guide, join=join)
        parts.add("head", self.head, stream, width=self.classes)
        return tuple(parts.parts)

    def summary(self) -> str:
        """Return one line: width x depth and mixers of each stage, those of an overview last."""
        texts: list[str] = []
        for stage in self._all_stages():
            runs = groupby(stage.block(index) for index in range(stage.depth))
            mixers = [getattr(block, "mixer", block).label() for block, _ in runs]
            named = " ".join(dict.fromkeys(mixers))
            tied = ", tied" if stage.tied else ""
            texts.append(f"{stage.width}x{stage.depth} {named}{tied}")
        return " | ".join(texts)

    def outline(self) -> str:
        """Return one short line: width x depth and the names of the mixers of each stage."""
        texts: list[str] = []
        for stage in self._all_stages():
            names = [getattr(block, "mixer", block).name for block in stage.blocks]
            texts.append(f"{stage.width}x{stage.depth} {'+'.join(dict.fromkeys(names))}")
        return " | ".join(texts)

    def _all_stages(self) -> tuple[Stage, ...]:
        overview = self.canonical.overview
        return (*self.canonical.stages, *(overview.stages if overview else ()))

    def to_json(self) -> dict[str, Any]:
        """Return the architecture as JSON values, which ``from_json`` reads back."""
        return {
            "format": FORMAT,
            "input": list(self.input),
            "classes": self.classes,
            "stem": component_to_data(self.stem),
            "stages": [stage_to_json(stage) for stage in self.stages],
            "head": component_to_data(self.head),
            **({"overview": overview_to_json(self.overview)} if self.overview else {}),
        }

    @classmethod
    def from_json(cls, data: object) -> Self:
        """Read JSON values that ``to_json`` or a person wrote.

        Raises:
            InputError: If a key is missing or misspelt, or the network cannot be built.
        """
        required = ("input", "classes", "stem", "stages", "head")
        top = fields_of(data, "architecture", required=required, optional=("format", "overview"))
        form = top.get("format", FORMAT)
        if form not in range(1, FORMAT + 1):
            raise InputError(f"format must be from 1 to {FORMAT}, but got {shown(form)}")
        older = form < FORMAT
        size = top["input"]
        if not is_list(size) or len(size) != 3:
            raise InputError(f"input must be [channels, height, width], but got {shown(size)}")
        return cls(
            input=Shape(*size),
            classes=top["classes"],
            stem=component_from_data(Stem, top["stem"], "stem", older=older),
            stages=stages_from_json(top["stages"], "stages", older=older),
            head=component_from_data(Head, top["head"], "head", older=older),
            overview=overview_from_json(top.get("overview"), older=older),
        )
