"""CvT (Wu et al., Introducing Convolutions to Vision Transformers, 2021, arXiv:2103.15808)."""

from collections.abc import Iterator, Sequence

from ..architecture.architecture import Architecture
from ..components.blocks import MetaFormerBlock, NoBlock
from ..components.channel_mixers.mlp import Mlp
from ..components.downsampling import ConvDownsampling
from ..components.heads import TokenHead
from ..components.mixers.pooled import PooledAttention
from ..components.norms import LayerNorm, NoNorm
from ..components.stems import ConvStem
from ..components.token_downsampling import TokenDownsampling
from .entry import ZooEntry, entries_of, with_norms
from .pyramid import pyramid

_NARROW = (64, 192, 384)

# Name: widths, depths, resolution, printed figures.
_SIZES = {
    "cvt_13": (_NARROW, (1, 2, 10), 224, "20M 4.5G"),
    "cvt_13_384": (_NARROW, (1, 2, 10), 384, "20M 16.3G"),
    "cvt_21": (_NARROW, (1, 4, 16), 224, "32M 7.1G"),
    "cvt_21_384": (_NARROW, (1, 4, 16), 384, "32M 24.9G"),
    "cvt_w24_384": ((192, 768, 1024), (2, 2, 20), 384, "277M 193.2G"),
}

_NOTES = {
    "cvt_13": "4.57G, printed truncated",
    "cvt_21": "7.18G, printed truncated",
    "cvt_21_384": with_norms("24.914G"),
    "cvt_w24_384": "194.22G; the source counts by formulas of its own",
}

_NORM = LayerNorm(eps=1e-5)


def cvt(widths: Sequence[int], depths: Sequence[int], resolution: int) -> Architecture:
    """Return a CvT; a class token joins the last stage.

    Args:
        widths: Channels of each stage; heads have 64.
        depths: Blocks of each stage.
        resolution: Side of the images in pixels.
    """
    blocks = [
        MetaFormerBlock(
            mixer=PooledAttention(head_dim=64, score_scale="channels", token=token),
            channel_mixer=Mlp(ratio=4, activation="quick_gelu"),
            norm=_NORM,
        )
        for token in (False, False, True)
    ]
    patches = ConvDownsampling(kernel_size=3, norm=NoNorm(), norm_after=_NORM)
    return pyramid(
        (*widths, widths[-1]),
        (*depths[:-1], 1, depths[-1]),
        [*blocks[:-1], NoBlock(), blocks[-1]],
        stem=ConvStem(kernel_size=7, stride=4, norm=_NORM),
        downsampling=[patches, patches, TokenDownsampling()],
        head=TokenHead(norm=_NORM),
        resolution=resolution,
    )


def entries() -> Iterator[ZooEntry]:
    """Yield the published sizes."""
    source = "microsoft/CvT, README.md"
    return entries_of("CvT", cvt, _SIZES, source=source, notes=_NOTES)
