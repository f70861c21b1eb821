"""Well-known families as baselines for images of any size: ResNet, ConvNeXt, ViT.

Each is a base to be scaled to a cost. Small images get other stems: that of ResNets for CIFAR-10
(He et al., 2016, arXiv:1512.03385, section 4.2), and smaller patches for ConvNeXt (Liu et al.,
2022, arXiv:2201.03545) and ViT (Dosovitskiy et al., 2020, arXiv:2010.11929).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from .architecture.architecture import Architecture
from .components.blocks import ConvNeXtBlock, MetaFormerBlock, ResidualBlock
from .components.channel_mixers.mlp import Mlp
from .components.downsampling import ConvDownsampling
from .components.heads import PooledHead, TokenHead
from .components.mixers.attention import Attention
from .components.mixers.bottleneck import BasicConv
from .components.mixers.convolution import LargeKernelConv
from .components.norms import BatchNorm, LayerNorm, NoNorm
from .components.residual_downsampling import BasicDownsampling
from .components.residuals import LayerScaleResidual
from .components.stems import ConvStem, PatchStem, TokenStem
from .shapes import Shape
from .zoo.pyramid import doubling, pyramid

_SMALL = 64
"""Side of the largest images that count as small."""
_PATCHES = ((12, 1), (48, 2))
"""Patch of ConvNeXt's stem for sides below the first number; else 4."""


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """A family that serves as a baseline."""

    title: str
    """Its name for people."""
    make: Callable[[Shape, int], Architecture]
    """The function that makes the base for images and a number of outputs."""


def resnet(images: Shape, classes: int) -> Architecture:
    """Return ResNet-20 for small images, else ResNet-18; a downsampling counts as a block there."""
    small = max(images[1:]) <= _SMALL
    stem = ConvStem(
        kernel_size=3 if small else 7,
        stride=1 if small else 2,
        bias=False,
        norm=BatchNorm(),
        activation="relu",
        pool=not small,
    )
    widths, depths = ((16, 32, 64), (3, 2, 2)) if small else (doubling(64), (2, 1, 1, 1))
    network = pyramid(
        widths,
        depths,
        ResidualBlock(mixer=BasicConv()),
        stem=stem,
        downsampling=BasicDownsampling(),
        head=PooledHead(norm=NoNorm()),
        resolution=images.height,
        classes=classes,
    )
    return replace(network, input=images)


def convnext(images: Shape, classes: int) -> Architecture:
    """Return ConvNeXt-atto, for small images with smaller patches and three stages."""
    side = min(images[1:])
    patch = next((patch for below, patch in _PATCHES if side < below), 4)
    widths, depths = (40, 80, 160, 320), (2, 2, 6, 2)
    stages = 3 if side <= _SMALL else 4
    network = pyramid(
        widths[:stages],
        depths[:stages],
        ConvNeXtBlock(
            mixer=LargeKernelConv(kernel_size=7),
            channel_mixer=Mlp(),
            norm=LayerNorm(),
            residual=LayerScaleResidual(init=1e-6),
        ),
        stem=PatchStem(patch_size=patch, norm=LayerNorm()),
        downsampling=ConvDownsampling(kernel_size=2, norm=LayerNorm()),
        head=PooledHead(),
        resolution=images.height,
        classes=classes,
    )
    return replace(network, input=images)


def vit(images: Shape, classes: int) -> Architecture:
    """Return ViT-Ti/16, for small images with smaller patches, heads and depth."""
    side = min(images[1:])
    patch = next((p for below, p in ((16, 2), (48, 4), (_SMALL + 1, 8)) if side < below), 16)
    small = side <= _SMALL
    network = pyramid(
        [64 if small else 192],
        [6 if small else 12],
        MetaFormerBlock(
            mixer=Attention(head_dim=8 if small else 64, qkv_bias=True, proj_bias=True),
            channel_mixer=Mlp(ratio=4),
        ),
        stem=TokenStem(patch_size=patch),
        head=TokenHead(),
        resolution=images.height,
        classes=classes,
    )
    return replace(network, input=images)


BASELINES: Mapping[str, Baseline] = MappingProxyType(
    {
        "resnet": Baseline(title="ResNet", make=resnet),
        "convnext": Baseline(title="ConvNeXt", make=convnext),
        "vit": Baseline(title="ViT", make=vit),
    }
)
"""The baselines by name."""
