"""ResNet (He et al., 2016), ResNeXt (Xie et al., 2017), MobileNetV2 (Sandler et al., 2018).

Deep Residual Learning for Image Recognition, arXiv:1512.03385, table 1, with the strides where
torchvision has them; Aggregated Residual Transformations, arXiv:1611.05431; Inverted Residuals
and Linear Bottlenecks, arXiv:1801.04381, table 2; and ResNet-50 with maxima (Han et al., Learning
Features with Parameter-Free Layers, 2022, arXiv:2202.02777, table 3).
"""

from collections.abc import Iterator, Sequence
from functools import partial

from ..architecture.architecture import Architecture
from ..components.base import Downsampling, TokenMixer
from ..components.blocks import ChannelBlock, NoBlock, ResidualBlock
from ..components.channel_mixers.inverted import InvertedResidual
from ..components.heads import PooledHead, WideHead
from ..components.layers.conv_norm import divisible
from ..components.layers.inverted_bottleneck import InvertedResidualDownsampling
from ..components.mixers.bottleneck import BasicConv, BottleneckConv
from ..components.norms import BatchNorm, NoNorm
from ..components.residual_downsampling import BasicDownsampling, BottleneckDownsampling
from ..components.stems import ConvStem
from ..components.wired import Block
from .entry import ZooEntry, entries_of, rounded
from .pyramid import doubling, pyramid

_STEM = ConvStem(
    kernel_size=7, stride=2, bias=False, norm=BatchNorm(), activation="relu", pool=True
)
_HEAD = PooledHead(norm=NoNorm())

_SHALLOW, _MIDDLE = (2, 2, 2, 2), (3, 4, 6, 3)

# Name: depths, printed figures.
_BASIC = {
    "resnet18": (_SHALLOW, "11.689512M 1.814G"),
    "resnet34": (_MIDDLE, "21.797672M 3.664G"),
}
_RESNET = "pytorch/vision, torchvision/models/resnet.py"

# Name: depths, inner channels of the first stage, groups, operation of the blocks, that of those
# with a stride, printed figures, where.
_PFLAYER = "naver-ai/PfLayer, README.md"
_BOTTLENECK = {
    "resnet50": (_MIDDLE, 64, 1, "conv", "conv", "25.557032M 4.089G", _RESNET),
    "resnet101": ((3, 4, 23, 3), 64, 1, "conv", "conv", "44.549160M 7.801G", _RESNET),
    "resnet152": ((3, 8, 36, 3), 64, 1, "conv", "conv", "60.192808M 11.514G", _RESNET),
    "resnext50_32x4d": (_MIDDLE, 128, 32, "conv", "conv", "25.028904M 4.23G", _RESNET),
    "resnext101_32x8d": ((3, 4, 23, 3), 256, 32, "conv", "conv", "88.791336M 16.414G", _RESNET),
    "resnext101_64x4d": ((3, 4, 23, 3), 256, 64, "conv", "conv", "83.455272M 15.46G", _RESNET),
    "wide_resnet50_2": (_MIDDLE, 128, 1, "conv", "conv", "68.883240M 11.398G", _RESNET),
    "wide_resnet101_2": ((3, 4, 23, 3), 128, 1, "conv", "conv", "126.886696M 22.753G", _RESNET),
    "resnet50_max": (_MIDDLE, 64, 1, "max", "max", "14.2M 2.2G", _PFLAYER),
    "resnet50_hybrid": (_MIDDLE, 64, 1, "max", "mean_conv", "17.3M 2.6G", _PFLAYER),
}

# Name: multiplier of the widths, printed figures, where.
_MOBILENET = {
    "mobilenet_v2": (
        1.0,
        "3.504872M 0.301G",
        "pytorch/vision, torchvision/models/mobilenetv2.py",
    ),
    "mobilenetv2_050": (
        0.5,
        "1.97M 0.1G",
        "huggingface/pytorch-image-models, "
        "results/benchmark-infer-amp-nchw-pt113-cu117-rtx3090.csv",
    ),
}


def resnet(
    width: int,
    first: Downsampling | None,
    later: Sequence[Downsampling],
    mixers: Sequence[TokenMixer],
    depths: Sequence[int],
) -> Architecture:
    """Return a ResNet of four stages, each twice as wide as the one before.

    Args:
        width: Channels of the first stage.
        first: Downsampling from the stem's 64 channels to ``width``; None if they are equal.
        later: Downsampling from each stage to the next.
        mixers: Token mixer of each stage's blocks.
        depths: Blocks of each stage, a downsampling before them counted as the first.
    """
    before = (first, *later)
    widths = doubling(width)
    depths = [depth - 1 if each else depth for depth, each in zip(depths, before, strict=True)]
    blocks: list[Block] = [ResidualBlock(mixer=mixer) for mixer in mixers]
    if first is not None:
        widths, depths, blocks = (64, *widths), [1, *depths], [NoBlock(), *blocks]
    downsampling = [each for each in before if each]
    return pyramid(widths, depths, blocks, stem=_STEM, downsampling=downsampling, head=_HEAD)


def basic_resnet(depths: Sequence[int]) -> Architecture:
    """Return a ResNet of basic blocks."""
    return resnet(64, None, [BasicDownsampling()] * 3, [BasicConv()] * 4, depths)


def bottleneck_resnet(
    depths: Sequence[int], inner: int, groups: int, operation: str, strided: str
) -> Architecture:
    """Return a ResNet of bottlenecks with ``inner`` channels in the first stage."""
    share = inner / 256
    first, later = (
        BottleneckDownsampling(stride=stride, expansion=expansion, groups=groups, operation=each)
        for stride, expansion, each in ((1, 4 * share, operation), (2, 2 * share, strided))
    )
    mixer = BottleneckConv(expansion=share, groups=groups, operation=operation)
    return resnet(256, first, [later] * 3, [mixer] * 4, depths)


def mobilenet_v2(multiplier: float) -> Architecture:
    """Return a MobileNetV2 with its widths times ``multiplier``."""
    block = ChannelBlock(channel_mixer=InvertedResidual(ratio=6), norm=NoNorm())
    depths = (1, 1, 2, 3, 4, 3, 3, 1)  # a downsampling counts as the first block of its stage
    return pyramid(
        [divisible(width * multiplier) for width in (32, 16, 24, 32, 64, 96, 160, 320)],
        [max(1, depth - 1) for depth in depths],
        [block if depth > 1 else NoBlock() for depth in depths],
        stem=ConvStem(kernel_size=3, stride=2, bias=False, norm=BatchNorm(), activation="relu6"),
        downsampling=[
            InvertedResidualDownsampling(ratio=ratio, stride=stride)
            for ratio, stride in ((1, 1), (6, 2), (6, 2), (6, 2), (6, 1), (6, 2), (6, 1))
        ],
        head=WideHead(features=divisible(1280 * max(1.0, multiplier)), activation="relu6"),
    )


def entries() -> Iterator[ZooEntry]:
    """Yield all networks of these families."""
    yield from entries_of("ResNet", basic_resnet, _BASIC, source=_RESNET)
    for name, (depths, inner, groups, operation, strided, printed, source) in _BOTTLENECK.items():
        yield ZooEntry(
            name=name,
            family="ResNeXt" if groups > 1 else "ResNet",
            printed=printed,
            source=source,
            note=rounded("2.240G") if name == "resnet50_max" else "",
            make=partial(bottleneck_resnet, depths, inner, groups, operation, strided),
        )
    notes = {"mobilenetv2_050": rounded("0.097G")}
    yield from entries_of("MobileNetV2", mobilenet_v2, _MOBILENET, notes=notes)
