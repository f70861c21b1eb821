"""AFFNet (Huang et al., Adaptive Frequency Filters, 2023, arXiv:2307.14008)."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from ..architecture.architecture import Architecture
from ..components.blocks import ChannelBlock, FusionBlock, NoBlock
from ..components.channel_mixers.inverted import InvertedResidual
from ..components.heads import WideHead
from ..components.layers.inverted_bottleneck import InvertedResidualDownsampling
from ..components.mixers.frequency import AdaptiveFrequencyFilter
from ..components.norms import BatchNorm, GroupNorm, NoNorm
from ..components.stems import ConvStem
from .entry import ZooEntry, entries_of, rounded
from .pyramid import pyramid

_DEPTHS = (2, 4, 3)

# Name: ratio of the inverted residuals between stages, widths, printed figures.
_SIZES = {
    "AFFNet-ET": (2, (48, 64, 104, 144), "1.4M 0.4G"),
    "AFFNet-T": (4, (48, 96, 160, 192), "2.6M 0.8G"),
    "AFFNet": (4, (64, 128, 256, 320), "5.5M 1.5G"),
}

_ACT = "silu"
_GUESS = (
    "the repository does not say which activation: SiLU, as in MobileViT, on whose code it stands"
)
_NOTES = {
    "AFFNet-ET": f"{rounded('0.362G')}; {_GUESS}",
    "AFFNet-T": f"2.654M, truncated in print; {_GUESS}",
    "AFFNet": f"5.569M, truncated in print; {_GUESS}",
}


def affnet(ratio: int, widths: Sequence[int]) -> Architecture:
    """Return an AFFNet: one stage of inverted residuals, three of adaptive frequency filters."""
    inverted = ChannelBlock(
        channel_mixer=InvertedResidual(ratio=ratio, activation=_ACT), norm=NoNorm()
    )
    fused = [
        FusionBlock(
            mixer=AdaptiveFrequencyFilter(activation=_ACT),
            channel_mixer=InvertedResidual(ratio=2, activation=_ACT, shortcut=True),
            norm=GroupNorm(eps=1e-5),
            channels_first=True,
            depth=depth,
            activation=_ACT,
        )
        for depth in _DEPTHS
    ]
    before = InvertedResidualDownsampling(ratio=ratio, activation=_ACT)
    return pyramid(
        (16, 32, *widths),
        (1, 1, 2, 1, 1, 1),
        (NoBlock(), NoBlock(), inverted, *fused),
        stem=ConvStem(kernel_size=3, stride=2, bias=False, norm=BatchNorm(), activation=_ACT),
        downsampling=(replace(before, stride=1), *[before] * 4),
        head=WideHead(features=min(4 * widths[-1], 960), activation=_ACT),
        resolution=256,
    )


def entries() -> Iterator[ZooEntry]:
    """Yield all networks of this family."""
    source = "microsoft/TokenMixers, Adaptive Frequency Filters/README.md"
    return entries_of("AFFNet", affnet, _SIZES, source=source, notes=_NOTES)
