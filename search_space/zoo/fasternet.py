"""FasterNet (Chen et al., 2023) and PATNet (Huang et al., 2025).

Run, Don't Walk: Chasing Higher FLOPS for Faster Neural Networks, arXiv:2303.03667, table 1, and
Partial Convolution Meets Visual Attention, arXiv:2503.03148.
"""

from collections.abc import Iterator, Sequence
from functools import partial

from ..architecture.architecture import Architecture
from ..components.blocks import ConvNeXtBlock, MetaFormerBlock
from ..components.channel_mixers.normed import NormedMlp, PartialAttentionMlp
from ..components.downsampling import ConvDownsampling
from ..components.heads import WideHead
from ..components.mixers.partial import PartialChannelAttention, PartialConv, PartialSelfAttention
from ..components.norms import BatchNorm, NoNorm
from ..components.stems import PatchStem
from ..components.wired import Block
from .entry import ZooEntry, entries_of, rounded
from .pyramid import doubling, pyramid

# Name: width of the first stage, depths, activation, printed figures.
_FASTERNET = {
    "fasternet_t0": (40, (1, 2, 8, 2), "gelu", "3.9M 0.34G"),
    "fasternet_t1": (64, (1, 2, 8, 2), "gelu", "7.6M 0.85G"),
    "fasternet_t2": (96, (1, 2, 8, 2), "relu", "15.0M 1.90G"),
    "fasternet_s": (128, (1, 2, 13, 2), "relu", "31.1M 4.55G"),
    "fasternet_m": (144, (3, 4, 18, 3), "relu", "53.5M 8.72G"),
    "fasternet_l": (192, (3, 4, 18, 3), "relu", "93.4M 15.49G"),
}

# Name: width of the first stage, depths, activation.
_PARTIALNET = {
    "PartialNet_t0": (32, (1, 2, 8, 2), "gelu"),
    "PartialNet_t1": (48, (1, 2, 8, 2), "gelu"),
    "PartialNet_t2": (64, (2, 2, 6, 4), "relu"),
    "PartialNet_s": (96, (2, 2, 9, 4), "relu"),
    "PartialNet_m": (128, (2, 3, 16, 4), "relu"),
    "PartialNet_l": (160, (2, 3, 20, 4), "relu"),
}

_NO_FIGURES = "the repository prints no figures"
_NO_SPATIAL = "; its settings leave out spatial attention, here it is in, as in the paper"

_NOTES = {
    "fasternet_t0": rounded("0.335G"),
    "fasternet_s": "31.18M, truncated in print",
    "fasternet_l": "93.47M, truncated in print",
}


def partial_network(
    width: int, depths: Sequence[int], blocks: Block | Sequence[Block], act: str
) -> Architecture:
    """Return four stages that double in width behind patches of 4 x 4."""
    return pyramid(
        doubling(width),
        depths,
        blocks,
        stem=PatchStem(patch_size=4, bias=False, norm=BatchNorm()),
        downsampling=ConvDownsampling(
            kernel_size=2, bias=False, norm=NoNorm(), norm_after=BatchNorm()
        ),
        head=WideHead(features=1280, activation=act, norm=NoNorm(), pool_first=True),
    )


def fasternet(width: int, depths: Sequence[int], act: str) -> Architecture:
    """Return a FasterNet."""
    block = ConvNeXtBlock(
        mixer=PartialConv(), norm=NoNorm(), channel_mixer=NormedMlp(activation=act)
    )
    return partial_network(width, depths, block, act)


def patnet(width: int, depths: Sequence[int], act: str) -> Architecture:
    """Return a PATNet: channel attention in three stages, self-attention in the last."""
    channel_mixer = PartialAttentionMlp(activation=act)
    early = ConvNeXtBlock(
        mixer=PartialChannelAttention(), norm=NoNorm(), channel_mixer=channel_mixer
    )
    last = MetaFormerBlock(mixer=PartialSelfAttention(), norm=NoNorm(), channel_mixer=channel_mixer)
    return partial_network(width, depths, [early, early, early, last], act)


def entries() -> Iterator[ZooEntry]:
    """Yield all networks of these families."""
    yield from entries_of(
        "FasterNet", fasternet, _FASTERNET, source="JierunChen/FasterNet, README.MD", notes=_NOTES
    )
    for name, (width, depths, act) in _PARTIALNET.items():
        yield ZooEntry(
            name=name,
            aliases=(f"PATNet-{name.partition('_')[2].upper()}",),
            family="PATNet",
            source=f"haiduo/PartialNet, cfg/{name}.yaml",
            make=partial(patnet, width, depths, act),
            note=_NO_FIGURES + ("" if name == "PartialNet_t1" else _NO_SPATIAL),
        )
