"""LeViT (Graham et al., LeViT: a Vision Transformer in ConvNet's Clothing, 2021)."""

from collections.abc import Iterator, Sequence

from ..architecture.architecture import Architecture
from ..components.blocks import ChannelBlock, MetaFormerBlock
from ..components.channel_mixers.normed import NormedMlp
from ..components.heads import DistilledHead
from ..components.mixers.levit import LevitAttention, LevitDownsampling
from ..components.norms import NoNorm
from ..components.stems import ConvStackStem
from ..components.wired import Block
from .entry import ZooEntry, entries_of
from .pyramid import pyramid

# Name: channels of a key, widths, heads, depths, printed figures.
_SIZES = {
    "levit_128s": (16, (128, 256, 384), (4, 6, 8), (2, 3, 4), "7.8M 305M"),
    "levit_128": (16, (128, 256, 384), (4, 8, 12), (4, 4, 4), "9.2M 406M"),
    "levit_192": (32, (192, 288, 384), (3, 5, 6), (4, 4, 4), "10.9M 658M"),
    "levit_256": (32, (256, 384, 512), (4, 6, 8), (4, 4, 4), "18.9M 1120M"),
    "levit_384": (32, (384, 512, 768), (6, 9, 12), (4, 4, 4), "39.1M 2353M"),
}

_NOTES = {
    "levit_128": "405M",
    "levit_192": "657M",
    "levit_256": "1127M",
    "levit_384": "2352M",
}

_PERCEPTRON = NormedMlp(activation="hard_swish", last_norm=True, folds=True)


def levit(
    key_dim: int, widths: Sequence[int], heads: Sequence[int], depths: Sequence[int]
) -> Architecture:
    """Return a LeViT; a perceptron follows each attention that shrinks the map."""
    perceptron = ChannelBlock(channel_mixer=_PERCEPTRON, norm=NoNorm())
    stages: list[Sequence[Block]] = []
    for number, depth in zip(heads, depths, strict=True):
        mixer = LevitAttention(heads=number, key_dim=key_dim)
        block = MetaFormerBlock(mixer=mixer, channel_mixer=_PERCEPTRON, norm=NoNorm())
        stages.append([*[perceptron] * bool(stages), *[block] * depth])
    return pyramid(
        widths,
        list(map(len, stages)),
        stages,
        stem=ConvStackStem(halvings=4, activation="hard_swish"),
        downsampling=[
            LevitDownsampling(heads=width // key_dim, key_dim=key_dim) for width in widths[:-1]
        ],
        head=DistilledHead(norm=NoNorm(), own_norms=True),
    )


def entries() -> Iterator[ZooEntry]:
    """Yield the published sizes."""
    source = "arXiv:2104.01136, table 3"
    return entries_of("LeViT", levit, _SIZES, source=source, notes=_NOTES)
