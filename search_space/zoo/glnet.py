"""GLNet (Zhu et al., Revisiting the Integration of Convolution and Attention, 2024).

arXiv:2411.14429. The perceptrons' depthwise convolution with a shortcut is a convolution of its
own here, whose kernel holds the shortcut; slots start as means of the mixer's input, in the
reference code as those of the block's.
"""

from collections.abc import Iterator

from ..architecture.architecture import Architecture
from ..components.blocks import MetaFormerBlock, ResidualBlock
from ..components.channel_mixers.mlp import ConvMlp, Mlp
from ..components.downsampling import ConvDownsampling
from ..components.heads import PooledHead
from ..components.mixers.attention import Attention
from ..components.mixers.convolution import LargeKernelConv
from ..components.mixers.slots import SlotAttention
from ..components.norms import BatchNorm, NoNorm
from ..components.residuals import LayerScaleResidual, PlainResidual
from ..components.stems import PatchStem, TwoConvStem
from .entry import ZooEntry, entries_of, with_norms
from .pyramid import doubling, pyramid

# Name: width of the first stage, whether residuals have a layer scale, printed figures.
_SIZES = {
    "glnet_4g": (64, False, "27M 4.5G"),
    "glnet_9g": (96, False, "60M 9.7G"),
    "glnet_16g": (128, True, "106M 16.7G"),
}
_PLAIN = {"glnet_stl": ("30M 4.4G",)}

_NOTES = {
    "glnet_9g": "9.588G; the source does not say what it counts",
    "glnet_16g": with_norms("16.65G"),
    "glnet_stl": with_norms("4.36G"),
}

_ATTENTION = Attention(qkv_bias=True, proj_bias=True)
_HEAD = PooledHead(norm=BatchNorm(), norm_first=True)


def glnet(width: int, scaled: bool) -> Architecture:
    """Return a GLNet with overlapping patches.

    Args:
        width: Channels of the first stage; each stage has twice as many as the one before.
        scaled: Whether residuals have a layer scale.
    """
    residual = LayerScaleResidual(init=1e-4) if scaled else PlainResidual()
    place = ResidualBlock(mixer=LargeKernelConv(kernel_size=3), residual=PlainResidual())
    perceptron = ConvMlp(ratio=3)
    slots, attention = (
        [place, MetaFormerBlock(mixer=mixer, channel_mixer=perceptron, residual=residual)]
        for mixer in (SlotAttention(), _ATTENTION)
    )
    stages = [slots * 4, slots * 4, [*slots, *attention] * 9, attention * 4]
    return pyramid(
        doubling(width),
        list(map(len, stages)),
        stages,
        stem=TwoConvStem(hidden=width // 2, activation="gelu", last_activation=False, bias=True),
        downsampling=ConvDownsampling(kernel_size=3, norm=NoNorm(), norm_after=BatchNorm()),
        head=_HEAD,
    )


def glnet_stl() -> Architecture:
    """Return the GLNet with the widths and depths of Swin-T."""
    slots, attention = (
        MetaFormerBlock(mixer=mixer, channel_mixer=Mlp(ratio=4))
        for mixer in (SlotAttention(), _ATTENTION)
    )
    return pyramid(
        doubling(96),
        (2, 2, 6, 2),
        [slots, slots, slots, attention],
        stem=PatchStem(patch_size=4, norm=BatchNorm()),
        downsampling=ConvDownsampling(kernel_size=2, norm=BatchNorm()),
        head=_HEAD,
    )


def entries() -> Iterator[ZooEntry]:
    """Yield the published sizes."""
    source = "rayleizhu/GLMix, README.md"
    yield from entries_of("GLNet", glnet, _SIZES, source=source, notes=_NOTES)
    yield from entries_of("GLNet", glnet_stl, _PLAIN, source=source, notes=_NOTES)
