"""The values that describe a network: they alone determine it."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache, cached_property
from itertools import groupby
from typing import TYPE_CHECKING, Any, TypeVar, cast

from .base import Block, Component, Downsampling, Head, Stem, field_kinds
from .domains import IntRange, Positive
from .errors import InputError, shown, unknown_name
from .parts import IMAGE, Part, PartList
from .shapes import Shape
from .tables import component_from_data, component_to_data

if TYPE_CHECKING:
    import networkx as nx

    from .network import Network
    from .step_costs import PartCosts

C = TypeVar("C", bound=Component)

FORMAT = 1
"""Version of the JSON form."""


WIDTH = Positive(whole=True)
"""Legal channels of a stage."""

DEPTH = IntRange(0, 1000)
"""Legal numbers of blocks of a stage."""


def shortest_pattern(blocks: Sequence[Block], depth: int) -> tuple[Block, ...]:
    """Return the shortest tuple that, repeated and cut, gives ``blocks`` repeated to ``depth``."""
    full = [blocks[index % len(blocks)] for index in range(depth)]
    for length in range(1, depth):
        if all(full[index] == full[index - length] for index in range(length, depth)):
            return tuple(full[:length])
    return tuple(full)


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Blocks that work on one map size."""

    width: int
    """Channels, from 1 to a million."""
    depth: int
    """Number of blocks, from 0 to 1000; a stage of depth 0 is absent, its downsampling too."""
    blocks: tuple[Block, ...]
    """The pattern: block i of the stage is ``blocks[i % len(blocks)]``."""
    downsampling: Downsampling | None = None
    """From the stage before; none in the first stage, which follows the stem."""

    def __post_init__(self) -> None:
        WIDTH.check("width", self.width)
        DEPTH.check("depth", self.depth)
        if self.depth and not self.blocks:
            raise InputError(f"a stage of depth {self.depth} must name its blocks, but got none")

    def block(self, index: int) -> Block:
        """Return the block at ``index``, from 0 to ``depth - 1``."""
        return self.blocks[index % len(self.blocks)]


@cache
def component_text(component: Component) -> str:
    """Return a component as text that is equal only for equal components."""
    return json.dumps(_told(component), sort_keys=True, separators=(",", ":"))


def _told(component: Component) -> dict[str, Any]:
    """Return a component as plain data without what ``Component.added`` leaves out."""
    data: dict[str, Any] = {"name": component.name}
    for field in fields(component):
        value = getattr(component, field.name)
        data[field.name] = _told(value) if isinstance(value, Component) else value
    if component.added:
        usual = type(component)()
        for name in component.added:
            if getattr(component, name) == getattr(usual, name):
                del data[name]
    return data


def canonical_component(component: C, shape: Shape) -> C:
    """Return the canonical form of a component and of those inside it, on one shape."""
    nested = {
        field: canonical_component(getattr(component, field), shape)
        for field in field_kinds(type(component))
    }
    return (replace(component, **nested) if nested else component).canonical(shape)


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """A network as an immutable value. Equal digest means equal network.

    Raises:
        InputError: If it cannot be built: the rule and the values.
    """

    input: Shape
    """One image."""
    classes: int
    """Number of class scores, at least 1."""
    stem: Stem
    """From image to the first map."""
    stages: tuple[Stage, ...]
    """At least one stage of depth 1 or more."""
    head: Head
    """From the last map to class scores."""

    def __post_init__(self) -> None:
        Positive(whole=True).check("classes", self.classes)
        for name, size in zip(Shape._fields, self.input, strict=True):
            Positive(whole=True).check(f"input {name}", size)
        if not any(stage.depth for stage in self.stages):
            raise InputError("an architecture must have a stage with blocks, but got none")
        for index, resampler, shape, stage in self._stages_in_place():
            path = f"stages.{index}"
            if reason := resampler.refuses(shape, stage.width):
                raise InputError(f"{path} after {shape}: {resampler.name}: {reason}")
            out = resampler.out_shape(shape, stage.width)
            for block in {id(each): each for each in stage.blocks}.values():
                if reason := block.refuses(out):
                    raise InputError(f"{path} on {out}: {reason}")

    def _stages_in_place(self) -> Iterator[tuple[int, Stem | Downsampling, Shape, Stage]]:
        """Yield each present stage: its index, what comes before it, the shape that that sees."""
        shape, first = self.input, True
        for index, stage in enumerate(self.stages):
            if not stage.depth:
                continue
            resampler = self.stem if first else stage.downsampling
            if resampler is None:
                raise InputError(
                    f"stages.{index} must have a downsampling (or 'none'), but got nothing"
                )
            yield index, resampler, shape, stage
            shape, first = resampler.out_shape(shape, stage.width), False

    @cached_property
    def canonical(self) -> "Architecture":
        """The architecture that stands for all descriptions of the same network."""
        stages: list[Stage] = []
        stem = self.stem
        for _, resampler, shape, stage in self._stages_in_place():
            out = resampler.out_shape(shape, stage.width)
            blocks = tuple(canonical_component(block, out) for block in stage.blocks)
            before = canonical_component(resampler, shape)
            if isinstance(before, Stem):
                stem = before
            stages.append(
                Stage(
                    width=stage.width,
                    depth=stage.depth,
                    blocks=shortest_pattern(blocks, stage.depth),
                    downsampling=before if isinstance(before, Downsampling) else None,
                )
            )
        last = self.stage_shapes[-1]
        return replace(
            self, stem=stem, stages=tuple(stages), head=canonical_component(self.head, last)
        )

    @cached_property
    def stage_shapes(self) -> tuple[Shape, ...]:
        """Shapes of the maps that the present stages work on."""
        return tuple(
            resampler.out_shape(shape, stage.width)
            for _, resampler, shape, stage in self._stages_in_place()
        )

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the parts and their wiring, 64 hexadecimal digits.

        What describes the same parts in another way (a stage cut in two, say) is the same network
        and has the same digest. Names of parts do not count.
        """
        place = {IMAGE: -1}
        lines = [f"{FORMAT} {self.input} {self.classes}"]
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
        for index, stage in enumerate(self.stages):
            with parts.within(f"stages.{index}"):
                if stage.downsampling is not None:
                    stream = parts.add(
                        "downsampling", stage.downsampling, stream, width=stage.width
                    )
                for number in range(stage.depth):
                    with parts.within(f"blocks.{number}"):
                        stream = stage.block(number).wire(parts, stream)
        parts.add("head", self.head, stream, width=self.classes)
        return tuple(parts.parts)

    def build(self) -> "Network":
        """Build the module: ``(B, *input)`` to ``(B, classes)``."""
        from .network import Network  # the value stays importable where nothing is built

        return Network(self)

    def graph(self, costs: "PartCosts | None" = None) -> "nx.DiGraph[str]":
        """Return the network as a directed graph: ``image`` and the parts, by their names.

        The attributes of a node are those of ``graph.Node``. An edge goes from a part to one that
        takes its output. The nodes are in an order in which the parts can be run.

        Args:
            costs: Gives at least ``params`` and ``macs`` of a part; without, those of
                ``nas_explorer.evaluators.cost``.
        """
        from .graph import architecture_graph

        return architecture_graph(self, costs)

    def summary(self) -> str:
        """Return one line: width x depth and mixers of each stage."""
        texts: list[str] = []
        for stage in self.canonical.stages:
            runs = groupby(stage.block(index) for index in range(stage.depth))
            mixers = [getattr(block, "mixer", block).label() for block, _ in runs]
            named = " ".join(dict.fromkeys(mixers))
            texts.append(f"{stage.width}x{stage.depth} {named}")
        return " | ".join(texts)

    def outline(self) -> str:
        """Return one short line: width x depth and the names of the mixers of each stage."""
        texts: list[str] = []
        for stage in self.canonical.stages:
            names = [getattr(block, "mixer", block).name for block in stage.blocks]
            texts.append(f"{stage.width}x{stage.depth} {'+'.join(dict.fromkeys(names))}")
        return " | ".join(texts)

    def to_json(self) -> dict[str, Any]:
        """Return JSON values only; ``from_json`` reads them back to an equal value."""
        return {
            "format": FORMAT,
            "input": list(self.input),
            "classes": self.classes,
            "stem": component_to_data(self.stem),
            "stages": [
                {
                    "width": stage.width,
                    "depth": stage.depth,
                    "downsampling": stage.downsampling and component_to_data(stage.downsampling),
                    "blocks": [component_to_data(block) for block in stage.blocks],
                }
                for stage in self.stages
            ],
            "head": component_to_data(self.head),
        }

    @classmethod
    def from_json(cls, data: object) -> "Architecture":
        """Read what ``to_json`` wrote, or what a person wrote in that form.

        Raises:
            InputError: If something is missing, misspelt or cannot be built.
        """
        required = ("input", "classes", "stem", "stages", "head")
        top = _fields(data, "architecture", required=required, optional="format")
        if top.get("format", FORMAT) != FORMAT:
            raise InputError(f"format must be {FORMAT}, but got {shown(top['format'])}")
        size = top["input"]
        if not isinstance(size, list | tuple) or len(cast(Sequence[Any], size)) != 3:
            raise InputError(f"input must be [channels, height, width], but got {shown(size)}")
        if not isinstance(top["stages"], list):
            raise InputError(f"stages must be a list, but got {shown(top['stages'])}")
        stages = cast(list[object], top["stages"])
        return cls(
            input=Shape(*cast(Sequence[int], size)),
            classes=top["classes"],
            stem=cast(Stem, component_from_data(Stem, top["stem"], "stem")),
            stages=tuple(_stage_from_json(each, f"stages.{i}") for i, each in enumerate(stages)),
            head=cast(Head, component_from_data(Head, top["head"], "head")),
        )


def _fields(
    data: object, path: str, *, required: tuple[str, ...], optional: str
) -> Mapping[str, Any]:
    """Return ``data`` as a mapping that has the required keys and no unknown one."""
    if not isinstance(data, Mapping):
        raise InputError(f"{path} must be a mapping, but got {shown(data)}")
    mapping = cast(Mapping[str, Any], data)
    known = (*required, optional)
    for key in mapping:
        if key not in known:
            raise unknown_name(f"key of {path}", key, known)
    for key in required:
        if key not in mapping:
            raise InputError(f"{path} must have {', '.join(required)}, but got no {key!r}")
    return mapping


def _stage_from_json(data: object, path: str) -> Stage:
    required = ("width", "depth", "blocks")
    stage = _fields(data, path, required=required, optional="downsampling")
    if not isinstance(stage["blocks"], list):
        raise InputError(f"{path}.blocks must be a list, but got {shown(stage['blocks'])}")
    blocks = [
        component_from_data(Block, block, f"{path}.blocks.{index}")
        for index, block in enumerate(cast(list[object], stage["blocks"]))
    ]
    before = stage.get("downsampling")
    try:
        return Stage(
            width=stage["width"],
            depth=stage["depth"],
            blocks=tuple(cast(list[Block], blocks)),
            downsampling=None
            if before is None
            else cast(
                Downsampling, component_from_data(Downsampling, before, f"{path}.downsampling")
            ),
        )
    except InputError as error:
        raise error if str(error).startswith(path) else InputError(f"{path}: {error}") from None
