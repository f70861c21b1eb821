"""Stages and overviews: the parts of an architecture between stem and head."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from ..components.base import Component, Downsampling, Stem, first_inside
from ..components.canonical import canonical_component
from ..components.overview_parts import Concat, Resize
from ..components.parts import IMAGE, PartList, lenders
from ..components.tables import component_from_data, component_to_data
from ..components.wired import Block
from ..domains import YES_NO, IntRange, Positive
from ..errors import InputError, shown
from ..json_fields import fields_of, is_list
from ..shapes import Shape

WIDTH = Positive(whole=True)
"""Legal channels of a stage."""

DEPTH = IntRange(0, 1000)
"""Legal numbers of blocks of a stage."""


def shortest_pattern(blocks: Sequence[Block], depth: int) -> tuple[Block, ...]:
    """Return the shortest pattern that gives the same ``depth`` blocks as ``blocks``."""
    full = [blocks[index % len(blocks)] for index in range(depth)]
    for length in range(1, depth):
        if all(full[index] == full[index - length] for index in range(length, depth)):
            return tuple(full[:length])
    return tuple(full)


def _has_ties(component: Component) -> bool:
    return bool(component.ties)


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A sequence of blocks on maps of one size, behind an optional downsampling."""

    width: int
    """Channels, from 1 to a million."""
    depth: int
    """Number of blocks, from 0 to 1000; a stage of depth 0 is left out, with its downsampling."""
    blocks: tuple[Block, ...]
    """The pattern: block i of the stage is ``blocks[i % len(blocks)]``."""
    downsampling: Downsampling | None = None
    """Downsampling before the blocks; None in the first stage, which follows the stem."""
    tied: bool = False
    """Whether equal components of the blocks share the parameters that their class names in
    ``ties``, such as the positions of ``learnable_spacing_conv``. Search spaces have no
    tied stages."""

    def __post_init__(self) -> None:
        WIDTH.check("width", self.width)
        DEPTH.check("depth", self.depth)
        if self.depth and not self.blocks:
            raise InputError(f"a stage of depth {self.depth} must name its blocks, but got none")
        YES_NO.check("tied", self.tied)
        if self.tied and not any(first_inside(block, _has_ties) for block in self.blocks):
            raise InputError(
                "a tied stage must have a component with parameters to share, such as "
                "learnable_spacing_conv, but got none"
            )

    def block(self, index: int) -> Block:
        """Return the block at ``index``, from 0 to ``depth - 1``."""
        return self.blocks[index % len(self.blocks)]


@dataclass(frozen=True, kw_only=True)
class Overview:
    """A branch beside the first stages whose output, mapped linearly, guides the last stages.

    Lou and Yu, OverLoCK, 2025, arXiv:2502.20087, section 3.1: Base-Net, Overview-Net, Focus-Net.
    The guide is concatenated to the input of the first of the last stages, whose ``width`` includes
    the guide's channels. Guided blocks get the guide at the size of their own map.
    """

    after: int
    """Number of stages before the branch; at least one stage before and one after has blocks."""
    stages: tuple[Stage, ...]
    """Stages of the branch, each with a downsampling; at least one has blocks."""
    width: int
    """Channels of the guide, from 1 to a million."""

    def __post_init__(self) -> None:
        WIDTH.check("width of the overview", self.width)
        WIDTH.check("after", self.after)
        if not any(stage.depth for stage in self.stages):
            raise InputError("an overview must have a stage with blocks, but got none")


class Place(NamedTuple):
    """A stage with blocks, the resampler before it, and their shapes."""

    path: str
    """Name of the stage in the network, such as ``stages.0``."""
    number: int
    """Index among all stages, those without blocks included."""
    resampler: Stem | Downsampling
    """The stem or downsampling before the blocks."""
    shape: Shape
    """Shape of the resampler's input."""
    width: int
    """Channels of the resampler's output: the stage's width minus that of a joining guide."""
    stage: Stage
    """The stage."""

    @property
    def out(self) -> Shape:
        """Shape of the blocks' input."""
        out = self.resampler.out_shape(self.shape, self.width)
        joined = self.stage.width - self.width
        return Shape(out.channels + joined, out.height, out.width) if joined else out


def in_place(
    stages: Sequence[Stage], shape: Shape, path: str, stem: Stem | None, guide: Overview | None
) -> Iterator[Place]:
    """Yield each stage with blocks; ``guide`` joins the first stage after its branch."""
    for index, stage in enumerate(stages):
        if not stage.depth:
            continue
        resampler, stem = stem or stage.downsampling, None
        name = f"{path}.{index}"
        if resampler is None:
            raise InputError(f"{name} must have a downsampling (or 'none'), but got nothing")
        width = stage.width
        if guide and index >= guide.after:
            width, guide = width - guide.width, None
            if width < 1:
                raise InputError(f"width of {name} must exceed the guide's, but got {stage.width}")
        place = Place(name, index, resampler, shape, width, stage)
        yield place
        shape = place.out


def canonical_stage(place: Place) -> Stage:
    """Return the canonical form: the same for all stages that build the same modules here."""
    stage, before = place.stage, canonical_component(place.resampler, place.shape)
    blocks = tuple(canonical_component(block, place.out) for block in stage.blocks)
    canonical = Stage(
        width=stage.width,
        depth=stage.depth,
        blocks=shortest_pattern(blocks, stage.depth),
        downsampling=before if isinstance(before, Downsampling) else None,
        tied=stage.tied,
    )
    return replace(canonical, tied=_shares(canonical, place.out)) if stage.tied else canonical


def _shares(stage: Stage, shape: Shape) -> bool:
    """Whether blocks of a tied stage have parameters to share."""
    parts = PartList.start(shape)
    wire_stage(parts, "", replace(stage, downsampling=None), IMAGE)
    return bool(lenders(parts.parts))


def wire_stage(
    parts: PartList,
    name: str,
    stage: Stage,
    stream: str,
    guide: str | None = None,
    *,
    join: bool = False,
) -> str:
    """Add the parts of a stage; return the name of the last part.

    Args:
        parts: The list that the parts are added to.
        name: Prefix of the parts' names.
        stage: The stage.
        stream: Name of the stage's input.
        guide: Name of the guide at its own size, if there is one.
        join: Whether the guide joins the stream before the blocks.
    """
    width = stage.width - (parts.shape(guide).channels if guide and join else 0)
    with parts.within(name):
        if stage.downsampling is not None:
            stream = parts.add("downsampling", stage.downsampling, stream, width=width)
        if guide:
            size = parts.shape(stream)[1:]
            if parts.shape(guide)[1:] != size:
                guide = parts.add("guide", Resize(height=size[0], width=size[1]), guide)
            if join:
                stream = parts.add("join", Concat(), stream, guide, width=stage.width)
        parts.guide, parts.lenders = guide, set() if stage.tied else None
        for number in range(stage.depth):
            with parts.within(f"blocks.{number}"):
                stream = stage.block(number).wire(parts, stream)
        parts.guide = parts.lenders = None
    return stream


def stage_to_json(stage: Stage) -> dict[str, Any]:
    """Return a stage as JSON values."""
    return {
        "width": stage.width,
        "depth": stage.depth,
        "downsampling": stage.downsampling and component_to_data(stage.downsampling),
        "blocks": [component_to_data(block) for block in stage.blocks],
        **({"tied": True} if stage.tied else {}),
    }


def overview_to_json(overview: Overview) -> dict[str, Any]:
    """Return an overview as JSON values."""
    return {
        "after": overview.after,
        "stages": [stage_to_json(stage) for stage in overview.stages],
        "width": overview.width,
    }


def overview_from_json(data: object, *, older: bool = False) -> Overview | None:
    """Read what ``overview_to_json`` wrote; None stays none."""
    if data is None:
        return None
    found = fields_of(data, "overview", required=("after", "stages", "width"))
    stages = stages_from_json(found["stages"], "overview.stages", older=older)
    return Overview(after=found["after"], stages=stages, width=found["width"])


def stages_from_json(data: object, path: str, *, older: bool = False) -> tuple[Stage, ...]:
    """Read a list of what ``stage_to_json`` wrote; ``older`` as in ``component_from_data``."""
    if not is_list(data):
        raise InputError(f"{path} must be a list, but got {shown(data)}")
    return tuple(_stage_from_json(each, f"{path}.{i}", older) for i, each in enumerate(data))


def _stage_from_json(data: object, path: str, older: bool) -> Stage:
    required = ("width", "depth", "blocks")
    stage = fields_of(data, path, required=required, optional=("downsampling", "tied"))
    if not is_list(stage["blocks"]):
        raise InputError(f"{path}.blocks must be a list, but got {shown(stage['blocks'])}")
    blocks = [
        component_from_data(Block, block, f"{path}.blocks.{index}", older=older)
        for index, block in enumerate(stage["blocks"])
    ]
    before = stage.get("downsampling")
    if before is not None:
        before = component_from_data(Downsampling, before, f"{path}.downsampling", older=older)
    try:
        return Stage(
            width=stage["width"],
            depth=stage["depth"],
            blocks=tuple(blocks),
            downsampling=before,
            tied=stage.get("tied", False),
        )
    except InputError as error:
        raise error if str(error).startswith(path) else InputError(f"{path}: {error}") from None
