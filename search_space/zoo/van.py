"""VAN (Guo et al., Visual Attention Network, 2022, arXiv:2202.09741)."""

from collections.abc import Iterator, Sequence

from ..architecture.architecture import Architecture
from ..components.blocks import MetaFormerBlock
from ..components.channel_mixers.mlp import ConvMlp
from ..components.downsampling import ConvDownsampling
from ..components.heads import PooledHead
from ..components.mixers.gated import LargeKernelAttention
from ..components.norms import BatchNorm, LayerNorm
from ..components.residuals import LayerScaleResidual
from ..components.stems import ConvStem
from .entry import ZooEntry, entries_of, rounded, with_norms
from .pyramid import pyramid

_README = "Visual-Attention-Network/VAN-Classification, README.md"

_MMCLS = "open-mmlab/mmpretrain, mmcls-0.x, configs/van/README.md"

_SMALL = (64, 128, 320, 512)

# Name: widths, depths, printed figures, where.
_SIZES = {
    "van_b0": ((32, 64, 160, 256), (3, 3, 5, 2), "4.1M 0.9G", _README),
    "van_b1": (_SMALL, (2, 2, 4, 2), "13.9M 2.5G", _README),
    "van_b2": (_SMALL, (3, 3, 12, 3), "26.6M 5.0G", _README),
    "van_b3": (_SMALL, (3, 5, 27, 3), "44.8M 9.0G", _README),
    "van_b4": (_SMALL, (3, 6, 40, 3), "60.28M 12.22G", _MMCLS),
}

_NOTES = {
    "van_b0": rounded("0.864G"),
    "van_b3": with_norms("8.989G", "norms and biases"),
    "van_b4": with_norms("12.225G", "norms and biases"),
}


def van(widths: Sequence[int], depths: Sequence[int]) -> Architecture:
    """Return a VAN: batch norms in the blocks, a layer norm after each stage."""
    between = LayerNorm()
    blocks = [
        MetaFormerBlock(
            mixer=LargeKernelAttention(kernel_size=21, dilation=3),
            channel_mixer=ConvMlp(ratio=ratio),
            norm=BatchNorm(),
            residual=LayerScaleResidual(init=1e-2),
        )
        for ratio in (8, 8, 4, 4)
    ]
    return pyramid(
        widths,
        depths,
        blocks,
        stem=ConvStem(kernel_size=7, stride=4, padding="half", norm=BatchNorm()),
        downsampling=ConvDownsampling(kernel_size=3, norm=between, norm_after=BatchNorm()),
        head=PooledHead(norm=between, norm_first=True),
    )


def entries() -> Iterator[ZooEntry]:
    """Yield all networks of this family."""
    return entries_of("VAN", van, _SIZES, notes=_NOTES)
