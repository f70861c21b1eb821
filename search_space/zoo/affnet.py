"""AFFNet (Huang et al., Adaptive Frequency Filters, 2023, arXiv:2307.14008)."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

from ..architecture.architecture import Architecture
from ..architecture.stages import Stage
from ..components.blocks import ChannelBlock, FusionBlock, NoBlock
from ..components.channel_mixers.inverted import InvertedResidual
from ..components.heads import WideHead
from ..components.layers.inverted_bottleneck import InvertedResidualDownsampling
from ..components.mixers.frequency import AdaptiveFrequencyFilter
from ..components.norms import BatchNorm, GroupNorm, NoNorm
from ..components.stems import ConvStem
from ..shapes import Shape
from .entry import ZooEntry, rounded

_DEPTHS = (2, 4, 3)

# Name: ratio of the inverted residuals between stages, widths, printed figures.
_SIZES = {
    "AFFNet-ET": (2, (48, 64, 104, 144), "1.4M 0.4G"),
    "AFFNet-T": (4, (48, 96, 160, 192), "2.6M 0.8G"),
    "AFFNet": (4, (64, 128, 256, 320), "5.5M 1.5G"),
}

_NOTES = {
    "AFFNet-ET": rounded("0.362G"),
    "AFFNet-T": "2.654M, printed cut off",
    "AFFNet": "5.569M, printed cut off",
}

_ACT = "silu"
_GUESS = (
    "the repository does not say which activation: SiLU, as in MobileViT, on whose code it stands"
)


def affnet(ratio: int, widths: Sequence[int], *, resolution: int = 256) -> Architecture:
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
    return Architecture(
        input=Shape(3, resolution, resolution),
        classes=1000,
        stem=ConvStem(kernel_size=3, stride=2, bias=False, norm=BatchNorm(), activation=_ACT),
        stages=(
            Stage(width=16, depth=1, blocks=(NoBlock(),)),
            Stage(width=32, depth=1, blocks=(NoBlock(),), downsampling=replace(before, stride=1)),
            Stage(width=widths[0], depth=2, blocks=(inverted,), downsampling=before),
            *(
                Stage(width=width, depth=1, blocks=(block,), downsampling=before)
                for width, block in zip(widths[1:], fused, strict=True)
            ),
        ),
        head=WideHead(features=min(4 * widths[-1], 960), activation=_ACT),
    )


def entries() -> Iterator[ZooEntry]:
    """Yield all networks of this family."""
    for name, (ratio, widths, printed) in _SIZES.items():
        yield ZooEntry(
            name=name,
            family="AFFNet",
            resolution=256,
            printed=printed,
            source="microsoft/TokenMixers, Adaptive Frequency Filters/README.md",
            make=partial(affnet, ratio, widths),
            note=f"{_NOTES[name]}; {_GUESS}",
        )
