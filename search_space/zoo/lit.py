"""LIT (Pan et al., 2021): perceptrons in the early stages, attention in the later ones.

Less is More: Pay Less Attention in Vision Transformers, arXiv:2105.14217.
"""

from collections.abc import Iterator, Sequence

from ..architecture.architecture import Architecture
from ..components.blocks import ChannelBlock, MetaFormerBlock
from ..components.downsampling import DeformableDownsampling
from ..components.heads import PooledHead
from ..components.mixers.attention import RelativeAttention
from ..components.norms import LayerNorm
from ..components.stems import PatchStem
from .entry import ZooEntry, entries_of
from .pyramid import doubling, pyramid

_SOURCE = "zhuang-group/LIT, README.md"

# Name: width of the first stage, depths, printed figures.
_SIZES = {
    "LIT-S": (96, (2, 2, 6, 2), "27M 4.1G"),
    "LIT-M": (96, (2, 2, 18, 2), "48M 8.6G"),
    "LIT-B": (128, (2, 2, 18, 2), "86M 15.0G"),
}

_NOTES = {
    "LIT-S": "27.97M, as the repository's code; 27.2M without the classifier",
    "LIT-M": "49.4M, as the repository's code; 48.6M without the classifier",
    "LIT-B": "87.3M, as the repository's code; 86.3M without the classifier",
}


def lit(width: int, depths: Sequence[int]) -> Architecture:
    """Return a LIT whose stages have 1, 2, 4 and 8 times ``width`` channels, heads of 32."""
    norm = LayerNorm(eps=1e-5)
    early = ChannelBlock(norm=norm)
    late = MetaFormerBlock(mixer=RelativeAttention(head_dim=32), norm=norm)
    return pyramid(
        doubling(width),
        depths,
        (early, early, late, late),
        stem=PatchStem(patch_size=4, norm=norm),
        downsampling=DeformableDownsampling(),
        head=PooledHead(norm=norm, norm_first=True),
    )


def entries() -> Iterator[ZooEntry]:
    """Yield all networks of this family."""
    return entries_of("LIT", lit, _SIZES, source=_SOURCE, notes=_NOTES)
