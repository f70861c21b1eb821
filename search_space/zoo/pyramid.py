"""Networks whose stages differ in little: what most published ones share."""

from collections.abc import Sequence

from ..architecture.architecture import Architecture
from ..architecture.stages import Stage
from ..components.base import Downsampling, Head, Stem
from ..components.wired import Block
from ..shapes import Shape


def doubling(width: int) -> tuple[int, ...]:
    """Return the widths of four stages, each twice as wide as the one before."""
    return tuple(width << index for index in range(4))


def pyramid(
    widths: Sequence[int],
    depths: Sequence[int],
    blocks: Block | Sequence[Block | Sequence[Block]],
    *,
    stem: Stem,
    downsampling: Downsampling | Sequence[Downsampling] = (),
    head: Head,
    resolution: int = 224,
    classes: int = 1000,
) -> Architecture:
    """Return a network of stages for square images.

    Args:
        widths: Channels of each stage.
        depths: Number of blocks of each stage.
        blocks: Block of all stages, or the block, or pattern of blocks, of each stage.
        stem: Module before the first stage.
        downsampling: Downsampling before all stages but the first, or before each of them.
        head: Module after the last stage.
        resolution: Side of the images in pixels.
        classes: Number of classes.
    """
    patterns = [blocks] * len(widths) if isinstance(blocks, Block) else blocks
    if isinstance(downsampling, Downsampling):
        downsampling = [downsampling] * (len(widths) - 1)
    return Architecture(
        input=Shape(3, resolution, resolution),
        classes=classes,
        stem=stem,
        stages=tuple(
            Stage(
                width=width,
                depth=depth,
                blocks=(pattern,) if isinstance(pattern, Block) else tuple(pattern),
                downsampling=before,
            )
            for width, depth, pattern, before in zip(
                widths, depths, patterns, (None, *downsampling), strict=True
            )
        ),
        head=head,
    )
