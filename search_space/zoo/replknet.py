"""RepLKNet (Ding et al., 2022) and UniRepLKNet (Ding et al., 2024).

Scaling Up Your Kernels to 31x31, arXiv:2203.06717, section 4, and UniRepLKNet: A Universal
Perception Large-Kernel ConvNet, arXiv:2311.15599, section 3.
"""

from collections.abc import Iterator, Sequence

from ..architecture.architecture import Architecture
from ..components.blocks import ConvNeXtBlock, MetaFormerBlock
from ..components.channel_mixers.normed import NormedMlp
from ..components.channel_mixers.response import GrnMlp
from ..components.downsampling import ConvDownsampling, SeparableDownsampling
from ..components.heads import PooledHead
from ..components.mixers.reparam import DilatedReparamConv, ReparamLargeKernel
from ..components.norms import BatchNorm, LayerNorm, NoNorm
from ..components.residuals import LayerScaleResidual
from ..components.stems import SeparableStem, TwoConvStem
from .entry import ZooEntry, entries_of, rounded
from .pyramid import doubling, pyramid

_BASE, _LARGE = (128, 256, 512, 1024), (192, 384, 768, 1536)
_DESCENDING = (31, 29, 27, 13)

# Name: widths, kernels of the stages, small kernel, expansion, resolution, printed figures.
_REPLKNET = {
    "RepLKNet-31B": (_BASE, _DESCENDING, 5, 1.0, 224, "79M 15.3G"),
    "RepLKNet-31B-384": (_BASE, _DESCENDING, 5, 1.0, 384, "79M 45.1G"),
    "RepLKNet-31L": (_LARGE, _DESCENDING, 5, 1.0, 384, "172M 96.0G"),
    "RepLKNet-XL": ((256, 512, 1024, 2048), (27, 27, 27, 13), 0, 1.5, 320, "335M 128.7G"),
}

# Depths, and the kernels of the third stage, repeated.
_SMALL, _NANO = ((2, 2, 6, 2), (13,)), ((2, 2, 8, 2), (13,))
_TINY, _DEEP = ((3, 3, 18, 3), (13, 3)), ((3, 3, 27, 3), (13, 3, 3))

# Name: width of the first stage, depths and kernels, resolution, printed figures.
_UNIREPLKNET = {
    "unireplknet_a": (40, *_SMALL, 224, "4.4M 0.6G"),
    "unireplknet_f": (48, *_SMALL, 224, "6.2M 0.9G"),
    "unireplknet_p": (64, *_SMALL, 224, "10.7M 1.6G"),
    "unireplknet_n": (80, *_NANO, 224, "18.3M 2.8G"),
    "unireplknet_t": (80, *_TINY, 224, "31M 4.9G"),
    "unireplknet_s": (96, *_DEEP, 224, "56M 9.1G"),
    "unireplknet_s_384": (96, *_DEEP, 384, "56M 26.7G"),
    "unireplknet_b": (128, *_DEEP, 384, "98M 47.2G"),
    "unireplknet_l": (192, *_DEEP, 384, "218M 105.4G"),
    "unireplknet_xl": (256, *_DEEP, 384, "386M 187G"),
}

_NOTES = {
    "RepLKNet-31B": "79.5M and 15.35G, truncated in print",
    "RepLKNet-31B-384": "79.5M, truncated in print",
    "unireplknet_a": rounded("0.640G"),
    "unireplknet_p": rounded("1.573G"),
    "unireplknet_n": rounded("2.767G"),
    "unireplknet_xl": "386.6M, truncated in print",
}


def replknet(
    widths: Sequence[int],
    kernels: Sequence[int],
    small_kernel: int,
    expansion: float,
    resolution: int,
) -> Architecture:
    """Return a RepLKNet: 2, 2, 18, 2 blocks, batch norms throughout."""
    norm = BatchNorm()
    blocks = [
        MetaFormerBlock(
            mixer=ReparamLargeKernel(
                kernel_size=kernel, small_kernel=small_kernel, expansion=expansion
            ),
            channel_mixer=NormedMlp(ratio=4, activation="gelu", last_norm=True),
            norm=norm,
        )
        for kernel in kernels
    ]
    return pyramid(
        widths,
        (2, 2, 18, 2),
        blocks,
        stem=SeparableStem(),
        downsampling=SeparableDownsampling(),
        head=PooledHead(norm=norm, norm_first=True),
        resolution=resolution,
    )


def unireplknet(
    width: int, depths: Sequence[int], third: Sequence[int], resolution: int
) -> Architecture:
    """Return a UniRepLKNet of widths that double, with kernels ``third`` in the third stage."""

    def block(kernel_size: int) -> ConvNeXtBlock:
        return ConvNeXtBlock(
            mixer=DilatedReparamConv(kernel_size=kernel_size),
            channel_mixer=GrnMlp(last_norm=True, squeeze=True),
            norm=NoNorm(),
            residual=LayerScaleResidual(init=1e-6),
        )

    norm = LayerNorm()
    return pyramid(
        doubling(width),
        depths,
        [list(map(block, kernels)) for kernels in ((3,), (13,), third, (13,))],
        stem=TwoConvStem(
            hidden=width // 2, activation="gelu", last_activation=False, bias=True, norm=norm
        ),
        downsampling=ConvDownsampling(norm=NoNorm(), norm_after=norm),
        head=PooledHead(norm=norm),
        resolution=resolution,
    )


def entries() -> Iterator[ZooEntry]:
    """Yield all networks of these families."""
    source = "DingXiaoH/RepLKNet-pytorch, README.md"
    yield from entries_of("RepLKNet", replknet, _REPLKNET, source=source, notes=_NOTES)
    source = "AILab-CVC/UniRepLKNet, README.md"
    yield from entries_of("UniRepLKNet", unireplknet, _UNIREPLKNET, source=source, notes=_NOTES)
