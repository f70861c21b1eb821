"""The nodes of the decision graph: the state of a walk between two choices, by kind of choice.

Two nodes are equal if they are of one kind and have equal fields. Named tuples are equal by their
values alone, so the last field of each is its kind.
"""

from typing import Literal, NamedTuple

from ..shapes import Shape


class DepthNode(NamedTuple):
    """The choice of the number of blocks of a stage; 0 leaves the stage out."""

    stage: int
    """Index of the stage."""
    before: Shape | None
    """Map before the stage; None for the image. It is None too where ``shape`` is known."""
    shape: Shape | None
    """Map of the stage's blocks; None if the depth is chosen first."""
    kind: Literal["depth"] = "depth"
    """The kind of choice."""


class WidthNode(NamedTuple):
    """The choice of the number of channels of a stage."""

    stage: int
    """Index of the stage."""
    before: Shape | None
    """Map before the stage; None for the image."""
    depth: int | None
    """Number of blocks; None if it is chosen later."""
    kind: Literal["width"] = "width"
    """The kind of choice."""


class BeforeNode(NamedTuple):
    """The choice of the stem, or of the downsampling before a stage."""

    stage: int
    """Index of the stage."""
    before: Shape | None
    """Map before the stage; None for the image, which the stem takes."""
    depth: int | None
    """Number of blocks; None if it is chosen later."""
    width: int
    """Channels of the stage."""
    kind: Literal["before"] = "before"
    """The kind of choice."""


class BlockNode(NamedTuple):
    """The choice of the kind of block of a stage."""

    stage: int
    """Index of the stage."""
    shape: Shape
    """Map of the blocks."""
    depth: int
    """Number of blocks."""
    kind: Literal["block"] = "block"
    """The kind of choice."""


class FieldsNode(NamedTuple):
    """The choice of all fields of a block but its varied mixer."""

    stage: int
    """Index of the stage."""
    shape: Shape
    """Map of the blocks."""
    depth: int
    """Number of blocks."""
    block: str
    """Kind of block."""
    kind: Literal["fields"] = "fields"
    """The kind of choice."""


class PatternNode(NamedTuple):
    """The choice of how the mixer varies inside a stage."""

    stage: int
    """Index of the stage."""
    shape: Shape
    """Map of the blocks."""
    depth: int
    """Number of blocks."""
    block: str
    """Kind of block."""
    kind: Literal["pattern"] = "pattern"
    """The kind of choice."""


class MixerNode(NamedTuple):
    """The choice of the varied mixer, or of the first of two."""

    stage: int
    """Index of the stage."""
    shape: Shape
    """Map of the blocks."""
    depth: int
    """Number of blocks."""
    block: str
    """Kind of block."""
    pattern: str
    """How the mixer varies."""
    kind: Literal["mixer"] = "mixer"
    """The kind of choice."""


class SecondMixerNode(NamedTuple):
    """The choice of the second mixer."""

    stage: int
    """Index of the stage."""
    shape: Shape
    """Map of the blocks."""
    depth: int
    """Number of blocks."""
    block: str
    """Kind of block."""
    pattern: str
    """How the mixer varies."""
    kind: Literal["second"] = "second"
    """The kind of choice."""


class HeadNode(NamedTuple):
    """The choice of the head."""

    shape: Shape | None
    """Map before the head; None if no stage is left, so that there is no choice."""
    kind: Literal["head"] = "head"
    """The kind of choice."""


class EndNode(NamedTuple):
    """The end of a walk, without a choice."""

    kind: Literal["end"] = "end"
    """The kind of choice."""


BlockFieldNode = PatternNode | MixerNode | SecondMixerNode
"""Nodes inside a block, after its fields."""

StageNode = DepthNode | WidthNode | BeforeNode | BlockNode | FieldsNode | BlockFieldNode
"""Nodes of a stage."""

Node = StageNode | HeadNode | EndNode
"""A decision node."""

END = EndNode()
