"""ActiveMLP (Wei et al., 2022): layers that share predicted offsets.

Active Token Mixer, arXiv:2203.06108, table 1. Sizes are those of microsoft/ActiveMLP.
"""

from collections.abc import Iterator, Sequence

from ..architecture.architecture import Architecture
from ..architecture.stages import Stage
from ..components.active import ActiveBlock
from ..components.channel_mixers.mlp import Mlp
from ..components.downsampling import ConvDownsampling
from ..components.heads import PooledHead
from ..components.norms import LayerNorm, NoNorm
from ..components.stems import ConvStem
from ..shapes import Shape
from .entry import ZooEntry, entries_of

_WIDTHS = (64, 128, 320, 512)

# Name: widths, depths, ratios of the perceptrons, layers that share offsets, printed figures.
_SIZES = {
    "active_xtiny": (_WIDTHS, (2, 2, 4, 2), (4, 4, 4, 4), 2, "15M 2.2G"),
    "active_tiny": (_WIDTHS, (2, 3, 10, 3), (4, 4, 4, 4), 2, "27M 4.0G"),
    "active_small": (_WIDTHS, (3, 4, 18, 3), (8, 8, 4, 4), 6, "39M 6.9G"),
    "active_base": (_WIDTHS, (3, 8, 27, 3), (8, 8, 4, 4), 6, "52M 10.1G"),
    "active_large": ((96, 192, 384, 768), (3, 4, 24, 3), (4, 4, 4, 4), 6, "76M 12.4G"),
}

_COUNT = "how the printed MACs were counted is not stated; here interpolations count nothing"
_NOTES: dict[str, str] = {"active_xtiny": _COUNT, "active_tiny": _COUNT, "active_large": _COUNT}

_SHARES = (2, 4, 4, 8)
"""Channels that share an offset, by stage."""


def groups(depth: int, every: int) -> list[int]:
    """Return the numbers of layers that share offsets: ``every``, and no single one at the end."""
    sizes = [every] * (depth // every)
    if rest := depth % every:
        sizes = [*sizes, rest] if rest > 1 or not sizes else [*sizes[:-1], every + 1]
    return sizes


def activemlp(
    widths: Sequence[int], depths: Sequence[int], ratios: Sequence[int], every: int
) -> Architecture:
    """Return an ActiveMLP.

    Args:
        widths: Channels of each stage.
        depths: Layers of each stage.
        ratios: Ratios of the perceptrons of each stage.
        every: Layers that share offsets.
    """
    norm = LayerNorm(eps=1e-5)
    stages: list[Stage] = []
    for width, depth, ratio, share in zip(widths, depths, ratios, _SHARES, strict=True):
        blocks = tuple(
            ActiveBlock(layers=layers, share=share, channel_mixer=Mlp(ratio=ratio), norm=norm)
            for layers in groups(depth, every)
        )
        before = ConvDownsampling(norm=NoNorm()) if stages else None
        stages.append(
            Stage(
                width=width,
                depth=len(blocks),
                blocks=blocks,
                downsampling=before,
                tied=len(blocks) > 1,
            )
        )
    return Architecture(
        input=Shape(3, 224, 224),
        classes=1000,
        stem=ConvStem(kernel_size=7, stride=4, norm=NoNorm()),
        stages=tuple(stages),
        head=PooledHead(norm=norm, norm_first=True),
    )


def entries() -> Iterator[ZooEntry]:
    """Yield all networks of this family."""
    source = "microsoft/ActiveMLP, README.md"
    return entries_of("ActiveMLP", activemlp, _SIZES, source=source, notes=_NOTES)
