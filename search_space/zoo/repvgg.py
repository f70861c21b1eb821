"""RepVGG (Ding et al., 2021) and MobileOne (Vasu et al., 2022).

RepVGG: Making VGG-style ConvNets Great Again, arXiv:2101.03697, tables 2 and 3; MobileOne: An
Improved One Millisecond Mobile Backbone, arXiv:2206.04040, table 2, with squeeze-and-excitation as
in timm.
"""

from collections.abc import Iterator, Sequence

from ..architecture.architecture import Architecture
from ..architecture.stages import Stage
from ..components.base import TokenMixer
from ..components.blocks import NoBlock, ResidualBlock
from ..components.heads import PooledHead
from ..components.layers.conv_norm import divisible
from ..components.mixers.rep_conv import RepConv, RepConvDownsampling, RepConvStem
from ..components.norms import NoNorm
from ..components.residuals import NoResidual
from ..shapes import Shape
from .entry import TIMM, ZooEntry, entries_of, rounded

_WIDTHS = (64, 128, 256, 512)
_HEAD = PooledHead(norm=NoNorm())

_A, _B, _D = (2, 4, 14, 1), (4, 6, 16, 1), (8, 14, 24, 1)

# Name: depths, factors of the widths of the first stages and of the last, groups of every other
# block, whether there is squeeze-and-excitation, resolution, printed figures.
_REPVGG = {
    "repvgg_a0": (_A, 0.75, 2.5, 1, False, 224, "8.31M 1.36G"),
    "repvgg_a1": (_A, 1.0, 2.5, 1, False, 224, "12.79M 2.36G"),
    "repvgg_a2": (_A, 1.5, 2.75, 1, False, 224, "25.50M 5.12G"),
    "repvgg_b0": (_B, 1.0, 2.5, 1, False, 224, "14.34M 3.06G"),
    "repvgg_b1": (_B, 2.0, 4.0, 1, False, 224, "51.83M 11.82G"),
    "repvgg_b1g4": (_B, 2.0, 4.0, 4, False, 224, "36.13M 7.31G"),
    "repvgg_b2": (_B, 2.5, 5.0, 1, False, 224, "80.32M 18.38G"),
    "repvgg_b2g4": (_B, 2.5, 5.0, 4, False, 224, "55.78M 11.33G"),
    "repvgg_b3": (_B, 3.0, 5.0, 1, False, 224, "110.96M 26.21G"),
    "repvgg_b3g4": (_B, 3.0, 5.0, 4, False, 224, "75.63M 16.06G"),
    "repvgg_d2se": (_D, 2.5, 5.0, 1, True, 320, "120.39M 66.99G"),
}

# Name: factors of the widths, parallel convolutions, blocks with squeeze-and-excitation at the end
# of the stages, printed figures.
_MOBILEONE = {
    "mobileone_s0": ((0.75, 1.0, 1.0, 2.0), 4, (0, 0, 0, 0), "2.08M 0.28G"),
    "mobileone_s1": ((1.5, 1.5, 2.0, 2.5), 1, (0, 0, 0, 0), "4.76M 0.83G"),
    "mobileone_s2": ((1.5, 2.0, 2.5, 4.0), 1, (0, 0, 0, 0), "7.81M 1.30G"),
    "mobileone_s3": ((2.0, 2.5, 3.0, 4.0), 1, (0, 0, 0, 0), "10.08M 1.90G"),
    "mobileone_s4": ((3.0, 3.5, 3.5, 4.0), 1, (0, 0, 5, 1), "14.84M 2.98G"),
}

_NOTES = {"mobileone_s0": rounded("0.275G")}


def _block(mixer: TokenMixer) -> ResidualBlock:
    return ResidualBlock(mixer=mixer, residual=NoResidual())


def repvgg(
    depths: Sequence[int], wider: float, last: float, groups: int, squeeze: bool, resolution: int
) -> Architecture:
    """Return a RepVGG, whose every other block is in groups.

    Args:
        depths: Blocks of each stage.
        wider: Factor of the widths of all stages but the last.
        last: Factor of the width of the last stage.
        groups: Groups of every other block.
        squeeze: Whether the blocks have squeeze-and-excitation with a sixteenth of their channels.
        resolution: Side of the images in pixels.
    """
    factors = (wider, wider, wider, last)
    widths = [int(width * factor) for width, factor in zip(_WIDTHS, factors, strict=True)]
    stem = min(64, widths[0])
    plain, grouped = (
        _block(RepConv(groups=number, squeeze=squeeze, squeeze_ratio=1 / 16))
        for number in (1, groups)
    )
    stages = [Stage(width=stem, depth=1, blocks=(NoBlock(),))]
    for width, depth in zip(widths, depths, strict=True):
        inside = round(width / 16) / stages[-1].width
        down = RepConvDownsampling(squeeze=squeeze, squeeze_ratio=inside)
        blocks = (grouped, plain) if depth > 1 else (NoBlock(),)
        stages.append(Stage(width=width, depth=max(1, depth - 1), blocks=blocks, downsampling=down))
    return Architecture(
        input=Shape(3, resolution, resolution),
        classes=1000,
        stem=RepConvStem(squeeze=squeeze, squeeze_ratio=stem // 16 / 3),
        stages=tuple(stages),
        head=_HEAD,
    )


def mobileone(factors: Sequence[float], branches: int, squeezed: Sequence[int]) -> Architecture:
    """Return a MobileOne: depthwise convolutions and 1x1 ones in turn.

    Args:
        factors: Factors of the widths of the stages.
        branches: Parallel convolutions of each block but the stem.
        squeezed: Number of blocks at the end of each stage with squeeze-and-excitation.
    """
    width = min(64, int(64 * factors[0]))
    stages = [Stage(width=width, depth=1, blocks=(NoBlock(),))]
    for base, factor, depth, last in zip(_WIDTHS, factors, (2, 8, 10, 1), squeezed, strict=True):
        before, width = width, int(base * factor)
        start = last >= depth
        stages.append(
            Stage(
                width=before,
                depth=1,
                blocks=(NoBlock(),),
                downsampling=RepConvDownsampling(
                    depthwise=True,
                    branches=branches,
                    squeeze=start,
                    squeeze_ratio=_inside(before) / before,
                ),
            )
        )
        share = _inside(width)
        blocks = [
            _block(
                RepConv(
                    kernel_size=kernel,
                    depthwise=kernel > 1,
                    branches=branches,
                    squeeze=number >= depth - last,
                    squeeze_ratio=share / width,
                )
            )
            for number in range(1, depth)
            for kernel in (3, 1)
        ]
        widen = RepConvDownsampling(
            kernel_size=1,
            stride=1,
            branches=branches,
            squeeze=start,
            squeeze_ratio=share / before,
        )
        stages.append(
            Stage(
                width=width,
                depth=max(1, len(blocks)),
                blocks=tuple(blocks) or (NoBlock(),),
                downsampling=widen,
            )
        )
    return Architecture(
        input=Shape(3, 224, 224),
        classes=1000,
        stem=RepConvStem(),
        stages=tuple(stages),
        head=_HEAD,
    )


def _inside(width: int) -> int:
    """Return the channels inside squeeze-and-excitation: a sixteenth, a multiple of 8."""
    return divisible(width / 16, least=0)


def entries() -> Iterator[ZooEntry]:
    """Yield all networks of these families."""
    yield from entries_of("RepVGG", repvgg, _REPVGG, source=TIMM, notes=_NOTES)
    yield from entries_of("MobileOne", mobileone, _MOBILEONE, source=TIMM, notes=_NOTES)
