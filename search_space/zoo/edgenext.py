"""EdgeNeXt (Maaz et al., 2022, arXiv:2206.10589, table 1)."""

from collections.abc import Iterator, Sequence

from ..architecture.architecture import Architecture
from ..components.blocks import ConvNeXtBlock
from ..components.channel_mixers.mlp import Mlp
from ..components.downsampling import ConvDownsampling
from ..components.heads import PooledHead
from ..components.mixers.convolution import LargeKernelConv
from ..components.mixers.transposed import TransposedAttention
from ..components.residuals import LayerScaleResidual
from ..components.stems import PatchStem
from .entry import TIMM, ZooEntry, all_with_norms, entries_of
from .pyramid import pyramid

_DEEP = (3, 3, 9, 3)

# Name: widths, depths, heads, printed figures.
_SIZES = {
    "edgenext_xx_small": ((24, 48, 88, 168), (2, 2, 6, 2), 4, "1.33M 0.26G"),
    "edgenext_x_small": ((32, 64, 100, 192), _DEEP, 4, "2.34M 0.54G"),
    "edgenext_small": ((48, 96, 160, 304), _DEEP, 8, "5.59M 1.26G"),
    "edgenext_base": ((80, 160, 288, 584), _DEEP, 8, "18.51M 3.85G"),
}

_NOTES = all_with_norms(
    {"edgenext_xx_small": "0.259G", "edgenext_x_small": "0.536G", "edgenext_small": "1.257G"}
) | {"edgenext_base": "the printed MACs hold the norms, and a map of the position at each place"}

_KERNELS = (3, 5, 7, 9)
"""Sides of the depthwise kernels in the stages."""

_SCALES = (2, 2, 3, 4)
"""Groups of channels of the attention in the stages."""


def edgenext(widths: Sequence[int], depths: Sequence[int], heads: int) -> Architecture:
    """Return an EdgeNeXt: the last block of all stages but the first has attention."""
    patterns: list[list[ConvNeXtBlock]] = []
    for number, depth in enumerate(depths):
        local, attention = (
            ConvNeXtBlock(mixer=mixer, residual=LayerScaleResidual(init=1e-6), channel_mixer=Mlp())
            for mixer in (
                LargeKernelConv(kernel_size=_KERNELS[number]),
                TransposedAttention(scales=_SCALES[number], heads=heads, placed=number == 1),
            )
        )
        patterns.append([local] * (depth - 1) + [attention if number else local])
    return pyramid(
        widths,
        depths,
        patterns,
        stem=PatchStem(patch_size=4),
        downsampling=ConvDownsampling(kernel_size=2),
        head=PooledHead(),
        resolution=256,
    )


def entries() -> Iterator[ZooEntry]:
    """Yield the published sizes."""
    return entries_of("EdgeNeXt", edgenext, _SIZES, source=TIMM, notes=_NOTES)
