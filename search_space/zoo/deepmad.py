"""Residual networks of TinyNAS: Zen-NAS (Lin et al., 2021) and DeepMAD (Shen et al., 2023).

Zen-NAS: A Zero-Shot NAS for High-Performance Image Recognition, arXiv:2102.01063; DeepMAD:
Mathematical Architecture Design for Deep Convolutional Neural Network, arXiv:2303.02165.
"""

from collections.abc import Iterator

from ..architecture.architecture import Architecture
from ..components.base import Downsampling
from ..components.blocks import NoBlock, ResidualBlock
from ..components.heads import PooledHead
from ..components.mixers.bottleneck import BottleneckConv
from ..components.norms import BatchNorm, NoNorm
from ..components.residual_downsampling import BottleneckDownsampling
from ..components.stems import ConvStem
from ..components.wired import Block
from .entry import ZooEntry, entries_of, with_norms
from .pyramid import pyramid

# Name: channels of the stem; of each stage depth, inner channels, kernel, width, stride; figures.
_ZEN = {
    "zennas_r18_like": (
        40,
        (2, 64, 3, 256, 2),
        (3, 88, 3, 360, 2),
        (6, 128, 3, 512, 2),
        (4, 176, 3, 512, 2),
        (12, 176, 3, 512, 1),
        "10.8M 1.7G",
    ),
    "zennas_r50_like": (
        16,
        (6, 64, 3, 256, 2),
        (8, 88, 3, 360, 2),
        (7, 176, 3, 512, 2),
        (2, 360, 3, 720, 2),
        (4, 256, 3, 2896, 1),
        "21.3M 3.6G",
    ),
    "zennas_r152_like": (
        128,
        (4, 88, 3, 512, 2),
        (8, 176, 3, 720, 2),
        (13, 256, 3, 720, 2),
        (10, 360, 3, 1024, 2),
        (12, 256, 3, 1024, 1),
        "53.5M 10.5G",
    ),
}
_DEEPMAD = {
    "deepmad_r18": (
        32,
        (1, 40, 5, 96, 2),
        (6, 40, 5, 384, 2),
        (9, 64, 5, 384, 2),
        (10, 104, 3, 1024, 1),
        (12, 104, 5, 672, 2),
        "11.69M 1.82G",
    ),
    "deepmad_r34": (
        24,
        (1, 24, 5, 128, 2),
        (10, 48, 5, 512, 2),
        (13, 88, 5, 896, 2),
        (11, 104, 5, 1024, 1),
        (14, 128, 5, 616, 2),
        "21.80M 3.68G",
    ),
    "deepmad_r50": (
        32,
        (1, 40, 5, 128, 2),
        (11, 48, 5, 512, 2),
        (12, 88, 5, 872, 2),
        (13, 104, 5, 1024, 1),
        (15, 120, 5, 1232, 2),
        "25.55M 4.13G",
    ),
}

_CUT = "the printed parameters are truncated"
_BUDGET = "the printed figures are the budget, those of {}"

_NOTES = {
    "zennas_r18_like": _CUT,
    "zennas_r50_like": _CUT,
    "zennas_r152_like": with_norms("10.477G"),
    "deepmad_r18": _BUDGET.format("ResNet-18"),
    "deepmad_r34": _BUDGET.format("ResNet-34"),
    "deepmad_r50": _BUDGET.format("ResNet-50"),
}


def tinynas(stem: int, *stages: tuple[int, int, int, int, int]) -> Architecture:
    """Return a network of bottlenecks whose shortcuts take the mean before their convolution.

    Args:
        stem: Channels of the stem.
        stages: Depth, inner channels, kernel, width and stride of each stage.
    """
    widths, before, blocks = [stem], list[Downsampling](), list[Block]([NoBlock()])
    for depth, inner, kernel, width, stride in stages:
        down = BottleneckDownsampling(
            kernel_size=kernel, stride=stride, expansion=inner / widths[-1], mean_shortcut=True
        )
        mixer = BottleneckConv(kernel_size=kernel, expansion=inner / width)
        before.append(down)
        blocks.append(ResidualBlock(mixer=mixer) if depth > 1 else NoBlock())
        widths.append(width)
    return pyramid(
        widths,
        [1, *(max(1, depth - 1) for depth, *_ in stages)],
        blocks,
        stem=ConvStem(kernel_size=3, stride=2, bias=False, norm=BatchNorm(), activation="relu"),
        downsampling=before,
        head=PooledHead(norm=NoNorm()),
    )


def entries() -> Iterator[ZooEntry]:
    """Yield the published sizes."""
    source = "alibaba/lightweight-neural-architecture-search, README.md"
    for family, table in (("Zen-NAS", _ZEN), ("DeepMAD", _DEEPMAD)):
        yield from entries_of(family, tinynas, table, source=source, notes=_NOTES)
