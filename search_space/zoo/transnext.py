"""TransNeXt (Shi, Robust Foveal Visual Perception, 2024, arXiv:2311.17132, table 1).

The networks for 384 pixels have the published sizes, but not the published function: offsets are
divided by the sides of their own maps, in the reference code by those of the maps of 224 pixels, at
which they are trained first. Convolutions of the stem and of downsampling start with a deviation of
0.02, in the reference code with He's by fan-out.
"""

from collections.abc import Iterator, Sequence

from ..architecture.architecture import Architecture
from ..components.base import TokenMixer
from ..components.blocks import MetaFormerBlock
from ..components.channel_mixers.glu import ConvGlu
from ..components.downsampling import ConvDownsampling
from ..components.heads import PooledHead
from ..components.mixers.aggregated import AggregatedAttention
from ..components.mixers.length_scaled import LengthScaledAttention
from ..components.norms import LayerNorm
from ..components.stems import ConvStem
from .entry import ZooEntry, entries_of
from .pyramid import doubling, pyramid

_FOVEAL = (8, 4, 2, 1)
"""Positions along each side for one pooled position in the stages; 1: attention to all."""

# Name: width of the first stage, depths, ratios of pooling, resolution, printed figures.
_SIZES = {
    "transnext_micro": (48, (2, 2, 15, 2), _FOVEAL, 224, "12.8M -"),
    "transnext_tiny": (72, (2, 2, 15, 2), _FOVEAL, 224, "28.2M 5.7G"),
    "transnext_small": (72, (5, 5, 22, 5), _FOVEAL, 224, "49.7M 10.3G"),
    "transnext_base": (96, (5, 5, 23, 5), _FOVEAL, 224, "89.7M 18.4G"),
    "transnext_small_384": (72, (5, 5, 22, 5), _FOVEAL, 384, "49.7M 32.1G"),
    "transnext_base_384": (96, (5, 5, 23, 5), _FOVEAL, 384, "89.7M 56.3G"),
    "transnext_micro_AAAA_256": (48, (2, 2, 15, 2), (16, 8, 4, 2), 256, "13.1M 3.3G"),
}

_UNSAID = "the source does not say what it counts"
_NOTES = {
    "transnext_micro": f"2.7G printed, 2.610G here; {_UNSAID}",
    "transnext_tiny": "28.26M parameters, printed truncated",
    "transnext_small": f"10.205G; {_UNSAID}",
    "transnext_base": f"18.214G; {_UNSAID}",
    "transnext_small_384": f"31.751G; {_UNSAID}",
    "transnext_base_384": f"55.916G; {_UNSAID}",
}

_PATCH_NORM = LayerNorm(eps=1e-5)
"""Norm of patches."""


def transnext(
    width: int, depths: Sequence[int], ratios: Sequence[int], resolution: int
) -> Architecture:
    """Return a TransNeXt; each stage ends with a norm.

    Args:
        width: Channels of the first stage; heads have 24.
        depths: Blocks of each stage.
        ratios: Positions along each side for one pooled position; 1: attention to all positions.
        resolution: Side of the images in pixels.
    """
    blocks: list[MetaFormerBlock] = []
    for ratio, wider in zip(ratios, (8, 8, 4, 4), strict=True):
        mixer: TokenMixer = LengthScaledAttention(head_dim=24)
        if ratio > 1:
            mixer = AggregatedAttention(head_dim=24, pool_ratio=ratio)
        blocks.append(MetaFormerBlock(mixer=mixer, channel_mixer=ConvGlu(ratio=wider)))
    return pyramid(
        doubling(width),
        depths,
        blocks,
        stem=ConvStem(kernel_size=7, stride=4, padding="half", norm=_PATCH_NORM),
        downsampling=ConvDownsampling(kernel_size=3, norm_after=_PATCH_NORM),
        head=PooledHead(norm_first=True),
        resolution=resolution,
    )


def entries() -> Iterator[ZooEntry]:
    """Yield the published sizes."""
    source = "DaiShiResearch/TransNeXt, classification/README.md"
    return entries_of("TransNeXt", transnext, _SIZES, source=source, notes=_NOTES)
