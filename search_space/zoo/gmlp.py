"""gMLP: Pay Attention to MLPs (Liu et al., 2021, arXiv:2105.08050)."""

from collections.abc import Iterator
from functools import partial

from ..architecture.architecture import Architecture
from ..architecture.stages import Stage
from ..components.blocks import MetaFormerBlock
from ..components.channel_mixers.mlp import NoChannelMixer
from ..components.heads import PooledHead
from ..components.mixers.gated_mlp import GatedMlpMixer
from ..components.norms import NoNorm
from ..components.stems import PatchStem
from ..shapes import Shape
from .entry import ZooEntry, with_norms
from .mlp_mixer import TIMM

# Name: width, printed figures, multiply-adds with the norms.
_SIZES = {
    "gmlp_ti16_224": (128, "5.87M 1.34G", "1.344G"),
    "gmlp_s16_224": (256, "19.42M 4.42G", "4.422G"),
    "gmlp_b16_224": (512, "73.08M 15.78G", "15.781G"),
}


def gmlp(width: int) -> Architecture:
    """Return a gMLP: one stage of 30 blocks, each a gated perceptron alone."""
    block = MetaFormerBlock(mixer=GatedMlpMixer(ratio=6), channel_mixer=NoChannelMixer())
    return Architecture(
        input=Shape(3, 224, 224),
        classes=1000,
        stem=PatchStem(patch_size=16, norm=NoNorm()),
        stages=(Stage(width=width, depth=30, blocks=(block,)),),
        head=PooledHead(norm_first=True),
    )


def entries() -> Iterator[ZooEntry]:
    """Yield all networks of this family."""
    for name, (width, printed, normed) in _SIZES.items():
        yield ZooEntry(
            name=name,
            aliases=(f"gMLP-{name[5:-6].capitalize()}",),
            family="gMLP",
            resolution=224,
            printed=printed,
            source=TIMM,
            make=partial(gmlp, width),
            note=with_norms(normed),
        )
