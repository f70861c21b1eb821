"""EfficientViT (Liu et al., 2023), SHViT (Yun and Ro, 2024), EfficientFormer (Li et al., 2022).

Memory Efficient Vision Transformer with Cascaded Group Attention, arXiv:2305.07027, tables 1 and 2;
Single-Head Vision Transformer with Memory Efficient Macro Design, arXiv:2401.16456, tables 1 and 2;
Vision Transformers at MobileNet Speed, arXiv:2206.01191, table 1. EfficientFormer's stem and
convolutions between stages start with a deviation of 0.02, and perceptrons with batch norms as
torch's; in its reference code it is the other way round.
"""

from collections.abc import Iterator, Sequence

from ..architecture.architecture import Architecture
from ..components.base import TokenMixer
from ..components.blocks import MetaFormerBlock, ResidualBlock
from ..components.channel_mixers.mlp import Mlp
from ..components.channel_mixers.normed import NormedMlp
from ..components.downsampling import ConvDownsampling
from ..components.heads import DistilledHead, PooledHead
from ..components.mixers.cascaded import CascadedAttention, SingleHeadAttention
from ..components.mixers.convolution import LargeKernelConv
from ..components.mixers.levit import LevitAttention
from ..components.mixers.mb_conv import MbConvDownsampling
from ..components.mixers.trivial import Pooling
from ..components.norms import BatchNorm, LayerNorm, NoNorm
from ..components.residuals import LayerScaleResidual, PlainResidual
from ..components.stems import ConvStackStem, TwoConvStem
from ..components.wired import Block
from .entry import ZooEntry, entries_of, rounded
from .pyramid import pyramid

# Name: widths, depths, heads, kernels on the queries, printed figures.
_MSRA = {
    "efficientvit_m0": ((64, 128, 192), (1, 2, 3), (4, 4, 4), "equal", "2.3M 79M"),
    "efficientvit_m1": ((128, 144, 192), (1, 2, 3), (2, 3, 3), "falling", "3.0M 167M"),
    "efficientvit_m2": ((128, 192, 224), (1, 2, 3), (4, 3, 2), "falling", "4.2M 201M"),
    "efficientvit_m3": ((128, 240, 320), (1, 2, 3), (4, 3, 4), "equal", "6.9M 263M"),
    "efficientvit_m4": ((128, 256, 384), (1, 2, 3), (4, 4, 4), "falling", "8.8M 299M"),
    "efficientvit_m5": ((192, 288, 384), (1, 3, 4), (3, 3, 4), "falling", "12.4M 522M"),
}

# Name: widths, depths, channels that attend in the last two stages, printed figures.
_SHVIT = {
    "shvit_s1": ((128, 224, 320), (2, 4, 5), (48, 68), 224, "6.3M 241M"),
    "shvit_s2": ((128, 308, 448), (2, 4, 5), (66, 96), 224, "11.4M 366M"),
    "shvit_s3": ((192, 352, 448), (3, 5, 5), (75, 96), 224, "14.2M 601M"),
    "shvit_s4": ((224, 336, 448), (4, 7, 6), (72, 96), 256, "16.5M 986M"),
}

# Name: widths, depths, blocks with attention, printed figures.
_FORMER = {
    "efficientformer_l1": ((48, 96, 224, 448), (3, 2, 6, 4), 1, "12.3M 1.3G"),
    "efficientformer_l3": ((64, 128, 320, 512), (4, 4, 12, 6), 4, "31.3M 3.9G"),
    "efficientformer_l7": ((96, 192, 384, 768), (6, 6, 18, 8), 8, "82.1M 10.2G"),
}

_NOTES = {
    "shvit_s2": rounded("365.4M"),
    "shvit_s4": "16.55M parameters, printed truncated",
    "efficientformer_l7": rounded("10.119G"),
}

_LOCAL = LargeKernelConv(kernel_size=3, normed=True)
_PERCEPTRON = NormedMlp(last_norm=True, folds=True)
_PAIR = MetaFormerBlock(mixer=_LOCAL, channel_mixer=_PERCEPTRON, norm=NoNorm())
"""A depthwise convolution and a perceptron, each with a residual."""


def sixteenths(
    widths: Sequence[int], stages: Sequence[Sequence[Block]], resolution: int = 224
) -> Architecture:
    """Return a network of three stages behind a stem of four halvings, with a pair of blocks on
    both sides of each downsampling.
    """
    last = len(widths) - 1
    full = [
        [*[_PAIR] * (number > 0), *blocks, *[_PAIR] * (number < last)]
        for number, blocks in enumerate(stages)
    ]
    return pyramid(
        widths,
        list(map(len, full)),
        full,
        stem=ConvStackStem(halvings=4),
        downsampling=MbConvDownsampling(ratio=4, activation="relu", squeeze_ratio=1.0),
        head=PooledHead(norm=BatchNorm()),
        resolution=resolution,
    )


def efficientvit(
    widths: Sequence[int], depths: Sequence[int], heads: Sequence[int], kernels: str
) -> Architecture:
    """Return Microsoft's EfficientViT: a cascade of heads between two pairs in each block."""
    stages = [
        [
            _PAIR,
            ResidualBlock(
                mixer=CascadedAttention(heads=number, window=window, kernels=kernels),
                residual=PlainResidual(),
            ),
            _PAIR,
        ]
        * depth
        for depth, number, window in zip(depths, heads, (7, 7, 4), strict=True)
    ]
    return sixteenths(widths, stages)


def shvit(
    widths: Sequence[int], depths: Sequence[int], inner: Sequence[int], resolution: int
) -> Architecture:
    """Return a SHViT: attention with one head on some channels in the last two stages."""
    stages: list[list[Block]] = [[_PAIR] * depths[0]]
    for width, depth, channels in zip(widths[1:], depths[1:], inner, strict=True):
        mixer = SingleHeadAttention(ratio=channels / width)
        stages.append(
            [
                _convolved(_LOCAL),
                MetaFormerBlock(mixer=mixer, channel_mixer=_PERCEPTRON, norm=NoNorm()),
            ]
            * depth
        )
    return sixteenths(widths, stages, resolution)


def _convolved(mixer: TokenMixer) -> Block:
    return ResidualBlock(mixer=mixer, residual=PlainResidual())


def efficientformer(widths: Sequence[int], depths: Sequence[int], attentive: int) -> Architecture:
    """Return an EfficientFormer; the last ``attentive`` blocks have attention, others pooling."""
    residual = LayerScaleResidual(init=1e-5)
    pooling = MetaFormerBlock(
        mixer=Pooling(),
        channel_mixer=NormedMlp(
            ratio=4, activation="gelu", last_norm=True, folds=True, bias=True, zero_start=False
        ),
        norm=NoNorm(),
        residual=residual,
    )
    attention = MetaFormerBlock(
        mixer=LevitAttention(heads=8, key_dim=32, value_expansion=4, normed=False),
        channel_mixer=Mlp(ratio=4),
        norm=LayerNorm(eps=1e-5),
        residual=residual,
    )
    stages = [[pooling] * depth for depth in depths]
    stages[-1][-attentive:] = [attention] * attentive
    return pyramid(
        widths,
        depths,
        stages,
        stem=TwoConvStem(hidden=widths[0] // 2, bias=True),
        downsampling=ConvDownsampling(kernel_size=3, norm=NoNorm(), norm_after=BatchNorm()),
        head=DistilledHead(norm=LayerNorm(eps=1e-5), norm_first=True),
    )


def entries() -> Iterator[ZooEntry]:
    """Yield all networks of these families."""
    source = "arXiv:2305.07027, table 2"
    yield from entries_of("EfficientViT", efficientvit, _MSRA, source=source)
    source = "arXiv:2401.16456, table 2"
    yield from entries_of("SHViT", shvit, _SHVIT, source=source, notes=_NOTES)
    source = "arXiv:2206.01191, table 1"
    yield from entries_of("EfficientFormer", efficientformer, _FORMER, source=source, notes=_NOTES)
