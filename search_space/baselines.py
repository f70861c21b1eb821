"""Well-known families as baselines for images of any size: ResNet, ConvNeXt, ViT.

Each is a base to be scaled to a cost. Small images get other stems: that of ResNets for CIFAR-10
(He et al., 2016, arXiv:1512.03385, section 4.2), and smaller patches for ConvNeXt (Liu et al.,
2022, arXiv:2201.03545) and ViT (Dosovitskiy et al., 2020, arXiv:2010.11929).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from .architecture.architecture import Architecture
from .architecture.stages import Stage
from .components.base import Downsampling, Head, Stem
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
from .components.wired import Block
from .shapes import Shape

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


def _network(
    images: Shape,
    classes: int,
    stem: Stem,
    sizes: tuple[tuple[int, int], ...],
    block: Block,
    downsampling: Downsampling,
    head: Head,
) -> Architecture:
    """Return a network of stages; ``sizes`` are their widths and depths."""
    return Architecture(
        input=images,
        classes=classes,
        stem=stem,
        stages=tuple(
            Stage(
                width=width,
                depth=depth,
                blocks=(block,),
                downsampling=downsampling if place else None,
            )
            for place, (width, depth) in enumerate(sizes)
        ),
        head=head,
    )


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
    cifar = ((16, 3), (32, 2), (64, 2))
    sizes = cifar if small else ((64, 2), (128, 1), (256, 1), (512, 1))
    block = ResidualBlock(mixer=BasicConv())
    return _network(
        images, classes, stem, sizes, block, BasicDownsampling(), PooledHead(norm=NoNorm())
    )


def convnext(images: Shape, classes: int) -> Architecture:
    """Return ConvNeXt-atto, for small images with smaller patches and three stages."""
    side = min(images[1:])
    patch = next((patch for below, patch in _PATCHES if side < below), 4)
    sizes = ((40, 2), (80, 2), (160, 6), (320, 2))
    return _network(
        images,
        classes,
        PatchStem(patch_size=patch, norm=LayerNorm()),
        sizes[:3] if side <= _SMALL else sizes,
        ConvNeXtBlock(
            mixer=LargeKernelConv(kernel_size=7),
            channel_mixer=Mlp(),
            norm=LayerNorm(),
            residual=LayerScaleResidual(init=1e-6),
        ),
        ConvDownsampling(kernel_size=2, norm=LayerNorm()),
        PooledHead(),
    )


def vit(images: Shape, classes: int) -> Architecture:
    """Return ViT-Ti/16, for small images with smaller patches, heads and depth."""
    side = min(images[1:])
    patch = next((p for below, p in ((16, 2), (48, 4), (_SMALL + 1, 8)) if side < below), 16)
    small = side <= _SMALL
    return _network(
        images,
        classes,
        TokenStem(patch_size=patch),
        ((64, 6) if small else (192, 12),),
        MetaFormerBlock(
            mixer=Attention(head_dim=8 if small else 64, qkv_bias=True, proj_bias=True),
            channel_mixer=Mlp(ratio=4),
        ),
        ConvDownsampling(),
        TokenHead(),
    )


BASELINES: Mapping[str, Baseline] = MappingProxyType(
    {
        "resnet": Baseline(title="ResNet", make=resnet),
        "convnext": Baseline(title="ConvNeXt", make=convnext),
        "vit": Baseline(title="ViT", make=vit),
    }
)
"""The baselines by name."""
