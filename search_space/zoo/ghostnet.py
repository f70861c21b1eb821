"""GhostNet (Han et al., More Features from Cheap Operations, 2020, arXiv:1911.11907, table 3)."""

from collections.abc import Iterator
from typing import Any

from ..architecture.architecture import Architecture
from ..architecture.stages import Stage
from ..components.blocks import ResidualBlock
from ..components.layers.conv_norm import divisible
from ..components.mixers.ghost import GhostDownsampling, GhostMixer
from ..components.mixers.mb_conv import MbConvDownsampling
from ..components.norms import BatchNorm
from ..components.residuals import PlainResidual
from ..components.stems import ConvStem
from ..components.wired import Block
from ..shapes import Shape
from .entry import TIMM, ZooEntry, all_with_norms, entries_of
from .mobile import pooled_first, stage_of

# Kernel, hidden channels, channels, whether there is squeeze-and-excitation, stride.
_BLOCKS = (
    (3, 16, 16, False, 1),
    (3, 48, 24, False, 2),
    (3, 72, 24, False, 1),
    (5, 72, 40, True, 2),
    (5, 120, 40, True, 1),
    (3, 240, 80, False, 2),
    (3, 200, 80, False, 1),
    (3, 184, 80, False, 1),
    (3, 184, 80, False, 1),
    (3, 480, 112, True, 1),
    (3, 672, 112, True, 1),
    (5, 672, 160, True, 2),
    (5, 960, 160, False, 1),
    (5, 960, 160, True, 1),
    (5, 960, 160, False, 1),
    (5, 960, 160, True, 1),
)

# Name: times the widths, printed figures.
_SIZES = {
    "ghostnet_050": (0.5, "2.59M 0.05G"),
    "ghostnet_100": (1.0, "5.18M 0.15G"),
    "ghostnet_130": (1.3, "7.36M 0.24G"),
}

_NOTES = all_with_norms(
    {"ghostnet_050": "0.046G", "ghostnet_100": "0.148G", "ghostnet_130": "0.236G"}
)


def _stages(wider: float, stem: int) -> Iterator[Stage]:
    """Yield the stages: a block with other channels or a stride starts one."""
    width, before = stem, None
    blocks: list[Block] = []
    for kernel, inner, channels, squeeze, stride in _BLOCKS:
        hidden, out = divisible(inner * wider, 4), divisible(channels * wider, 4)
        knobs: dict[str, Any] = {
            "ratio": hidden / width,
            "squeeze": squeeze,
            "squeeze_ratio": divisible(hidden / 4, 4) / width,
            "gate": "hard_sigmoid",
        }
        if stride == 1 and out == width:
            blocks.append(ResidualBlock(mixer=GhostMixer(**knobs), residual=PlainResidual()))
            continue
        yield stage_of(width, blocks, before)
        before = GhostDownsampling(kernel_size=kernel, stride=stride, **knobs)
        width, blocks = out, []
    yield stage_of(width, blocks, before)
    last = MbConvDownsampling(
        kernel_size=1, stride=1, ratio=1, fused=True, squeeze=False, activation="relu"
    )
    yield stage_of(divisible(960 * wider, 4), [], last)


def ghostnet(wider: float) -> Architecture:
    """Return a GhostNet with its widths multiplied and rounded to multiples of 4."""
    return Architecture(
        input=Shape(3, 224, 224),
        classes=1000,
        stem=ConvStem(kernel_size=3, stride=2, bias=False, norm=BatchNorm(), activation="relu"),
        stages=tuple(_stages(wider, divisible(16 * wider, 4))),
        head=pooled_first(1280, "relu"),
    )


def entries() -> Iterator[ZooEntry]:
    """Yield the published sizes."""
    yield from entries_of("GhostNet", ghostnet, _SIZES, source=TIMM, notes=_NOTES)
