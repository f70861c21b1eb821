"""ConvNeXt with learnable spacings (Khalfaoui-Hassani et al., 2021).

Dilated Convolution with Learnable Spacings, arXiv:2112.03740, section 4. The blocks of a
stage share one set of positions.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from ..architecture.architecture import Architecture
from ..components.heads import PooledHead
from ..components.mixers.learnable_spacing import LearnableSpacingConv
from ..components.norms import LayerNorm
from .convnext import hierarchical
from .entry import ZooEntry, entries_of

_SOURCE = "K-H-Ismail/ConvNeXt-dcls, README.md"

_T, _B = (96, 192, 384, 768), (128, 256, 512, 1024)

# Name: widths, depths, weights of a kernel, printed figures.
_SIZES = {
    "ConvNeXt-T-dcls": (_T, (3, 3, 9, 3), 34, "28M 5.0G"),
    "ConvNeXt-S-dcls": (_T, (3, 3, 27, 3), 40, "50M 9.5G"),
    "ConvNeXt-B-dcls": (_B, (3, 3, 27, 3), 40, "89M 16.5G"),
}


def convnext_dcls(widths: Sequence[int], depths: Sequence[int], count: int) -> Architecture:
    """Return a ConvNeXt with kernels of ``count`` weights within 17 x 17 pixels."""
    mixer = LearnableSpacingConv(kernel_count=count, dilated_size=17)
    own = hierarchical(widths, depths, mixer, norm=LayerNorm(), head=PooledHead())
    return replace(own, stages=tuple(replace(stage, tied=True) for stage in own.stages))


def entries() -> Iterator[ZooEntry]:
    """Yield all networks of this family."""
    notes = {"ConvNeXt-T-dcls": "28.59M, truncated in print"}
    return entries_of("ConvNeXt-dcls", convnext_dcls, _SIZES, source=_SOURCE, notes=notes)
