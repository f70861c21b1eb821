"""FFNet (Yun et al., MetaMixer Is All You Need, 2024, arXiv:2406.02021)."""

from collections.abc import Iterator, Sequence

from ..architecture.architecture import Architecture
from ..components.blocks import MetaFormerBlock
from ..components.channel_mixers.conv_first import ConvFirstMlp
from ..components.downsampling import DepthwiseDownsampling
from ..components.heads import PooledHead
from ..components.mixers.ffnified import FfnifiedAttention
from ..components.norms import BatchNorm, NoNorm
from ..components.residuals import LayerScaleResidual, PlainResidual
from ..components.stems import TwoConvStem
from ..components.wired import Residual
from .entry import ZooEntry, entries_of
from .pyramid import pyramid

_SMALL, _LARGE = ConvFirstMlp(ratio=3), ConvFirstMlp(ratio=3, kernel_size=7, small_kernel=3)
_PLAIN, _SCALED = PlainResidual(), LayerScaleResidual(init=1e-6)

_THIRD = ((96, 192, 384, 768), (4, 4, 22, 5), _LARGE, _SCALED)

# Name: widths, depths, channel mixer, residual; resolution, printed figures.
_SIZES = {
    "ffnet_1": ((80, 160, 320, 640), (2, 2, 8, 2), _SMALL, _PLAIN, 256, "13.7M 2.9G"),
    "ffnet_2": ((88, 176, 352, 704), (3, 3, 15, 3), _LARGE, _PLAIN, 256, "26.9M 6.0G"),
    "ffnet_3": (*_THIRD, 256, "48.3M 10.1G"),
    "ffnet_3_384": (*_THIRD, 384, "48.3M 22.8G"),
    "ffnet_4_384": ((128, 256, 512, 1024), (4, 4, 27, 3), _LARGE, _SCALED, 384, "79.2M 43.1G"),
}


def ffnet(
    widths: Sequence[int],
    depths: Sequence[int],
    channel_mixer: ConvFirstMlp,
    residual: Residual,
    resolution: int,
) -> Architecture:
    """Return an FFNet: blocks without norms of their own, large kernels in the last two stages."""
    near, far = (
        MetaFormerBlock(mixer=mixer, channel_mixer=channel_mixer, norm=NoNorm(), residual=residual)
        for mixer in (
            FfnifiedAttention(kernel_size=3, small_kernel=0),
            FfnifiedAttention(kernel_size=7, small_kernel=3),
        )
    )
    return pyramid(
        widths,
        depths,
        (near, near, far, far),
        stem=TwoConvStem(hidden=64, activation="gelu", last_activation=False),
        downsampling=DepthwiseDownsampling(),
        head=PooledHead(norm=BatchNorm(), norm_first=True),
        resolution=resolution,
    )


def entries() -> Iterator[ZooEntry]:
    """Yield all networks of this family."""
    notes = {"ffnet_1": "2.98G, truncated in print"}
    return entries_of("FFNet", ffnet, _SIZES, source="ysj9909/FFNet, README.md", notes=notes)
