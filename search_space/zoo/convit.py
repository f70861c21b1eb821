"""ConViT (d'Ascoli et al., 2021, arXiv:2103.10697, table 1)."""

from collections.abc import Iterator
from dataclasses import replace

from ..architecture.architecture import Architecture
from ..components.blocks import MetaFormerBlock
from ..components.channel_mixers.mlp import Mlp
from ..components.downsampling import TokenDownsampling
from ..components.heads import TokenHead
from ..components.mixers.attention import Attention
from ..components.mixers.gated_position import GatedPositionalAttention
from ..components.norms import NoNorm
from ..components.stems import PositionStem
from .entry import TIMM, ZooEntry, entries_of
from .pyramid import pyramid

# Name: heads of 48 channels, printed figures.
_SIZES = {
    "convit_tiny": (4, "5.71M 1.26G"),
    "convit_small": (9, "27.78M 5.76G"),
    "convit_base": (16, "86.54M 17.52G"),
}


def convit(heads: int) -> Architecture:
    """Return a ConViT: ten blocks that start as convolutions, and two with a class token."""
    first = MetaFormerBlock(mixer=GatedPositionalAttention(heads=heads), channel_mixer=Mlp())
    last = replace(first, mixer=Attention(head_dim=48, proj_bias=True))
    return pyramid(
        [48 * heads] * 2,
        [10, 2],
        [first, last],
        stem=PositionStem(patch_size=16, norm=NoNorm()),
        downsampling=TokenDownsampling(),
        head=TokenHead(),
    )


def entries() -> Iterator[ZooEntry]:
    """Yield the published sizes."""
    notes = {"convit_base": "17.529G, printed truncated"}
    return entries_of("ConViT", convit, _SIZES, source=TIMM, notes=notes)
