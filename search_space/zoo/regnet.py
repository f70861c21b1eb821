"""RegNet (Radosavovic et al., Designing Network Design Spaces, 2020, arXiv:2003.13678).

X without, Y with squeeze-and-excitation. The widths are those of equations 2 to 4, adapted to the
group width as in pycls and timm or, in the networks ending in ``_tv``, as in torchvision.
"""

import math
from collections.abc import Iterator
from functools import partial
from itertools import groupby

from ..architecture.architecture import Architecture
from ..components.base import Downsampling
from ..components.blocks import NoBlock, ResidualBlock
from ..components.heads import PooledHead
from ..components.layers.conv_norm import divisible
from ..components.mixers.bottleneck import BottleneckConv
from ..components.norms import BatchNorm, NoNorm
from ..components.residual_downsampling import BottleneckDownsampling
from ..components.stems import ConvStem
from ..components.wired import Block
from .entry import TIMM, ZooEntry, all_with_norms, entries_of
from .pyramid import pyramid

_STEM = 32

# Name: initial width, slope, multiplier, channels of a group, depth, printed figures, where.
_TORCHVISION = "pytorch/vision, torchvision/models/regnet.py"
_X = {
    "regnetx_002": (24, 36.44, 2.49, 8, 13, "2.68M 0.20G", TIMM),
    "regnetx_004": (24, 24.48, 2.54, 16, 22, "5.16M 0.40G", TIMM),
    "regnetx_004_tv": (24, 24.48, 2.54, 16, 22, "5.495976M 0.414G", _TORCHVISION),
    "regnetx_006": (48, 36.97, 2.24, 24, 16, "6.20M 0.61G", TIMM),
    "regnetx_008": (56, 35.73, 2.28, 16, 16, "7.259656M 0.8G", _TORCHVISION),
    "regnetx_016": (80, 34.01, 2.25, 24, 18, "9.190136M 1.603G", _TORCHVISION),
    "regnetx_032": (88, 26.31, 2.25, 48, 25, "15.296552M 3.177G", _TORCHVISION),
    "regnetx_040": (96, 38.65, 2.43, 40, 23, "22.12M 3.99G", TIMM),
    "regnetx_064": (184, 60.83, 2.07, 56, 17, "26.21M 6.49G", TIMM),
    "regnetx_080": (80, 49.56, 2.88, 120, 23, "39.572648M 7.995G", _TORCHVISION),
    "regnetx_120": (168, 73.36, 2.37, 112, 19, "46.11M 12.13G", TIMM),
    "regnetx_160": (216, 55.59, 2.1, 128, 22, "54.278536M 15.941G", _TORCHVISION),
    "regnetx_320": (320, 69.86, 2.0, 168, 23, "107.811560M 31.736G", _TORCHVISION),
}
_Y = {
    "regnety_002": (24, 36.44, 2.49, 8, 13, "3.16M 0.20G", TIMM),
    "regnety_004": (48, 27.89, 2.09, 8, 16, "4.344144M 0.402G", _TORCHVISION),
    "regnety_006": (48, 32.54, 2.32, 16, 15, "6.06M 0.61G", TIMM),
    "regnety_008": (56, 38.84, 2.4, 16, 14, "6.26M 0.81G", TIMM),
    "regnety_008_tv": (56, 38.84, 2.4, 16, 14, "6.432512M 0.834G", _TORCHVISION),
    "regnety_016": (48, 20.71, 2.65, 24, 27, "11.202430M 1.612G", _TORCHVISION),
    "regnety_032": (80, 42.63, 2.66, 24, 21, "19.436338M 3.176G", _TORCHVISION),
    "regnety_040": (96, 31.41, 2.24, 64, 22, "20.65M 4.00G", TIMM),
    "regnety_064": (112, 33.22, 2.27, 72, 25, "30.58M 6.39G", TIMM),
    "regnety_080": (192, 76.82, 2.19, 56, 17, "39.18M 8.00G", TIMM),
    "regnety_080_tv": (192, 76.82, 2.19, 56, 17, "39.381472M 8.473G", _TORCHVISION),
    "regnety_120": (168, 73.36, 2.37, 112, 19, "51.82M 12.14G", TIMM),
    "regnety_160": (200, 106.23, 2.48, 112, 18, "83.590140M 15.912G", _TORCHVISION),
    "regnety_320": (232, 115.89, 2.53, 232, 20, "145.046770M 32.28G", _TORCHVISION),
    "regnety_640": (352, 147.48, 2.4, 328, 20, "281.38M 64.16G", TIMM),
}

_NOTES = all_with_norms(
    {
        "regnetx_006": "0.609G",
        "regnetx_040": "3.989G",
        "regnetx_064": "6.493G",
        "regnetx_120": "12.129G",
        "regnety_006": "0.610G",
        "regnety_008": "0.808G",
        "regnety_040": "3.998G",
        "regnety_064": "6.388G",
        "regnety_080": "7.999G",
        "regnety_120": "12.135G",
    }
) | {"regnety_640": "the printed MACs hold norms and the mean over positions: 64.155G"}


def stage_sizes(start: int, slope: float, multiplier: float, depth: int) -> list[tuple[int, int]]:
    """Return width and depth of each stage, before the widths are adapted to groups.

    The widths of blocks grow linearly; each is rounded to ``start`` times a power of
    ``multiplier``, then to a multiple of 8.
    """
    widths: list[int] = []
    for block in range(depth):
        power = round(math.log((start + slope * block) / start) / math.log(multiplier))
        widths.append(8 * round(start * multiplier**power / 8))
    return [(width, len(list(same))) for width, same in groupby(widths)]


def in_groups(width: int, group: int, least: float) -> tuple[int, int]:
    """Return a width adapted to groups of channels, and the number of groups.

    Args:
        width: Channels.
        group: Channels of a group, at most ``width``.
        least: Smallest share of the width that rounding leaves; 0: any.
    """
    group = min(group, width)
    adapted = divisible(width, group, least) if least else group * round(width / group)
    return adapted, adapted // group


def regnet(
    start: int,
    slope: float,
    multiplier: float,
    group: int,
    depth: int,
    *,
    squeeze: bool = False,
    least: float = 0.0,
) -> Architecture:
    """Return a RegNet.

    Args:
        start: Width of the first block.
        slope: Growth of the width from block to block.
        multiplier: Ratio of the widths of stages.
        group: Channels of a group.
        depth: Number of blocks.
        squeeze: Whether the blocks have squeeze-and-excitation.
        least: See ``in_groups``.
    """
    sizes = stage_sizes(start, slope, multiplier, depth)
    groups = [in_groups(width, group, least) for width, _ in sizes]
    widths, before = [_STEM], list[Downsampling]()
    blocks: list[Block] = [NoBlock()]
    for (width, number), (_, depths) in zip(groups, sizes, strict=True):
        down = BottleneckDownsampling(expansion=width / widths[-1], groups=number, squeeze=squeeze)
        mixer = BottleneckConv(expansion=1.0, groups=number, squeeze=squeeze)
        before.append(down)
        blocks.append(ResidualBlock(mixer=mixer) if depths > 1 else NoBlock())
        widths.append(width)
    return pyramid(
        widths,
        [1, *(max(1, depths - 1) for _, depths in sizes)],
        blocks,
        stem=ConvStem(kernel_size=3, stride=2, bias=False, norm=BatchNorm(), activation="relu"),
        downsampling=before,
        head=PooledHead(norm=NoNorm()),
    )


def entries() -> Iterator[ZooEntry]:
    """Yield the published sizes."""
    for family, table, squeeze in (("RegNetX", _X, False), ("RegNetY", _Y, True)):
        for name, row in table.items():
            least = 0.9 if name.endswith("_tv") else 0.0
            make = partial(regnet, squeeze=squeeze, least=least)
            yield from entries_of(family, make, {name: row}, notes=_NOTES)
