"""EfficientFormerV2 (Li et al., Rethinking Vision Transformers for MobileNet Size and Speed, 2022).

arXiv:2212.08059, and its reference code, snap-research/EfficientFormer. Convolutions between
stages start with a deviation of 0.02 and biases of zero, there as torch's; linear maps of
perceptrons as torch's, there with 0.02.
"""

from collections.abc import Iterator, Sequence

from ..architecture.architecture import Architecture
from ..components.blocks import ChannelBlock, MetaFormerBlock
from ..components.channel_mixers.normed import NormedMlp
from ..components.downsampling import ConvDownsampling
from ..components.heads import DistilledHead
from ..components.mixers.stride_attention import StrideAttention, StrideAttentionDownsampling
from ..components.norms import BatchNorm, NoNorm
from ..components.residuals import LayerScaleResidual
from ..components.stems import TwoConvStem
from ..components.wired import Block
from .entry import ZooEntry, entries_of
from .pyramid import pyramid

# Name: widths, depths, ratios of the last two stages' perceptrons, blocks with attention, figures.
_SIZES = {
    "efficientformerv2_s0": ((32, 48, 96, 176), (2, 2, 6, 4), "433344", "4334", 2, "3.5M 0.40G"),
    "efficientformerv2_s1": (
        *((32, 48, 120, 224), (3, 3, 9, 6)),
        *("443333444", "443344", 2, "6.1M 0.65G"),
    ),
    "efficientformerv2_s2": (
        *((32, 64, 144, 288), (4, 4, 12, 8)),
        *("443333334444", "44333344", 4, "12.6M 1.25G"),
    ),
    "efficientformerv2_l": (
        *((40, 80, 192, 384), (5, 5, 15, 10)),
        *("444433333334444", "4443333444", 6, "26.1M 2.56G"),
    ),
}

_NOTES = {
    "efficientformerv2_s0": "3.55M parameters, printed truncated, and 0.396G",
    "efficientformerv2_l": "2.553G",
}

_RESIDUAL = LayerScaleResidual(init=1e-5)


def efficientformer_v2(
    widths: Sequence[int], depths: Sequence[int], third: str, fourth: str, attentive: int
) -> Architecture:
    """Return an EfficientFormerV2.

    Args:
        widths: Channels of each stage.
        depths: Blocks of each stage.
        third: Ratios of hidden channels in the blocks of the third stage.
        fourth: Ratios of hidden channels in the blocks of the fourth stage.
        attentive: Blocks at the end of the last two stages that have attention.
    """
    stages: list[Sequence[Block]] = []
    for number, ratios in enumerate(("4" * depths[0], "4" * depths[1], third, fourth)):
        mixer = StrideAttention(strided=number == 2)
        blocks: list[Block] = []
        for left, ratio in zip(reversed(range(len(ratios))), ratios, strict=True):
            perceptron = NormedMlp(
                ratio=int(ratio),
                activation="gelu",
                last_norm=True,
                folds=True,
                bias=True,
                kernel_size=3,
                zero_start=False,
            )
            if number > 1 and left < attentive:
                block = MetaFormerBlock(
                    mixer=mixer, channel_mixer=perceptron, norm=NoNorm(), residual=_RESIDUAL
                )
            else:
                block = ChannelBlock(channel_mixer=perceptron, norm=NoNorm(), residual=_RESIDUAL)
            blocks.append(block)
        stages.append(blocks)
    conv = ConvDownsampling(kernel_size=3, norm=NoNorm(), norm_after=BatchNorm())
    return pyramid(
        widths,
        depths,
        stages,
        stem=TwoConvStem(hidden=widths[0] // 2, activation="gelu", bias=True, start="torch"),
        downsampling=[conv, conv, StrideAttentionDownsampling()],
        head=DistilledHead(norm=BatchNorm(), norm_first=True),
    )


def entries() -> Iterator[ZooEntry]:
    """Yield the published sizes."""
    source = "arXiv:2212.08059, results on ImageNet-1K"
    yield from entries_of(
        "EfficientFormerV2", efficientformer_v2, _SIZES, source=source, notes=_NOTES
    )
