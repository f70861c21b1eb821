"""gMLP: Pay Attention to MLPs (Liu et al., 2021, arXiv:2105.08050)."""

from collections.abc import Iterator

from ..architecture.architecture import Architecture
from ..components.blocks import MetaFormerBlock
from ..components.channel_mixers.mlp import NoChannelMixer
from ..components.heads import PooledHead
from ..components.mixers.gated_mlp import GatedMlpMixer
from ..components.norms import NoNorm
from ..components.stems import PatchStem
from .entry import ZooEntry, entries_of, with_norms
from .mlp_mixer import TIMM
from .pyramid import pyramid

# Name: width, printed figures.
_SIZES = {
    "gmlp_ti16_224": (128, "5.87M 1.34G"),
    "gmlp_s16_224": (256, "19.42M 4.42G"),
    "gmlp_b16_224": (512, "73.08M 15.78G"),
}

_NOTES = {
    "gmlp_ti16_224": with_norms("1.344G"),
    "gmlp_s16_224": with_norms("4.422G"),
    "gmlp_b16_224": with_norms("15.781G"),
}


def gmlp(width: int) -> Architecture:
    """Return a gMLP: one stage of 30 blocks, each a gated perceptron alone."""
    block = MetaFormerBlock(mixer=GatedMlpMixer(ratio=6), channel_mixer=NoChannelMixer())
    stem = PatchStem(patch_size=16, norm=NoNorm())
    return pyramid([width], [30], block, stem=stem, head=PooledHead(norm_first=True))


def entries() -> Iterator[ZooEntry]:
    """Yield all networks of this family."""
    return entries_of(
        "gMLP",
        gmlp,
        _SIZES,
        source=TIMM,
        notes=_NOTES,
        alias=lambda name: f"gMLP-{name[5:-6].capitalize()}",
    )
