"""Sequencer2D (Tatsunami and Taki, Sequencer: Deep LSTM for Image Classification, 2022)."""

from collections.abc import Iterator, Sequence

from ..architecture.architecture import Architecture
from ..components.blocks import MetaFormerBlock
from ..components.channel_mixers.mlp import Mlp
from ..components.downsampling import ConvDownsampling
from ..components.heads import PooledHead
from ..components.mixers.recurrent import Recurrent
from ..components.norms import NoNorm
from ..components.stems import PatchStem
from .entry import ZooEntry, entries_of
from .pyramid import pyramid

# Name: depths, printed figures.
_SIZES = {
    "sequencer2d_s": ((4, 3, 8, 3), "28M 8.4G"),
    "sequencer2d_m": ((4, 3, 14, 3), "38M 11.1G"),
    "sequencer2d_l": ((8, 8, 16, 4), "54M 16.6G"),
}

_MORE = "with norms, activations, residual sums and the cells of the LSTMs, as printed"
_NOTES = {
    "sequencer2d_s": f"8.39G {_MORE}",
    "sequencer2d_l": f"16.59G {_MORE}",
}


def sequencer2d(depths: Sequence[int]) -> Architecture:
    """Return a Sequencer2D; only the first two stages differ in the size of their maps."""
    return pyramid(
        (192, 384, 384, 384),
        depths,
        MetaFormerBlock(mixer=Recurrent(), channel_mixer=Mlp(ratio=3)),
        stem=PatchStem(patch_size=7, norm=NoNorm()),
        downsampling=[
            ConvDownsampling(kernel_size=side, stride=side, norm=NoNorm()) for side in (2, 1, 1)
        ],
        head=PooledHead(norm_first=True),
    )


def entries() -> Iterator[ZooEntry]:
    """Yield the published sizes."""
    source = "arXiv:2205.01972, table 1"
    return entries_of("Sequencer2D", sequencer2d, _SIZES, source=source, notes=_NOTES)
