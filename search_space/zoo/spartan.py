"""SpaRTAN (Pay et al., 2025).

Spatial Reinforcement Token-based Aggregation Network for Visual Recognition, arXiv:2507.10999.
"""

from collections.abc import Iterator, Sequence
from functools import partial

from ..architecture.architecture import Architecture
from ..components.blocks import MetaFormerBlock
from ..components.channel_mixers.wave import WaveMixer
from ..components.downsampling import ConvDownsampling
from ..components.heads import PooledHead
from ..components.mixers.multi_order import MultiOrderConv
from ..components.norms import BatchNorm, GroupNorm, NoNorm
from ..components.residuals import LayerScaleResidual
from ..components.stems import TwoConvStem
from .entry import ZooEntry, rounded
from .pyramid import pyramid


def spartan(
    widths: Sequence[int], depths: Sequence[int], expansions: Sequence[int]
) -> Architecture:
    """Return a SpaRTAN; dense spatial kernels in its first half, depthwise ones in its second.

    Images have 256 pixels, as in the reference configuration, which gives the printed
    multiply-adds.
    """
    norm = BatchNorm(eps=1e-6)
    half = len(widths) // 2
    blocks = [
        MetaFormerBlock(
            mixer=MultiOrderConv(depthwise=index >= half),
            channel_mixer=WaveMixer(expansion=expansion, depthwise=index < half),
            norm=GroupNorm(),
            residual=LayerScaleResidual(init=1e-5),
        )
        for index, expansion in enumerate(expansions)
    ]
    return pyramid(
        widths,
        depths,
        blocks,
        stem=TwoConvStem(hidden=widths[0] // 2, activation="gelu", norm=norm),
        downsampling=ConvDownsampling(
            kernel_size=2, bias=False, norm=NoNorm(), norm_after=norm, activation="silu"
        ),
        head=PooledHead(norm=NoNorm()),
        resolution=256,
    )


def entries() -> Iterator[ZooEntry]:
    """Yield the network whose sizes and figures are both published."""
    yield ZooEntry(
        name="SpaRTAN-T",
        family="SpaRTAN",
        printed="3.8M 1.0G",
        source="henry-pay/SpaRTAN, abstract of the paper (arXiv:2507.10999)",
        note=rounded("1.044G"),
        make=partial(spartan, (32, 64, 128, 256), (3, 3, 12, 2), (4, 4, 2, 2)),
    )
