"""Twins (Chu et al., 2021, arXiv:2104.13840) and PVT v2 (Wang et al., 2021, arXiv:2106.13797).

Revisiting the Design of Spatial Attention in Vision Transformers, tables 1 and 2; Improved
Baselines with Pyramid Vision Transformer, table 1.
"""

from collections.abc import Iterator, Sequence

from ..architecture.architecture import Architecture
from ..components.base import TokenMixer
from ..components.blocks import MetaFormerBlock, ResidualBlock
from ..components.channel_mixers.mlp import ConvMlp, Mlp
from ..components.downsampling import ConvDownsampling
from ..components.heads import PooledHead
from ..components.mixers.attention import Attention
from ..components.mixers.convolution import LargeKernelConv
from ..components.mixers.pooled import PooledAttention
from ..components.mixers.windowed import WindowAttention
from ..components.norms import LayerNorm, NoNorm
from ..components.residuals import PlainResidual
from ..components.stems import ConvStem, PatchStem
from ..components.wired import Block
from .entry import TIMM, ZooEntry, all_with_norms, entries_of
from .pyramid import doubling, pyramid

_MIXED = (64, 128, 320, 512)

# Name: widths, depths, channels of a head in the four stages, printed figures.
_PCPVT = {
    "twins_pcpvt_small": (_MIXED, (3, 4, 6, 3), "24.11M 3.83G"),
    "twins_pcpvt_base": (_MIXED, (3, 4, 18, 3), "43.83M 6.68G"),
    "twins_pcpvt_large": (_MIXED, (3, 8, 27, 3), "60.99M 9.84G"),
}
_SVT = {
    "twins_svt_small": (64, (2, 2, 10, 4), "24.06M 2.94G"),
    "twins_svt_base": (96, (2, 2, 18, 2), "56.07M 8.59G"),
    "twins_svt_large": (128, (2, 2, 18, 2), "99.27M 15.15G"),
}
_PVT2 = {
    "pvt_v2_b0": ((32, 64, 160, 256), (2, 2, 2, 2), 8, "3.67M 0.57G"),
    "pvt_v2_b1": (_MIXED, (2, 2, 2, 2), 8, "14.01M 2.12G"),
    "pvt_v2_b2": (_MIXED, (3, 4, 6, 3), 8, "25.36M 4.05G"),
    "pvt_v2_b3": (_MIXED, (3, 4, 18, 3), 8, "45.24M 6.92G"),
    "pvt_v2_b4": (_MIXED, (3, 8, 27, 3), 8, "62.56M 10.14G"),
    "pvt_v2_b5": (_MIXED, (3, 6, 40, 3), 4, "81.96M 11.76G"),
}

_NOTES = all_with_norms(
    {
        "twins_pcpvt_small": "3.827G",
        "twins_pcpvt_base": "6.679G",
        "twins_pcpvt_large": "9.844G",
        "twins_svt_small": "2.942G",
        "twins_svt_base": "8.590G",
        "twins_svt_large": "15.148G",
        "pvt_v2_b1": "2.120G",
        "pvt_v2_b2": "4.046G",
        "pvt_v2_b3": "6.925G",
        "pvt_v2_b4": "10.139G",
        "pvt_v2_b5": "11.762G",
    }
)

_HEADS = (1, 2, 5, 8)
"""Heads of the stages of PCPVT and PVT v2."""

_STRIDES = (8, 4, 2, 1)
"""Sides of the patches of keys and values in the stages."""

_PATCH_NORM = LayerNorm(eps=1e-5)
"""Norm of patches."""

_PLACE = ResidualBlock(mixer=LargeKernelConv(kernel_size=3), residual=PlainResidual())
"""Conditional positions: a depthwise convolution with a residual."""


def pooled(head_dim: int, stride: int) -> TokenMixer:
    """Return attention to patches of keys and values, or to all positions at stride 1."""
    if stride == 1:
        return Attention(head_dim=head_dim, qkv_bias=True, proj_bias=True)
    return PooledAttention(head_dim=head_dim, stride=stride, projection="patch")


def twins(
    widths: Sequence[int], depths: Sequence[int], patterns: Sequence[Sequence[Block]]
) -> Architecture:
    """Return a Twins network; the positions come after the first block of each stage."""
    stages = [
        [pattern[0], _PLACE, *(pattern[at % len(pattern)] for at in range(1, depth))]
        for pattern, depth in zip(patterns, depths, strict=True)
    ]
    return pyramid(
        widths,
        list(map(len, stages)),
        stages,
        stem=PatchStem(patch_size=4, norm=_PATCH_NORM),
        downsampling=ConvDownsampling(kernel_size=2, norm=NoNorm(), norm_after=_PATCH_NORM),
        head=PooledHead(norm_first=True),
    )


def pcpvt(widths: Sequence[int], depths: Sequence[int]) -> Architecture:
    """Return a Twins-PCPVT."""
    patterns = [
        [MetaFormerBlock(mixer=pooled(width // heads, stride), channel_mixer=Mlp(ratio=ratio))]
        for width, heads, stride, ratio in zip(widths, _HEADS, _STRIDES, (8, 8, 4, 4), strict=True)
    ]
    return twins(widths, depths, patterns)


def svt(width: int, depths: Sequence[int]) -> Architecture:
    """Return a Twins-SVT: attention inside windows and to patches of keys, in turn."""
    local = WindowAttention(window_height=7, window_width=7, position="none")
    patterns = [
        [
            MetaFormerBlock(mixer=mixer, channel_mixer=Mlp(ratio=4))
            for mixer in (local, pooled(32, stride))
        ]
        for stride in _STRIDES
    ]
    return twins(doubling(width), depths, patterns)


def pvt_v2(widths: Sequence[int], depths: Sequence[int], ratio: int) -> Architecture:
    """Return a PVT v2; each stage ends with a norm.

    Args:
        widths: Channels of each stage.
        depths: Blocks of each stage.
        ratio: Ratio of hidden channels in the first two stages; it is 4 in the others.
    """
    blocks = [
        MetaFormerBlock(
            mixer=pooled(width // heads, stride), channel_mixer=ConvMlp(ratio=each, kernel_size=3)
        )
        for width, heads, stride, each in zip(
            widths, _HEADS, _STRIDES, (ratio, ratio, 4, 4), strict=True
        )
    ]
    return pyramid(
        widths,
        depths,
        blocks,
        stem=ConvStem(kernel_size=7, stride=4, padding="half", norm=_PATCH_NORM),
        downsampling=ConvDownsampling(kernel_size=3, norm_after=_PATCH_NORM),
        head=PooledHead(norm_first=True),
    )


def entries() -> Iterator[ZooEntry]:
    """Yield all networks of these families."""
    yield from entries_of("Twins-PCPVT", pcpvt, _PCPVT, source=TIMM, notes=_NOTES)
    yield from entries_of("Twins-SVT", svt, _SVT, source=TIMM, notes=_NOTES)
    yield from entries_of("PVT v2", pvt_v2, _PVT2, source=TIMM, notes=_NOTES)
