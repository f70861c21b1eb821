"""MLP-Mixer: An all-MLP Architecture for Vision (Tolstikhin et al., 2021, arXiv:2105.01601).

The paper prints no multiply-adds, and parameters without the classifier; timm prints both whole.
"""

from collections.abc import Iterator

from ..architecture.architecture import Architecture
from ..components.blocks import MetaFormerBlock
from ..components.channel_mixers.mlp import Mlp
from ..components.heads import PooledHead
from ..components.mixers.mlp import TokenMlp
from ..components.norms import NoNorm
from ..components.stems import PatchStem
from .entry import ZooEntry, entries_of, with_norms
from .pyramid import pyramid

TIMM = "huggingface/pytorch-image-models, results/benchmark-infer-amp-nhwc-pt240-cu124-rtx3090.csv"

# Name: patch, width, depth, printed figures.
_SIZES = {
    "mixer_s32_224": (32, 512, 8, "19.1M 1.0G"),
    "mixer_s16_224": (16, 512, 8, "18.53M 3.79G"),
    "mixer_b32_224": (32, 768, 12, "60.29M 3.24G"),
    "mixer_b16_224": (16, 768, 12, "59.88M 12.62G"),
    "mixer_l32_224": (32, 1024, 24, "206.94M 11.27G"),
    "mixer_l16_224": (16, 1024, 24, "208.2M 44.6G"),
}

_NOTES = {
    "mixer_s16_224": with_norms("3.785G"),
    "mixer_b16_224": with_norms("12.621G"),
    "mixer_l32_224": with_norms("11.266G"),
    "mixer_l16_224": with_norms("44.597G"),
}


def mixer(patch: int, width: int, depth: int) -> Architecture:
    """Return an MLP-Mixer: one stage, layer norm before the mean of the head."""
    block = MetaFormerBlock(mixer=TokenMlp(ratio=0.5), channel_mixer=Mlp(ratio=4))
    stem = PatchStem(patch_size=patch, norm=NoNorm())
    return pyramid([width], [depth], block, stem=stem, head=PooledHead(norm_first=True))


def entries() -> Iterator[ZooEntry]:
    """Yield all networks of this family."""
    return entries_of(
        "MLP-Mixer",
        mixer,
        _SIZES,
        source=TIMM,
        notes=_NOTES,
        alias=lambda name: f"Mixer-{name[6].upper()}/{name[7:9]}",
    )
