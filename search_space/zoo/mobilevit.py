"""MobileViT (2021) and MobileViTv2 (2022), both by Mehta and Rastegari.

Light-weight, General-purpose, and Mobile-friendly Vision Transformer, arXiv:2110.02178, table 4;
Separable Self-attention for Mobile Vision Transformers, arXiv:2206.02680, table 5.
"""

from collections.abc import Iterator, Sequence

from ..architecture.architecture import Architecture
from ..components.base import Head
from ..components.blocks import ChannelBlock, NoBlock, ResidualBlock
from ..components.channel_mixers.inverted import InvertedResidual
from ..components.heads import PooledHead, WideHead
from ..components.layers.inverted_bottleneck import InvertedResidualDownsampling
from ..components.mixers.mobilevit import MobileVitMixer
from ..components.norms import BatchNorm, NoNorm
from ..components.residuals import NoResidual
from ..components.stems import ConvStem
from ..components.wired import Block
from .entry import TIMM, ZooEntry, all_with_norms, entries_of
from .pyramid import pyramid

# Name: widths, channels of the transformers, ratio of inverted residuals, features, figures.
_FIRST = {
    "mobilevit_xxs": ((16, 16, 24, 48, 64, 80), (64, 80, 96), 2, 320, "1.27M -"),
    "mobilevit_xs": ((16, 32, 48, 64, 80, 96), (96, 120, 144), 4, 384, "2.32M 1.05G"),
    "mobilevit_s": ((16, 32, 64, 96, 128, 160), (144, 192, 240), 4, 640, "5.58M 2.03G"),
}

# Name: factor of the widths, figures.
_SECOND = {
    "mobilevitv2_050": (0.5, "1.37M -"),
    "mobilevitv2_075": (0.75, "2.87M 1.05G"),
    "mobilevitv2_100": (1.0, "4.9M 1.84G"),
    "mobilevitv2_125": (1.25, "7.48M 2.86G"),
    "mobilevitv2_150": (1.5, "10.59M 4.09G"),
    "mobilevitv2_175": (1.75, "14.25M 5.54G"),
    "mobilevitv2_200": (2.0, "18.45M 7.22G"),
}

_FAR = "timm prints multiply-adds with norms, 3 % more"

_NOTES = all_with_norms(
    {
        "mobilevit_xs": "1.052G",
        "mobilevit_s": "2.033G",
        "mobilevitv2_075": "1.052G",
        "mobilevitv2_100": "1.844G",
        "mobilevitv2_125": "2.857G",
        "mobilevitv2_150": "4.090G",
        "mobilevitv2_175": "5.544G",
        "mobilevitv2_200": "7.219G",
    }
) | dict.fromkeys(("mobilevit_xxs", "mobilevitv2_050"), _FAR)


def network(
    widths: Sequence[int], ratio: int, local: int, mixers: Sequence[MobileVitMixer], head: Head
) -> Architecture:
    """Return a network of inverted residuals, and a transformer in each of the last three stages.

    Args:
        widths: Channels of the stem and of five stages.
        ratio: Ratio of hidden channels of the inverted residuals.
        local: Blocks of the second stage behind its downsampling.
        mixers: Transformers of the last stages.
        head: The head.
    """
    block = ChannelBlock(
        channel_mixer=InvertedResidual(ratio=ratio, activation="silu"), norm=NoNorm()
    )
    blocks: list[Block] = [NoBlock(), NoBlock(), block]
    blocks += [ResidualBlock(mixer=mixer, residual=NoResidual()) for mixer in mixers]
    strides = [1, 2, 2, 2, 2]
    if widths[0] == widths[1]:  # the first inverted residual has a residual too
        widths, blocks, strides = widths[1:], [block, *blocks[2:]], strides[1:]
    return pyramid(
        widths,
        [local if number == len(blocks) - 4 else 1 for number in range(len(blocks))],
        blocks,
        stem=ConvStem(kernel_size=3, stride=2, bias=False, norm=BatchNorm(), activation="silu"),
        downsampling=[
            InvertedResidualDownsampling(ratio=ratio, stride=stride, activation="silu")
            for stride in strides
        ],
        head=head,
        resolution=256,
    )


def mobilevit(
    widths: Sequence[int], inner: Sequence[int], ratio: int, features: int
) -> Architecture:
    """Return a MobileViT."""
    mixers = [
        MobileVitMixer(ratio=channels / width, depth=depth)
        for channels, width, depth in zip(inner, widths[3:], (2, 4, 3), strict=True)
    ]
    return network(widths, ratio, 2, mixers, WideHead(features=features, activation="silu"))


def mobilevit_v2(factor: float) -> Architecture:
    """Return a MobileViTv2 with its widths times ``factor``."""
    mixers = [MobileVitMixer(ratio=0.5, depth=depth, linear=True) for depth in (2, 4, 3)]
    widths = [int(width * factor) for width in (32, 64, 128, 256, 384, 512)]
    return network(widths, 2, 1, mixers, PooledHead(norm=NoNorm()))


def entries() -> Iterator[ZooEntry]:
    """Yield all networks of both families."""
    yield from entries_of("MobileViT", mobilevit, _FIRST, source=TIMM, notes=_NOTES)
    yield from entries_of("MobileViTv2", mobilevit_v2, _SECOND, source=TIMM, notes=_NOTES)
