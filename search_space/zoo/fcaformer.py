"""FcaFormer (Zhang et al., 2022): ConvNeXt's blocks early, forward cross attention late.

FcaFormer: Forward Cross Attention in Hybrid Vision Transformer, arXiv:2211.07198, table 1.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from ..architecture.architecture import Architecture
from ..architecture.stages import Stage
from ..components.blocks import ConvNeXtBlock
from ..components.downsampling import MbConvDownsampling
from ..components.forward_cross import ForwardCrossBlock
from ..components.heads import PooledHead
from ..components.mixers.convolution import LargeKernelConv
from ..components.norms import LayerNorm
from ..components.residuals import LayerScaleResidual
from ..components.stems import ConvStackStem
from ..shapes import Shape
from .entry import ZooEntry, entries_of

_SOURCE = "hkzhang-git/FcaFormer, README.md"

# Name: widths, depths, printed figures.
_FCAFORMER = {
    "fcaformer_l1": ((64, 128, 192, 320), (2, 2, 6, 2), "6.2M 1.37G"),
    "fcaformer_l2": ((96, 192, 320, 480), (2, 2, 7, 2), "16.3M 3.6G"),
    "fcaformer_l3": ((96, 192, 320, 512), (3, 6, 12, 3), "27.9M 6.7G"),
    "fcaformer_l4": ((128, 256, 512, 768), (3, 6, 12, 3), "65.6M 14.5G"),
}

_NOTES = {
    name: f"the printed MACs hold queries of merged tokens, which are not used: {count} in all"
    for name, count in {"fcaformer_l3": "6.65G", "fcaformer_l4": "14.49G"}.items()
}


def fcaformer(widths: Sequence[int], depths: Sequence[int]) -> Architecture:
    """Return an FcaFormer; heads have 32 channels.

    Args:
        widths: Channels of each stage.
        depths: Blocks of the first two stages, and layers of the last two.
    """
    residual = LayerScaleResidual(init=1e-6)
    early = ConvNeXtBlock(mixer=LargeKernelConv(kernel_size=7), residual=residual)
    before = [
        MbConvDownsampling(ratio=wide / narrow, squeeze=False, activation="gelu")
        for narrow, wide in pairwise(widths)
    ]
    norm = LayerNorm(eps=1e-5)
    stages = [
        Stage(
            width=width,
            depth=depth if number < 2 else 1,
            blocks=(
                early
                if number < 2
                else ForwardCrossBlock(layers=depth, norm=norm, residual=residual),
            ),
            downsampling=before[number - 1] if number else None,
        )
        for number, (width, depth) in enumerate(zip(widths, depths, strict=True))
    ]
    return Architecture(
        input=Shape(3, 224, 224),
        classes=1000,
        stem=ConvStackStem(halvings=2, activation="gelu"),
        stages=tuple(stages),
        head=PooledHead(norm=norm),
    )


def entries() -> Iterator[ZooEntry]:
    """Yield all networks of this family."""
    yield from entries_of("FcaFormer", fcaformer, _FCAFORMER, source=_SOURCE, notes=_NOTES)
