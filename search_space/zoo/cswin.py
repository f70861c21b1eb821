"""CSWin Transformer (Dong et al., 2021, arXiv:2107.00652, tables 1 and 2)."""

from collections.abc import Iterator, Sequence

from ..architecture.architecture import Architecture
from ..components.blocks import MetaFormerBlock
from ..components.channel_mixers.mlp import Mlp
from ..components.downsampling import ConvDownsampling
from ..components.heads import PooledHead
from ..components.mixers.windowed import StripeAttention
from ..components.norms import LayerNorm, NoNorm
from ..components.stems import ConvStem
from .entry import ZooEntry, entries_of, rounded
from .pyramid import doubling, pyramid

# Name: width of the first stage, depths, heads, printed figures.
_SIZES = {
    "cswin_tiny_224": (64, (1, 2, 21, 1), (2, 4, 8, 16), "23M 4.3G"),
    "cswin_small_224": (64, (2, 4, 32, 2), (2, 4, 8, 16), "35M 6.9G"),
    "cswin_base_224": (96, (2, 4, 32, 2), (4, 8, 16, 32), "78M 15.0G"),
    "cswin_large_224": (144, (2, 4, 32, 2), (6, 12, 24, 24), "173M -"),
}

_NOTES = {
    "cswin_tiny_224": "22.3M parameters, printed rounded up",
    "cswin_small_224": rounded("6.801G"),
    "cswin_base_224": "77.4M parameters, printed rounded up",
    "cswin_large_224": "the multiply-adds printed, 31.5G, are below those of the layers, 33.1G",
}

_STRIPES = (1, 2, 7, 7)
"""Width of the stripes in the stages; in the last one a stripe is the map."""

_NORM = LayerNorm(eps=1e-5)


def cswin(width: int, depths: Sequence[int], heads: Sequence[int]) -> Architecture:
    """Return a CSWin Transformer.

    Args:
        width: Channels of the first stage.
        depths: Blocks of each stage.
        heads: Heads of each stage.
    """
    widths = doubling(width)
    blocks = [
        MetaFormerBlock(
            mixer=StripeAttention(head_dim=each // number, stripe=stripe),
            channel_mixer=Mlp(ratio=4),
            norm=_NORM,
        )
        for each, number, stripe in zip(widths, heads, _STRIPES, strict=True)
    ]
    return pyramid(
        widths,
        depths,
        blocks,
        stem=ConvStem(kernel_size=7, stride=4, norm=_NORM),
        downsampling=ConvDownsampling(kernel_size=3, norm=NoNorm(), norm_after=_NORM),
        head=PooledHead(norm=_NORM, norm_first=True),
    )


def entries() -> Iterator[ZooEntry]:
    """Yield the published sizes."""
    source = "microsoft/CSWin-Transformer, README.md"
    return entries_of("CSWin", cswin, _SIZES, source=source, notes=_NOTES, alias=_letter)


def _letter(name: str) -> str:
    return f"CSWin-{name.split('_')[1][0].upper()}"
