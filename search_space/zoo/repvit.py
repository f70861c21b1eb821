"""RepViT (Wang et al., RepViT: Revisiting Mobile CNN From ViT Perspective, 2023)."""

from collections.abc import Iterator, Sequence

from ..architecture.architecture import Architecture
from ..components.blocks import ChannelBlock, RepVitBlock
from ..components.channel_mixers.normed import NormedMlp
from ..components.downsampling import SeparableDownsampling
from ..components.heads import DistilledHead
from ..components.mixers.large_small import RepDepthwiseConv
from ..components.norms import NoNorm
from ..components.stems import ConvStackStem
from ..components.wired import Block
from .entry import ZooEntry, entries_of, rounded
from .pyramid import doubling, pyramid

# Name: width of the first stage, depths, printed figures.
_SIZES = {
    "repvit_m0_9": (48, (2, 2, 14, 2), "5.1M 0.8G"),
    "repvit_m1_0": (56, (2, 2, 14, 2), "6.8M 1.1G"),
    "repvit_m1_1": (64, (2, 2, 12, 2), "8.2M 1.3G"),
    "repvit_m1_5": (64, (4, 4, 24, 4), "14.0M 2.3G"),
    "repvit_m2_3": (80, (6, 6, 34, 2), "22.9M 4.5G"),
}

_NOTES = {
    "repvit_m0_9": rounded("0.816G"),
    "repvit_m1_1": rounded("1.337G"),
    "repvit_m1_5": rounded("2.274G"),
}

_PERCEPTRON = NormedMlp(activation="gelu", last_norm=True, folds=True)
_PLAIN = RepVitBlock(mixer=RepDepthwiseConv(), channel_mixer=_PERCEPTRON)
_SQUEEZED = RepVitBlock(mixer=RepDepthwiseConv(squeeze=True), channel_mixer=_PERCEPTRON)
_DOWN = SeparableDownsampling(activation="none", depthwise_first=True, folds=True)


def repvit(width: int, depths: Sequence[int]) -> Architecture:
    """Return a RepViT: blocks with and without squeeze-and-excitation in turn.

    Each downsampling has a block before it and a perceptron after it.
    """
    stages: list[list[Block]] = []
    for depth in depths:
        blocks: list[Block] = [(_SQUEEZED, _PLAIN)[number % 2] for number in range(depth)]
        if stages:
            blocks.insert(0, ChannelBlock(channel_mixer=_PERCEPTRON, norm=NoNorm()))
        if len(stages) < len(depths) - 1:
            blocks.append(_PLAIN)
        stages.append(blocks)
    return pyramid(
        doubling(width),
        list(map(len, stages)),
        stages,
        stem=ConvStackStem(halvings=2, activation="gelu"),
        downsampling=_DOWN,
        head=DistilledHead(norm=NoNorm(), own_norms=True, merges=True),
    )


def entries() -> Iterator[ZooEntry]:
    """Yield the published sizes."""
    source = "THU-MIG/RepViT, README.md"
    return entries_of("RepViT", repvit, _SIZES, source=source, notes=_NOTES)
