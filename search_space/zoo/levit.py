"""LeViT (Graham et al., LeViT: a Vision Transformer in ConvNet's Clothing, 2021)."""

from collections.abc import Iterator, Sequence
from functools import partial

from ..architecture.architecture import Architecture
from ..architecture.stages import Stage
from ..components.blocks import ChannelBlock, MetaFormerBlock
from ..components.channel_mixers.normed import NormedMlp
from ..components.heads import DistilledHead
from ..components.mixers.levit import LevitAttention, LevitDownsampling
from ..components.norms import NoNorm
from ..components.stems import ConvStackStem
from ..components.wired import Block
from ..shapes import Shape
from .entry import ZooEntry

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
    key_dim: int,
    widths: Sequence[int],
    heads: Sequence[int],
    depths: Sequence[int],
    *,
    resolution: int = 224,
) -> Architecture:
    """Return a LeViT; a perceptron follows each attention that shrinks the map."""
    stages: list[Stage] = []
    for index, (width, depth) in enumerate(zip(widths, depths, strict=True)):
        mixer = LevitAttention(heads=heads[index], key_dim=key_dim)
        block = MetaFormerBlock(mixer=mixer, channel_mixer=_PERCEPTRON, norm=NoNorm())
        first: tuple[Block, ...] = ()
        before = None
        if index:
            first = (ChannelBlock(channel_mixer=_PERCEPTRON, norm=NoNorm()),)
            before = LevitDownsampling(heads=widths[index - 1] // key_dim, key_dim=key_dim)
        blocks = (*first, *[block] * depth)
        stages.append(Stage(width=width, depth=len(blocks), blocks=blocks, downsampling=before))
    return Architecture(
        input=Shape(3, resolution, resolution),
        classes=1000,
        stem=ConvStackStem(halvings=4, activation="hard_swish"),
        stages=tuple(stages),
        head=DistilledHead(norm=NoNorm(), own_norms=True),
    )


def entries() -> Iterator[ZooEntry]:
    """Yield the published sizes."""
    for name, (key_dim, widths, heads, depths, printed) in _SIZES.items():
        yield ZooEntry(
            name=name,
            family="LeViT",
            resolution=224,
            printed=printed,
            source="arXiv:2104.01136, table 3",
            note=_NOTES.get(name, ""),
            make=partial(levit, key_dim, widths, heads, depths),
        )
