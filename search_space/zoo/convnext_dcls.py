"""ConvNeXt with learnable spacings (Khalfaoui-Hassani et al., 2021).

Dilated Convolution with Learnable Spacings, arXiv:2112.03740, section 4. There the blocks of a
stage share one set of positions, here each block has its own.
"""

from collections.abc import Iterator, Sequence
from functools import partial

from ..architecture import Architecture
from ..heads import PooledHead
from ..mixers.learnable_spacing import LearnableSpacingConv
from ..norms import LayerNorm
from .convnext import hierarchical
from .entry import ZooEntry

_SOURCE = "K-H-Ismail/ConvNeXt-dcls, README.md"

_T, _B = (96, 192, 384, 768), (128, 256, 512, 1024)

# Name: widths, depths, weights of a kernel, what is printed, what sharing positions would leave.
_SIZES = {
    "ConvNeXt-T-dcls": (_T, (3, 3, 9, 3), 34, "28M 5.0G", "28.6M"),
    "ConvNeXt-S-dcls": (_T, (3, 3, 27, 3), 40, "50M 9.5G", "50.2M"),
    "ConvNeXt-B-dcls": (_B, (3, 3, 27, 3), 40, "89M 16.5G", "88.6M"),
}


def convnext_dcls(widths: Sequence[int], depths: Sequence[int], count: int) -> Architecture:
    """Return a ConvNeXt with kernels of ``count`` weights within 17 x 17 pixels."""
    mixer = LearnableSpacingConv(kernel_count=count, dilated_size=17)
    return hierarchical(widths, depths, mixer, norm=LayerNorm(), head=PooledHead())


def entries() -> Iterator[ZooEntry]:
    """Yield all networks of this family."""
    for name, (widths, depths, count, printed, shared) in _SIZES.items():
        yield ZooEntry(
            name=name,
            family="ConvNeXt-dcls",
            resolution=224,
            printed=printed,
            source=_SOURCE,
            make=partial(convnext_dcls, widths, depths, count),
            note=f"{shared} if the blocks of a stage shared one set of positions, as they do there",
        )
