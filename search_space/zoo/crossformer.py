"""CrossFormer (Wang et al., Hinging on Cross-scale Attention, 2021, arXiv:2108.00154, table 1)."""

from collections.abc import Iterator, Sequence

from ..architecture.architecture import Architecture
from ..components.blocks import MetaFormerBlock
from ..components.channel_mixers.mlp import Mlp
from ..components.cross_scale_downsampling import CrossScaleDownsampling
from ..components.heads import PooledHead
from ..components.mixers.windowed import IntervalAttention, WindowAttention
from ..components.norms import LayerNorm
from ..components.patch_stems import CrossScaleStem
from .entry import ZooEntry, entries_of, rounded
from .pyramid import doubling, pyramid

# Name: width of the first stage, depths, printed figures.
_SIZES = {
    "crossformer_tiny": (64, (1, 1, 8, 6), "27.8M 2.9G"),
    "crossformer_small": (96, (2, 2, 6, 2), "30.7M 4.9G"),
    "crossformer_base": (96, (2, 2, 18, 2), "52.0M 9.2G"),
    "crossformer_large": (128, (2, 2, 18, 2), "92.0M 16.1G"),
}

_NOTES = {"crossformer_tiny": rounded("2.857G")}

_INTERVALS = (8, 4, 2)
"""Intervals of the attention in every second block of the stages but the last."""

_NORM = LayerNorm(eps=1e-5)


def crossformer(width: int, depths: Sequence[int]) -> Architecture:
    """Return a CrossFormer: attention in windows and with intervals in turn, in the last stage of
    the whole map.

    Args:
        width: Channels of the first stage; heads have 32.
        depths: Blocks of each stage.
    """
    near = WindowAttention(window_height=7, window_width=7, position="dynamic")
    patterns = [
        [
            MetaFormerBlock(mixer=mixer, channel_mixer=Mlp(ratio=4), norm=_NORM)
            for mixer in (near, *far)
        ]
        for far in (*([IntervalAttention(interval=each)] for each in _INTERVALS), [])
    ]
    return pyramid(
        doubling(width),
        depths,
        patterns,
        stem=CrossScaleStem(norm=_NORM),
        downsampling=CrossScaleDownsampling(norm=_NORM),
        head=PooledHead(norm=_NORM, norm_first=True),
    )


def entries() -> Iterator[ZooEntry]:
    """Yield the published sizes."""
    source = "cheerss/CrossFormer, README.md"
    return entries_of("CrossFormer", crossformer, _SIZES, source=source, notes=_NOTES)
