"""Global Filter Networks (Rao et al., 2021, arXiv:2107.00645)."""

from collections.abc import Iterator, Sequence

from ..architecture.architecture import Architecture
from ..components.blocks import SingleResidualBlock
from ..components.channel_mixers.mlp import Mlp
from ..components.downsampling import ConvDownsampling
from ..components.heads import PooledHead
from ..components.mixers.frequency import GlobalFilter
from ..components.norms import NoNorm
from ..components.residuals import LayerScaleResidual, PlainResidual
from ..components.stems import PositionStem
from ..components.wired import Residual
from .entry import ZooEntry, entries_of
from .pyramid import doubling, pyramid

# Name: patch, widths, depths, layer scale at the start (0: none), printed figures.
_ISOTROPIC = {
    "gfnet-ti": (16, (256,), (12,), 0.0, "7M 1.3G"),
    "gfnet-xs": (16, (384,), (12,), 0.0, "16M 2.8G"),
    "gfnet-s": (16, (384,), (19,), 0.0, "25M 4.5G"),
    "gfnet-b": (16, (512,), (19,), 0.0, "43M 7.9G"),
}
_PYRAMID = {
    "gfnet-h-ti": (4, doubling(64), (3, 3, 10, 3), 1e-3, "15M 2.0G"),
    "gfnet-h-s": (4, doubling(96), (3, 3, 10, 3), 1e-5, "32M 4.5G"),
    "gfnet-h-b": (4, doubling(96), (3, 3, 27, 3), 1e-6, "54M 8.4G"),
}

_LESS = "without the convolutions between stages, as printed"
_NOTES = {
    "gfnet-ti": "7.51M, truncated in print",
    "gfnet-xs": "2.833G without the Fourier transforms, as printed",
    "gfnet-h-ti": f"1.998G {_LESS}",
    "gfnet-h-s": f"4.461G {_LESS}",
    "gfnet-h-b": f"8.416G {_LESS}",
}


def gfnet(patch: int, widths: Sequence[int], depths: Sequence[int], scale: float) -> Architecture:
    """Return a GFNet; the pyramids have layer scale with the initial value ``scale``."""
    residual: Residual = LayerScaleResidual(init=scale) if scale else PlainResidual()
    return pyramid(
        widths,
        depths,
        SingleResidualBlock(mixer=GlobalFilter(), channel_mixer=Mlp(ratio=4), residual=residual),
        stem=PositionStem(patch_size=patch, norm=NoNorm()),
        downsampling=ConvDownsampling(kernel_size=2, norm=NoNorm()),
        head=PooledHead(norm_first=True),
    )


def entries() -> Iterator[ZooEntry]:
    """Yield all networks of this family."""
    source = "raoyongming/GFNet, README.md"
    yield from entries_of("GFNet", gfnet, _ISOTROPIC, source=source, notes=_NOTES)
    yield from entries_of("GFNet (pyramid)", gfnet, _PYRAMID, source=source, notes=_NOTES)
